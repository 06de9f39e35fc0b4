"""The demo's steps, in order. Each talks to the product as its users do: over HTTP, psql, and the trail of KMS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

from sandbox.demo.api import Api
from sandbox.demo.evidence import Trail, row_in_psql
from sandbox.demo.table import Table, read_table
from sandbox.errors import SandboxError
from sandbox.files import write_file
from sandbox.layout import PRIMARY, REGIONS, Home
from sandbox.lifecycle import find_ports
from sandbox.ports import Ports

SCOPES = ["collections:write", "records:read", "records:write", "records:search"]
TENANTS = {
    "acme": ("Acme Corporation", PRIMARY, REGIONS),
    "globex": ("Globex GmbH", "eu-west-1", ("eu-west-1",)),
}
FAR = "eu-west-1"


def tell(console: Console, home: Home, path: Path) -> None:
    """Onboard, import, read elsewhere, and show what is underneath."""
    table = read_table(path)
    ports = find_ports(home)
    operator_token = (home.secrets / "operator.key").read_text().strip()
    operator = Api(gateway_url(ports, PRIMARY), operator_token)

    _title(
        console,
        "1",
        "Onboard two tenants",
        "workers make each one's multi-Region key and replicate it",
    )
    for slug in TENANTS:
        _onboard(console, operator, slug)
    tokens = {slug: _api_key(home, operator, slug) for slug in TENANTS}

    here = Api(gateway_url(ports, PRIMARY), tokens["acme"])
    _title(console, "2", f"Import {path.name} as Acme", f"through the gateway of {PRIMARY}")
    _define(console, here, table)
    _import(console, here, table)

    record = table.rows[0][table.id_column]
    there = Api(gateway_url(ports, FAR), tokens["acme"])
    trail = Trail(home)
    _title(console, "3", f"Read record {record} in {FAR}", "through that Region's own replica key")
    found = there.call(
        "GET", f"collections/{table.collection}/records/{record}", after=here.consistency_token
    )
    console.print_json(json.dumps(found))

    _title(console, "4", "The same row in psql", f"on the server of {FAR}, read by its superuser")
    tenant = there.call("GET", "me")["tenant"]["id"]
    row = row_in_psql(home, ports, FAR, tenant=tenant, collection=table.collection, record=record)
    console.print(row, markup=False)
    _find_no_plaintext(table, row)

    _title(console, "5", "What KMS recorded", "every key call of step 3, in all Regions")
    _show_trail(console, trail)

    other = Api(gateway_url(ports, FAR), tokens["globex"])
    other.call("GET", f"collections/{table.collection}/records/{record}", fine=(404,))
    console.print(
        f"\nGlobex asks for the same record and is told that there is none.\n{_again(ports, home, table, record)}"
    )


def gateway_url(ports: Ports, region: str) -> str:
    """Where that Region's gateway listens."""
    return f"http://127.0.0.1:{ports.gateway(region)}"


def demo_token_path(home: Home, slug: str) -> Path:
    """Where the demo keeps its API key of a tenant, as a tenant app would."""
    return home.secrets / f"demo-{slug}.key"


def _title(console: Console, number: str, what: str, how: str) -> None:
    console.print(f"\n[bold]{number}. {what}[/bold] [dim]({how})[/dim]")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("   {task.description:<8}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
        console=console,
    )


def _onboard(console: Console, operator: Api, slug: str) -> None:
    name, home_region, regions = TENANTS[slug]
    with _bar(console) as bar:
        task = bar.add_task(slug, total=None, unit="steps")
        operator.onboard(
            slug,
            name,
            home_region,
            regions,
            lambda done, total: bar.update(task, completed=done, total=total),
        )


def _api_key(home: Home, operator: Api, slug: str) -> str:
    path = demo_token_path(home, slug)
    if not path.exists():
        issued = operator.call(
            "POST", f"tenants/{slug}/api-keys", {"name": "demo", "scopes": SCOPES}
        )
        write_file(path, issued["token"] + "\n")
    return path.read_text().strip()


def _define(console: Console, api: Api, table: Table) -> None:
    api.call("PUT", f"collections/{table.collection}", table.schema)
    grid = Grid(box=None, padding=(0, 2), header_style="dim")
    for heading in ("   field", "type", "protection", "class", "searched as"):
        grid.add_column(heading)
    for field in table.schema["fields"]:
        sealed = field["protection"] == "sealed"
        style = "green" if sealed else "dim"
        grid.add_row(
            f"   {field['name']}",
            field["type"],
            f"[{style}]{field['protection']}[/{style}]",
            field.get("classification", ""),
            field.get("normaliser", "") if field.get("searchable") else "",
        )
    console.print(grid)


def _import(console: Console, api: Api, table: Table) -> None:
    made = there = 0
    with _bar(console) as bar:
        task = bar.add_task("records", total=len(table.rows), unit="records")
        for batch in table.batches():
            answer = api.call(
                "POST", f"collections/{table.collection}/records/batch-create", {"records": batch}
            )
            for result in answer["results"]:
                problem = result.get("problem")
                if problem is None:
                    made += 1
                elif problem["code"] == "record_exists":
                    there += 1
                else:
                    raise SandboxError(
                        f"A record was refused: {problem['code']}: {problem['detail']}"
                    )
            bar.advance(task, len(batch))
    console.print(f"   {made} records stored, {there} were there already.")


def _find_no_plaintext(table: Table, row: str) -> None:
    first = table.rows[0]
    shown = [name for name in table.sealed() if first[name] and first[name] in row]
    if shown:
        raise SandboxError(f"Plaintext of {', '.join(shown)} stands in the database.")


def _show_trail(console: Console, trail: Trail) -> None:
    grid = Grid(box=None, padding=(0, 2), header_style="dim")
    for heading in ("   Region", "call", "key", "encryption context", "outcome"):
        grid.add_column(heading)
    asked: set[str] = set()
    for region, event in trail.news():
        asked.add(region)
        grid.add_row(f"   {region}", *_event_row(event))
    if asked - {FAR}:
        raise SandboxError(
            f"A key of {', '.join(sorted(asked - {FAR}))} was asked for a read in {FAR}."
        )
    if asked:
        console.print(grid)
    else:
        console.print(
            "   No call at all: the data key was still in that process's memory (5 minutes at most)."
        )


def _event_row(event: dict[str, Any]) -> tuple[str, str, str, str]:
    context = (event.get("requestParameters") or {}).get("encryptionContext") or {}
    arns = [resource["ARN"] for resource in event.get("resources") or []]
    return (
        event["eventName"],
        arns[0].split(":", 3)[-1] if arns else "",
        " ".join(f"{name}={value}" for name, value in sorted(context.items())),
        event.get("errorCode") or "done",
    )


def _again(ports: Ports, home: Home, table: Table, record: str) -> str:
    url = gateway_url(ports, FAR)
    return (
        "\nTry it yourself:\n"
        f'  curl -s -H "Authorization: Bearer $(cat {demo_token_path(home, "acme")})" \\\n'
        f"    {url}/api/v1/collections/{table.collection}/records/{record}\n"
        f"  The console shows both tenants: {gateway_url(ports, PRIMARY)}/console/"
    )
