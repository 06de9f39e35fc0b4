"""The operations, one module a noun. Importing this package enters them all in the table."""

from sandbox.kms.operations import (
    aliases,
    creation,
    data_keys,
    deletion,
    description,
    enabling,
    encryption,
    events,
    identity,
    key_policies,
    multi_region,
    rotation,
    tag_search,
    tags,
)
from sandbox.kms.registry import Operation, find_operation

MODULES = (
    *(aliases, creation, data_keys, deletion, description, enabling, encryption, events),
    *(identity, key_policies, multi_region, rotation, tag_search, tags),
)

__all__ = ["MODULES", "Operation", "find_operation"]
