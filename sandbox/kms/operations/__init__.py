"""The operations, one module a noun. Importing this package enters them all in the table."""

from sandbox.kms.operations import (
    access_keys,
    aliases,
    creation,
    data_key_pairs,
    data_keys,
    deletion,
    description,
    enabling,
    encryption,
    events,
    grant_removal,
    grants,
    identity,
    inline_policies,
    key_material,
    key_policies,
    macs,
    multi_region,
    principals,
    role_sessions,
    rotation,
    tag_search,
    tags,
)
from sandbox.kms.registry import Operation, find_operation

MODULES = (
    *(access_keys, aliases, creation, data_key_pairs, data_keys, deletion, description, enabling),
    *(encryption, events, grant_removal, grants, identity, inline_policies, key_material),
    *(key_policies, macs, multi_region, principals, role_sessions, rotation, tag_search, tags),
)

__all__ = ["MODULES", "Operation", "find_operation"]
