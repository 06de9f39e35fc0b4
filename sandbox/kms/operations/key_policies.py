"""GetKeyPolicy, PutKeyPolicy and ListKeyPolicies. A key policy is each Region's own."""

from __future__ import annotations

from dataclasses import replace

from sandbox.kms.attachment import checked_policy
from sandbox.kms.authorization import authorize_key
from sandbox.kms.call import Call
from sandbox.kms.conditions import bypass_condition
from sandbox.kms.errors import not_found
from sandbox.kms.lookup import find_by_id
from sandbox.kms.pages import kms_page
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service

_NAME = "default"  # the only name that KMS takes


@operation("GetKeyPolicy", read_only=True)
def get_key_policy(service: Service, call: Call) -> Answer:
    """The document as it was put."""
    key = find_by_id(service, call, call.parameters["KeyId"])
    _check_name(call)
    authorize_key(service, call, "kms:GetKeyPolicy", key)
    return {"Policy": key.policy, "PolicyName": _NAME}


@operation("PutKeyPolicy")
def put_key_policy(service: Service, call: Call) -> Answer:
    """Another policy, at work from the next request on; in any key state."""
    key = find_by_id(service, call, call.parameters["KeyId"])
    _check_name(call)
    authorize_key(service, call, "kms:PutKeyPolicy", key, bypass_condition(call.parameters))
    service.store.put(replace(key, policy=checked_policy(service, call, key.arn)))
    return None


@operation("ListKeyPolicies", read_only=True)
def list_key_policies(service: Service, call: Call) -> Answer:
    """The one name that there is."""
    key = find_by_id(service, call, call.parameters["KeyId"])
    authorize_key(service, call, "kms:ListKeyPolicies", key)
    page, rest = kms_page([_NAME], str, call.parameters, default=100, most=1000)
    return {"PolicyNames": page, **rest}


def _check_name(call: Call) -> None:
    if call.parameters.get("PolicyName", _NAME) != _NAME:
        raise not_found("No such policy exists")
