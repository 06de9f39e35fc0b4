"""The main job on real processes: three Regions of gateway, worker, PostgreSQL and KMS, as `make up` starts them."""

from __future__ import annotations

import re
import secrets
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from sandbox.demo.story import SAMPLE, begin
from sandbox.demo.table import read_table
from sandbox.layout import ROOT, Home
from sandbox.lifecycle import down, up
from sandbox.ports import DEFAULT_BASE, Ports, find_free
from sandbox.postgres.roles import connect
from tests.flows.product import ACCOUNT, PRIMARY, REGIONS, Product

pytestmark = pytest.mark.timeout(300)
DEFAULT = Ports(DEFAULT_BASE)
SCHEMA = {
    "fields": [
        {"name": "country", "type": "string", "protection": "clear"},
        {
            "name": "email",
            "type": "string",
            "protection": "sealed",
            "classification": "pii",
            "searchable": True,
            "normaliser": "email",
        },
        {"name": "card", "type": "string", "protection": "sealed", "classification": "pci"},
    ]
}


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """All of it, stopped and deleted at the end, even if this process is killed."""
    home = Home(Path(tempfile.mkdtemp(prefix="mrk-flow-")).resolve())
    up(home, find_free().base, temporary=True)
    product = Product(home)
    try:
        yield product
    finally:
        product.close()
        down(home)


def fresh(stem: str) -> str:
    return f"{stem}-{secrets.token_hex(3)}"


def keys_tagged(product: Product, region: str, slug: str) -> list[str]:
    pages = (
        product.admin("resourcegroupstaggingapi", region)
        .get_paginator("get_resources")
        .paginate(
            TagFilters=[{"Key": "mrk-gateway:tenant", "Values": [slug]}],
            ResourceTypeFilters=["kms:key"],
        )
    )
    return [item["ResourceARN"] for page in pages for item in page["ResourceTagMappingList"]]


def test_a_record_written_in_one_region_is_read_in_all_with_the_local_replica_alone(
    product: Product,
) -> None:
    slug = fresh("acme")
    product.start_onboarding(slug)
    product.await_active(slug)
    token = product.api_key(slug)
    writer = product.app(PRIMARY, token)
    writer.call("PUT", "collections/customers", {"schema": SCHEMA})
    fields = {"country": "PT", "email": "ana@example.com", "card": "4111111111111111"}
    writer.call("POST", "collections/customers/records", {"id": "ana", "fields": fields})

    tenant = writer.call("GET", "me")["tenant_id"].replace("-", "")
    for region in ("us-west-1", "eu-west-1"):
        seen = {each: len(product.trail(each)) for each in REGIONS}
        reader = product.app(region, token)
        path = "collections/customers/records/ana"
        found = reader.call("GET", path, after=writer.consistency_token)
        assert found["fields"] == fields

        news = {each: product.trail(each)[seen[each] :] for each in REGIONS}
        ours = {
            each: [
                event
                for event in events
                if (event["requestParameters"] or {}).get("encryptionContext", {}).get("tenant")
                == tenant
            ]
            for each, events in news.items()
        }
        assert [each for each, events in ours.items() if events] == [region]
        assert {event["eventName"] for event in ours[region]} == {"Decrypt"}
        for event in ours[region]:
            [resource] = event["resources"]
            assert resource["ARN"].startswith(f"arn:aws:kms:{region}:{ACCOUNT}:key/mrk-")
            assert f"mrk-gateway-use-{region}/" in event["userIdentity"]["arn"]
            assert "errorCode" not in event


def test_a_worker_killed_in_the_middle_of_onboarding_leaves_one_key_and_no_orphan(
    product: Product,
) -> None:
    slug = fresh("initech")
    product.start_onboarding(slug)
    total = product.plan(slug)["total"]
    kills = 0
    while (done := product.plan(slug)["done"]) < total and kills < 4:
        product.kill(f"worker-{PRIMARY}")
        kills += 1
        # Let it get a step further, so that each kill meets another one.
        for _ in range(100):
            if product.plan(slug)["done"] > done:
                break
    assert kills
    product.await_active(slug)

    found = {region: keys_tagged(product, region, slug) for region in REGIONS}
    assert {region: len(arns) for region, arns in found.items()} == dict.fromkeys(REGIONS, 1)
    assert len({arn.rpartition("/")[2] for arns in found.values() for arn in arns}) == 1
    detail = product.operator().call("GET", f"tenants/{slug}")
    assert sorted(key["arn"] for key in detail["regional_keys"]) == sorted(
        arn for arns in found.values() for arn in arns
    )
    for region in REGIONS:
        made = Counter(
            event["eventName"]
            for event in product.trail(region)
            if event["eventName"] == "CreateKey"
            and "errorCode" not in event
            and slug in str(event["requestParameters"])
        )
        assert made["CreateKey"] == 1, (
            "where a replica is made, the trail shows a CreateKey as well"
        )
        alias = f"alias/tenants/{slug}"
        aliases = product.admin("kms", region).get_paginator("list_aliases").paginate()
        targets = [
            item["TargetKeyId"]
            for page in aliases
            for item in page["Aliases"]
            if item["AliasName"] == alias
        ]
        assert targets == [found[region][0].rpartition("/")[2]]
        name = f"/mrk-gateway/sandbox/tenants/{slug}/key-arn"
        parameter = product.admin("ssm", region).get_parameter(Name=name)
        assert parameter["Parameter"]["Value"] == found[region][0]


def test_plaintext_is_in_no_file_of_any_server(product: Product) -> None:
    """Tables, write-ahead log, replicas, broker, KMS state, logs: whatever lies on the disk."""
    slug, marker = fresh("globex"), f"marker-{secrets.token_hex(12)}"
    control = f"control-{secrets.token_hex(12)}"
    product.start_onboarding(slug, ("eu-west-1",))
    product.await_active(slug)
    token = product.api_key(slug)
    app = product.app("eu-west-1", token)
    app.call("PUT", "collections/customers", {"schema": SCHEMA})
    records = "collections/customers/records"
    sealed = {"email": f"{marker}@example.com", "card": marker}
    app.call("POST", records, {"id": "x", "fields": sealed | {"country": control}})
    app.call("PATCH", f"{records}/x", {"fields": {"card": f"{marker}-2"}})
    found = app.call(
        "POST",
        "collections/customers/search",
        {"where": [{"field": "email", "value": sealed["email"]}]},
    )
    assert [record["id"] for record in found["records"]] == ["x"]
    app.call("POST", records, {"id": "y", "fields": {"card": {"wrong": marker}}}, fine=(422, 400))
    app.call("POST", records, {"id": "z", "fields": {"nobody": marker}}, fine=(422, 400))
    for region in REGIONS:
        with connect(product.home, product.ports, region) as connection:
            connection.execute("checkpoint")

    assert files_with(product, control), "the search itself must find what is in the clear"
    assert files_with(product, marker) == []
    assert files_with(product, token) == []


@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_the_requests_of_the_docs_work_as_written(product: Product, page: str) -> None:
    begin(Console(quiet=True), product.home, read_table(SAMPLE))
    text = (ROOT / page).read_text()
    script = "\n".join(
        block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "curl" in block
    )
    assert script.count("curl") >= 3
    for region in REGIONS:
        script = script.replace(f":{DEFAULT.gateway(region)}", f":{product.ports.gateway(region)}")
    script = script.replace(".sandbox/", f"{product.home.path}/").replace("curl -s", "curl -s -S")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("{") >= 3
    assert '"status":4' not in done.stdout
    assert '"status":5' not in done.stdout


def files_with(product: Product, text: str) -> list[str]:
    needle = text.encode()
    roots = {product.home.path, product.home.postgres, product.home.run}
    return [
        str(path)
        for root in roots
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and needle in path.read_bytes()
    ]
