"""Two clients of the Encryption SDK that share no code with this project, each in an installation of its own.

`make judges` installs them. Where that was not done their tests are skipped, and say so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND_LINE = ROOT / ".venv-judges" / "bin" / "aws-encryption-cli"
JAVASCRIPT = Path(__file__).with_name("javascript")


@dataclass(frozen=True)
class Place:
    """A key in one Region, and how a client reaches it. Without an ARN: any key of `account` that a message names."""

    region: str
    endpoint: str
    key_arn: str
    access_key: str
    secret: str
    account: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What an AWS client must find in its environment; nothing of the machine's own configuration."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL_KMS": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
        }


class Client(Protocol):
    """Opens and writes messages with one key; None stands for a message that it does not open."""

    def decrypt(
        self, messages: Sequence[bytes], place: Place, context: Mapping[str, str]
    ) -> list[bytes | None]:
        """The plaintexts. What has another context counts as not opened."""

    def encrypt(
        self, plaintexts: Sequence[bytes], place: Place, context: Mapping[str, str]
    ) -> list[bytes]:
        """Messages of this client's own making: signed, in frames."""


class CommandLine:
    """aws-encryption-cli over a folder of files. Its exit code says little: what it writes is compared."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def decrypt(
        self, messages: Sequence[bytes], place: Place, context: Mapping[str, str]
    ) -> list[bytes | None]:
        written = self._run(messages, place, context, "--decrypt")
        return [written.get(f"{n}.decrypted") for n in range(len(messages))]

    def encrypt(
        self, plaintexts: Sequence[bytes], place: Place, context: Mapping[str, str]
    ) -> list[bytes]:
        written = self._run(plaintexts, place, context, "--encrypt", "--frame-length=256")
        return [written[f"{n}.encrypted"] for n in range(len(plaintexts))]

    def _run(
        self, items: Sequence[bytes], place: Place, context: Mapping[str, str], *how: str
    ) -> dict[str, bytes]:
        given, made = self._scratch / "given", self._scratch / "made"
        for folder in (given, made):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        for number, item in enumerate(items):
            (given / str(number)).write_bytes(item)
        subprocess.run(
            [
                *(str(COMMAND_LINE), *how, "--recursive", "--suppress-metadata", "--no-overwrite"),
                *("--input", str(given), "--output", str(made)),
                *("--wrapping-keys", f"key={place.key_arn}"),
                "--encryption-context",
                *(f"{name}={value}" for name, value in context.items()),
            ],
            env=place.environment,
            timeout=60,
            check=False,
            capture_output=True,
        )
        return {path.name: path.read_bytes() for path in made.iterdir()}


class JavaScript:
    """@aws-crypto/client-node, one process for a list of messages."""

    def decrypt(
        self, messages: Sequence[bytes], place: Place, context: Mapping[str, str]
    ) -> list[bytes | None]:
        return [
            b64decode(answer["data"])
            if "data" in answer and context.items() <= answer["context"].items()
            else None
            for answer in self._run("decrypt", messages, place, context)
        ]

    def encrypt(
        self, plaintexts: Sequence[bytes], place: Place, context: Mapping[str, str]
    ) -> list[bytes]:
        return [
            b64decode(answer["data"]) for answer in self._run("encrypt", plaintexts, place, context)
        ]

    def _run(
        self, operation: str, items: Sequence[bytes], place: Place, context: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        request = {
            "operation": operation,
            "region": place.region,
            "endpoint": place.endpoint,
            "keyId": place.key_arn,
            "account": place.account,
            "context": dict(context),
            "items": [b64encode(item).decode() for item in items],
        }
        answer = subprocess.run(
            ["node", "client.js"],
            input=json.dumps(request).encode(),
            cwd=JAVASCRIPT,
            env=place.environment,
            timeout=60,
            check=True,
            stdout=subprocess.PIPE,
        )
        found: list[dict[str, Any]] = json.loads(answer.stdout)
        return found


def command_line(scratch: Path) -> CommandLine:
    """The command line client, or a skip."""
    if not COMMAND_LINE.exists():
        pytest.skip("aws-encryption-cli is not installed: run `make judges`.")
    return CommandLine(scratch)


def javascript() -> JavaScript:
    """The JavaScript client, or a skip."""
    if not (JAVASCRIPT / "node_modules").is_dir() or shutil.which("node") is None:
        pytest.skip("The Encryption SDK for JavaScript is not installed: run `make judges`.")
    return JavaScript()
