"""The sandbox's command line."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import get_args

from rich.console import Console

from sandbox import data_plane, rehearsal
from sandbox.demo.story import SAMPLE, begin, demo_token_path
from sandbox.demo.table import read_table
from sandbox.environment import Part, process_environment
from sandbox.errors import SandboxError
from sandbox.layout import PRIMARY, REGIONS, default_home
from sandbox.lifecycle import down, find_ports, reset, up
from sandbox.outages import kms_admin
from sandbox.overview import show_kms, show_states, show_welcome, show_writer
from sandbox.processes import clean_environment
from sandbox.steps import step
from sandbox.supervision import find_states, is_running


def main(argv: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    given = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = given.command
    try:
        return command(given)
    except SandboxError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="The embedded default of the gateway."
    )
    commands = parser.add_subparsers(required=True)
    start = commands.add_parser("up", help="start what does not run yet")
    start.add_argument("--ports", type=int, help="first of 40 ports, below 32768 (default: 18000)")
    start.add_argument(
        "--detach", action="store_true", help="return when ready, also in a terminal"
    )
    start.set_defaults(command=_up)
    commands.add_parser("down", help="stop everything").set_defaults(command=_down)
    commands.add_parser("status", help="what runs").set_defaults(command=_status)
    logs = commands.add_parser("logs", help="the end of the logs; in a terminal, follow them")
    logs.add_argument("name", nargs="?", help="one process, as `status` names it")
    logs.set_defaults(command=_logs)
    again = commands.add_parser("reset", help="stop everything and delete all data")
    again.add_argument("--yes", action="store_true", help="do not ask")
    again.set_defaults(command=_reset)
    rehearsal.add_commands(commands)
    environment = commands.add_parser(
        "env", help="print the environment of a process for a shell's eval"
    )
    environment.add_argument("part", nargs="?", default="manage", choices=get_args(Part))
    environment.add_argument("region", nargs="?", default=PRIMARY, choices=REGIONS)
    environment.set_defaults(command=_env)
    return parser


def _up(given: argparse.Namespace) -> int:
    home = default_home()
    # Closing the terminal, or a service manager's stop, ends the sandbox as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    print("Starting the sandbox:", flush=True)
    try:
        ports = up(home, given.ports)
        if not demo_token_path(home, "acme").exists():
            with step("Two tenants and their keys, 200 sample records"):
                begin(Console(quiet=True), home, read_table(SAMPLE))
        show_welcome(home, ports)
        if given.detach or not sys.stdout.isatty():
            return 0
        print("\nCtrl-C stops everything.", flush=True)
        while is_running(home):
            time.sleep(1)
        print("The sandbox was stopped by another command.")
    except KeyboardInterrupt:
        print("\nStopping ...", flush=True)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        down(home)
        print("Everything is stopped.")
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
    raise KeyboardInterrupt


def _down(given: argparse.Namespace) -> int:  # noqa: ARG001 - one signature for all commands
    home = default_home()
    stopped = home.path.exists() and down(home)
    print("Everything is stopped." if stopped else "Nothing was running.")
    return 0


def _status(given: argparse.Namespace) -> int:  # noqa: ARG001 - one signature for all commands
    home = default_home()
    if not is_running(home):
        print("The sandbox is not running. Start it: make up")
        return 1
    states = find_states(home)
    ports = find_ports(home)
    show_states(states, ports)
    show_writer(home, states)
    try:
        show_kms(kms_admin(ports).status())
    except OSError:
        print("  KMS does not tell its faults, quotas and clock: it is not running.")
    return 0 if all(state["statename"] == "RUNNING" for state in states.values()) else 1


def _logs(given: argparse.Namespace) -> int:
    home = default_home()
    found = sorted(str(path) for path in home.logs.glob(f"{given.name or '*'}.log"))
    if not found:
        raise SandboxError(
            f"There is no log in {home.logs}" + (f" of {given.name}." if given.name else ".")
        )
    follow = ["-F"] if sys.stdout.isatty() else []
    try:
        return subprocess.run(["tail", "-n", "20", *follow, *found], check=False).returncode
    except KeyboardInterrupt:
        return 0


def _reset(given: argparse.Namespace) -> int:
    home = default_home()
    if not given.yes:
        if not sys.stdin.isatty():
            raise SandboxError(
                "This deletes all keys and data of the sandbox. To confirm: make reset YES=1"
            )
        answer = input(f"Delete all keys and data of the sandbox in {home.path}? Type yes: ")
        if answer.strip() != "yes":
            print("Nothing was changed.")
            return 1
    reset(home)
    print("All state of the sandbox is deleted.")
    return 0


def _env(given: argparse.Namespace) -> int:
    home = default_home()
    data_plane.prepare_secrets(home)
    environment = process_environment(home, find_ports(home), given.part, given.region)
    for name in sorted(environment.keys() - clean_environment(home).keys()):
        print(f"export {name}={shlex.quote(environment[name])}")
    return os.EX_OK
