"""Access keys of users: CreateAccessKey, UpdateAccessKey, ListAccessKeys and DeleteAccessKey of IAM."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox.kms.accounts import USER, AccessKey, Principal
from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal
from sandbox.kms.iam import authorize, find_named, no_such_entity
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.sessions import new_access_key_id, new_secret

_MOST = 2  # for each user
_STATUS = {True: "Active", False: "Inactive"}


@operation("CreateAccessKey", service="iam")
def create_access_key(service: Service, call: Call) -> Answer:
    """A new access key of a user; its secret is shown this once."""
    user = _user(service, call, "iam:CreateAccessKey")
    if len(service.store.accounts.access_keys_of(user)) >= _MOST:
        message = f"Cannot exceed quota for AccessKeysPerUser: {_MOST}"
        raise Refusal("LimitExceeded", message, status=409)
    key = AccessKey(
        id=new_access_key_id("AKIA"),
        secret=new_secret(),
        account=user.account,
        user=user.name,
        created_at=call.now,
    )
    # A user of the identities file is not in the store yet, and its access key needs it there.
    service.store.put(user, key)
    return {"AccessKey": {**_shown(key), "SecretAccessKey": key.secret}}


@operation("UpdateAccessKey", service="iam")
def update_access_key(service: Service, call: Call) -> Answer:
    """Make an access key of a user active or inactive."""
    user = _user(service, call, "iam:UpdateAccessKey")
    is_active = call.parameters["Status"] == "Active"
    service.store.put(replace(_key(service, call, user), is_active=is_active))
    return None


@operation("ListAccessKeys", service="iam", read_only=True)
def list_access_keys(service: Service, call: Call) -> Answer:
    """The access keys of a user, without secrets."""
    user = _user(service, call, "iam:ListAccessKeys")
    keys = service.store.accounts.access_keys_of(user)
    return {"AccessKeyMetadata": [_shown(key) for key in keys], "IsTruncated": False}


@operation("DeleteAccessKey", service="iam")
def delete_access_key(service: Service, call: Call) -> Answer:
    """Delete an access key: whoever has it is nobody from the next request on."""
    user = _user(service, call, "iam:DeleteAccessKey")
    service.store.delete(_key(service, call, user))
    return None


def _user(service: Service, call: Call, action: str) -> Principal:
    name = call.parameters.get("UserName", call.identity.caller.name)
    user = find_named(service, call, USER, name)
    authorize(call, action, user.arn)
    return user


def _key(service: Service, call: Call, user: Principal) -> AccessKey:
    key_id = call.parameters["AccessKeyId"]
    key = service.store.accounts.find_access_key(key_id)
    if key is None or (key.account, key.user) != (user.account, user.name):
        raise no_such_entity(f"The Access Key with id {key_id} cannot be found.")
    return key


def _shown(key: AccessKey) -> dict[str, Any]:
    return {
        "UserName": key.user,
        "AccessKeyId": key.id,
        "Status": _STATUS[key.is_active],
        "CreateDate": key.created_at,
    }
