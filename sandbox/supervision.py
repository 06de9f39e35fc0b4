"""supervisord: its configuration, its start, and orders to it over a Unix socket."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from sandbox.errors import SandboxError
from sandbox.files import write_file
from sandbox.layout import ROOT, Home
from sandbox.ports import Ports
from sandbox.processes import clean_environment, freeze, kill
from sandbox.programs import STOP_SECONDS, Program

LOG_BYTES = "5MB"
LOG_BACKUPS = 2
# What this process started and has not yet seen end: reaped when it is stopped.
_started: list[subprocess.Popen[bytes]] = []


def write_configuration(home: Home, programs: Iterable[Program]) -> None:
    """Write `supervisord.conf`. Nothing starts by itself: `up` starts in order, each when the ones before are ready."""
    _refuse(str(home.path), (*UNSAFE, "%"))
    sections = {
        "unix_http_server": {"file": str(home.supervisor_socket), "chmod": "0700"},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        "supervisord": _supervisord(home),
        **{f"program:{program.name}": _section(home, program) for program in programs},
    }
    text = "".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in section.items()) + "\n"
        for name, section in sections.items()
    )
    write_file(home.path / "supervisord.conf", text.replace("%", "%%"))


def _supervisord(home: Home) -> dict[str, str]:
    section = {
        "nodaemon": "true",
        "silent": "true",  # its log file is rotated, its standard output would not be
        "logfile": str(home.logs / "supervisord.log"),
        "logfile_maxbytes": LOG_BYTES,
        "logfile_backups": str(LOG_BACKUPS),
        "pidfile": str(home.run / "supervisord.pid"),
        "childlogdir": str(home.logs),
        "strip_ansi": "true",
    }
    # As root it stays root, since it starts PostgreSQL as another user.
    return section | ({"user": "root"} if os.getuid() == 0 else {})


def _section(home: Home, program: Program) -> dict[str, str]:
    section = {
        "command": " ".join(_quoted(part) for part in program.argv),
        "environment": ",".join(
            f"{name}={_quoted(value)}" for name, value in program.environment.items()
        ),
        "directory": str(program.directory),
        "priority": str(program.priority),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": "1",
        "startretries": "5",
        "stopsignal": program.stop_signal,
        "stopwaitsecs": str(STOP_SECONDS),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(home.logs / f"{program.name}.log"),
        "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": str(LOG_BACKUPS),
    }
    return section | ({"user": program.user} if program.user else {})


# What supervisord reads as the end of a value, as a comment, or (in a path, which it expands twice) as a variable.
UNSAFE = ('"', "\\", "\n", " ;", " #")


def _quoted(value: str) -> str:
    _refuse(value, UNSAFE)
    return f'"{value}"'


def _refuse(value: str, marks: Iterable[str]) -> None:
    if any(mark in value for mark in marks):
        raise SandboxError(
            f"The sandbox cannot run in a path with a quote, a backslash, '%', ' ;' or ' #': {value!r}"
        )


def start_supervisord(home: Home, ports: Ports, *, temporary: bool) -> subprocess.Popen[bytes]:
    """Start supervisord; `temporary`: it stops all and deletes the home when this process ends, however it ends."""
    flags = ["--temporary"] if temporary else []
    # A session of its own: Ctrl-C in the terminal reaches `make up` alone, which then stops all in order.
    with (home.logs / "supervisord.out").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.supervise", str(home.path), str(ports.base), *flags],
            cwd=ROOT,
            env=clean_environment(home),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _started.append(process)
    deadline = time.monotonic() + 15
    while not is_running(home):
        if process.poll() is not None or time.monotonic() > deadline:
            said = (home.logs / "supervisord.out").read_text(errors="replace").strip()
            raise SandboxError(f"supervisord did not start.\n{said[-2000:]}")
        time.sleep(0.05)
    return process


def order(home: Home, method: str, *arguments: object) -> Any:
    """Call a method of supervisord's XML-RPC interface, on a connection of its own."""
    transport = SupervisorTransport(None, None, f"unix://{home.supervisor_socket}")
    try:
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        return getattr(proxy.supervisor, method)(*arguments)
    finally:
        transport.close()


def is_running(home: Home) -> bool:
    """Whether a supervisord of this sandbox takes orders."""
    return _state(home) == "RUNNING"


def stop_supervisord(home: Home, *, together: str = "$") -> bool:
    """Have supervisord stop its programs, the last started first, and wait for it; False when there was none.

    Programs whose name matches the pattern `together` are stopped at the same time, before all others.
    """
    if _state(home) is None:
        return False
    if is_running(home):
        for name, state in find_states(home).items():
            if re.match(together, name) and state["statename"] in ("RUNNING", "STARTING"):
                order(home, "stopProcess", name, False)
        order(home, "shutdown")
    deadline = time.monotonic() + STOP_SECONDS * 5
    while _state(home) and time.monotonic() < deadline:
        time.sleep(0.1)
    _started[:] = [process for process in _started if process.poll() is None]
    return True


def _state(home: Home) -> str | None:
    try:
        return str(order(home, "getState")["statename"])
    except xmlrpc.client.Fault:  # it answers nothing else while it stops its programs
        return "SHUTDOWN"
    except (OSError, http.client.HTTPException):
        return None


def start_program(home: Home, name: str) -> None:
    """Start a program; no fault when it runs already. `readiness` tells when it serves."""
    try:
        order(home, "startProcess", name, False)
    except xmlrpc.client.Fault as fault:
        if "ALREADY_STARTED" not in fault.faultString:
            raise SandboxError(f"{name} did not start: {fault.faultString}") from fault


def stop_program(home: Home, name: str) -> None:
    """Stop a program and wait for its end; no fault when it does not run."""
    try:
        order(home, "stopProcess", name)
    except xmlrpc.client.Fault as fault:
        if "NOT_RUNNING" not in fault.faultString:
            raise SandboxError(f"{name} did not stop: {fault.faultString}") from fault


def kill_program(home: Home, name: str) -> None:
    """End a program as a power cut would, with no word to it, and keep it down; no fault when it does not run."""
    state = find_states(home)[name]
    if state["statename"] not in ("RUNNING", "STARTING"):
        stop_program(home, name)
        return
    # Frozen first: it neither sees the order to stop nor does anything between that order and its end. Without the
    # order, supervisord would start it again.
    family = freeze(state["pid"])
    try:
        order(home, "stopProcess", name, False)
    finally:
        kill(family)
    deadline = time.monotonic() + STOP_SECONDS
    while find_states(home)[name]["statename"] == "STOPPING":
        if time.monotonic() > deadline:
            raise SandboxError(f"{name} could not be killed.")
        time.sleep(0.02)


def find_states(home: Home) -> dict[str, dict[str, Any]]:
    """Each program's `statename`, `pid`, `description`."""
    return {info["name"]: info for info in order(home, "getAllProcessInfo")}
