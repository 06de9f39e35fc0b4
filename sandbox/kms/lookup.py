"""From the KeyId of a request to a key: key id or ARN, and alias name or ARN where the operation takes them."""

from __future__ import annotations

from sandbox.kms.arn import alias_arn, find_arn, is_key_id, key_arn
from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal, access_denied, not_found
from sandbox.kms.keys import Alias, RegionalKey
from sandbox.kms.service import Service


def find_by_id(
    service: Service, call: Call, key_id: str, *, aliases: bool = False, foreign: bool = False
) -> RegionalKey:
    """The key that `key_id` names in this Region, noted in the call.

    `aliases` where the operation takes an alias too, `foreign` where it takes a key of another account (AWS KMS API
    Reference, "Cross-account use" of each operation).
    """
    region, account, name = call.region, call.account, key_id
    if key_id.startswith("arn:"):
        arn = find_arn(key_id)
        if arn is None:
            raise Refusal("InvalidArnException", f"Invalid arn {key_id}")
        if arn.region != region:
            raise not_found(f"Invalid arn {arn.region}")
        account, name = arn.account, arn.name if arn.kind == "key" else f"alias/{arn.name}"
    if name.startswith("alias/") and aliases:
        name = find_alias(service, region, account, name).key_id
    elif not is_key_id(name):
        raise not_found(f"Invalid keyId '{key_id}'")
    key = service.store.find_key(region, name)
    if key is None or key.account != account:
        raise not_found(f"Key '{key_arn(region, account, name)}' does not exist")
    call.touched.append(key)
    if account != call.account and not foreign:
        raise access_denied("This operation takes no key of another account.")
    return key


def find_alias(service: Service, region: str, account: str, name: str) -> Alias:
    """The alias of that name, or a refusal."""
    alias = service.store.aliases.find(region, account, name)
    if alias is None:
        raise not_found(f"Alias {alias_arn(region, account, name)} is not found.")
    return alias


def request_alias(key_id: str) -> dict[str, tuple[str, ...]]:
    """`kms:RequestAlias`, when the request names its key by an alias."""
    if key_id.startswith("arn:"):
        key_id = key_id.split(":", 5)[-1]
    return {"kms:requestalias": (key_id,)} if key_id.startswith("alias/") else {}
