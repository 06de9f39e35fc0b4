"""Renewal: the steps after which nothing of a tenant is left under old data keys, and which Region does which of them.

Opening and sealing anew takes a Region that may both decrypt and encrypt a classification.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crypto.part import JsonValue
from tenants.key_policy import EVERY_CLASS, Rule, opens
from tenants.services.plans import Step
from tenants.states import OperationKind


def region_for(rules: Sequence[Rule], first: str, classification: str) -> str | None:
    """The Region for that classification: `first` if its rule allows both, else the next by name, or None."""
    able = _able(rules, first)
    return next((rule.region for rule in able if opens(rule, classification)), None)


def regions_for(rules: Sequence[Rule], first: str) -> tuple[str, ...]:
    """The Regions that `region_for` can answer, whatever the classification; none where no Region may both."""
    found: list[str] = []
    covered: set[str] = set()
    for rule in _able(rules, first):
        if not set(rule.may_decrypt) <= covered:
            found.append(rule.region)
        covered |= set(rule.may_decrypt)
        if EVERY_CLASS in covered:
            break  # it takes all that is left
    return tuple(found)


def renewal_steps(
    *, home: str, first: str, rules: Sequence[Rule], position: int, retire_all: bool = False
) -> list[Step]:
    """Retire old data keys at `position`, wrap index keys anew at the next.

    `home` is where administration runs, `first` the Region of the primary. With `retire_all` every data key is old.
    """
    arguments = {"all": True} if retire_all else {}
    return [
        Step(position, OperationKind.RETIRE_DATA_KEYS, first, home, arguments),
        *rewrap_steps(first=first, rules=rules, position=position + 1),
    ]


def rewrap_steps(
    *,
    first: str,
    rules: Sequence[Rule],
    position: int,
    arguments: Mapping[str, JsonValue] | None = None,
) -> list[Step]:
    """Wrap index keys anew, each where it may be."""
    return [
        Step(position, OperationKind.REWRAP_INDEX_KEYS, region, region, arguments or {})
        for region in regions_for(rules, first)
    ]


def reencryption_steps(
    *, home: str, first: str, rules: Sequence[Rule], position: int
) -> list[Step]:
    """Re-encrypt what is under old data keys at `position`, each classification where it may be; verify at the next."""
    return [
        *(
            Step(position, OperationKind.REENCRYPT_RECORDS, region, region)
            for region in regions_for(rules, first)
        ),
        Step(position + 1, OperationKind.VERIFY_REENCRYPTION, first, home),
    ]


def _able(rules: Sequence[Rule], first: str) -> list[Rule]:
    able = [rule for rule in rules if rule.may_encrypt and rule.may_decrypt]
    return sorted(able, key=lambda rule: (rule.region != first, rule.region))
