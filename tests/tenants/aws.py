"""What KMS and Parameter Store hold of a tenant, seen past the gateway's own tables; and roles to try its keys with."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from django.conf import settings

from crypto.arn import KeyArn
from crypto.context import EncryptionContext, Purpose
from crypto.keyring import Keyring
from crypto.kms.clients import KmsClients, Plane
from tenants.kms.key_admin import KmsKeyAdmin
from tenants.selectors import TenantView, list_regional_keys
from tenants.services.publication import parameter_of
from tests.cast import EVERYWHERE, clients_of

TENANT_TAG = "mrk-gateway:tenant-id"


def clients(role_region: str = "us-east-2") -> KmsClients:
    """Clients with that Region's use role, and the admin role."""
    profile = f"gateway-use-{role_region}"
    return clients_of(replace(settings.CRYPTO, region=role_region, use_profile=profile))


def keys_of(tenant: TenantView) -> dict[str, list[KeyArn]]:
    """All keys in KMS that carry the tenant's tag, by Region; Regions without one are left out."""
    admin = KmsKeyAdmin(clients())
    found = {
        region: list(admin.list_keys_by_tag(region=region, tag=TENANT_TAG, value=tenant.id.hex))
        for region in EVERYWHERE
    }
    return {region: keys for region, keys in found.items() if keys}


def aliases_of(arn: KeyArn) -> list[str]:
    """The aliases that point at the key in its Region."""
    answer = clients().kms(arn.region, Plane.ADMIN).list_aliases(KeyId=str(arn))
    return [alias["AliasName"] for alias in answer["Aliases"]]


def parameter(tenant: TenantView, region: str) -> dict[str, Any]:
    """The parameter with the key's ARN in that Region: its value and version."""
    answer = clients().ssm(region).get_parameter(Name=parameter_of(tenant.slug))["Parameter"]
    return {"value": answer["Value"], "version": answer["Version"]}


def policy_of(tenant: TenantView, region: str) -> dict[str, Any]:
    """The key policy that KMS holds."""
    document: dict[str, Any] = json.loads(
        KmsKeyAdmin(clients()).get_key_policy(arn_of(tenant, region))
    )
    return document


def arn_of(tenant: TenantView, region: str) -> KeyArn:
    """The tenant's key in that Region."""
    return next(
        KeyArn.parse(key.arn) for key in list_regional_keys(tenant.id) if key.region == region
    )


def context(
    tenant: TenantView, classification: str, purpose: Purpose = Purpose.VALUE
) -> dict[str, str]:
    """An encryption context of the tenant."""
    return EncryptionContext(tenant.id.hex, classification, purpose).as_dict()


def wrap(
    tenant: TenantView,
    classification: str,
    *,
    role: str,
    key: str,
    purpose: Purpose = Purpose.VALUE,
) -> bytes:
    """GenerateDataKey with the role of one Region under the key of another; the encrypted data key."""
    made = Keyring(clients(role), key).generate(
        arn_of(tenant, key), context(tenant, classification, purpose)
    )
    return made.encrypted_data_key


def unwrap(
    tenant: TenantView,
    classification: str,
    wrapped: bytes,
    *,
    role: str,
    key: str,
    purpose: Purpose = Purpose.VALUE,
) -> bytes:
    """Decrypt it with the role of one Region under the key of another."""
    keyring = Keyring(clients(role), key)
    return keyring.unwrap(
        arn_of(tenant, key), context(tenant, classification, purpose), wrapped
    ).secret
