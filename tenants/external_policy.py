"""What a tenant pastes into the key policy of its own key, so that the gateway may use it. Pure.

The key stays theirs: nothing here lets us manage it. Each statement lets one Region's role do one thing, with the
tenant's own id in the encryption context. Nobody but that tenant's owner can have written this id into that policy, so
that the condition, probed with the right id and with a wrong one, proves that whoever names the key controls it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tenants import key_policy
from tenants.key_policy import Document, Principals, Rule, Statement

_TENANT: Final = "kms:EncryptionContext:tenant"
_PREFIX: Final = "MrkGateway"
# What a role of ours would need to be named for, if the key were ours: the account and roles do not matter here.
_NOBODY: Final = "arn:aws:iam::000000000000:role/nobody"


@dataclass(frozen=True, slots=True)
class Part:
    """One statement to paste: `action` is what it allows, `role` the Region whose role it is for."""

    action: str
    region: str
    statement: Statement


def template(*, region: str, rules: Sequence[Rule], tenant: str, use_role: str) -> Document:
    """The statements for the key of `region`, as a document. `use_role` holds `{region}`.

    They go into the "Statement" list of that key's own policy, beside what is there. Raises `KeyError` when `region`
    has no rule.
    """
    parts = statements(region=region, rules=rules, tenant=tenant, use_role=use_role)
    return {"Version": "2012-10-17", "Statement": [part.statement for part in parts]}


def statements(*, region: str, rules: Sequence[Rule], tenant: str, use_role: str) -> list[Part]:
    """The statements of the template. What each Region's role may do is what a dedicated key would let it do."""
    principals = Principals(
        account_root=_NOBODY, use_role=use_role, admin_role=_NOBODY, audit_role=_NOBODY
    )
    made = key_policy.build(region=region, rules=rules, tenant=tenant, principals=principals)
    by_role = {use_role.replace("{region}", rule.region): rule.region for rule in rules}
    used = [_part(one, by_role) for one in made["Statement"] if _TENANT in _equal(one)]
    described = {
        "Sid": f"{_PREFIX}Describe",
        "Effect": "Allow",
        "Principal": {"AWS": sorted(by_role)},
        "Action": "kms:DescribeKey",
        "Resource": "*",
    }
    return [Part("kms:DescribeKey", region, described), *used]


def _part(statement: Statement, by_role: Mapping[str, str]) -> Part:
    action = statement["Action"]
    named = statement | {"Sid": _PREFIX + statement["Sid"]}
    first = action if isinstance(action, str) else action[0]
    return Part(first, by_role[statement["Principal"]["AWS"]], named)


def _equal(statement: Statement) -> Mapping[str, Any]:
    equal: Mapping[str, Any] = statement.get("Condition", {}).get("StringEquals", {})
    return equal
