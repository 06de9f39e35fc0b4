"""Commands by which an operator rehearses: faults of KMS, lost Regions, another writer."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from sandbox.errors import SandboxError
from sandbox.kms.faults import Mode
from sandbox.kms.remote import Refused
from sandbox.layout import REGIONS, Home, default_home
from sandbox.lifecycle import find_ports
from sandbox.outages import Part, heal, kill_region, kms_admin, start_region
from sandbox.overview import show_kms
from sandbox.ports import Ports
from sandbox.postgres.failover import candidates
from sandbox.rds.client import move_writer
from sandbox.supervision import is_running

Command = Callable[[Home, Ports, argparse.Namespace], None]


def add_commands(commands: Any) -> None:
    """Add them to the sandbox's command line."""
    fault = _command(commands, "fault", "let KMS of a Region misbehave", _fault)
    fault.add_argument("region", choices=REGIONS)
    fault.add_argument("mode", choices=[mode.value for mode in Mode])
    fault.add_argument("--operation", help="this one only, e.g. Decrypt")
    fault.add_argument("--share", type=float, help="of the requests, more than 0 and at most 1")
    fault.add_argument("--seconds", type=float, help="after which it heals by itself")
    fault.add_argument("--median", type=float, help="seconds that a slow answer takes")
    fault.add_argument("--p99", type=float, help="seconds that few slow answers exceed")
    fault.add_argument("--code", help="of errors, e.g. DependencyTimeoutException")
    fault.add_argument("--late", action="store_true", default=None, help="only the answer is lost")
    healing = _command(commands, "heal", "end the faults of KMS", _heal)
    healing.add_argument("region", nargs="?", choices=REGIONS, help="all without one")
    healing.add_argument("--operation", help="this one only")
    quotas = _command(commands, "quotas", "enforce the request quotas of AWS KMS, or not", _quotas)
    quotas.add_argument("switch", choices=["on", "off"])
    quotas.add_argument("--scale", type=float, default=1.0, help="multiplies every quota")
    clock = _command(commands, "clock", "move the time of keys on, for good", _clock)
    clock.add_argument("days", type=float, help="e.g. 7, for a deletion that waits so long")
    for name, text, act, done in (
        ("kill-region", "end a Region, or a part, as a power cut would", kill_region, "down"),
        ("start-region", "bring it back", start_region, "up"),
    ):
        outage = _command(commands, name, text, _outage)
        outage.set_defaults(act=act, done=done)
        outage.add_argument("region", choices=REGIONS)
        outage.add_argument("part", nargs="?", choices=[*Part, "all"], default="all")
    switchover = _command(commands, "switchover", "make another database the writer", _switchover)
    switchover.add_argument("region", choices=REGIONS)
    failover = _command(commands, "failover", "the same when the writer is lost", _failover)
    failover.add_argument("region", nargs="?", choices=REGIONS, help="default: who has most")


def _command(commands: Any, name: str, text: str, command: Command) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text)
    parser.set_defaults(command=lambda given: _run(command, given))
    return parser


def _run(command: Command, given: argparse.Namespace) -> int:
    home = default_home()
    if not is_running(home):
        raise SandboxError("The sandbox is not running. Start it: make up")
    try:
        command(home, find_ports(home), given)
    except Refused as error:
        raise SandboxError(f"KMS refused: {error}") from error
    except OSError as error:
        raise SandboxError(f"KMS is not running: {error}. See: make logs NAME=kms") from error
    return 0


def _fault(_home: Home, ports: Ports, given: argparse.Namespace) -> None:
    names = ("mode", "operation", "share", "seconds", "median", "p99", "code", "late")
    wanted = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    show_kms(kms_admin(ports).post(f"regions/{given.region}", wanted))


def _heal(_home: Home, ports: Ports, given: argparse.Namespace) -> None:
    heal(ports, [given.region] if given.region else REGIONS, given.operation or "")
    show_kms(kms_admin(ports).status())


def _quotas(_home: Home, ports: Ports, given: argparse.Namespace) -> None:
    wanted = {"on": given.switch == "on", "scale": given.scale}
    show_kms(kms_admin(ports).post("quotas", wanted))


def _clock(_home: Home, ports: Ports, given: argparse.Namespace) -> None:
    show_kms(kms_admin(ports).post("clock", {"advance_seconds": given.days * 86_400}))


def _outage(home: Home, ports: Ports, given: argparse.Namespace) -> None:
    parts = list(Part) if given.part == "all" else [Part(given.part)]
    given.act(home, ports, given.region, parts)
    print(f"{given.region}: {', '.join(parts)} {given.done}. See: make status")


def _switchover(home: Home, ports: Ports, given: argparse.Namespace) -> None:
    _move(home, ports, given.region, lose_data=False)


def _failover(home: Home, ports: Ports, given: argparse.Namespace) -> None:
    has = candidates(home, ports)
    target = given.region or max(has, key=lambda region: has[region], default="")
    if not target:
        raise SandboxError("No replica is running that could take over.")
    _move(home, ports, target, lose_data=True)


def _move(home: Home, ports: Ports, target: str, *, lose_data: bool) -> None:
    writer = move_writer(home, ports, target, lose_data=lose_data)
    if writer != target:
        raise SandboxError(f"{writer} remains the writer. See: make logs NAME=rds")
    print(f"The writer is {writer}.")
