"""TagResource, UntagResource and ListResourceTags. Tags are each Region's own."""

from __future__ import annotations

from dataclasses import replace

from sandbox.kms.authorization import authorize_key
from sandbox.kms.call import Call
from sandbox.kms.conditions import tag_conditions
from sandbox.kms.lookup import find_by_id
from sandbox.kms.pages import kms_page
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.states import MANAGEABLE, require_state
from sandbox.kms.tagging import check_count, listed_tags, tags_of


@operation("TagResource")
def tag_resource(service: Service, call: Call) -> Answer:
    """Add tags, or give present ones another value."""
    key = find_by_id(service, call, call.parameters["KeyId"])
    tags = tags_of(call.parameters["Tags"])
    authorize_key(service, call, "kms:TagResource", key, tag_conditions(tags))
    require_state(key, MANAGEABLE, call.now)
    merged = {**key.tags, **tags}
    check_count(merged)
    service.store.put(replace(key, tags=merged))
    return None


@operation("UntagResource")
def untag_resource(service: Service, call: Call) -> Answer:
    """Take tags away; a tag that is not there is no error."""
    key = find_by_id(service, call, call.parameters["KeyId"])
    names = call.parameters["TagKeys"]
    conditions = {"aws:tagkeys": tuple(names)}
    authorize_key(service, call, "kms:UntagResource", key, conditions)
    require_state(key, MANAGEABLE, call.now)
    kept = {name: value for name, value in key.tags.items() if name not in names}
    service.store.put(replace(key, tags=kept))
    return None


@operation("ListResourceTags", read_only=True)
def list_resource_tags(service: Service, call: Call) -> Answer:
    """The tags of one key."""
    key = find_by_id(service, call, call.parameters["KeyId"])
    authorize_key(service, call, "kms:ListResourceTags", key)
    tags = listed_tags(key.tags)
    page, rest = kms_page(tags, lambda tag: tag["TagKey"], call.parameters, default=50, most=50)
    return {"Tags": page, **rest}
