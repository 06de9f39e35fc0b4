"""DescribeKey, ListKeys and UpdateKeyDescription."""

from __future__ import annotations

from dataclasses import replace

from sandbox.kms.authorization import authorize_account, authorize_key
from sandbox.kms.call import Call
from sandbox.kms.lookup import find_by_id, request_alias
from sandbox.kms.metadata import key_metadata
from sandbox.kms.pages import kms_page
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.states import MANAGEABLE, require_state


@operation("DescribeKey", read_only=True)
def describe_key(service: Service, call: Call) -> Answer:
    """The metadata of one key, whatever its state."""
    key_id = call.parameters["KeyId"]
    key = find_by_id(service, call, key_id, aliases=True, foreign=True)
    authorize_key(service, call, "kms:DescribeKey", key, request_alias(key_id))
    return {"KeyMetadata": key_metadata(service.store, key, call.now)}


@operation("ListKeys", read_only=True)
def list_keys(service: Service, call: Call) -> Answer:
    """The account's keys in this Region."""
    authorize_account(call, "kms:ListKeys")
    keys = service.store.keys(call.region, call.account)
    page, rest = kms_page(keys, lambda key: key.key_id, call.parameters, default=100, most=1000)
    return {"Keys": [{"KeyId": key.key_id, "KeyArn": key.arn} for key in page], **rest}


@operation("UpdateKeyDescription")
def update_key_description(service: Service, call: Call) -> Answer:
    """Another description, in this Region alone."""
    key = find_by_id(service, call, call.parameters["KeyId"])
    authorize_key(service, call, "kms:UpdateKeyDescription", key)
    require_state(key, MANAGEABLE, call.now)
    service.store.put(replace(key, description=call.parameters["Description"]))
    return None
