"""Whatever the registry calls a state, a step or an event, the console has words for it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.console.labels import ACTIONS, DRIFTS, PLACES, PLANS, PURPOSES, SCOPES, STEPS, TIERS
from gateway.console.words import TITLES, WORDS
from tenants import states
from tenants.selectors.revocation import RegionRefusal
from tenants.services.reconciliation import Severity

SOURCES = Path(states.__file__).parent
ACTION = re.compile(r"[a-z_]+\.[a-z_]+\Z")
LABELLED: list[Any] = [
    (states.PlanKind.values, PLANS),
    (states.OperationKind.values, STEPS),
    (states.ApiScope.values, SCOPES),
    (states.KeyTier.values, TIERS),
    (states.TenantState.values, WORDS["tenant"]),
    (states.OperationState.values, WORDS["operation"]),
    (states.OffboardingState.values, WORDS["offboarding"]),
    (states.KeyRole.values, WORDS["key-role"]),
    (states.MemberRole.values, WORDS["role"]),
    ([*RegionRefusal], WORDS["refusal"]),
    ([*Severity], WORDS["severity"]),
    (("record", "value", "index"), PURPOSES),
]


def strings() -> Iterator[tuple[str, str]]:
    """Every string of the services that looks like the name of an event, and where it stands."""
    for path in [*(SOURCES / "services").rglob("*.py"), *(SOURCES / "selectors").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and ACTION.match(value):
                yield value, path.name


@pytest.mark.parametrize(("known", "words"), LABELLED)
def test_every_state_and_kind_has_words(known: Any, words: Any) -> None:
    assert {str(each) for each in known} - set(words) == set()


def test_every_event_of_the_audit_log_has_words() -> None:
    found = dict(strings())
    assert len(found) > 50
    assert {name: place for name, place in found.items() if name not in ACTIONS} == {}


def test_no_words_are_kept_for_what_is_no_event_any_more() -> None:
    assert set(ACTIONS) - set(dict(strings())) == set()


def test_everything_that_a_comparison_finds_has_words() -> None:
    source = (SOURCES / "services/reconciliation/drift.py").read_text()
    checks = (SOURCES / "services/reconciliation/checks.py").read_text()
    found = set(re.findall(r'Drift\(\s*(?:what=)?"([a-z]+)"', source + checks))
    assert len(found) >= 9
    assert found - set(DRIFTS) == set()


def test_every_group_of_words_has_a_title_and_every_region_a_place() -> None:
    from django.conf import settings

    assert set(TITLES) == set(WORDS)
    assert set(settings.GATEWAY_REGIONS) <= set(PLACES)
