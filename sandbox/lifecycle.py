"""Up and down: everything in order, safe to run twice, and safe after any earlier run that was killed."""

from __future__ import annotations

import json
import subprocess
import sys

from sandbox import data_plane
from sandbox.environment import process_environment
from sandbox.errors import SandboxError
from sandbox.files import secret, write_file
from sandbox.layout import PRIMARY, REGIONS, ROOT, Home, read_json
from sandbox.locking import exclusive
from sandbox.ports import DEFAULT_BASE, Ports
from sandbox.postgres.cluster import forget_dead_servers
from sandbox.processes import end_processes, find_processes
from sandbox.programs import Program, gateways
from sandbox.programs import data_plane as data_plane_programs
from sandbox.readiness import answers, wait_for
from sandbox.steps import step
from sandbox.supervision import is_running, start_program, stop_supervisord

OPERATOR_EMAIL = "operator@example.com"
# They depend on the data plane and not on each other.
GATEWAYS = "web-|worker-|beat"
READY_PATH = "/readyz"


def find_ports(home: Home, base: int | None = None) -> Ports:
    """The ports that were asked for, else those of the last start, else the default ones."""
    saved = read_json(home.path / "ports.json").get("base", DEFAULT_BASE)
    return Ports(base or int(str(saved)))


def up(home: Home, base: int | None = None, *, temporary: bool = False) -> Ports:
    """Start what does not run yet; on failure, what was not running before is stopped again.

    `temporary`: all of it is stopped and deleted when this process ends, however it ends.
    """
    with exclusive(home):
        was_running = is_running(home)
        ports = _continue(home, base) if was_running else _begin(home, base)
        try:
            _start(home, ports, temporary=temporary)
        except BaseException:
            if not was_running:
                _stop(home)
            raise
    return ports


def down(home: Home) -> bool:
    """Stop everything, in the reverse order of the start; False when nothing ran."""
    with exclusive(home):
        return _stop(home)


def reset(home: Home) -> None:
    """Stop everything and delete all state: keys, data, passwords."""
    if not home.path.exists():
        return
    with exclusive(home):
        _stop(home)
        home.delete()


def _continue(home: Home, base: int | None) -> Ports:
    ports = find_ports(home)
    if base not in (None, ports.base):
        raise SandboxError(f"The sandbox runs on ports from {ports.base}. Stop it first: make down")
    return ports


def _begin(home: Home, base: int | None) -> Ports:
    if find_processes(home):
        with step("Ending what a lost supervisor left running"):
            end_processes(home)
    ports = find_ports(home, base)
    ports.check_free()
    home.make()
    forget_dead_servers(home)
    write_file(home.path / "ports.json", json.dumps({"base": ports.base}))
    return ports


def _start(home: Home, ports: Ports, *, temporary: bool) -> None:
    with step("Certificates, passwords, access keys, configuration"):
        data_plane.prepare(home, ports)
        programs = [*data_plane_programs(home, ports), *gateways(home, ports)]
    with step("PostgreSQL in three Regions, broker, KMS, parameters"):
        data_plane.start(home, ports, programs, temporary=temporary)
    with step("Tables, static files, first accounts"):
        _set_up_gateway(home, ports)
    with step("Gateways, workers, beat"):
        _start_gateways(home, ports, gateways(home, ports))


def _set_up_gateway(home: Home, ports: Ports) -> None:
    password, key = home.secrets / "operator.password", home.secrets / "operator.key"
    secret(password, 15)
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.gateway_setup", OPERATOR_EMAIL, str(password), str(key)],
        cwd=ROOT,
        env=process_environment(home, ports, "manage", PRIMARY),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SandboxError(f"The gateway could not be set up:\n{done.stdout}{done.stderr}")


def _start_gateways(home: Home, ports: Ports, programs: list[Program]) -> None:
    for program in programs:
        start_program(home, program.name)
    for region in REGIONS:
        _wait_for_web(home, ports, region)
    for program in programs:
        wait_for(home, program.name, lambda: True)


def _wait_for_web(home: Home, ports: Ports, region: str) -> None:
    wait_for(home, f"web-{region}", lambda: answers(ports.gateway(region), READY_PATH))


def _stop(home: Home) -> bool:
    stopped = stop_supervisord(home, together=GATEWAYS)
    return bool(end_processes(home)) or stopped
