"""CreateAlias, UpdateAlias, DeleteAlias and ListAliases.

Each needs the permission on the alias (identity policy) and on the key (AWS KMS Developer Guide, "Controlling access
to aliases").
"""

from __future__ import annotations

import re
from dataclasses import replace

from sandbox.kms.authorization import authorize_account, authorize_alias, authorize_key
from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal, invalid
from sandbox.kms.keys import Alias, RegionalKey
from sandbox.kms.lookup import find_alias, find_by_id
from sandbox.kms.pages import kms_page
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.states import MANAGEABLE, require_state

_MAX_ALIASES = 50  # of one key: AWS KMS Developer Guide, "Resource quotas"
_NAME = re.compile(r"alias/[a-zA-Z0-9/_-]+")


@operation("CreateAlias")
def create_alias(service: Service, call: Call) -> Answer:
    """A name for a key of this account and Region."""
    name = call.parameters["AliasName"]
    _check_name(name)
    key = find_by_id(service, call, call.parameters["TargetKeyId"])
    alias = Alias(
        name=name,
        account=call.account,
        region=call.region,
        key_id=key.key_id,
        created_at=call.now,
        updated_at=call.now,
    )
    call.touched.append(alias)
    authorize_alias(call, "kms:CreateAlias", alias)
    authorize_key(service, call, "kms:CreateAlias", key)
    require_state(key, MANAGEABLE, call.now)
    if service.store.aliases.find(call.region, call.account, name):
        message = f"An alias with the name {alias.arn} already exists"
        raise Refusal("AlreadyExistsException", message)
    _check_count(service, key)
    service.store.put(alias)
    return None


@operation("UpdateAlias")
def update_alias(service: Service, call: Call) -> Answer:
    """Let the alias name another key of the same account and Region."""
    name = call.parameters["AliasName"]
    _check_name(name)
    alias = find_alias(service, call.region, call.account, name)
    key = find_by_id(service, call, call.parameters["TargetKeyId"])
    call.touched.append(alias)
    authorize_alias(call, "kms:UpdateAlias", alias)
    former = service.store.find_key(call.region, alias.key_id)
    if former is not None:
        authorize_key(service, call, "kms:UpdateAlias", former)
    authorize_key(service, call, "kms:UpdateAlias", key)
    require_state(key, MANAGEABLE, call.now)
    if former is not None:
        _check_kind(service, former, key)
    if former is None or former.key_id != key.key_id:
        _check_count(service, key)
    service.store.put(replace(alias, key_id=key.key_id, updated_at=call.now))
    return None


@operation("DeleteAlias")
def delete_alias(service: Service, call: Call) -> Answer:
    """Forget the alias; the key stays as it is."""
    name = call.parameters["AliasName"]
    _check_name(name)
    alias = find_alias(service, call.region, call.account, name)
    call.touched.append(alias)
    authorize_alias(call, "kms:DeleteAlias", alias)
    key = service.store.find_key(call.region, alias.key_id)
    if key is not None:
        call.touched.append(key)
        authorize_key(service, call, "kms:DeleteAlias", key)
    service.store.delete(alias)
    return None


@operation("ListAliases", read_only=True)
def list_aliases(service: Service, call: Call) -> Answer:
    """The account's aliases in this Region, or those of one key."""
    authorize_account(call, "kms:ListAliases")
    if "KeyId" in call.parameters:
        key = find_by_id(service, call, call.parameters["KeyId"])
        aliases = service.store.aliases.of_key(key)
    else:
        aliases = service.store.aliases.of_account(call.region, call.account)
    page, rest = kms_page(aliases, lambda alias: alias.name, call.parameters, default=50, most=100)
    return {"Aliases": [_listed(alias) for alias in page], **rest}


def _listed(alias: Alias) -> dict[str, object]:
    return {
        "AliasName": alias.name,
        "AliasArn": alias.arn,
        "TargetKeyId": alias.key_id,
        "CreationDate": alias.created_at,
        "LastUpdatedDate": alias.updated_at,
    }


def _check_count(service: Service, key: RegionalKey) -> None:
    if len(service.store.aliases.of_key(key)) >= _MAX_ALIASES:
        raise Refusal("LimitExceededException", f"{key.arn} has {_MAX_ALIASES} aliases already.")


def _check_kind(service: Service, former: RegionalKey, key: RegionalKey) -> None:
    """Code that uses an alias must find a key of the same type and usage behind it (API Reference, "UpdateAlias").

    The reference names no error for it, and its list of errors has none that fits but this common one.
    """
    usages = {service.store.key_set(each).spec.usage for each in (former, key)}
    if len(usages) > 1:
        raise invalid("An alias moves between keys of the same type and key usage only.")


def _check_name(name: str) -> None:
    if not name.startswith("alias/"):
        raise invalid("Invalid identifier")
    if name.startswith("alias/aws/"):  # the names of keys that AWS itself manages
        raise Refusal("NotAuthorizedException", "Aliases that begin with alias/aws/ are reserved.")
    if not _NAME.fullmatch(name):
        raise Refusal(
            "InvalidAliasNameException", "The alias name holds a character that is not allowed."
        )
