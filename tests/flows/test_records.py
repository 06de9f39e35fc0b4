"""One record through all Regions: written here, read there, each time with the local replica key alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx2
import pytest
from django.db import connections

from crypto.errors import DecryptionFailed, KeyAccessDenied
from tenants import consistency
from tenants.consistency import LOCAL
from tenants.errors import RegionNotAllowed
from tenants.scope import scope_alias, tenant_scope
from tenants.selectors import Caller
from tenants.services import key_use
from tenants.services.onboarding import RegionRuleInput
from tenants.services.records import (
    Expectation,
    RecordInput,
    RecordView,
    SearchCondition,
    create_record,
    read_record,
    search_records,
    update_record,
)
from tests.callers import as_superuser, caller_of, people, reading_from, shared_acme
from tests.cast import EVERYWHERE, Cast, as_region
from tests.flows.trail import recorded
from tests.stack import Stack

FIELDS: dict[str, Any] = {"name": "Ann", "ssn": "078-05-1120", "card": "4111", "notes": ["n"]}


@contextmanager
def process_in(stack: Stack, region: str) -> Iterator[None]:
    """Be a fresh process of that Region: its role, its KMS first, and its own database to read from."""
    with as_region(region), reading_from(stack, region):
        yield


def create(caller: Caller, collection: str, record_id: str = "ann", **fields: Any) -> None:
    create_record(
        caller=caller, collection=collection, record=RecordInput(record_id, FIELDS | fields)
    )


def read(caller: Caller, collection: str, record_id: str = "ann") -> Any:
    return read_record(caller=caller, collection=collection, record_id=record_id).fields


def find(caller: Caller, collection: str, ssn: str) -> RecordView:
    where = [SearchCondition("ssn", "eq", ssn)]
    page = search_records(caller=caller, collection=collection, where=where, limit=5)
    [record] = page.records
    return record


def where_reads_go(tenant_id: UUID) -> str:
    """The Region of the database that serves reads."""
    with tenant_scope(tenant_id, "read"), connections[scope_alias()].cursor() as cursor:
        cursor.execute("select current_setting('cluster_name')")
        return str(cursor.fetchone()[0])


def wait_for_replica() -> None:
    """Until this Region's reader has what was written last."""
    deadline = time.monotonic() + 10
    while consistency.reader_alias() != LOCAL:
        assert time.monotonic() < deadline, "The replica does not catch up."


@pytest.mark.parametrize("written_in", EVERYWHERE)
def test_a_record_is_read_in_every_region_through_that_regions_replica_alone(
    stack: Stack, written_in: str
) -> None:
    tenant = shared_acme()
    caller = caller_of(tenant)
    with process_in(stack, written_in):
        collection = people(caller)
        create(caller, collection)
    for region in EVERYWHERE:
        with process_in(stack, region), recorded(stack, tenant.id) as uses:
            wait_for_replica()
            assert where_reads_go(tenant.id) == region
            assert read(caller, collection) == FIELDS
        decrypts = [use for use in uses if use.action == "Decrypt"]
        assert {use.classification for use in decrypts} == {"pii", "pci", "phi"}
        for use in decrypts:
            assert (use.region, use.key_region, use.role, use.error) == (
                region,
                region,
                f"mrk-gateway-use-{region}",
                "",
            )
        assert uses == decrypts


def test_a_record_is_found_and_changed_in_another_region(stack: Stack) -> None:
    caller = caller_of(shared_acme())
    collection = people(caller)
    create(caller, collection)
    with process_in(stack, "us-west-1"):
        found = find(caller, collection, "078051120")
        update_record(
            caller=caller,
            collection=collection,
            record_id=found.id,
            fields={"ssn": "219-09-9999"},
            expected=Expectation(version=1),
        )
    with process_in(stack, "eu-west-1"):
        wait_for_replica()
        found = find(caller, collection, "219099999")
    assert (found.version, found.fields) == (2, {**FIELDS, "ssn": "219-09-9999"})


def test_a_second_read_asks_kms_nothing(stack: Stack) -> None:
    tenant = shared_acme()
    caller = caller_of(tenant)
    collection = people(caller)
    with process_in(stack, "eu-west-1"):
        create(caller, collection)
        read(caller, collection)
        with recorded(stack, tenant.id) as uses:
            for _ in range(5):
                read(caller, collection)
            create(caller, collection, "bob")
        assert uses == []


def bypass_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the gateway's own check away: what refuses now is KMS."""
    monkeypatch.setattr(key_use, "check_region", lambda *_: None)


@pytest.mark.parametrize("may_decrypt", [(), ("phi",)])
def test_what_a_region_may_not_decrypt_kms_itself_refuses(
    stack: Stack, cast: Cast, monkeypatch: pytest.MonkeyPatch, may_decrypt: tuple[str, ...]
) -> None:
    rule = RegionRuleInput(region="eu-west-1", may_encrypt=True, may_decrypt=may_decrypt)
    tenant = cast.acme(eu_west_1=rule)
    caller = caller_of(tenant)
    collection = people(caller)
    create(caller, collection, notes=None)
    create(caller, collection, "clear", ssn=None, card=None, notes=None)
    with process_in(stack, "eu-west-1"):
        with recorded(stack, tenant.id) as uses, pytest.raises(RegionNotAllowed):
            read(caller, collection)
        assert uses == []
        bypass_the_gateway(monkeypatch)
        with recorded(stack, tenant.id) as uses, pytest.raises(KeyAccessDenied):
            read(caller, collection)
        # Refused at home, and not asked for anywhere else: a refusal is an answer, no outage.
        assert [(use.action, use.region, use.error) for use in uses] == [
            ("Decrypt", "eu-west-1", "AccessDenied")
        ]
        assert read(caller, collection, "clear") == {"name": "Ann"}


def test_a_region_that_may_only_encrypt_writes_what_others_read(stack: Stack, cast: Cast) -> None:
    rule = RegionRuleInput(region="eu-west-1", may_encrypt=True, may_decrypt=())
    tenant = cast.acme(eu_west_1=rule)
    caller = caller_of(tenant)
    collection = people(caller)
    with process_in(stack, "eu-west-1"):
        create(caller, collection, ssn=None)
        with pytest.raises(RegionNotAllowed):
            read(caller, collection)
        with pytest.raises(RegionNotAllowed):  # a searchable value needs the index key of its class
            create(caller, collection, "bob")
    with process_in(
        stack, "eu-west-1"
    ):  # a second process, which may not unwrap the first one's data key
        create(caller, collection, "bob", ssn=None)
    with process_in(stack, "us-west-1"):
        wait_for_replica()
        for record_id in ("ann", "bob"):
            assert read(caller, collection, record_id) == {
                "name": "Ann",
                "card": "4111",
                "notes": ["n"],
            }


def test_a_region_that_may_only_decrypt_reads_and_writes_nothing_sealed(
    stack: Stack, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = RegionRuleInput(region="us-west-1", may_encrypt=False, may_decrypt=("*",))
    caller = caller_of(cast.acme(us_west_1=rule))
    collection = people(caller)
    create(caller, collection)
    with process_in(stack, "us-west-1"):
        wait_for_replica()
        assert read(caller, collection) == FIELDS
        with pytest.raises(RegionNotAllowed):
            create(caller, collection, "bob")
        bypass_the_gateway(monkeypatch)
        with pytest.raises(KeyAccessDenied):
            create(caller, collection, "bob")


def kms_of(stack: Stack, region: str, mode: str) -> None:
    answer = httpx2.post(f"{stack.kms_admin}/regions/{region}", json={"mode": mode})
    answer.raise_for_status()


def test_while_a_regions_kms_is_down_it_reads_and_writes_through_another(stack: Stack) -> None:
    tenant = shared_acme()
    caller = caller_of(tenant)
    collection = people(caller)
    create(caller, collection)
    kms_of(stack, "us-west-1", "down")
    try:
        with process_in(stack, "us-west-1"), recorded(stack, tenant.id) as uses:
            wait_for_replica()
            assert read(caller, collection) == FIELDS
            create(caller, collection, "bob")
    finally:
        kms_of(stack, "us-west-1", "up")
    served = {use.region for use in uses if not use.error}
    assert served
    assert "us-west-1" not in served
    assert {use.role for use in uses} == {"mrk-gateway-use-us-west-1"}


def test_a_stored_part_opens_with_the_stock_sdk_and_any_regions_key(stack: Stack) -> None:
    """The row of a database dump is a standard message: the tenant needs no gateway to read it."""
    tenant = shared_acme()
    caller = caller_of(tenant)
    collection = people(caller)
    create(caller, collection)
    [(message,)] = as_superuser(
        stack,
        "select p.message from tenants_sealedpart p join tenants_record r on r.id = p.record"
        " join tenants_collection c on c.id = r.collection_id"
        " where c.name = %s and p.classification = 'pci'",
        collection,
    )
    assert caller.key is not None
    for region in EVERYWHERE:
        plaintext, context = stock_decrypt(
            stack, bytes(message), str(caller.key.key.in_region(region)), region
        )
        assert b'"card":"4111"' in plaintext
        assert context == {"tenant": tenant.id.hex, "class": "pci", "purpose": "record"}


def stock_decrypt(
    stack: Stack, message: bytes, arn: str, region: str
) -> tuple[bytes, dict[str, str]]:
    """Open a message with the AWS Encryption SDK and its own MRK-aware keyring, and nothing of ours."""
    import boto3
    from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
    from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
    from aws_cryptographic_material_providers.mpl.models import CreateAwsKmsMrkKeyringInput
    from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient

    session = boto3.Session(profile_name=f"gateway-use-{region}", region_name=region)
    providers = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
    keyring = providers.create_aws_kms_mrk_keyring(
        CreateAwsKmsMrkKeyringInput(
            kms_key_id=arn,
            kms_client=session.client("kms", endpoint_url=stack.kms_endpoint(region)),
        )
    )
    client = EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
    plaintext, header = client.decrypt(source=message, keyring=keyring)
    return bytes(plaintext), dict(header.encryption_context)


def test_another_tenants_key_opens_nothing(stack: Stack, cast: Cast) -> None:
    """The encryption context alone: rows of one tenant in the hands of a caller with another tenant's key."""
    caller, other = caller_of(shared_acme()), caller_of(cast.acme())
    collection = people(caller)
    create(caller, collection)
    with pytest.raises(DecryptionFailed):
        read(replace(caller, key=other.key), collection)
