"""RevokeGrant, which policies admit, and RetireGrant, which the grant itself does.

Source: AWS KMS Developer Guide, "Retiring and revoking grants".
"""

from __future__ import annotations

from sandbox.kms.arn import find_arn
from sandbox.kms.authorization import authorize_key, decide, own_policies_allow
from sandbox.kms.call import Call
from sandbox.kms.conditions import DIRECT
from sandbox.kms.errors import Refusal, access_denied, invalid, not_found
from sandbox.kms.granting import is_named, opened_token
from sandbox.kms.grants import Grant
from sandbox.kms.keys import RegionalKey
from sandbox.kms.lookup import find_by_id
from sandbox.kms.policy.decision import Decision, Request
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.use import stop_dry_run


@operation("RevokeGrant")
def revoke_grant(service: Service, call: Call) -> Answer:
    """Delete a grant, as an administrator of the key."""
    wanted = call.parameters
    key = find_by_id(service, call, wanted["KeyId"], foreign=True)
    authorize_key(service, call, "kms:RevokeGrant", key, DIRECT)
    grant = _find_grant(service, key, wanted["GrantId"])
    stop_dry_run(call)
    service.store.delete(grant)
    return None


@operation("RetireGrant")
def retire_grant(service: Service, call: Call) -> Answer:
    """Delete a grant, as one whom the grant itself lets do so."""
    key, grant = _named_grant(service, call)
    if not _may_retire(service, call, key, grant):
        raise access_denied(
            f"User: {call.identity.caller.arn} is not authorized to perform: kms:RetireGrant on resource: {key.arn}"
        )
    stop_dry_run(call)
    service.store.delete(grant)
    return None


def _named_grant(service: Service, call: Call) -> tuple[RegionalKey, Grant]:
    """The grant by its token, or by the ARN of its key and its id."""
    wanted = call.parameters
    by_token = "GrantToken" in wanted
    if by_token == ("GrantId" in wanted or "KeyId" in wanted):
        raise invalid("Specify either a grant token, or a key ARN and a grant ID.")
    if not by_token:
        if not {"KeyId", "GrantId"} <= wanted.keys():
            raise invalid("A key ARN and a grant ID belong together.")
        if find_arn(wanted["KeyId"]) is None:
            raise Refusal("InvalidArnException", "The key is named by its ARN here.")
        key = find_by_id(service, call, wanted["KeyId"], foreign=True)
        return key, _find_grant(service, key, wanted["GrantId"])
    grant = service.store.grants.find(opened_token(service.store, wanted["GrantToken"]))
    key_of = service.store.find_key(call.region, grant.key_id) if grant else None
    if grant is None or key_of is None:
        raise not_found("The grant does not exist.")
    call.touched.append(key_of)
    return key_of, grant


def _find_grant(service: Service, key: RegionalKey, grant_id: str) -> Grant:
    grant = service.store.grants.find(grant_id)
    if grant is None or (grant.key_id, grant.region) != (key.key_id, key.region):
        raise not_found(f"Grant {grant_id} does not exist.")
    return grant


def _may_retire(service: Service, call: Call, key: RegionalKey, grant: Grant) -> bool:
    """Its retiring principal, its grantee if it says RetireGrant, or by IAM policy an account that is named.

    An explicit Deny holds against all of them; a policy's Allow alone is not enough (AWS KMS Developer Guide,
    "Retiring and revoking grants").
    """
    caller = call.identity.caller
    decision = decide(service, call, "kms:RetireGrant", key)
    if decision is not Decision.ALLOWED and not decision.is_silent:
        return False
    by_name = [grant.retiring, *([grant.grantee] if "RetireGrant" in grant.operations else [])]
    if any(is_named(name, caller) for name in by_name):
        return True
    accounts = {*by_name, grant.issuer, f"arn:aws:iam::{key.account}:root"}
    request = Request("kms:RetireGrant", key.arn, call.identity.context)
    return caller.root_arn in accounts and own_policies_allow(call, request)
