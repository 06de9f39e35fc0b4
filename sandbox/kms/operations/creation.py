"""CreateKey."""

from __future__ import annotations

from sandbox.kms.arn import key_arn, new_key_id
from sandbox.kms.attachment import checked_policy
from sandbox.kms.authorization import authorize_account, tag_conditions
from sandbox.kms.call import Call
from sandbox.kms.errors import unsupported
from sandbox.kms.keys import KeySet, RegionalKey
from sandbox.kms.material import new_material
from sandbox.kms.metadata import key_metadata
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.tagging import tags_of

# What this stand-in makes, which is also each member's default.
_ONLY = {
    "KeyUsage": "ENCRYPT_DECRYPT",
    "KeySpec": "SYMMETRIC_DEFAULT",
    "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
    "Origin": "AWS_KMS",
}


@operation("CreateKey")
def create_key(service: Service, call: Call) -> Answer:
    """A symmetric key for encryption, primary of its kind when MultiRegion."""
    wanted = call.parameters
    for member, value in _ONLY.items():
        if wanted.get(member, value) != value:
            raise unsupported(f"{member} {wanted[member]} is not supported here.")
    tags = tags_of(wanted.get("Tags", []))
    multi_region = wanted.get("MultiRegion", False)
    bypass = wanted.get("BypassPolicyLockoutSafetyCheck", False)
    conditions = {
        "kms:multiregion": (str(multi_region).lower(),),
        "kms:bypasspolicylockoutsafetycheck": (str(bypass).lower(),),
        "kms:keyspec": ("SYMMETRIC_DEFAULT",),
        "kms:keyusage": ("ENCRYPT_DECRYPT",),
        "kms:keyorigin": ("AWS_KMS",),
        **({"kms:multiregionkeytype": ("PRIMARY",)} if multi_region else {}),
        **tag_conditions(tags),
    }
    authorize_account(call, "kms:CreateKey", conditions)
    if tags:
        authorize_account(call, "kms:TagResource", conditions)
    key_id = new_key_id(multi_region=multi_region)
    key_set = KeySet(
        key_id=key_id,
        account=call.account,
        multi_region=multi_region,
        primary_region=call.region,
        materials=(new_material(call.now),),
        rotation_days=None,
        created_at=call.now,
    )
    key = RegionalKey(
        key_id=key_id,
        account=call.account,
        region=call.region,
        policy=checked_policy(call, key_arn(call.region, call.account, key_id)),
        description=wanted.get("Description", ""),
        tags=tags,
        created_at=call.now,
        ready_at=call.now,
    )
    service.store.put(key_set, key)
    call.touched.append(key)
    return {"KeyMetadata": key_metadata(service.store, key, call.now)}
