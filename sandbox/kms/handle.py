"""The stand-in as a child process of a test: started on free ports, stopped with the block."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox.kms.events import Event
from sandbox.kms.remote import Remote
from sandbox.kms.trail import read_events

_ROOT = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 10


class KmsStandIn:
    """`with KmsStandIn.running(state, identities, regions) as kms: boto3.client(..., kms.endpoints[region])`."""

    def __init__(
        self, state: Path, identities: Path, regions: Sequence[str], arguments: Sequence[str]
    ) -> None:
        """Nothing runs yet; `arguments` are further ones of `python -m sandbox.kms`."""
        self._state = Path(state)
        self._identities = Path(identities)
        self._arguments = tuple(arguments)
        self._process: subprocess.Popen[str] | None = None
        self.endpoints: dict[str, str] = dict.fromkeys(regions, "")
        self.admin = ""

    @classmethod
    def running(
        cls,
        state_dir: Path,
        identities_path: Path,
        regions: Sequence[str],
        *,
        transition_seconds: float = 2.0,
        verify_signatures: bool = True,
    ) -> Self:
        """A context manager: entering starts the process and waits until it is ready."""
        arguments = [f"--transition-seconds={transition_seconds}"]
        if not verify_signatures:
            arguments.append("--trust-signatures")
        return cls(state_dir, identities_path, regions, arguments)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Start the process: on the ports of its earlier run, if there was one. Raises RuntimeError if it cannot."""
        ports = {region: url.rpartition(":")[2] or "0" for region, url in self.endpoints.items()}
        listen = [f"--listen={region}={port}" for region, port in ports.items()]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sandbox.kms", "--stop-with-stdin"),
                *(f"--state={self._state}", f"--identities={self._identities}"),
                *(f"--admin={self.admin.rpartition(':')[2] or '0'}", *listen, *self._arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        word, _, ready = self._process.stdout.readline().partition(" ")
        if word != "ready":
            self.stop()
            raise RuntimeError("The KMS stand-in did not start; its reason is on standard error.")
        places = json.loads(ready)
        self.endpoints, self.admin = places["endpoints"], places["admin"]

    def stop(self) -> None:
        """Stop cleanly."""
        if self._process is not None:
            self._process.terminate()
            self._reap()

    def kill(self) -> None:
        """Kill -9, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def events(self, region: str) -> list[Event]:
        """The trail of that Region, oldest first."""
        return read_events(self._state / "trail" / f"{region}.jsonl")

    def set_mode(self, region: str, mode: str, **more: Any) -> None:
        """Let something go wrong in the Region, or `up` again; `more` as `sandbox.kms.faults.Fault` has it."""
        self._post(f"regions/{region}", {"mode": mode, **more})

    def switch_quotas(self, *, on: bool, scale: float = 1.0) -> None:
        """Enforce the request quotas of AWS, multiplied by `scale`, or none."""
        self._post("quotas", {"on": on, "scale": scale})

    def deliver(self) -> Path:
        """Deliver the log files that are due; returns the directory that stands for the bucket."""
        self._post("delivery", {})
        return self._state / "bucket"

    def advance_clock(self, seconds: float) -> None:
        """Move the stand-in's time on."""
        self._post("clock", {"advance_seconds": seconds})

    def reload_identities(self) -> None:
        """Let it read the identities file again."""
        self._post("identities", {})

    def _post(self, path: str, body: dict[str, Any]) -> None:
        Remote(self.admin).post(path, body)

    def _reap(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
