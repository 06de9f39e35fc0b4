"""The whole product as `make up` runs it, in a home of this run: spoken to over HTTP, killed by process id."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.session

from sandbox.demo.api import Api
from sandbox.identities import ADMIN, credentials_path
from sandbox.kms.trail import read_events
from sandbox.layout import ACCOUNT, PRIMARY, REGIONS, Home
from sandbox.lifecycle import find_ports
from sandbox.ports import Ports
from sandbox.supervision import find_states

__all__ = ["ACCOUNT", "PRIMARY", "REGIONS", "Product", "until"]
SCOPES = [
    *("collections:write", "records:read", "records:write", "records:search"),
    *("values:encrypt", "values:decrypt"),
]


def until(found: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Wait for it; a process that never gets there is the failure."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Product:
    """A running sandbox."""

    home: Home
    _apps: dict[tuple[str, str], Api] = field(default_factory=dict)

    def close(self) -> None:
        """Close all connections."""
        for api in self._apps.values():
            api.close()

    @property
    def ports(self) -> Ports:
        return find_ports(self.home)

    def url(self, region: str = PRIMARY) -> str:
        """That Region's gateway."""
        return f"http://127.0.0.1:{self.ports.gateway(region)}"

    def operator(self) -> Api:
        """The operator's key, in the primary Region."""
        return self.app(PRIMARY, (self.home.secrets / "operator.key").read_text().strip())

    def api_key(self, slug: str) -> str:
        """A fresh API key of that tenant."""
        issued = self.operator().call(
            "POST", f"tenants/{slug}/api-keys", {"name": "flow", "scopes": SCOPES}
        )
        return str(issued["token"])

    def app(self, region: str, token: str) -> Api:
        """Whoever holds that token, talking to that Region's gateway."""
        if (region, token) not in self._apps:
            self._apps[region, token] = Api(self.url(region), token)
        return self._apps[region, token]

    def start_onboarding(self, slug: str, regions: tuple[str, ...] = REGIONS) -> None:
        """Ask for a tenant; workers do the rest."""
        self.operator().call(
            "POST",
            "tenants",
            {
                "slug": slug,
                "name": slug.title(),
                "home_region": regions[0],
                "region_rules": [{"region": region} for region in regions],
            },
        )

    def plan(self, slug: str) -> Any:
        """The newest plan of the tenant."""
        return self.operator().call("GET", f"tenants/{slug}/operations")

    def await_active(self, slug: str) -> None:
        """Until every step is done."""
        operator = self.operator()

        def is_active() -> bool:
            return bool(operator.call("GET", f"tenants/{slug}")["tenant"]["state"] == "active")

        until(is_active, f"{slug} is active: {self.plan(slug)}")

    def pid(self, name: str) -> int:
        """The process id of a program, 0 while it does not run."""
        return int(find_states(self.home)[name]["pid"])

    def kill(self, name: str) -> None:
        """kill -9 of that program and of all its children: no handler runs, nothing is said to anybody."""
        group = os.getpgid(self.pid(name))
        os.killpg(group, signal.SIGKILL)
        # The supervisor notices and starts it anew, as any service manager would.
        until(lambda: self.pid(name) not in (0, group), f"{name} runs again")

    def trail(self, region: str) -> list[Any]:
        """What KMS of that Region has recorded, oldest first."""
        return read_events(self.home.path / "kms" / "trail" / f"{region}.jsonl")

    def admin(self, service: str, region: str) -> Any:
        """A boto3 client with the admin role's credentials, as a worker has them."""
        # Not through os.environ: every other test of this process would lose its own credentials.
        core = botocore.session.Session()
        core.set_config_variable(
            "credentials_file", credentials_path(self.home, f"worker-{region}")
        )
        # Any: the stubs know each service by a literal name only.
        session: Any = boto3.Session(botocore_session=core, profile_name=ADMIN)
        endpoint = f"http://127.0.0.1:{self.ports.kms(region)}"
        return session.client(service, region_name=region, endpoint_url=endpoint)
