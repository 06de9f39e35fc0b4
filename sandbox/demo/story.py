"""The demo's steps, in order. Each talks to the product as its users do: over HTTP, psql, and the trail of KMS."""

from __future__ import annotations

import json
import secrets
import time
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

SCOPES = [
    *("collections:write", "records:read", "records:write", "records:search"),
    *("values:encrypt", "values:decrypt"),
]
TENANTS = {
    "acme": ("Acme Corporation", PRIMARY, REGIONS),
    "globex": ("Globex GmbH", "eu-west-1", ("eu-west-1",)),
}
FAR = "eu-west-1"
OWNER = "owner@acme.example"
SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "subscribers.csv"


def begin(console: Console, home: Home, table: Table) -> dict[str, str]:
    """Onboard two tenants and import the table as Acme; gives an API key of each. Safe to run again."""
    ports = find_ports(home)
    operator = Api(gateway_url(ports, PRIMARY), (home.secrets / "operator.key").read_text().strip())
    _title(console, "1", "Onboard two tenants", "workers make and replicate their keys")
    for slug in TENANTS:
        _onboard(console, operator, slug)
    tokens = {slug: _api_key(home, operator, slug) for slug in TENANTS}
    _add_owner(home, operator)
    acme = Api(gateway_url(ports, PRIMARY), tokens["acme"])
    _title(console, "2", f"Import {table.collection} as Acme", f"through the gateway of {PRIMARY}")
    _define(console, acme, table)
    _import(console, acme, table)
    operator.close()
    acme.close()
    return tokens


def tell(console: Console, home: Home, path: Path) -> None:
    """Onboard, import, read elsewhere, and show what is underneath."""
    table = read_table(path)
    tokens = begin(console, home, table)
    ports = find_ports(home)
    record = table.rows[0][table.id_column]
    place = f"collections/{table.collection}/records/{record}"
    acme, globex = (Api(gateway_url(ports, FAR), tokens[slug]) for slug in TENANTS)

    _title(console, "3", f"Read record {record} in {FAR}", "through that Region's own replica key")
    trail = Trail(home)
    console.print_json(json.dumps(_read(acme, place)))

    _title(console, "4", "The same row in psql", f"on the server of {FAR}, read by its superuser")
    tenant = acme.call("GET", "me")["tenant_id"]
    row = row_in_psql(home, ports, FAR, tenant=tenant, collection=table.collection, record=record)
    console.print(row, markup=False, soft_wrap=True)
    _find_no_plaintext(table, row)

    _title(console, "5", "What KMS recorded", "every use of a key in step 3, in all Regions")
    _show_trail(console, trail, tenant)

    globex.call("GET", place, fine=(404,))
    console.print("\nGlobex asks for the same record and is told that there is none.")
    console.print(_again(ports, home, place), soft_wrap=True, markup=False)


def _read(api: Api, place: str) -> Any:
    """Read it, waiting until the import has been replicated to that Region."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = api.call("GET", place, fine=(404,))
        if "fields" in found:
            return found
        time.sleep(0.05)
    raise SandboxError(f"{place} has not been replicated. See: make status")


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


def _add_owner(home: Home, operator: Api) -> None:
    path = home.secrets / "acme-owner.password"
    if not path.exists():
        password = secrets.token_urlsafe(15)
        person = {"email": OWNER, "password": password, "role": "owner"}
        operator.call("POST", "tenants/acme/members", person)
        write_file(path, password + "\n")


def _define(console: Console, api: Api, table: Table) -> None:
    api.call("PUT", f"collections/{table.collection}", {"schema": table.schema})
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
                "POST", f"collections/{table.collection}/batch-create", {"records": batch}
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


def _show_trail(console: Console, trail: Trail, tenant: str) -> None:
    grid = Grid(box=None, padding=(0, 2), header_style="dim")
    for heading in ("   asked in", "call", "key", "class", "outcome"):
        grid.add_column(heading)
    for column in grid.columns:
        column.no_wrap = True
    news = list(trail.news())
    if not news:
        console.print(
            "   None: that process still had the data keys in memory (5 minutes at most). It got them so:"
        )
        news = list(trail.latest(tenant.replace("-", ""), f"mrk-gateway-use-{FAR}/"))
    for region, event in news:
        grid.add_row(f"   {region}", *_event_row(event))
    console.print(grid)
    elsewhere = {region for region, _ in news} - {FAR}
    if elsewhere:
        raise SandboxError(
            f"A key of {', '.join(sorted(elsewhere))} was asked for a read in {FAR}."
        )


def _event_row(event: dict[str, Any]) -> tuple[str, str, str, str]:
    context = (event.get("requestParameters") or {}).get("encryptionContext") or {}
    arns = [resource["ARN"] for resource in event.get("resources") or []]
    region, _, key = arns[0].removeprefix("arn:aws:kms:").partition(":") if arns else ("", "", "")
    return (
        event["eventName"],
        f"{region} {key.rpartition('/')[2]}",
        context.get("class", ""),
        event.get("errorCode") or "done",
    )


def _again(ports: Ports, home: Home, place: str) -> str:
    token = f"$(cat {demo_token_path(home, 'acme')})"
    return (
        "\nTry it yourself:\n"
        f'  curl -s -H "Authorization: Bearer {token}" {gateway_url(ports, FAR)}/api/v1/{place}\n'
        f"  The console shows both tenants: {gateway_url(ports, PRIMARY)}/console/"
    )
