"""The key policy of a pool's key in one Region. Pure: the pool's rules in, document out.

It is that of a dedicated key, with one difference: whoever uses the key must name some tenant in the encryption
context, and the policy does not say which. What keeps pooled tenants apart is then the encryption context itself, which
KMS binds to each ciphertext. Tenants that are revoked are denied by name, since their key cannot be disabled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tenants import key_policy
from tenants.errors import PolicyTooLarge
from tenants.key_policy import Document, Principals, Rule, Statement

MOST_BYTES: Final = 32_768  # AWS KMS Developer Guide, "Resource quotas", Key policy document size
_TENANT: Final = "kms:EncryptionContext:tenant"
_DENIED: Final = "NobodyUsesItForTheRevoked"
_USE_ACTIONS: Final = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")
# Stands for the tenant while the document is made; it is in no document, and no tenant has it.
_ANY: Final = "any-tenant"


def build(
    *, region: str, rules: Sequence[Rule], principals: Principals, denied: Sequence[str] = ()
) -> Document:
    """The key policy of the pool's key in `region`. `denied` are tenant ids of the encryption context.

    Raises `KeyError` when `region` has no rule, and `PolicyTooLarge` where KMS would not take the document.
    """
    made = key_policy.build(region=region, rules=rules, tenant=_ANY, principals=principals)
    statements = [_of_any_tenant(statement) for statement in made["Statement"]]
    document = made | {
        "Id": f"mrk-gateway-pool-{region}",
        "Statement": [*statements, *_deny(sorted(set(denied)))],
    }
    size = len(key_policy.render(document))
    if size > MOST_BYTES:
        raise PolicyTooLarge(
            f"With {len(set(denied))} revoked tenants the pool's key policy in {region} has {size} bytes, and KMS takes"
            f" {MOST_BYTES}. Move revoked tenants out of the pool, or retire them."
        )
    return document


def explain(document: Document) -> tuple[tuple[str, str], ...]:
    """Each statement of a document that `build` made: its Sid and what it means, in a sentence."""
    return tuple((statement["Sid"], _sentence(statement)) for statement in document["Statement"])


def _of_any_tenant(statement: Statement) -> Statement:
    """The same, for whichever tenant the encryption context names; it must name one."""
    equal: dict[str, Any] = dict(statement.get("Condition", {}).get("StringEquals", {}))
    if equal.pop(_TENANT, None) is None:
        return statement
    condition: dict[str, Any] = {"Null": {_TENANT: "false"}}
    return statement | {"Condition": condition | ({"StringEquals": equal} if equal else {})}


def _deny(denied: Sequence[str]) -> list[Statement]:
    if not denied:
        return []
    return [
        {
            "Sid": _DENIED,
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": list(_USE_ACTIONS),
            "Resource": "*",
            "Condition": {"StringEquals": {_TENANT: list(denied)}},
        }
    ]


def _sentence(statement: Statement) -> str:
    condition = statement.get("Condition", {})
    if statement["Sid"] == _DENIED:
        count = len(condition["StringEquals"][_TENANT])
        return f"Nobody uses the key for {count} revoked tenant{'s' * (count > 1)}, whatever else allows it."
    if "Null" in condition:
        equal = {_TENANT: _ANY} | condition.get("StringEquals", {})
        one = {"Statement": [statement | {"Condition": {"StringEquals": equal}}]}
        [(_, said)] = key_policy.explain(one)
        return said.replace("of this tenant", "of whichever tenant the encryption context names")
    [(_, said)] = key_policy.explain({"Statement": [statement]})
    return said
