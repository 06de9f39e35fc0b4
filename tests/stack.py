"""The data plane of a test run: the sandbox's own, in a home and on ports of this run alone."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox import data_plane
from sandbox.environment import Part, process_environment
from sandbox.identities import (
    ADMIN,
    AUDIT,
    DATABASE_ADMIN,
    credentials_path,
    use_profile,
    write_credentials,
)
from sandbox.layout import ACCOUNT, PRIMARY, REGIONS, Home
from sandbox.ports import Ports, find_free
from sandbox.postgres.roles import Connection, connect
from sandbox.processes import MARK
from sandbox.programs import data_plane as programs_of_data_plane

__all__ = ["ACCOUNT", "HOME", "PORTS", "REGIONS", "Stack"]

HOME = "GATEWAY_TEST_HOME"
PORTS = "GATEWAY_TEST_PORTS"


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the servers of this run are, and the environment that processes on them need."""

    home: Home
    ports: Ports
    supervisor: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls) -> Stack:
        """Start PostgreSQL in three Regions, the broker, KMS and Parameter Store; they end when this process does."""
        home, ports = Home(Path(tempfile.mkdtemp(prefix="mrk-test-"))), find_free()
        data_plane.prepare(home, ports)
        write_credentials(home, "all", [*map(use_profile, REGIONS), ADMIN, AUDIT, DATABASE_ADMIN])
        programs = programs_of_data_plane(home, ports)
        return cls(home, ports, data_plane.start(home, ports, programs, temporary=True))

    @classmethod
    def inherited(cls) -> Stack:
        """The stack that another process of this run started."""
        return cls(Home(Path(os.environ[HOME])), Ports(int(os.environ[PORTS])))

    def stop(self) -> None:
        """Stop every server and delete the home. Only who started it can."""
        if self.supervisor:
            self.supervisor.terminate()
            self.supervisor.wait(60)

    def env(self, part: Part, region: str = PRIMARY) -> Mapping[str, str]:
        """The environment of an extra process: `web`, `worker`, `beat` or `manage` of that Region."""
        return process_environment(self.home, self.ports, part, region)

    def pytest_environment(self) -> dict[str, str]:
        """What the tests themselves run in: a worker of the primary Region that may also migrate and be any role."""
        environment = {
            **self.env("manage"),
            **self.env("worker"),
            "GATEWAY_ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
            # No worker beats in this process's tests; those of the lag turn the question on.
            "GATEWAY_READER_BEHIND_SECONDS": "0",
            # Each test makes a tenant or more; those of the budget take AWS's own figures.
            "GATEWAY_CALL_QUOTAS": "*=100000",
            "AWS_SHARED_CREDENTIALS_FILE": credentials_path(self.home, "all"),
            "PATH": os.environ["PATH"],
            HOME: str(self.home.path),
            PORTS: str(self.ports.base),
        }
        del environment[MARK]  # the tests are no process of the sandbox
        return environment

    def kms_endpoint(self, region: str) -> str:
        """KMS of that Region."""
        return f"http://127.0.0.1:{self.ports.kms(region)}"

    @property
    def kms_admin(self) -> str:
        """Where the KMS stand-in takes orders and shows its events."""
        return f"http://127.0.0.1:{self.ports.kms_admin}"

    def connect(
        self, region: str = PRIMARY, *, user: str = "postgres", database: str = "gateway"
    ) -> Connection:
        """A psycopg connection to that Region's server: as superuser, or as `gateway_app`, `gateway_owner`."""
        return connect(self.home, self.ports, region, user=user, database=database)
