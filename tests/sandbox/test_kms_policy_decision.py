"""The policy evaluator, by a table: statements and a request in, the decision out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from sandbox.kms.policy.caller import Caller
from sandbox.kms.policy.decision import Decision, Request, decide_on_key, decide_without_key
from sandbox.kms.policy.document import parse_identity_policy, parse_key_policy
from tests.sandbox.kms_cast import ACCOUNT, OTHER_ACCOUNT, ROOT, document, statement


def role(name: str, account: str = ACCOUNT) -> str:
    """The ARN of a role; these tests ask no server, so that any name will do."""
    return f"arn:aws:iam::{account}:role/{name}"


KEY = f"arn:aws:kms:us-east-2:{ACCOUNT}:key/mrk-{'0' * 32}"
ALLOWED = Decision.ALLOWED
DENIED = Decision.DENIED_BY_KEY_POLICY
SILENT = Decision.NO_KEY_POLICY_ALLOWS
DELEGATED = Decision.NO_IDENTITY_POLICY_ALLOWS

GATEWAY = Caller.parse(f"arn:aws:sts::{ACCOUNT}:assumed-role/gateway/web")
ALICE = Caller.parse(f"arn:aws:iam::{ACCOUNT}:user/people/alice")
PATHED = Caller.parse(
    f"arn:aws:sts::{ACCOUNT}:assumed-role/gateway/web", issuer=role("service/gateway")
)
STRANGER = Caller.parse(f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/gateway/web")
ROOT_USER = Caller.parse(ROOT)

NO_POLICY = ()
MAY_ALL = parse_identity_policy(document({"Effect": "Allow", "Action": "*", "Resource": "*"}))
MAY_NOT = parse_identity_policy(
    document(
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"},
    )
)


def decide(
    *statements: dict[str, Any],
    caller: Caller = GATEWAY,
    action: str = "kms:Decrypt",
    identity: Any = NO_POLICY,
    context: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Decision:
    lowered = {name.lower(): values for name, values in context.items()}
    return decide_on_key(
        caller,
        Request(action, KEY, lowered),
        key_policy=parse_key_policy(document(*statements)),
        key_account=ACCOUNT,
        identity=identity,
    )


@pytest.mark.parametrize(
    ("principal", "caller", "identity", "expected"),
    [
        ({"AWS": role("gateway")}, GATEWAY, NO_POLICY, ALLOWED),
        ({"AWS": GATEWAY.arn}, GATEWAY, NO_POLICY, ALLOWED),
        ({"AWS": [role("other"), role("gateway")]}, GATEWAY, NO_POLICY, ALLOWED),
        ({"AWS": role("other")}, GATEWAY, MAY_ALL, SILENT),
        ({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/gateway/x"}, GATEWAY, MAY_ALL, SILENT),
        ({"AWS": role("service/gateway")}, PATHED, NO_POLICY, ALLOWED),
        ({"AWS": role("gateway")}, PATHED, NO_POLICY, SILENT),
        ({"AWS": ALICE.arn}, ALICE, NO_POLICY, ALLOWED),
        ("*", GATEWAY, NO_POLICY, ALLOWED),
        ({"AWS": "*"}, ALICE, NO_POLICY, ALLOWED),
        ({"AWS": ROOT}, GATEWAY, NO_POLICY, DELEGATED),
        ({"AWS": ROOT}, GATEWAY, MAY_ALL, ALLOWED),
        ({"AWS": ACCOUNT}, GATEWAY, MAY_ALL, ALLOWED),
        ({"AWS": ROOT}, ROOT_USER, NO_POLICY, ALLOWED),
        ({"AWS": role("gateway")}, ROOT_USER, NO_POLICY, SILENT),
        ({"AWS": role("gateway")}, GATEWAY, MAY_NOT, Decision.DENIED_BY_IDENTITY_POLICY),
        ({"AWS": ROOT}, STRANGER, MAY_ALL, SILENT),
        ({"AWS": role("gateway", OTHER_ACCOUNT)}, STRANGER, MAY_ALL, ALLOWED),
        ({"AWS": role("gateway", OTHER_ACCOUNT)}, STRANGER, NO_POLICY, DELEGATED),
        ({"AWS": OTHER_ACCOUNT}, STRANGER, MAY_ALL, ALLOWED),
        ("*", STRANGER, NO_POLICY, DELEGATED),
        ({"Service": "lambda.amazonaws.com"}, GATEWAY, MAY_ALL, SILENT),
    ],
)
def test_an_allow_counts_for_whom_it_names(
    principal: Any, caller: Caller, identity: Any, expected: Decision
) -> None:
    allow = statement(principal, "kms:Decrypt")
    assert decide(allow, caller=caller, identity=identity) is expected


@pytest.mark.parametrize(
    ("principal", "caller", "expected"),
    [
        ("*", GATEWAY, DENIED),
        ({"AWS": role("gateway")}, GATEWAY, DENIED),
        ({"AWS": ROOT}, GATEWAY, DENIED),
        ({"AWS": role("other")}, GATEWAY, ALLOWED),
    ],
)
def test_an_explicit_deny_wins_over_every_allow(
    principal: Any, caller: Caller, expected: Decision
) -> None:
    both = (statement("*", "kms:*"), statement(principal, "kms:Decrypt", "Deny"))
    assert decide(*both, caller=caller, identity=MAY_ALL) is expected
    assert decide(*reversed(both), caller=caller, identity=MAY_ALL) is expected


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([role("gateway")], DENIED),  # neither the session nor the account is spared
        ([role("gateway"), GATEWAY.arn], DENIED),
        ([role("gateway"), GATEWAY.arn, ROOT], ALLOWED),
    ],
)
def test_a_deny_of_all_but_some_spares_only_who_is_listed_to_the_end(
    listed: list[str], expected: Decision
) -> None:
    deny = statement("*", "kms:*", "Deny")
    del deny["Principal"]
    deny["NotPrincipal"] = {"AWS": listed}
    assert decide(statement("*", "kms:*"), deny) is expected


@pytest.mark.parametrize(
    ("element", "actions", "expected"),
    [
        ("Action", "kms:Decrypt", ALLOWED),
        ("Action", "KMS:decrypt", ALLOWED),
        ("Action", "kms:De*", ALLOWED),
        ("Action", "kms:Decryp?", ALLOWED),
        ("Action", "*", ALLOWED),
        ("Action", ["kms:Encrypt", "kms:*"], ALLOWED),
        ("Action", "kms:Encrypt", SILENT),
        ("Action", "kms:Decrypt?", SILENT),
        ("Action", "s3:*", SILENT),
        ("NotAction", "kms:Encrypt", ALLOWED),
        ("NotAction", "kms:De*", SILENT),
    ],
)
def test_actions_match_by_wildcard_and_without_regard_to_case(
    element: str, actions: Any, expected: Decision
) -> None:
    allow = statement("*", "kms:Decrypt")
    del allow["Action"]
    assert decide(allow | {element: actions}) is expected


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"Resource": "*"}, ALLOWED),
        ({"Resource": KEY}, ALLOWED),
        ({"Resource": KEY.replace("us-east-2", "*")}, ALLOWED),
        ({"Resource": KEY[:-1] + "1"}, SILENT),
        ({"NotResource": KEY}, SILENT),
    ],
)
def test_a_statement_speaks_of_the_resources_that_it_names(
    resource: dict[str, str], expected: Decision
) -> None:
    allow = statement("*", "kms:Decrypt")
    del allow["Resource"]
    assert decide(allow | resource) is expected


TENANT = "kms:EncryptionContext:tenant"
KEYS = "kms:EncryptionContextKeys"
ACME: dict[str, tuple[str, ...]] = {TENANT: ("acme",), KEYS: ("tenant", "class")}


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ({"StringEquals": {TENANT: "acme"}}, ACME, True),
        ({"StringEquals": {TENANT.upper(): "acme"}}, ACME, True),
        ({"StringEquals": {TENANT: ["globex", "acme"]}}, ACME, True),
        ({"StringEquals": {TENANT: "globex"}}, ACME, False),
        ({"StringEquals": {TENANT: "ACME"}}, ACME, False),
        ({"StringEquals": {TENANT: "ac*"}}, ACME, False),
        ({"StringEquals": {TENANT: "acme"}}, {}, False),
        ({"StringEqualsIfExists": {TENANT: "acme"}}, {}, True),
        ({"StringEqualsIfExists": {TENANT: "globex"}}, ACME, False),
        ({"StringNotEquals": {TENANT: "globex"}}, ACME, True),
        ({"StringNotEquals": {TENANT: ["globex", "acme"]}}, ACME, False),
        ({"StringNotEquals": {TENANT: "acme"}}, {}, True),
        ({"StringEqualsIgnoreCase": {TENANT: "ACME"}}, ACME, True),
        ({"StringNotEqualsIgnoreCase": {TENANT: "ACME"}}, ACME, False),
        ({"StringLike": {TENANT: "a?m*"}}, ACME, True),
        ({"StringLike": {TENANT: "a"}}, ACME, False),
        ({"StringNotLike": {TENANT: "a*"}}, ACME, False),
        ({"StringNotLike": {TENANT: "g*"}}, ACME, True),
        ({"Null": {TENANT: "true"}}, ACME, False),
        ({"Null": {TENANT: "false"}}, ACME, True),
        ({"Null": {TENANT: True}}, {}, True),
        ({"Bool": {"kms:MultiRegion": "true"}}, {"kms:MultiRegion": ("true",)}, True),
        ({"Bool": {"kms:MultiRegion": True}}, {"kms:MultiRegion": ("false",)}, False),
        ({"Bool": {"kms:MultiRegion": "true"}}, {}, False),
        ({"BoolIfExists": {"kms:MultiRegion": "true"}}, {}, True),
        ({"ForAllValues:StringEquals": {KEYS: ["tenant", "class"]}}, ACME, True),
        ({"ForAllValues:StringEquals": {KEYS: ["tenant"]}}, ACME, False),
        ({"ForAllValues:StringEquals": {KEYS: ["tenant"]}}, {}, True),
        ({"ForAnyValue:StringEquals": {KEYS: ["tenant"]}}, ACME, True),
        ({"ForAnyValue:StringEquals": {KEYS: ["purpose"]}}, ACME, False),
        ({"ForAnyValue:StringEquals": {KEYS: ["tenant"]}}, {}, False),
        ({"ForAnyValue:StringLike": {KEYS: ["cl*"]}}, ACME, True),
        ({"ForAnyValue:StringNotEquals": {KEYS: ["tenant"]}}, ACME, True),
        ({"ForAllValues:StringNotEquals": {KEYS: ["purpose"]}}, ACME, True),
        ({"ArnEquals": {"aws:PrincipalArn": role("gate*")}}, {"aws:PrincipalArn": (role("gateway"),)}, True),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/gateway"}},
         {"aws:PrincipalArn": (role("gateway"),)}, True),
        ({"ArnLike": {"aws:PrincipalArn": "arn:*:role/gateway"}}, {"aws:PrincipalArn": (role("gateway"),)}, False),
        ({"ArnNotLike": {"aws:PrincipalArn": role("admin")}}, {"aws:PrincipalArn": (role("gateway"),)}, True),
        ({"ArnNotEquals": {"aws:PrincipalArn": role("gateway")}}, {"aws:PrincipalArn": (role("gateway"),)}, False),
        ({"NumericLessThanEquals": {"kms:ScheduleKeyDeletionPendingWindowInDays": "7"}},
         {"kms:ScheduleKeyDeletionPendingWindowInDays": ("7",)}, True),
        ({"NumericGreaterThan": {"kms:ScheduleKeyDeletionPendingWindowInDays": 7}},
         {"kms:ScheduleKeyDeletionPendingWindowInDays": ("7",)}, False),
        ({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}},
         {"aws:CurrentTime": ("2026-06-01T00:00:00Z",)}, True),
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, {"aws:SourceIp": ("127.0.0.1",)}, True),
        ({"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, {"aws:SourceIp": ("127.0.0.1",)}, False),
        ({"StringEquals": {TENANT: "${aws:PrincipalTag/tenant}"}},
         {TENANT: ("acme",), "aws:PrincipalTag/tenant": ("acme",)}, True),
        ({"StringEquals": {TENANT: "${aws:PrincipalTag/tenant}"}},
         {TENANT: ("acme",), "aws:PrincipalTag/tenant": ("globex",)}, False),
        ({"StringEquals": {TENANT: "${aws:PrincipalTag/tenant}"}}, ACME, False),
        ({"StringLike": {TENANT: "${aws:PrincipalTag/tenant}"}},
         {TENANT: ("acme",), "aws:PrincipalTag/tenant": ("*",)}, False),
        ({"StringLike": {TENANT: "a${*}"}}, ACME, False),
        ({"StringEquals": {TENANT: "acme", "kms:CallerAccount": ACCOUNT}}, ACME, False),
        ({"StringEquals": {TENANT: "acme"}, "Null": {KEYS: "true"}}, ACME, False),
        # Context keys that differ in case alone share a condition key: an Allow must not count then.
        ({"StringEquals": {TENANT: "acme"}}, {TENANT: ("acme", "globex")}, False),
    ],
)  # fmt: skip
def test_a_condition_holds_or_not(
    condition: dict[str, Any], context: dict[str, tuple[str, ...]], holds: bool
) -> None:
    allow = statement("*", "kms:Decrypt", **condition)
    assert decide(allow, context=context) is (ALLOWED if holds else SILENT)


def test_an_undecidable_condition_lets_a_deny_count() -> None:
    deny = statement("*", "kms:*", "Deny", StringEquals={TENANT: "globex"})
    answer = decide(statement("*", "kms:*"), deny, context={TENANT: ("acme", "Acme")})
    assert answer is DENIED


def test_the_older_version_takes_variables_literally() -> None:
    allow = statement("*", "kms:*", StringEquals={TENANT: "${aws:PrincipalTag/tenant}"})
    policy = json.dumps({"Version": "2008-10-17", "Statement": allow})
    context = {TENANT.lower(): ("acme",), "aws:principaltag/tenant": ("acme",)}
    decision = decide_on_key(
        GATEWAY,
        Request("kms:Decrypt", KEY, context),
        key_policy=parse_key_policy(policy),
        key_account=ACCOUNT,
        identity=NO_POLICY,
    )
    assert decision is SILENT


def test_without_a_key_the_identity_policy_alone_decides() -> None:
    request = Request("kms:CreateKey", "*", {})
    only = parse_identity_policy(
        document({"Effect": "Allow", "Action": "kms:Create*", "Resource": "*"})
    )
    narrow = parse_identity_policy(
        document({"Effect": "Allow", "Action": "kms:CreateKey", "Resource": KEY})
    )
    assert decide_without_key(GATEWAY, request, identity=only) is ALLOWED
    assert decide_without_key(GATEWAY, request, identity=narrow) is DELEGATED
    assert decide_without_key(GATEWAY, request, identity=()) is DELEGATED
    decrypt = Request("kms:Decrypt", "*", {})
    answer = decide_without_key(GATEWAY, decrypt, identity=MAY_NOT)
    assert answer is Decision.DENIED_BY_IDENTITY_POLICY


@pytest.mark.parametrize("arn", ["", role("gateway"), "arn:aws:iam::111122223333:group/x", "*"])
def test_only_users_sessions_and_account_roots_call(arn: str) -> None:
    with pytest.raises(ValueError, match="is not the ARN"):
        Caller.parse(arn)
