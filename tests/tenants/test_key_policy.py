"""Region rules become key policies: a table of what each role may do, equal documents for equal rules, and size."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.kms.policy.caller import Caller
from sandbox.kms.policy.decision import Decision, Request, decide_on_key
from sandbox.kms.policy.document import parse_identity_policy, parse_key_policy
from tenants.key_policy import (
    Document,
    Principals,
    build,
    difference,
    explain,
    fingerprint,
    opens,
    render,
    shared_classes,
)
from tests.tenants import policy_documents

TENANT = "0192aaaa"
PRINCIPALS = Principals(
    account_root="arn:aws:iam::111122223333:root",
    use_role="arn:aws:iam::111122223333:role/mrk-gateway-use-{region}",
    admin_role="arn:aws:iam::111122223333:role/mrk-gateway-admin",
    audit_role="arn:aws:iam::111122223333:role/mrk-gateway-audit",
)
USE_ACTIONS = {
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:CreateGrant",
    "kms:*",
}


@dataclass(frozen=True)
class Rule:
    """A rule as any of the three classes that have these attributes."""

    region: str
    may_encrypt: bool = True
    may_decrypt: tuple[str, ...] = ("*",)


def policy(region: str, *rules: Rule) -> Document:
    return build(region=region, rules=rules, tenant=TENANT, principals=PRINCIPALS)


def of_role(document: Document, region: str) -> dict[str, dict[str, Any]]:
    """What the role of that Region is allowed: Sid -> the conditions."""
    role = PRINCIPALS.use_role_of(region)
    return {
        statement["Sid"]: statement["Condition"]["StringEquals"]
        for statement in document["Statement"]
        if statement["Principal"]["AWS"] == role
    }


EU, US = "eu-west-1", "us-east-2"
BACKDOOR: dict[str, Any] = {
    "Sid": "Backdoor", "Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*",
}  # fmt: skip
IN_TENANT = {"kms:EncryptionContext:tenant": TENANT}


def classes(*names: str) -> dict[str, Any]:
    return {**IN_TENANT, "kms:EncryptionContext:class": list(names)}


# The rule of us-east-2, the rule of eu-west-1 -> what the role of us-east-2 may do with the key in eu-west-1.
TABLE: list[tuple[Rule, Rule, dict[str, Any]]] = [
    (Rule(US), Rule(EU), {"EncryptUsEast2": IN_TENANT, "DecryptUsEast2": IN_TENANT}),
    (Rule(US), Rule(EU, False), {"DecryptUsEast2": IN_TENANT}),
    (Rule(US, False), Rule(EU), {"DecryptUsEast2": IN_TENANT}),
    (Rule(US), Rule(EU, True, ()), {"EncryptUsEast2": IN_TENANT}),
    (Rule(US, True, ()), Rule(EU), {"EncryptUsEast2": IN_TENANT}),
    (Rule(US, False, ()), Rule(EU), {}),
    (Rule(US), Rule(EU, False, ()), {}),
    (Rule(US, False, ("pii",)), Rule(EU, True, ("pci",)), {}),
    (Rule(US, False, ("pii",)), Rule(EU), {"DecryptUsEast2": classes("pii")}),
    (Rule(US), Rule(EU, False, ("pii", "pci")), {"DecryptUsEast2": classes("pci", "pii")}),
    (
        Rule(US, True, ("phi", "pii")),
        Rule(EU, True, ("pii", "pci")),
        {"EncryptUsEast2": IN_TENANT, "DecryptUsEast2": classes("pii")},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("us", "eu", "expected"), TABLE)
def test_a_role_may_do_with_a_replica_what_both_regions_allow(
    us: Rule, eu: Rule, expected: dict[str, Any]
) -> None:
    assert of_role(policy(EU, us, eu), US) == expected


REWRAPS: list[tuple[Rule, dict[str, Any] | None]] = [
    (Rule(US), {**IN_TENANT, "kms:EncryptionContext:purpose": "index"}),
    (Rule(US, True, ("pii",)), {**classes("pii"), "kms:EncryptionContext:purpose": "index"}),
    (Rule(US, True, ()), None),
    (Rule(US, False), None),
]


@pytest.mark.parametrize(("rule", "expected"), REWRAPS)
def test_index_keys_are_wrapped_anew_by_a_region_alone_and_only_where_it_opens_and_encrypts(
    rule: Rule, expected: dict[str, Any] | None
) -> None:
    assert of_role(policy(US, rule, Rule(EU)), US).get("RewrapUsEast2") == expected
    everywhere = [
        *of_role(policy(US, rule, Rule(EU)), EU),
        *of_role(policy(EU, rule, Rule(EU)), US),
    ]
    assert not [sid for sid in everywhere if sid.startswith("Rewrap")]


def test_a_region_outside_of_the_rules_is_named_nowhere() -> None:
    assert "us-west-1" not in render(policy(EU, Rule(US), Rule(EU)))


def test_neither_admin_nor_audit_nor_the_account_may_use_the_key() -> None:
    for statement in policy(EU, Rule(US), Rule(EU))["Statement"]:
        if "mrk-gateway-use" not in json.dumps(statement["Principal"]):
            actions = (
                statement["Action"]
                if isinstance(statement["Action"], list)
                else [statement["Action"]]
            )
            assert not USE_ACTIONS & set(actions), statement["Sid"]
            assert not [action for action in actions if "*" in action], statement["Sid"]


def test_the_account_statement_is_for_the_root_user_alone_and_can_only_repair() -> None:
    [statement] = [
        one
        for one in policy(EU, Rule(EU))["Statement"]
        if one["Principal"]["AWS"] == PRINCIPALS.account_root
    ]
    assert statement["Action"] == ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy"]
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalType": "Account"}}


def allows(document: Document, caller: str, kind: str, action: str) -> bool:
    """What IAM would decide, for a caller whose own policies allow everything."""
    everything = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"},
    }
    decision = decide_on_key(
        Caller.parse(caller),
        Request(
            action, "arn:aws:kms:eu-west-1:111122223333:key/mrk-x", {"aws:principaltype": (kind,)}
        ),
        key_policy=parse_key_policy(render(document)),
        key_account="111122223333",
        identity=parse_identity_policy(json.dumps(everything)),
    )
    return decision is Decision.ALLOWED


def test_the_root_user_repairs_the_policy_and_uses_nothing() -> None:
    document = policy(EU, Rule(EU))
    root = "arn:aws:iam::111122223333:root"
    assert allows(document, root, "Account", "kms:PutKeyPolicy")
    for action in (
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "kms:CreateGrant",
        "kms:ScheduleKeyDeletion",
    ):
        assert not allows(document, root, "Account", action), action


@pytest.mark.parametrize(
    "role",
    ["powerful", "mrk-gateway-use-us-east-2", "mrk-gateway-use-eu-west-1", "mrk-gateway-audit"],
)
def test_no_iam_policy_of_the_account_reaches_around_the_key_policy(role: str) -> None:
    """The statement for the root user names the account, which usually lets IAM policies in: not here."""
    document = policy(EU, Rule(EU))
    caller = f"arn:aws:sts::111122223333:assumed-role/{role}/session"
    for action in (
        "kms:PutKeyPolicy",
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:ReplicateKey",
        "kms:ScheduleKeyDeletion",
    ):
        assert not allows(document, caller, "AssumedRole", action), action


def test_replicas_outside_of_the_tenants_regions_are_denied_to_everybody() -> None:
    [denied] = [
        one for one in policy(EU, Rule(US), Rule(EU))["Statement"] if one["Effect"] == "Deny"
    ]
    assert denied["Principal"] == {"AWS": "*"}
    assert denied["Action"] == "kms:ReplicateKey"
    assert denied["Condition"] == {"StringNotEquals": {"kms:ReplicaRegion": [EU, US]}}


def test_the_order_of_rules_and_classes_changes_nothing() -> None:
    rules = [
        Rule(US, True, ("pii", "pci")),
        Rule(EU, True, ("pci", "pii", "phi")),
        Rule("us-west-1"),
    ]
    first = policy(EU, *rules)
    for _ in range(5):
        random.shuffle(rules)
        assert policy(EU, *rules) == first


def shuffled(document: Document) -> Document:
    """The same policy as KMS or a person might write it: other order, one-element lists and plain strings swapped."""
    statements = []
    for statement in document["Statement"]:
        one = json.loads(json.dumps(statement))
        action = one["Action"]
        one["Action"] = list(reversed(action)) if isinstance(action, list) else [action]
        one["Principal"]["AWS"] = [one["Principal"]["AWS"]]
        for condition in one.get("Condition", {}).values():
            for key, value in condition.items():
                condition[key] = list(reversed(value)) if isinstance(value, list) else [value]
        statements.append(dict(reversed(one.items())))
    return {"Statement": statements[::-1], "Id": document["Id"], "Version": document["Version"]}


def test_the_fingerprint_knows_what_means_the_same() -> None:
    document = policy(EU, Rule(US, True, ("pii", "pci")), Rule(EU))
    assert fingerprint(shuffled(document)) == fingerprint(document)
    assert difference(document, shuffled(document)) == ()
    assert len(fingerprint(document)) == 64


@pytest.mark.parametrize("place", ["Effect", "Action", "Principal", "Condition"])
def test_every_real_change_has_another_fingerprint_and_is_named(place: str) -> None:
    desired = policy(EU, Rule(US), Rule(EU))
    applied = json.loads(render(desired))
    changed = next(one for one in applied["Statement"] if one["Sid"] == "DecryptUsEast2")
    changed[place] = {"AWS": "*"} if place == "Principal" else "other"
    assert fingerprint(applied) != fingerprint(desired)
    [said] = difference(desired, applied)
    assert said.startswith("DecryptUsEast2 was changed: ")


def test_missing_and_foreign_statements_are_named() -> None:
    desired = policy(EU, Rule(US), Rule(EU))
    applied = json.loads(render(desired))
    applied["Statement"] = [*applied["Statement"][1:], BACKDOOR]
    assert difference(desired, applied) == (
        "AccountRootMayRepairThisPolicy is missing.",
        "Backdoor should not be there: Allows everybody: kms:Decrypt.",
    )


def test_a_statement_without_sid_a_lone_one_and_another_version_are_noticed() -> None:
    desired = policy(EU, Rule(EU))
    assert difference(desired, {"Statement": {"Effect": "Allow"}})
    applied = json.loads(render(desired)) | {"Version": "2008-10-17"}
    assert difference(desired, applied) == (
        "The statements are equal, but something around them was changed.",
    )


def test_sids_are_letters_and_digits_and_unique_and_each_is_explained() -> None:
    document = policy(
        EU, Rule(US, True, ("pii",)), Rule(EU, True, ("pii", "pci")), Rule("us-west-1", True, ())
    )
    sids = [statement["Sid"] for statement in document["Statement"]]
    assert len(set(sids)) == len(sids)
    assert all(sid.isalnum() for sid in sids)
    explained = dict(explain(document))
    assert list(explained) == sids
    assert all(sentence.endswith(".") for sentence in explained.values())
    assert (
        explained["DecryptUsEast2"]
        == "mrk-gateway-use-us-east-2 decrypts data of this tenant classified pii."
    )
    assert explained["RewrapEuWest1"] == (
        "mrk-gateway-use-eu-west-1 wraps search index keys of this tenant anew, classified pci, pii,"
        " and sees none of them."
    )
    assert (
        explained["AdminRoleReplicates"]
        == "The admin role makes replicas in eu-west-1, us-east-2, us-west-1."
    )


def test_the_largest_tenant_stays_far_below_what_kms_takes() -> None:
    names = tuple(f"own-label-of-forty-characters-number-{number:03}" for number in range(16))
    rules = [Rule(f"ap-southeast-{number}", True, names) for number in range(1, 18)]
    assert len(render(policy("ap-southeast-7", *rules))) < 28_000
    everything = [Rule(f"ap-southeast-{number}") for number in range(1, 18)]
    assert len(render(policy("ap-southeast-7", *everything))) < 16_000


def test_shared_classes_and_opens() -> None:
    assert shared_classes(Rule(US), Rule(EU)) == ("*",)
    assert shared_classes(Rule(US, True, ("b", "a")), Rule(EU)) == ("a", "b")
    assert shared_classes(Rule(US, True, ()), Rule(EU)) == ()
    assert opens(Rule(US), "phi")
    assert not opens(Rule(US, True, ("pii",)), "phi")


def test_the_page_with_the_documents_of_two_tenants_is_up_to_date() -> None:
    """`python -m tests.tenants.policy_documents --write` makes it again."""
    assert policy_documents.FILE.read_text() == policy_documents.page()
    for by_region in policy_documents.documents().values():
        assert len({fingerprint(document) for document in by_region.values()}) == 3
