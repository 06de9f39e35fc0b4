"""The broker: Valkey on a Unix socket that only this user can open, with an append-only file."""

from __future__ import annotations

from sandbox.files import write_file
from sandbox.layout import Home


def write_broker_configuration(home: Home) -> None:
    """Write `broker.conf`."""
    settings = {
        "port": 0,
        "unixsocket": home.broker_socket,
        "unixsocketperm": 700,
        "dir": home.path / "broker",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "maxmemory-policy": "noeviction",
        # A changed title would overwrite the mark by which a lost process is found again.
        "set-proc-title": "no",
        "enable-protected-configs": "no",
        "enable-debug-command": "no",
        "enable-module-command": "no",
    }
    lines = "".join(f"{name} {_quoted(value)}\n" for name, value in settings.items())
    write_file(home.path / "broker.conf", lines)


def _quoted(value: object) -> str:
    text = str(value)
    return text if text.startswith('"') else f'"{text}"'
