"""From a revocation to the last decrypt, in every Region under load: `python -m bench.bench_revocation --help`.

Starts a sandbox of its own (three Regions of gateway, worker, database and KMS), reads records of one tenant over HTTP
in all Regions as fast as they are answered, asks the KMS of each Region past the gateways, and revokes the tenant.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import boto3
import botocore.session
import httpx2
from botocore.exceptions import ClientError

from bench.environment import describe_environment
from bench.tables import RESULTS, Verdict, facts_table, table, verdict_table, write_results
from sandbox.demo.api import Api
from sandbox.identities import credentials_path, use_profile
from sandbox.layout import PRIMARY, REGIONS, Home
from sandbox.lifecycle import down, find_ports, up
from sandbox.ports import find_free

_PACKAGES = ("Django", "granian", "psycopg", "boto3")
_READERS = 3  # threads in each Region
_RECORDS = 20
_WARM_SECONDS = 3.0
_AFTER_SECONDS = 6.0
_PROMISED_SECONDS = 5.0
_SCOPES = ["collections:write", "records:read", "records:write"]
_SCHEMA = {
    "fields": [
        {"name": "card", "type": "string", "protection": "sealed", "classification": "pci"},
        {"name": "ssn", "type": "string", "protection": "sealed", "classification": "pii"},
    ]
}


@dataclass
class Seen:
    """What the readers and the prober of one Region saw: moments of the monotonic clock."""

    served: list[float] = field(default_factory=list)  # answers with plaintext
    refused: list[float] = field(default_factory=list)  # answers 409 tenant_not_active
    other: list[int] = field(default_factory=list)  # statuses that should not be
    kms_served: list[float] = field(default_factory=list)
    kms_refused: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Round:
    """One revocation: seconds after the call to revoke was sent, Region by Region."""

    answered: float  # the call itself
    proven: float  # the report says so for all Regions
    reads_before: dict[str, float]  # a second
    last_read: dict[str, float]
    last_kms: dict[str, float]
    first_kms_refusal: dict[str, float]
    disabled: dict[str, float]  # as the report says


def main() -> None:
    """Measure, print the page, and write it."""
    options = _parser().parse_args()
    home = Home(Path(tempfile.mkdtemp(prefix="mrk-bench-")).resolve())
    up(home, find_free().base, temporary=True)
    try:
        rounds = [_measure(home, f"bench-{number}") for number in range(options.rounds)]
    finally:
        down(home)
    facts = describe_environment(_PACKAGES) | {
        "rounds": str(len(rounds)),
        "readers": f"{_READERS} a Region, without pause",
    }
    page = _page(facts, rounds)
    print(page)
    data = {"facts": facts, "rounds": [vars(one) for one in rounds]}
    write_results("revocation", markdown=page + "\n", data=data, folder=options.out)


def _measure(home: Home, slug: str) -> Round:
    operator = Api(_url(home, PRIMARY), (home.secrets / "operator.key").read_text().strip())
    operator.onboard(slug, slug.title(), PRIMARY, REGIONS, lambda *_: None)
    issued = operator.call("POST", f"tenants/{slug}/api-keys", {"name": "bench", "scopes": _SCOPES})
    token = str(issued["token"])
    _fill(home, token)
    keys = operator.call("GET", f"tenants/{slug}")["regional_keys"]
    arns = {key["region"]: key["arn"] for key in keys}
    tenant = str(issued_tenant(home, token)).replace("-", "")
    seen = {region: Seen() for region in REGIONS}
    with _load(home, token, tenant, arns, seen):
        time.sleep(_WARM_SECONDS)
        began, began_wall = time.monotonic(), time.time()
        operator.call("POST", f"tenants/{slug}/revocation", {"reason": "Measured."})
        answered = time.monotonic() - began
        proven = _await_proof(operator, slug, began)
        time.sleep(max(0.0, _AFTER_SECONDS - (time.monotonic() - began)))
    report = operator.call("GET", f"tenants/{slug}/revocation")
    operator.close()
    for region, one in seen.items():
        if one.other or not one.served or not one.refused or not one.kms_refused:
            raise SystemExit(f"{region}: unexpected answers {sorted(set(one.other))}.")
    return Round(
        answered=answered,
        proven=proven,
        reads_before={
            region: sum(began - _WARM_SECONDS < at < began for at in one.served) / _WARM_SECONDS
            for region, one in seen.items()
        },
        last_read={region: max(one.served) - began for region, one in seen.items()},
        last_kms={region: max(one.kms_served) - began for region, one in seen.items()},
        first_kms_refusal={region: min(one.kms_refused) - began for region, one in seen.items()},
        disabled={
            found["region"]: _moment(found["disabled_at"]) - began_wall
            for found in report["regions"]
        },
    )


def issued_tenant(home: Home, token: str) -> str:
    """The id of the tenant whose API key it is."""
    app = Api(_url(home, PRIMARY), token)
    found = str(app.call("GET", "me")["tenant_id"])
    app.close()
    return found


def _fill(home: Home, token: str) -> None:
    writer = Api(_url(home, PRIMARY), token)
    writer.call("PUT", "collections/cards", {"schema": _SCHEMA})
    for number in range(_RECORDS):
        fields = {"card": f"4111-{number}", "ssn": f"078-05-{number:04}"}
        writer.call("POST", "collections/cards/records", {"id": f"r{number}", "fields": fields})
    for region in REGIONS:
        reader = Api(_url(home, region), token)
        reader.call("GET", "collections/cards/records/r0", after=writer.consistency_token)
        reader.close()
    writer.close()


@contextmanager
def _load(
    home: Home, token: str, tenant: str, arns: dict[str, str], seen: dict[str, Seen]
) -> Iterator[None]:
    """Readers and a prober in each Region, until the block ends."""
    over = threading.Event()
    threads = [
        threading.Thread(target=_read, args=(_url(home, region), token, seen[region], over))
        for region in REGIONS
        for _ in range(_READERS)
    ]
    for region in REGIONS:
        kms = _kms(home, region)
        context = {"tenant": tenant, "class": "pii", "purpose": "record"}
        made = kms.generate_data_key(
            KeyId=arns[region], KeySpec="AES_256", EncryptionContext=context
        )
        asked = {
            "KeyId": arns[region],
            "CiphertextBlob": made["CiphertextBlob"],
            "EncryptionContext": context,
        }
        threads.append(threading.Thread(target=_ask_kms, args=(kms, asked, seen[region], over)))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(30)


def _read(url: str, token: str, seen: Seen, over: threading.Event) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=f"{url}/api/v1/", headers=headers, timeout=30) as client:
        number = 0
        while not over.is_set():
            number = (number + 1) % _RECORDS
            answer = client.get(f"collections/cards/records/r{number}")
            at = time.monotonic()
            if answer.status_code == 200 and answer.json()["fields"]["card"] == f"4111-{number}":
                seen.served.append(at)
            elif answer.status_code == 409 and answer.json()["code"] == "tenant_not_active":
                seen.refused.append(at)
                time.sleep(0.02)
            else:
                seen.other.append(answer.status_code)


def _ask_kms(kms: Any, asked: dict[str, Any], seen: Seen, over: threading.Event) -> None:
    """KMS of the Region, with the role of its gateways, and no gateway between."""
    while not over.is_set():
        try:
            kms.decrypt(**asked)
        except ClientError as error:
            if error.response["Error"]["Code"] != "DisabledException":
                raise
            seen.kms_refused.append(time.monotonic())
        else:
            seen.kms_served.append(time.monotonic())
        time.sleep(0.01)


def _kms(home: Home, region: str) -> Any:
    core = botocore.session.Session()
    core.set_config_variable("credentials_file", credentials_path(home, f"web-{region}"))
    session: Any = boto3.Session(botocore_session=core, profile_name=use_profile(region))
    endpoint = f"http://127.0.0.1:{find_ports(home).kms(region)}"
    return session.client("kms", region_name=region, endpoint_url=endpoint)


def _await_proof(operator: Api, slug: str, began: float) -> float:
    deadline = began + 60
    while time.monotonic() < deadline:
        if operator.call("GET", f"tenants/{slug}/revocation")["is_proven"]:
            return time.monotonic() - began
        time.sleep(0.1)
    raise SystemExit("The revocation is not proven after a minute.")


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _url(home: Home, region: str) -> str:
    return f"http://127.0.0.1:{find_ports(home).gateway(region)}"


def _page(facts: dict[str, str], rounds: list[Round]) -> str:
    slowest = max(max(one.last_read.values()) for one in rounds)
    slowest_kms = max(max(one.last_kms.values()) for one in rounds)
    promises = [
        Verdict(
            f"no record is read {_PROMISED_SECONDS:.0f} s after the revocation, in any Region",
            f"the last one after {_ms(slowest)}",
            slowest < _PROMISED_SECONDS,
        ),
        Verdict(
            f"nor does KMS open a data key after {_PROMISED_SECONDS:.0f} s",
            f"the last one after {_ms(slowest_kms)}",
            slowest_kms < _PROMISED_SECONDS,
        ),
    ]
    return "\n\n".join(
        (
            "# Revocation under load",
            facts_table(facts),
            verdict_table(promises),
            "Time after the call to revoke was *sent*, as its clients saw it: median of the rounds, and the longest.",
            _table(rounds),
            f"The call itself was answered after {_ms(median(one.answered for one in rounds))}; the workers' proof for"
            f" all Regions stood in the report after {_ms(median(one.proven for one in rounds))} (longest:"
            f" {_ms(max(one.proven for one in rounds))}).",
            "*last read*: the last answer of a gateway with plaintext. *KMS, last served*: the last Decrypt that KMS of"
            " the Region served to the role of its gateways, asked past them every 10 ms. The databases replicate and"
            " KMS answers on one machine: between real Regions add Aurora's lag (below a second, as a rule) to the"
            " first, and to the second the seconds in which AWS KMS is eventually consistent.",
            "Repeat: `.venv/bin/python -m bench.bench_revocation`. It starts and deletes a sandbox of its own.",
        )
    )


def _table(rounds: list[Round]) -> str:
    def both(values: list[float]) -> tuple[str, str]:
        return _ms(median(values)), _ms(max(values))

    rows = []
    for region in REGIONS:
        reads = median(one.reads_before[region] for one in rounds)
        rows.append(
            (
                region,
                f"{reads:.0f}",
                *both([one.last_read[region] for one in rounds]),
                *both([one.disabled[region] for one in rounds]),
                *both([one.last_kms[region] for one in rounds]),
                *both([one.first_kms_refusal[region] for one in rounds]),
            )
        )
    head = ("Region", "reads/s before", "last read", "longest", "key disabled", "longest")
    more = ("KMS, last served", "longest", "KMS, first refusal", "longest")
    return table((*head, *more), rows)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="revocations to measure")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    main()
