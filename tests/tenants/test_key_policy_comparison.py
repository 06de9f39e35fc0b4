"""What differs between two key policies: which statement and element, and whether anybody may do more or less by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tenants.key_policy import (
    Change,
    Document,
    StatementDifference,
    compare,
    describe,
    difference,
    fingerprint,
    widens,
)
from tests.tenants.test_key_policy import BACKDOOR, EU, TENANT, US, Rule, policy

Edit = Callable[[dict[str, Any]], None]
DESIRED = policy(EU, Rule(US, True, ("pci", "pii")), Rule(EU))


def applied(sid: str, edit: Edit) -> Document:
    """The desired document, with one statement changed."""
    document: Document = json.loads(json.dumps(DESIRED))
    edit(next(one for one in document["Statement"] if one["Sid"] == sid))
    return document


def only(document: Document) -> StatementDifference:
    """The one difference."""
    [found] = compare(DESIRED, document)
    return found


def condition(statement: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(statement["Condition"].values()))
    return found


CLASS = "kms:EncryptionContext:class"
REPLICA = "kms:ReplicaRegion"
DECRYPT, DENY = "DecryptUsEast2", "NobodyReplicatesElsewhere"

# What was done to which statement -> whether the policy allows more, and whether less.
EDITS: list[tuple[str, Edit, bool, bool]] = [
    (DECRYPT, lambda s: s.update(Action=["kms:Decrypt", "kms:Encrypt"]), True, False),
    (DECRYPT, lambda s: s.update(Action="kms:*"), True, False),
    (DECRYPT, lambda s: s.update(Action="kms:Encrypt"), True, True),
    (DECRYPT, lambda s: s.update(Principal="*"), True, False),
    (DECRYPT, lambda s: s.update(Principal={"AWS": "arn:aws:iam::111122223333:role/x"}), True, True),
    (DECRYPT, lambda s: s.update(Principal={"AWS": [s["Principal"]["AWS"], "arn:x"]}), True, False),
    (DECRYPT, lambda s: s.pop("Condition"), True, False),
    (DECRYPT, lambda s: condition(s).pop(CLASS), True, False),
    (DECRYPT, lambda s: condition(s).update({CLASS: ["pci", "pii", "phi"]}), True, False),
    (DECRYPT, lambda s: condition(s).update({CLASS: "pii"}), False, True),
    (DECRYPT, lambda s: condition(s).update({CLASS: "phi"}), True, True),
    (DECRYPT, lambda s: s["Condition"].update(Bool={"aws:SecureTransport": "true"}), False, True),
    (DECRYPT, lambda s: s.update(Effect="Deny"), True, True),
    (DECRYPT, lambda s: s.update(NotAction=s.pop("Action")), True, True),
    (DECRYPT, lambda s: s.update(Sid="Renamed"), False, False),
    (DENY, lambda s: condition(s).update({REPLICA: [EU, US, "us-west-1"]}), True, False),
    (DENY, lambda s: condition(s).update({REPLICA: [EU]}), False, True),
    (DENY, lambda s: s.update(Action="kms:*"), False, True),
    (DENY, lambda s: s.update(Principal={"AWS": "arn:aws:iam::111122223333:role/x"}), True, True),
    (DENY, lambda s: s.pop("Condition"), False, True),
]  # fmt: skip


@pytest.mark.parametrize(("sid", "edit", "more", "less"), EDITS)
def test_a_change_allows_more_or_less(sid: str, edit: Edit, more: bool, less: bool) -> None:
    found = only(applied(sid, edit))
    assert (found.sid, found.change) == (sid, Change.CHANGED)
    assert (found.allows_more, found.allows_less) == (more, less)
    assert found.elements


def test_a_changed_statement_names_each_element_with_what_it_lacks_and_what_it_should_not_have() -> (
    None
):
    def edit(statement: dict[str, Any]) -> None:
        statement["Action"] = ["kms:Decrypt", "kms:ReEncryptFrom"]
        condition(statement)[CLASS] = ["phi", "pii"]

    found = only(applied(DECRYPT, edit))
    by_element = {one.element: (one.missing, one.surplus) for one in found.elements}
    assert by_element == {
        "Action": ((), ("kms:ReEncryptFrom",)),
        f"Condition StringEquals {CLASS}": (("pci",), ("phi",)),
    }
    assert str(found) == (
        "DecryptUsEast2 was changed: Action has kms:ReEncryptFrom;"
        " Condition StringEquals kms:EncryptionContext:class lacks pci and has phi."
    )
    assert found.says == (
        "Allows arn:aws:iam::111122223333:role/mrk-gateway-use-us-east-2: kms:Decrypt, kms:ReEncryptFrom,"
        f" if StringEquals kms:EncryptionContext:tenant {TENANT}, and StringEquals {CLASS} phi or pii."
    )


def without(sid: str) -> Document:
    return DESIRED | {"Statement": [one for one in DESIRED["Statement"] if one["Sid"] != sid]}


def with_one_more(statement: dict[str, Any]) -> Document:
    return DESIRED | {"Statement": [statement, *DESIRED["Statement"]]}


def test_a_missing_allow_allows_less_and_a_missing_deny_more() -> None:
    for sid, more in ((DECRYPT, False), (DENY, True)):
        found = only(without(sid))
        assert (found.change, found.allows_more, found.allows_less) == (
            Change.MISSING,
            more,
            not more,
        )
        assert str(found) == f"{sid} is missing."


def test_a_surplus_allow_allows_more_and_a_surplus_deny_less() -> None:
    assert only(with_one_more(BACKDOOR)).allows_more
    stop = only(with_one_more(BACKDOOR | {"Sid": "EmergencyStop", "Effect": "Deny"}))
    assert (stop.change, stop.allows_more, stop.allows_less) == (Change.SURPLUS, False, True)
    assert stop.says == "Denies everybody: kms:Decrypt."


@pytest.mark.parametrize("sid", ["AuditRoleReads", None])
def test_a_statement_cannot_hide_behind_anothers_sid(sid: str | None) -> None:
    """Neither before nor behind the one that is ours, and not without a name."""
    extra = {name: value for name, value in (BACKDOOR | {"Sid": sid}).items() if value}
    for document in (
        with_one_more(extra),
        DESIRED | {"Statement": [*DESIRED["Statement"], extra]},
    ):
        found = only(document)
        assert (found.change, found.allows_more) == (Change.SURPLUS, True)


def test_what_only_stands_around_the_statements_is_no_statement() -> None:
    other = DESIRED | {"Version": "2008-10-17"}
    assert compare(DESIRED, other) == ()
    assert difference(DESIRED, other)
    assert fingerprint(DESIRED) != fingerprint(other)


@pytest.mark.parametrize(
    "document", [{}, {"Statement": "x"}, {"Statement": ["x", 5]}, {"Statement": {"Condition": 3}}]
)
def test_whatever_stands_there_is_compared_and_said(document: Document) -> None:
    found = compare(DESIRED, document)
    assert len([one for one in found if one.change is Change.MISSING]) == len(DESIRED["Statement"])
    assert all(str(one).endswith(".") for one in found)


def test_a_description_says_all_of_a_statement() -> None:
    assert describe({"Effect": "Deny", "NotPrincipal": {"AWS": "arn:a"}, "NotAction": "kms:*"}) == (
        "Denies everybody but arn:a: everything but kms:*."
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Rule(EU, False, ()), Rule(EU, True, ()), True),
        (Rule(EU, True, ("pii",)), Rule(EU, True, ("pci", "pii")), True),
        (Rule(EU, True, ("pii",)), Rule(EU), True),
        (Rule(EU), Rule(EU, True, ("pii",)), False),
        (Rule(EU, True, ("pii",)), Rule(EU, False, ("*",)), False),
        (Rule(EU, True, ("pii",)), Rule(EU, True, ("pci",)), False),
        (Rule(EU), Rule(EU), False),
    ],
)
def test_a_rule_is_widened_when_it_allows_more_and_takes_nothing_away(
    before: Rule, after: Rule, expected: bool
) -> None:
    assert widens(before, after) is expected
