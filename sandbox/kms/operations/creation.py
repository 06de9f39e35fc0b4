"""CreateKey."""

from __future__ import annotations

from typing import Any

from sandbox.kms.arn import key_arn, new_key_id
from sandbox.kms.attachment import checked_policy
from sandbox.kms.authorization import authorize_account, authorize_resource
from sandbox.kms.call import Call
from sandbox.kms.conditions import bypass_condition, spec_conditions, tag_conditions
from sandbox.kms.errors import invalid, unsupported
from sandbox.kms.importing import with_copies
from sandbox.kms.keys import AWS_KMS, EXTERNAL, KeySet, RegionalKey
from sandbox.kms.material import new_material
from sandbox.kms.metadata import key_metadata
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.specs import ENCRYPT_DECRYPT, SPECS, SYMMETRIC_DEFAULT, Spec
from sandbox.kms.tagging import tags_of


@operation("CreateKey")
def create_key(service: Service, call: Call) -> Answer:
    """A key for encryption or for MACs, primary of its kind when MultiRegion, without material when EXTERNAL."""
    wanted = call.parameters
    tags = tags_of(wanted.get("Tags", []))
    key_set = _key_set(call)
    conditions = {
        **spec_conditions(key_set),
        **bypass_condition(wanted),
        **({"kms:multiregionkeytype": ("PRIMARY",)} if key_set.multi_region else {}),
        **tag_conditions(tags),
    }
    authorize_account(call, "kms:CreateKey", conditions)
    if tags:
        # On the key that is to be, so that a policy must cover every key of the account to cover this one ("Controlling
        # access to tags", tagging keys when they are created).
        arn = key_arn(call.region, call.account, key_set.key_id)
        authorize_resource(call, "kms:TagResource", arn, conditions)
    service.require_room(call.region, call.account)
    key = RegionalKey(
        key_id=key_set.key_id,
        account=call.account,
        region=call.region,
        policy=checked_policy(service, call, key_arn(call.region, call.account, key_set.key_id)),
        description=wanted.get("Description", ""),
        tags=tags,
        created_at=call.now,
        ready_at=call.now,
    )
    service.store.put(key_set, key := with_copies(key, key_set, {}))
    call.touched.append(key)
    return {"KeyMetadata": key_metadata(service.store, key, call.now)}


def _key_set(call: Call) -> KeySet:
    wanted = call.parameters
    spec, origin = _spec(wanted), wanted.get("Origin", AWS_KMS)
    if origin not in (AWS_KMS, EXTERNAL):
        raise unsupported(f"Origin {origin} is not supported here.")
    multi_region = wanted.get("MultiRegion", False)
    made_here = origin == AWS_KMS
    return KeySet(
        key_id=new_key_id(multi_region=multi_region),
        account=call.account,
        multi_region=multi_region,
        primary_region=call.region,
        materials=(new_material(call.now, size=spec.material_bytes),) if made_here else (),
        rotation_days=None,
        created_at=call.now,
        spec_name=spec.name,
        origin=origin,
    )


def _spec(wanted: dict[str, Any]) -> Spec:
    older = wanted.get("CustomerMasterKeySpec", SYMMETRIC_DEFAULT)
    if "KeySpec" in wanted and "CustomerMasterKeySpec" in wanted:
        raise invalid("You cannot specify KeySpec and CustomerMasterKeySpec in the same request.")
    name = wanted.get("KeySpec", older)
    spec = SPECS.get(name)
    if spec is None:
        raise unsupported(f"KeySpec {name} is not supported here.")
    usage = wanted.get("KeyUsage", ENCRYPT_DECRYPT)
    if usage != spec.usage:  # the default is right for SYMMETRIC_DEFAULT alone, here as at AWS
        raise invalid(f"KeyUsage {usage} is not compatible with KeySpec {name}")
    return spec
