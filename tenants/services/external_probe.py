"""Probes of an external key: does its policy let this Region do what the tenant's rule says, and nothing else?

We cannot read that policy, so KMS is asked, with the role of this process's Region: by dry runs, which ask for
permission alone, and with a data key that is made and thrown away. Each question is put with the tenant's own
encryption context and with another tenant's. An answer that differs shows that the condition on the tenant's id is in
the policy, and only who controls the key can have written it there.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from crypto.arn import KeyArn
from crypto.context import EncryptionContext, Purpose
from crypto.errors import KeyNotFound, KeyUnusable
from tenants.external_policy import Part, statements
from tenants.key_policy import EVERY_CLASS, Rule
from tenants.kms.key_probe import KeyProbe
from tenants.services.canary import CANARY_CLASS
from tenants.services.clients import get_clients

_GENERATE, _DECRYPT, _REWRAP = "kms:GenerateDataKey", "kms:Decrypt", "kms:ReEncryptFrom"
_DOES = {
    _GENERATE: "making data keys",
    _DECRYPT: "decrypting",
    _REWRAP: "wrapping search index keys anew",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One probe: what was asked, whether KMS should allow it, and whether it does. `advice` is empty where both agree,
    and else says in words what to change, with the statement to paste, as JSON, in `statement`."""

    probe: str
    expected: bool
    allowed: bool
    advice: str = ""
    statement: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What the probes of one Region have found. Where the key does not let itself be described, `key_state` is empty
    and `is_primary` false."""

    region: str
    arn: str
    findings: tuple[Finding, ...]
    key_state: str = ""
    is_primary: bool = False

    @property
    def is_proven(self) -> bool:
        """Whether every probe ended as it must."""
        return not self.advice

    @property
    def advice(self) -> tuple[str, ...]:
        """What to change, a sentence each, and each said once."""
        told = (f"{each.advice} {each.statement}".strip() for each in self.findings if each.advice)
        return tuple(dict.fromkeys(told))


def probe_key(*, tenant: str, arn: KeyArn, rules: tuple[Rule, ...]) -> Report:
    """Probe the key of the Region that `arn` names, as that Region's own role may use it, whose process this is.

    `tenant` is the tenant id of the encryption context. Raises KMS's errors where nothing can be said.
    """
    probes = _Probes(tenant, arn, rules)
    try:
        described = probes.key.describe(arn)
        if described and described.state != "Enabled":
            told = _bad(f"The key in {arn.region} is {described.state}. Enable it.")
            return Report(arn.region, str(arn), (told,), described.state)
        findings = tuple(probes.run())
        if described:
            state, primary = described.state, described.is_primary
            return Report(arn.region, str(arn), findings, state, primary)
        return Report(arn.region, str(arn), findings)
    except KeyNotFound:
        told = _bad(f"KMS knows no such key in {arn.region}. Replicate the key to that Region.")
    except KeyUnusable:
        told = _bad(
            f"The key in {arn.region} is disabled, pending deletion, or not for encryption."
        )
    return Report(arn.region, str(arn), (told,))


class _Probes:
    """The probe matrix of one key."""

    def __init__(self, tenant: str, arn: KeyArn, rules: tuple[Rule, ...]) -> None:
        self.key = KeyProbe(get_clients())
        self._tenant = tenant
        self._arn = arn
        self._rule = next(rule for rule in rules if rule.region == arn.region)
        parts = statements(
            region=arn.region, rules=rules, tenant=tenant, use_role=settings.KMS_USE_ROLE_ARN
        )
        self._parts = {part.action: part for part in parts if part.region == arn.region}
        listed = [name for name in self._rule.may_decrypt if name != EVERY_CLASS]
        self._opened = min(listed) if listed else CANARY_CLASS
        self._everything = EVERY_CLASS in self._rule.may_decrypt

    def run(self) -> Iterator[Finding]:
        """Permission first, then the real calls."""
        encrypts, decrypts = self._rule.may_encrypt, bool(self._rule.may_decrypt)
        yield from self._both_ways(_GENERATE, encrypts, Purpose.VALUE)
        yield from self._both_ways(_DECRYPT, decrypts, Purpose.VALUE)
        if not self._everything:
            other = self._context(CANARY_CLASS)
            if CANARY_CLASS not in self._rule.may_decrypt:
                allowed = self.key.may_decrypt(self._arn, other.as_dict())
                yield self._finding(_DECRYPT, "of another class", False, allowed)
        if encrypts and decrypts:
            yield from self._both_ways(_REWRAP, True, Purpose.INDEX)
        yield from self._really(decrypts)

    def _both_ways(self, action: str, expected: bool, purpose: Purpose) -> Iterator[Finding]:
        own = self._context(self._opened, purpose)
        yield self._finding(action, "", expected, self._may(action, own))
        other = self._context(self._opened, purpose, secrets.token_hex(16))
        yield self._finding(action, "for another tenant", False, self._may(action, other))

    def _really(self, decrypts: bool) -> Iterator[Finding]:
        """With a data key that KMS makes, in the Regions where it may: dry runs say nothing of the key's health."""
        own = self._context(self._opened)
        if not self._rule.may_encrypt:
            return
        wrapped = self.key.wrapped(self._arn, own.as_dict())
        yield self._finding(_GENERATE, "in earnest", True, wrapped is not None)
        if wrapped is None:
            return
        opened = self.key.unwraps(self._arn, own.as_dict(), wrapped)
        yield self._finding(_DECRYPT, "in earnest", decrypts, opened)
        other = self._context(self._opened, Purpose.VALUE, secrets.token_hex(16))
        opened = self.key.unwraps(self._arn, other.as_dict(), wrapped)
        yield self._finding(_DECRYPT, "in earnest for another tenant", False, opened)

    def _may(self, action: str, context: EncryptionContext) -> bool:
        pairs = context.as_dict()
        if action == _GENERATE:
            return self.key.may_generate(self._arn, pairs)
        if action == _DECRYPT:
            return self.key.may_decrypt(self._arn, pairs)
        return self.key.may_rewrap(self._arn, self._arn, pairs)

    def _context(
        self, classification: str, purpose: Purpose = Purpose.VALUE, tenant: str = ""
    ) -> EncryptionContext:
        return EncryptionContext(tenant or self._tenant, classification, purpose)

    def _finding(self, action: str, how: str, expected: bool, allowed: bool) -> Finding:
        probe = f"{action} {how}".strip()
        if expected == allowed:
            return Finding(probe, expected, allowed)
        part, place = self._parts.get(action), self._arn.region
        if expected:
            advice = f"KMS refuses {_DOES[action]} in {place}. The key policy there lacks this statement:"
        elif part is None:
            advice = (
                f"KMS allows {_DOES[action]} in {place}, which the tenant's rule for that Region forbids."
                " Take the statement that allows it out of the key policy there."
            )
        else:
            advice = (
                f"KMS allows {_DOES[action]} {how.removeprefix('in earnest ')} in {place}. Some statement of the key"
                " policy there lacks a condition. In place of whatever allows it, put this one:"
            )
        return Finding(probe, expected, allowed, advice, _paste(part))


def _paste(part: Part | None) -> str:
    return json.dumps(part.statement) if part else ""


def _bad(advice: str) -> Finding:
    return Finding("kms:DescribeKey", True, False, advice)
