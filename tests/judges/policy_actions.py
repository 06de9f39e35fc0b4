"""Run by the Python of the judges: which actions, condition keys and pairs of the two does AWS not know?

Policy documents come as JSON on standard input, by name; the problems go out as a JSON list of sentences. What AWS
knows stands in the tables that policy_sentry brings along.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from policy_sentry.querying.actions import get_action_data, get_actions_for_service
from policy_sentry.querying.conditions import get_condition_keys_for_service

# Set by IAM for every request (IAM User Guide, "AWS global condition context keys").
GLOBAL = {"aws:principaltype", "aws:requestedregion", "aws:sourceaccount"}


def problems(name: str, document: dict[str, Any]) -> Iterator[str]:
    """Of one document."""
    for statement in document["Statement"]:
        place = f"{name} {statement.get('Sid', '')}"
        actions = listed(statement["Action"])
        for action in actions:
            if not matching(action):
                yield f"{place}: there is no action {action}."
        for operator, pairs in statement.get("Condition", {}).items():
            for key in pairs:
                if not any(allows(action, key) for action in actions):
                    yield f"{place}: {operator} {key} says nothing of {actions}."


def listed(value: Any) -> list[str]:
    """A string is a list of one."""
    return value if isinstance(value, list) else [value]


def matching(pattern: str) -> list[str]:
    """The actions that a pattern covers."""
    service = pattern.partition(":")[0]
    return [
        action
        for action in get_actions_for_service(service)
        if fnmatchcase(action.lower(), pattern.lower())
    ]


def allows(pattern: str, key: str) -> bool:
    """Whether a request for one of these actions can carry the condition key."""
    if key.lower() in GLOBAL:
        return True
    service = pattern.partition(":")[0]
    known = {generic(each) for each in get_condition_keys_for_service(service)}
    if generic(key) not in known:
        return False
    return any(generic(key) in keys_of(action) for action in matching(pattern))


def keys_of(action: str) -> set[str]:
    """Condition keys of the action itself and of the resources that it is about."""
    service, _, name = action.partition(":")
    [*rows] = get_action_data(service, name)[service]
    found = {generic(key) for row in rows for key in row["condition_keys"]}
    return (
        found
        | {generic(key) for row in rows for key in row.get("resource_condition_keys", [])}
        | (
            # A key's tags and kind are conditions of every action on it (Service Authorization Reference, "KMS keys").
            {"aws:resourcetag/*", "kms:multiregion", "kms:keyspec", "kms:keyorigin"}
            if any("key" in str(row["resource_arn_format"]) for row in rows)
            else set()
        )
    )


def generic(key: str) -> str:
    """`aws:ResourceTag/mrk-gateway:environment` and `aws:ResourceTag/${TagKey}` are the same one."""
    found = re.sub(r"\$\{[^}]*\}", "*", key.lower())
    found = re.sub(r"^(aws:(?:resource|request)tag/).*", r"\1*", found)
    return re.sub(r"^(kms:encryptioncontext:).*", r"\1*", found)


if __name__ == "__main__":
    given = json.load(sys.stdin)
    json.dump(
        [text for name, document in given.items() for text in problems(name, document)], sys.stdout
    )
