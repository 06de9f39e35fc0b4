"""Throughput of the KMS stand-in: `make bench`, or `python -m bench.bench_kms --help`."""

from __future__ import annotations

import argparse
import base64
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import boto3
from botocore.credentials import Credentials

from bench.environment import describe_environment
from bench.kms_load import Load, load, repeat, sign
from bench.stand_ins import REGION, make_context, make_tenant
from bench.tables import RESULTS, facts_table, table, write_results
from sandbox.kms import KmsStandIn

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient

_PACKAGES = ("aiohttp", "boto3", "cryptography")
_CREDENTIALS = Credentials("AKIABENCH", "a secret of this run")
_ALLOW_ALL = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
_CONTEXT = make_context(make_tenant(1)).as_dict()
_ROUND_SECONDS = 0.5


class Case(NamedTuple):
    """An operation, who calls it, and how many of them at once."""

    operation: str
    client: str
    clients: int


class Found(NamedTuple):
    """The rounds of a case, and the CPU seconds that the stand-in took for a call in each."""

    loads: list[Load]
    cpu: list[float]


def main() -> None:
    """Measure, print the page, and write it."""
    options = _parser().parse_args()
    with _stand_in() as (url, client):
        found = _measure(_cases(url, client), options.rounds)
    facts = describe_environment(_PACKAGES)
    page = "\n\n".join(
        (
            "# KMS stand-in",
            facts_table(facts),
            "Medians of the rounds. Clients and stand-in share the cores. *raw* sends one signed request again and "
            "again; *boto3* is what the gateway uses, and its own work is in the time.",
            _table(found),
        )
    )
    print(page)
    data = [
        case._asdict()
        | {
            "calls_a_second": [load.rate for load in rounds.loads],
            "stand_in_cpu_seconds_a_call": rounds.cpu,
        }
        for case, rounds in found.items()
    ]
    write_results(
        "kms", markdown=page + "\n", data={"facts": facts, "cases": data}, folder=options.out
    )


@contextmanager
def _stand_in() -> Iterator[tuple[str, KMSClient]]:
    with TemporaryDirectory() as directory:
        identities = Path(directory) / "identities.json"
        identity = {
            "secret": _CREDENTIALS.secret_key,
            "arn": "arn:aws:sts::111122223333:assumed-role/bench/bench",
            "policy": {"Version": "2012-10-17", "Statement": [_ALLOW_ALL]},
        }
        identities.write_text(json.dumps({_CREDENTIALS.access_key: identity}))
        with KmsStandIn.running(Path(directory) / "state", identities, [REGION]) as kms:
            url = kms.endpoints[REGION]
            yield (
                url,
                boto3.client(
                    "kms",
                    region_name=REGION,
                    endpoint_url=url,
                    aws_access_key_id=_CREDENTIALS.access_key,
                    aws_secret_access_key=_CREDENTIALS.secret_key,
                ),
            )


def _cases(url: str, client: KMSClient) -> dict[Case, Callable[[], Callable[[], object]]]:
    key = client.create_key(MultiRegion=True)["KeyMetadata"]["Arn"]
    made = client.generate_data_key(KeyId=key, EncryptionContext=_CONTEXT, NumberOfBytes=32)
    blob = made["CiphertextBlob"]
    generate = {"KeyId": key, "EncryptionContext": _CONTEXT, "NumberOfBytes": 32}
    decrypt = {"KeyId": key, "EncryptionContext": _CONTEXT}
    encoded = decrypt | {"CiphertextBlob": base64.b64encode(blob).decode()}
    signed = partial(sign, url=url, region=REGION, credentials=_CREDENTIALS)
    requests = {
        "GenerateDataKey": signed("GenerateDataKey", generate),
        "Decrypt": signed("Decrypt", encoded),
    }
    by_boto3: dict[str, Callable[[], object]] = {
        "GenerateDataKey": lambda: client.generate_data_key(
            KeyId=key, EncryptionContext=_CONTEXT, NumberOfBytes=32
        ),
        "Decrypt": lambda: client.decrypt(
            KeyId=key, EncryptionContext=_CONTEXT, CiphertextBlob=blob
        ),
    }
    cases: dict[Case, Callable[[], Callable[[], object]]] = {}
    for name, request in requests.items():
        cases[Case(name, "raw", 1)] = partial(repeat, request)
        cases[Case(name, "raw", 8)] = partial(repeat, request)
        cases[Case(name, "boto3", 1)] = partial(_same, by_boto3[name])
    return cases


def _same(call: Callable[[], object]) -> Callable[[], object]:
    return call


def _measure(
    cases: dict[Case, Callable[[], Callable[[], object]]], rounds: int
) -> dict[Case, Found]:
    found = {case: Found([], []) for case in cases}
    for _ in range(rounds):
        for case, call in cases.items():
            before = _cpu_seconds_of_child()
            done = load(call, clients=case.clients, seconds=_ROUND_SECONDS)
            spent = _cpu_seconds_of_child() - before
            found[case].loads.append(done)
            found[case].cpu.append(spent / len(done.latencies))
    return found


def _cpu_seconds_of_child() -> float:
    """CPU time of the one process that this one has started. Linux counts it in hundredths of a second."""
    child = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[0]
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _table(found: dict[Case, Found]) -> str:
    rows = []
    for case, rounds in found.items():
        latencies = sorted(latency for load in rounds.loads for latency in load.latencies)
        rates = [load.rate for load in rounds.loads]
        rows.append(
            (
                f"{case.operation}, {case.client} x {case.clients}",
                f"{median(rates):,.0f}",
                f"{max(rates):,.0f}",
                f"{median(latencies) * 1000:.2f}",
                f"{quantiles(latencies, n=100)[98] * 1000:.2f}",
                f"{median(rounds.cpu) * 1000:.2f}",
            )
        )
    head = ("", "calls/s", "best", "p50 ms", "p99 ms", "CPU ms a call of the stand-in")
    return table(head, rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds for each case")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    main()
