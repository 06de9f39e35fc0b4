"""What the statements of a key policy mean, in sentences.

`explain` is for documents that `build` made: it goes by their Sids. `describe` is for statements that anybody may have
written: it goes by what they say, and says all of it, since a Sid is only a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tenants.key_policy.rules import Document, Statement
from tenants.key_policy.statements import CLASS_KEY, REWRAP_ACTIONS

_FIXED_SENTENCES: Final = {
    "AccountRootMayRepairThisPolicy": "The root user of the account, and no role or user of it, may read and replace"
    " this policy, so that a lost admin role does not lose the key.",
    "AdminRoleManagesAndCannotUse": "The admin role manages the key: description, policy, tags, aliases, rotation,"
    " state, deletion. It can neither encrypt nor decrypt, nor grant that to others.",
    "AuditRoleReads": "The audit role reads the key's description, policy, tags, grants and rotations.",
}
_EVERYBODY: Final = "*"


def explain(document: Document) -> tuple[tuple[str, str], ...]:
    """Each statement of a document that `build` made: its Sid and what it means, in a sentence."""
    return tuple((statement["Sid"], _sentence(statement)) for statement in document["Statement"])


def describe(statement: Mapping[str, Any]) -> str:
    """What any statement says, element by element, in a sentence."""
    verb = {"Allow": "Allows", "Deny": "Denies"}.get(str(statement.get("Effect")), "Has for")
    conditions = ", and ".join(_conditions(statement.get("Condition")))
    return (
        f"{verb} {_principals(statement)}: {_actions(statement)}"
        f"{', if ' if conditions else ''}{conditions}."
    )


def _sentence(statement: Statement) -> str:
    sid = statement["Sid"]
    if sid in _FIXED_SENTENCES:
        return _FIXED_SENTENCES[sid]
    [(_, condition)] = statement["Condition"].items()
    if "kms:ReplicaRegion" in condition:
        regions = ", ".join(condition["kms:ReplicaRegion"])
        if statement["Effect"] == "Deny":
            return f"Nobody makes a replica outside of {regions}, whatever other policies say."
        return f"The admin role makes replicas in {regions}."
    role = str(statement["Principal"]["AWS"]).rpartition("/")[2]
    if statement["Action"] == "kms:GenerateDataKey":
        return f"{role} makes data keys of this tenant, to encrypt."
    classes = condition.get(CLASS_KEY)
    what = f"classified {', '.join(classes)}" if classes else "of every classification"
    if statement["Action"] == list(REWRAP_ACTIONS):
        return f"{role} wraps search index keys of this tenant anew, {what}, and sees none of them."
    return f"{role} decrypts data of this tenant {what}."


def _principals(statement: Mapping[str, Any]) -> str:
    but = statement.get("NotPrincipal")
    given = but if but is not None else statement.get("Principal")
    named = given.values() if isinstance(given, Mapping) else [given]
    words = [name for value in named for name in _words(value)]
    said = "everybody" if _EVERYBODY in words else ", ".join(words) or "nobody"
    return f"everybody but {said}" if but is not None else said


def _actions(statement: Mapping[str, Any]) -> str:
    if "NotAction" in statement:
        return f"everything but {', '.join(_words(statement['NotAction']))}"
    return ", ".join(_words(statement.get("Action"))) or "nothing"


def _conditions(block: Any) -> Iterator[str]:
    for operator, pairs in block.items() if isinstance(block, Mapping) else ():
        for key, value in pairs.items() if isinstance(pairs, Mapping) else ():
            yield f"{operator} {key} {' or '.join(_words(value))}"


def _words(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in (value if isinstance(value, list) else [value])]
