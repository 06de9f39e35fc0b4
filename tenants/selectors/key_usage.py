"""What is sealed under which key and key material. Each number comes from an index, and no message is read."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import connections

from crypto.arn import KeyArn
from crypto.context import Purpose
from tenants.models import TenantKey
from tenants.scope import scope_alias, tenant_scope


@dataclass(frozen=True, slots=True)
class KeyUsage:
    """The data keys of one purpose that one key material of one Region's key has wrapped, and how many sealed parts of
    records they sealed. Values that others keep are not counted: we do not have them. `is_current` says whether it is
    the tenant's current key and its current material, as far as we last saw."""

    purpose: str
    key_arn: str
    key_material_id: str
    data_keys: int
    parts: int
    is_current: bool


@dataclass(frozen=True, slots=True)
class KeyRotationView:
    """The rotation of a tenant's key: each so many days (0: not by itself), and on demand, of which KMS allows 25."""

    days: int
    key_material_id: str
    on_demand_rotations: int


_USAGE = """
    select d.purpose, d.key_arn, d.key_material_id, count(*), coalesce(sum(p.parts), 0)::bigint
    from tenants_datakey d left join (
        select data_key, count(*) as parts from tenants_sealedpart where tenant_id = %(tenant)s group by data_key
    ) p on p.data_key = d.id
    where d.tenant_id = %(tenant)s
    group by d.purpose, d.key_arn, d.key_material_id order by d.purpose, d.key_arn, d.key_material_id
"""


def list_key_usage(tenant_id: UUID) -> list[KeyUsage]:
    """By purpose, key ARN and key material id. A re-encryption is complete when only what is current has parts."""
    with tenant_scope(tenant_id, "read"):
        return fetch_key_usage(tenant_id)


def fetch_key_usage(tenant_id: UUID) -> list[KeyUsage]:
    """The same inside a scope."""
    key = TenantKey.objects.get(tenant_id=tenant_id)
    with connections[scope_alias()].cursor() as cursor:
        cursor.execute(_USAGE, {"tenant": tenant_id})
        rows = cursor.fetchall()
    return [
        KeyUsage(purpose, arn, material, data_keys, parts, _is_current(key, arn, material))
        for purpose, arn, material, data_keys, parts in rows
    ]


def _is_current(key: TenantKey, arn: str, material: str) -> bool:
    return KeyArn.parse(arn).key_id == key.key_id and key.key_material_id in ("", material)


def get_key_rotation(tenant_id: UUID) -> KeyRotationView:
    """How the key rotates; what KMS holds, as far as we last saw."""
    with tenant_scope(tenant_id, "read"):
        key = TenantKey.objects.get(tenant_id=tenant_id)
    return KeyRotationView(key.rotation_days, key.key_material_id, key.on_demand_rotations)


def parts_left(usage: list[KeyUsage]) -> int:
    """How many sealed parts are under anything that is not current."""
    records = [each for each in usage if each.purpose == Purpose.RECORD]
    return sum(each.parts for each in records if not each.is_current)
