"""A whole product with one tenant, whose Regions are lost and whose writer moves: for a benchmark and for tests."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from bench.failover_load import prepare
from sandbox.demo.api import Api
from sandbox.environment import process_environment
from sandbox.layout import PRIMARY, REGIONS, ROOT, Home
from sandbox.lifecycle import down, find_ports, up
from sandbox.outages import Part, kill_region, start_region
from sandbox.ports import find_free
from sandbox.postgres.roles import connect
from sandbox.postgres.writer import find_writer
from sandbox.signing import public_key_path
from tenants.services.signing import read_public_keys, verify

_SCOPES = ["collections:write", "records:read", "records:write"]


class Stage:
    """Three Regions, and a tenant whose apps read and write in all of them."""

    def __init__(self, home: Home) -> None:
        """Onboards the tenant and stores what readers read."""
        self.home, self.ports = home, find_ports(home)
        operator = Api(self.url(PRIMARY), (home.secrets / "operator.key").read_text().strip())
        slug = f"acme-{secrets.token_hex(3)}"
        operator.onboard(slug, "Acme", PRIMARY, REGIONS, lambda *_: None)
        issued = operator.call(
            "POST", f"tenants/{slug}/api-keys", {"name": "load", "scopes": _SCOPES}
        )
        self.token = str(issued["token"])
        self._tenant = operator.call("GET", f"tenants/{slug}")["tenant"]["id"]
        operator.close()
        self.known = prepare(self.url(PRIMARY), self.token)
        self.until(lambda: all(len(self.stored(each)) >= len(self.known) for each in REGIONS))

    def url(self, region: str) -> str:
        """That Region's gateway."""
        return f"http://127.0.0.1:{self.ports.gateway(region)}"

    def urls(self, *regions: str) -> list[str]:
        """Those Regions' gateways."""
        return [self.url(region) for region in regions]

    @property
    def writer(self) -> str:
        """The Region whose database takes writes."""
        return find_writer(self.home)

    def stored(self, region: str) -> set[str]:
        """The ids of the tenant's records in that Region's database."""
        query = "select record_id from tenants_record where tenant_id = %s"
        with connect(self.home, self.ports, region, database="gateway") as session:
            return {key for (key,) in session.execute(query, [self._tenant])}

    def reported_since(self, moment: float) -> set[str]:
        """The Regions whose worker has reported its lag to the writer since then."""
        query = "select region from tenants_regionstatus where measured_at > to_timestamp(%s)"
        with connect(self.home, self.ports, self.writer, database="gateway") as session:
            return {region for (region,) in session.execute(query, [moment])}

    def kill(self, region: str) -> None:
        """End its database, KMS, gateway and worker as a power cut would."""
        kill_region(self.home, self.ports, region, list(Part))

    def bring_back(self, region: str) -> None:
        """Start them again."""
        start_region(self.home, self.ports, region, list(Part))

    def move(self, kind: str, target: str) -> dict[str, Any]:
        """Run `manage.py failover` or `switchover` in a shell of the Region that takes over; what its report says, once
        its signature has been checked."""
        report = self.home.path / f"{secrets.token_hex(4)}.json"
        done = subprocess.run(
            [sys.executable, "manage.py", kind, target, "--yes", "--report", str(report)],
            cwd=ROOT,
            env=process_environment(self.home, self.ports, "failover", target),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)
        keys = read_public_keys(public_key_path(self.home).read_text())
        return verify(json.loads(report.read_text()), keys)

    def until(self, holds: Callable[[], bool], seconds: float = 90) -> None:
        """Wait for it; AssertionError where it does not come."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if holds():
                    return
            except psycopg.Error:
                pass
            if time.monotonic() > deadline:
                raise AssertionError("Waited in vain.")
            time.sleep(0.05)


@contextmanager
def stage_of_its_own() -> Iterator[Stage]:
    """Started for the block, on free ports, and deleted after it."""
    home = Home(Path(tempfile.mkdtemp(prefix="mrk-flow-")).resolve())
    up(home, find_free().base, temporary=True)
    try:
        yield Stage(home)
    finally:
        down(home)
