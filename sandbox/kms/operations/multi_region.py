"""ReplicateKey and UpdatePrimaryRegion.

Source: AWS KMS API Reference, both operations; AWS KMS Developer Guide, "Multi-Region keys in AWS KMS".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox.kms.arn import key_arn
from sandbox.kms.attachment import checked_policy
from sandbox.kms.authorization import authorize_account, authorize_key, authorize_resource
from sandbox.kms.call import Call
from sandbox.kms.conditions import bypass_condition, spec_conditions, tag_conditions
from sandbox.kms.errors import Refusal, invalid, not_found, unsupported
from sandbox.kms.events import Action, event_of
from sandbox.kms.importing import with_copies
from sandbox.kms.keys import RegionalKey
from sandbox.kms.lookup import find_by_id
from sandbox.kms.metadata import key_metadata
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.states import SETTLED, require_state
from sandbox.kms.tagging import listed_tags, tags_of

_CREATE_KEY, _UPDATE_PRIMARY = (
    Action(name=name, source="kms.amazonaws.com", read_only=False)
    for name in ("CreateKey", "UpdatePrimaryRegion")
)


@operation("ReplicateKey")
def replicate_key(service: Service, call: Call) -> Answer:
    """A replica in another Region, Creating for some seconds: same id and material, all else its own."""
    wanted = call.parameters
    primary = find_by_id(service, call, wanted["KeyId"])
    region = wanted["ReplicaRegion"]
    tags = tags_of(wanted.get("Tags", []))
    _authorize_replication(service, call, primary, region, tags)
    _require_primary(service, primary)
    require_state(primary, SETTLED, call.now)
    _require_reachable(service, region)
    if region in service.store.related(primary):
        message = f"{key_arn(region, primary.account, primary.key_id)} already exists"
        raise Refusal("AlreadyExistsException", message)
    service.require_room(region, primary.account)
    replica = RegionalKey(
        key_id=primary.key_id,
        account=primary.account,
        region=region,
        policy=checked_policy(service, call, key_arn(region, primary.account, primary.key_id)),
        description=wanted.get("Description", ""),
        tags=tags,
        created_at=call.now,
        ready_at=call.now + service.transition_seconds,
    )
    # A replica of a key with imported material has none: the same must be imported there too.
    replica = with_copies(replica, service.store.key_set(primary), {})
    service.store.put(replica)
    parameters = {"MultiRegion": True, "Description": replica.description}
    _record_there(service, call, _CREATE_KEY, replica, parameters)
    service.record("SynchronizeMultiRegionKey", primary, call.now)
    return {
        "ReplicaKeyMetadata": key_metadata(service.store, replica, call.now),
        "ReplicaPolicy": replica.policy,
        "ReplicaTags": listed_tags(replica.tags),
    }


@operation("UpdatePrimaryRegion")
def update_primary_region(service: Service, call: Call) -> Answer:
    """Make a replica the primary. Both are Updating for some seconds, in which they can be used but not managed."""
    primary = find_by_id(service, call, call.parameters["KeyId"])
    region = call.parameters["PrimaryRegion"]
    conditions = {"kms:primaryregion": (region,)}
    authorize_key(service, call, "kms:UpdatePrimaryRegion", primary, conditions)
    _require_primary(service, primary)
    if region == primary.region:
        raise invalid(f"{primary.arn} is already the primary key.")
    replica = service.store.related(primary).get(region)
    if replica is None:
        arn = key_arn(region, primary.account, primary.key_id)
        raise not_found(f"Key '{arn}' does not exist")
    authorize_key(service, call, "kms:UpdatePrimaryRegion", replica, conditions)
    _require_reachable(service, region)
    for key in (primary, replica):
        require_state(key, SETTLED, call.now)
    until = call.now + service.transition_seconds
    service.store.put(
        replace(service.store.key_set(primary), primary_region=region),
        replace(primary, updating_until=until),
        replace(replica, updating_until=until),
    )
    parameters = {"KeyId": replica.arn, "PrimaryRegion": region}
    _record_there(service, call, _UPDATE_PRIMARY, replica, parameters)
    return None


def _require_primary(service: Service, key: RegionalKey) -> None:
    """Refuse a key that is no primary of a multi-Region key; who may do nothing with it is not told so much."""
    key_set = service.store.key_set(key)
    if not key_set.multi_region:
        raise unsupported(f"{key.arn} is not a multi-region key.")
    if key_set.primary_region != key.region:
        raise unsupported(f"{key.arn} is not a multi-region primary key.")


def _authorize_replication(
    service: Service, call: Call, primary: RegionalKey, region: str, tags: dict[str, str]
) -> None:
    """kms:ReplicateKey by the primary's key policy; kms:CreateKey and kms:TagResource where the replica comes to be."""
    authorize_key(service, call, "kms:ReplicateKey", primary, {"kms:replicaregion": (region,)})
    conditions = {
        **spec_conditions(service.store.key_set(primary)),
        "kms:multiregionkeytype": ("REPLICA",),
        **bypass_condition(call.parameters),
        **tag_conditions(tags),
    }
    authorize_account(call, "kms:CreateKey", conditions, region=region)
    if tags:
        replica = key_arn(region, primary.account, primary.key_id)
        authorize_resource(call, "kms:TagResource", replica, conditions, region=region)


def _require_reachable(service: Service, region: str) -> None:
    if region not in service.regions:
        raise unsupported(f"AWS KMS is not available in {region}.")
    if region in service.down:
        raise Refusal("KMSInternalException", f"{region} cannot be reached.", status=500)


def _record_there(
    service: Service, call: Call, action: Action, replica: RegionalKey, parameters: dict[str, Any]
) -> None:
    """CloudTrail records both operations in two Regions: here by the call itself, and where the replica is.

    Source: AWS KMS Developer Guide, the log entries of ReplicateKey and UpdatePrimaryRegion.
    """
    there = Call(
        identity=call.identity,
        region=replica.region,
        parameters=parameters,
        now=call.now,
        request_id=call.request_id,
        touched=[replica],
    )
    event = event_of(action, there, user_agent="AWS Internal")
    service.trail.record(replica.region, event)
