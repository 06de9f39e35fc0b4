"""The grant that a CreateGrant request asks for, if it can be one of that key."""

from __future__ import annotations

import secrets

from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal, invalid
from sandbox.kms.grants import Grant
from sandbox.kms.keys import RegionalKey
from sandbox.kms.service import Service
from sandbox.kms.specs import ENCRYPT_DECRYPT, GENERATE_VERIFY_MAC
from sandbox.kms.use import check_context

_MAX_PAIRS = 8
_ANY = {"CreateGrant", "RetireGrant", "DescribeKey"}
_OPERATIONS = {
    ENCRYPT_DECRYPT: {
        *_ANY,
        *("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"),
        *("GenerateDataKey", "GenerateDataKeyWithoutPlaintext"),
        *("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"),
    },
    GENERATE_VERIFY_MAC: {*_ANY, "GenerateMac", "VerifyMac"},
}
_PRINCIPALS = ("root", "user", "role", "assumed-role", "federated-user")


def wanted_grant(service: Service, call: Call, key: RegionalKey) -> Grant:
    """The grant of the request, not yet stored."""
    wanted = call.parameters
    if {"GranteeServicePrincipal", "RetiringServicePrincipal"} & wanted.keys():
        raise invalid("Grants of AWS services are not supported here.")
    if "GranteePrincipal" not in wanted:
        raise invalid("A grant needs a GranteePrincipal.")
    grantee, retiring = wanted["GranteePrincipal"], wanted.get("RetiringPrincipal", "")
    for principal in filter(None, (grantee, retiring)):
        if not _is_principal(service, principal):
            raise Refusal(
                "InvalidArnException", f"ARN does not refer to a valid principal: {principal}"
            )
    constraints = wanted.get("Constraints", {})
    grant = Grant(
        id=secrets.token_hex(32),
        key_id=key.key_id,
        account=key.account,
        region=key.region,
        grantee=grantee,
        retiring=retiring,
        operations=tuple(dict.fromkeys(wanted["Operations"])),
        equals=constraints.get("EncryptionContextEquals"),
        subset=constraints.get("EncryptionContextSubset"),
        name=wanted.get("Name", ""),
        issuer=call.identity.caller.root_arn,
        created_at=call.now,
        active_at=call.now + service.transition_seconds,
    )
    _check_grant(service, key, grant)
    return grant


def _is_principal(service: Service, arn: str) -> bool:
    parts = arn.split(":")
    is_known = len(parts) == 6 and parts[2] in ("iam", "sts") and service.directory.exists(arn)
    return is_known and parts[5].partition("/")[0] in _PRINCIPALS


def _check_grant(service: Service, key: RegionalKey, grant: Grant) -> None:
    usage = service.store.key_set(key).spec.usage
    if not grant.operations or not set(grant.operations) <= _OPERATIONS[usage]:
        raise invalid(f"The operations of the grant are not all operations of a key for {usage}.")
    if grant.is_constrained and usage != ENCRYPT_DECRYPT:
        raise invalid("Encryption context constraints are not supported for this key.")
    for pairs in (grant.equals, grant.subset):
        if pairs is not None and not 0 < len(check_context(dict(pairs))) <= _MAX_PAIRS:
            raise invalid(f"A constraint holds 1 to {_MAX_PAIRS} pairs.")
