"""People in a tenant's collection: store many, read them all, and look at the sealed parts themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from crypto.arn import KeyArn
from crypto.context import Purpose
from tenants.models import SealedPart
from tenants.scope import tenant_scope
from tenants.selectors import Caller, TenantView, list_regional_keys
from tenants.selectors.key_usage import KeyUsage, list_key_usage
from tenants.services.clients import get_key_admin
from tenants.services.records import (
    RecordFault,
    RecordInput,
    RecordView,
    create_records,
    read_records,
)


def person(number: int, **more: Any) -> RecordInput:
    """Someone with a sealed part of each of three classes."""
    fields = {
        "name": f"N{number}",
        "email": f"p{number}@x.org",
        "card": f"4111 {number}",
        "notes": {"n": number},
    }
    return RecordInput(f"p{number}", fields | more)


def store(caller: Caller, collection: str, numbers: Sequence[int]) -> None:
    """Create those people."""
    made = create_records(
        caller=caller, collection=collection, records=[person(number) for number in numbers]
    )
    assert all(isinstance(one, RecordView) for one in made)


def opened(caller: Caller, collection: str, numbers: Sequence[int]) -> list[RecordView]:
    """All of them, which must be there and open."""
    found = read_records(
        caller=caller, collection=collection, record_ids=[f"p{number}" for number in numbers]
    )
    assert not [one for one in found if isinstance(one, RecordFault)]
    return [one for one in found if isinstance(one, RecordView)]


def usage(tenant: TenantView) -> list[KeyUsage]:
    """What its records are sealed under."""
    return [each for each in list_key_usage(tenant.id) if each.purpose == Purpose.RECORD]


def parts(tenant: TenantView) -> dict[tuple[UUID, str], SealedPart]:
    """The sealed parts as they are stored, by record and classification."""
    with tenant_scope(tenant.id, "latest"):
        rows = SealedPart.objects.filter(tenant_id=tenant.id)
        return {(part.record, part.classification): part for part in rows}


def rotate_in_kms(tenant: TenantView) -> None:
    """KMS gives the key new material, by itself, and tells nobody."""
    primary = list_regional_keys(tenant.id)[0]
    get_key_admin().rotate_now(KeyArn.parse(primary.arn))
