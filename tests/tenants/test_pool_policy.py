"""The key policies of pools: those of dedicated keys, but for the tenant; and what external keys are asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.kms.policy.caller import Caller
from sandbox.kms.policy.decision import Decision, Request, decide_on_key
from sandbox.kms.policy.document import parse_identity_policy, parse_key_policy
from tenants import external_policy, key_policy, pool_policy
from tenants.errors import PolicyTooLarge
from tenants.key_policy import Document, Principals

PRINCIPALS = Principals(
    account_root="arn:aws:iam::111122223333:root",
    use_role="arn:aws:iam::111122223333:role/mrk-gateway-use-{region}",
    admin_role="arn:aws:iam::111122223333:role/mrk-gateway-admin",
    audit_role="arn:aws:iam::111122223333:role/mrk-gateway-audit",
)
TENANT, CLASS = "kms:EncryptionContext:tenant", "kms:EncryptionContext:class"
EU, US = "eu-west-1", "us-east-2"
ACME, GLOBEX = "a" * 32, "b" * 32
EVERYTHING = parse_identity_policy(
    json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
)


@dataclass(frozen=True)
class Rule:
    """One Region's rule."""

    region: str
    may_encrypt: bool = True
    may_decrypt: tuple[str, ...] = ("*",)


def pool(region: str, *rules: Rule, denied: tuple[str, ...] = ()) -> Document:
    return pool_policy.build(region=region, rules=rules, principals=PRINCIPALS, denied=denied)


def dedicated(region: str, *rules: Rule) -> Document:
    return key_policy.build(region=region, rules=rules, tenant=ACME, principals=PRINCIPALS)


def allows(document: Document, role: str, action: str, **context: str) -> bool:
    """What KMS decides, by the stand-in's reading of the policy."""
    given: dict[str, tuple[str, ...]] = {
        f"kms:encryptioncontext:{name}": (value,) for name, value in context.items()
    }
    arn = f"arn:aws:sts::111122223333:assumed-role/{role}/session"
    decision = decide_on_key(
        Caller.parse(arn),
        Request(action, "arn:aws:kms:x:111122223333:key/mrk-1", given),
        key_policy=parse_key_policy(json.dumps(document)),
        key_account="111122223333",
        identity=EVERYTHING,
    )
    return decision is Decision.ALLOWED


def test_all_but_the_use_is_as_with_a_dedicated_key() -> None:
    rules = (Rule(US), Rule(EU, False, ("pii",)))
    for region in (US, EU):
        ours, theirs = pool(region, *rules)["Statement"], dedicated(region, *rules)["Statement"]
        assert [one["Sid"] for one in ours] == [one["Sid"] for one in theirs]
        for mine, other in zip(ours, theirs, strict=True):
            if TENANT not in str(other):
                assert mine == other
                continue
            assert {**mine, "Condition": 0} == {**other, "Condition": 0}
            equal = dict(other["Condition"]["StringEquals"])
            del equal[TENANT]
            assert mine["Condition"]["Null"] == {TENANT: "false"}
            assert mine["Condition"].get("StringEquals", {}) == equal


def test_no_tenant_is_named_and_the_placeholder_is_in_no_document() -> None:
    text = json.dumps(pool(US, Rule(US), Rule(EU)))
    assert "any-tenant" not in text
    assert ACME not in text


@pytest.mark.parametrize("tenant", [ACME, GLOBEX])
def test_each_tenant_may_use_it_and_nobody_without_one(tenant: str) -> None:
    document = pool(US, Rule(US))
    role = "mrk-gateway-use-us-east-2"
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        assert allows(document, role, action, tenant=tenant)
        assert not allows(document, role, action)
        assert not allows(document, role, action, **{"class": "pii"})
        assert not allows(document, "mrk-gateway-admin", action, tenant=tenant)
        assert not allows(document, "somebody", action, tenant=tenant)


def test_the_classes_of_the_rules_hold() -> None:
    document = pool(EU, Rule(US), Rule(EU, True, ("pii",)))
    role = "mrk-gateway-use-eu-west-1"
    assert allows(document, role, "kms:Decrypt", tenant=ACME, **{"class": "pii"})
    assert not allows(document, role, "kms:Decrypt", tenant=ACME, **{"class": "pci"})
    assert not allows(document, role, "kms:Decrypt", **{"class": "pii"})


def test_the_revoked_are_denied_and_the_others_are_not() -> None:
    document = pool(US, Rule(US), denied=(GLOBEX, ACME, ACME))
    role = "mrk-gateway-use-us-east-2"
    for action in ("kms:GenerateDataKey", "kms:Decrypt", "kms:ReEncryptFrom", "kms:Encrypt"):
        assert not allows(document, role, action, tenant=ACME, purpose="index")
        assert not allows(document, role, action, tenant=GLOBEX, purpose="index")
    assert allows(document, role, "kms:Decrypt", tenant="c" * 32)
    assert allows(document, "mrk-gateway-admin", "kms:PutKeyPolicy")
    assert document == pool(US, Rule(US), denied=(ACME, GLOBEX))


def test_what_kms_has_no_room_for_is_refused_with_the_count() -> None:
    rules = [Rule(US), Rule(EU)]
    fits = tuple(f"{n:032x}" for n in range(700))
    size = len(key_policy.render(pool(US, *rules, denied=fits)))
    assert size < pool_policy.MOST_BYTES
    room = (pool_policy.MOST_BYTES - size) // len(f'"{0:032x}",')
    many = tuple(f"{n:032x}" for n in range(700 + room))
    assert len(key_policy.render(pool(US, *rules, denied=many))) <= pool_policy.MOST_BYTES
    with pytest.raises(PolicyTooLarge, match=f"With {701 + room} revoked tenants .* in {US} has"):
        pool(US, *rules, denied=(*many, "f" * 32))


def test_every_statement_is_explained() -> None:
    document = pool(EU, Rule(US), Rule(EU, True, ("pii",)), denied=(ACME,))
    said = dict(pool_policy.explain(document))
    assert list(said) == [one["Sid"] for one in document["Statement"]]
    assert all(said.values())
    assert said["NobodyUsesItForTheRevoked"].startswith("Nobody uses the key for 1 revoked tenant,")
    assert "whichever tenant the encryption context names" in said["DecryptEuWest1"]
    assert "pii" in said["DecryptEuWest1"]
    two = pool(EU, Rule(EU), denied=(ACME, GLOBEX))
    assert "2 revoked tenants," in dict(pool_policy.explain(two))["NobodyUsesItForTheRevoked"]


def template(region: str, *rules: Rule) -> Document:
    return external_policy.template(
        region=region, rules=rules, tenant=ACME, use_role=PRINCIPALS.use_role
    )


def test_what_a_tenant_pastes_lets_us_use_the_key_and_manage_nothing() -> None:
    document = template(US, Rule(US), Rule(EU, False, ("pii",)))
    names = [str(one["Principal"]["AWS"]) for one in document["Statement"]]
    assert all("mrk-gateway-use-" in name for name in names)
    actions = {
        action
        for one in document["Statement"]
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }
    assert actions == {
        "kms:DescribeKey",
        "kms:GenerateDataKey",
        "kms:Decrypt",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    }
    for one in document["Statement"]:
        assert one["Sid"].startswith("MrkGateway")
        assert one["Effect"] == "Allow"
        if one["Action"] != "kms:DescribeKey":
            assert one["Condition"]["StringEquals"][TENANT] == ACME


def test_it_allows_what_a_dedicated_key_would_and_for_this_tenant_alone() -> None:
    rules = (Rule(US), Rule(EU, True, ("pii",)))
    for region in (US, EU):
        theirs = template(region, *rules)
        ours = dedicated(region, *rules)
        for of in (US, EU):
            role = f"mrk-gateway-use-{of}"
            for action in ("kms:GenerateDataKey", "kms:Decrypt"):
                for name in ("pii", "pci"):
                    context: Any = {"tenant": ACME, "class": name}
                    assert allows(theirs, role, action, **context) == allows(
                        ours, role, action, **context
                    )
                    assert not allows(theirs, role, action, tenant=GLOBEX, **{"class": name})


def test_each_statement_is_for_one_regions_role() -> None:
    parts = external_policy.statements(
        region=US, rules=(Rule(US), Rule(EU)), tenant=ACME, use_role=PRINCIPALS.use_role
    )
    assert [(part.action, part.region) for part in parts] == [
        ("kms:DescribeKey", US),
        ("kms:GenerateDataKey", EU),
        ("kms:Decrypt", EU),
        ("kms:GenerateDataKey", US),
        ("kms:Decrypt", US),
        ("kms:ReEncryptFrom", US),
    ]
