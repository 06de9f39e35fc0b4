"""What runs and how to use it, for a person."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Any

from sandbox.demo.story import FAR, OWNER
from sandbox.files import secret
from sandbox.layout import PRIMARY, REGIONS, Home
from sandbox.lifecycle import OPERATOR_EMAIL
from sandbox.ports import Ports
from sandbox.postgres.writer import find_writer


def show_welcome(home: Home, ports: Ports) -> None:
    """Print the addresses, the sign-in and a request that works."""
    print("\nReady.\n")
    print(f"  {'Region':<12}{'gateway':<26}{'KMS':<26}PostgreSQL")
    for region in REGIONS:
        gateway, kms = (
            f"http://127.0.0.1:{port}" for port in (ports.gateway(region), ports.kms(region))
        )
        role = "writer" if region == find_writer(home) else "replica"
        print(f"  {region:<12}{gateway:<26}{kms:<26}127.0.0.1:{ports.postgres(region)}  {role}")
    address, abroad = (f"http://127.0.0.1:{ports.gateway(each)}" for each in (PRIMARY, FAR))
    print(f"\n  Console   {address}/console/")
    print(f"  Operator  {OPERATOR_EMAIL:<22}{secret(home.secrets / 'operator.password')}")
    print(f"  Acme      {OWNER:<22}{secret(home.secrets / 'acme-owner.password')}")
    print(f"  API       {address}/api/docs/\n")
    print(
        "  A record that was written in us-east-2, opened in eu-west-1 with that Region's own key:"
    )
    print(
        f"  {_curl(home, 'demo-acme.key', f'{abroad}/api/v1/collections/subscribers/records/c-0001')}"
    )
    print("\n  All tenants, as the operator:")
    print(f"  {_curl(home, 'operator.key', f'{address}/api/v1/tenants')}\n")
    print("  make status   make logs   make down   make reset")


def _curl(home: Home, key: str, url: str) -> str:
    path = shlex.quote(str(home.secrets / key))
    return f'curl -s -H "Authorization: Bearer $(cat {path})" {url}'


def show_states(states: dict[str, dict[str, Any]], ports: Ports) -> None:
    """Print each program with its state, process id and port."""
    listening = _listening(ports)
    print(f"  {'process':<22}{'state':<10}{'port':<8}pid, time")
    for name, info in sorted(states.items(), key=lambda item: (item[0].split("-")[0], item[0])):
        port = str(listening.get(name, ""))
        print(f"  {name:<22}{info['statename'].lower():<10}{port:<8}{info['description']}")


def show_writer(home: Home, states: dict[str, dict[str, Any]]) -> None:
    """Print which database takes writes."""
    writer = find_writer(home)
    state = states[f"postgres-{writer}"]["statename"].lower()
    print(f"\n  Writer: {writer}" + ("" if state == "running" else f" ({state})"))


def show_kms(status: dict[str, Any]) -> None:
    """Print what of KMS is not as usual, as its administration port says: faults, quotas, a clock that was moved."""
    found = {region: place["faults"] for region, place in status["regions"].items()}
    for region, faults in found.items():
        for fault in faults:
            details = ", ".join(f"{name} {value}" for name, value in fault.items())
            print(f"  KMS fault in {region}: {details}")
    if not any(found.values()):
        print("  KMS: no faults")
    quotas = status["quotas"]
    if quotas["on"]:
        refused = ", ".join(f"{name}: {count}" for name, count in quotas["refused"].items())
        print(f"  KMS quotas: on, times {quotas['scale']:g}; refused: {refused or 'none'}")
    else:
        print("  KMS quotas: off")
    moment = datetime.fromtimestamp(status["now"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    ahead = status["ahead_seconds"] / 86_400
    print(f"  KMS clock: {moment}" + (f", {ahead:.4g} days ahead" if ahead else ""))


def _listening(ports: Ports) -> dict[str, int]:
    return {
        "kms": ports.kms(PRIMARY),
        "parameters": ports.parameters,
        **{f"web-{region}": ports.gateway(region) for region in REGIONS},
        **{f"postgres-{region}": ports.postgres(region) for region in REGIONS},
    }
