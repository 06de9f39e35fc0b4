"""The commands about Regions: rehearsed, waited for, resumed over a fleet, with exit codes and JSON."""

from __future__ import annotations

import io
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from crypto.errors import KeyAccessDenied
from tenants.management import terminal
from tenants.models import KeyOperation
from tenants.selectors import TenantView, get_progress, get_tenant, list_region_rules, region_fleet
from tenants.selectors.region_fleet import count_fleet
from tenants.states import OperationKind, PlanKind
from tests.cast import EVERYWHERE, Cast, let_time_pass, run_due, run_plan
from tests.tenants.plans import Fake, handled_by, raising
from tests.tenants.standing import stands_in

US, WEST, EU = EVERYWHERE


def run(name: str, *arguments: str) -> tuple[int, str]:
    """Exit code and standard output."""
    out = io.StringIO()
    try:
        call_command(name, *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def as_json(name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out = run(name, *arguments, "--json")
    return code, json.loads(out)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> str:
    """The stem of slugs that are the whole fleet in this test: other tests have tenants and work in the same tables."""
    stem = f"fleet-{secrets.token_hex(3)}"
    fleet = region_fleet._FLEET.replace(
        "where t.slug >", f"where t.slug like '{stem}%%' and t.slug >"
    )
    monkeypatch.setattr(region_fleet, "_FLEET", fleet)
    everybody = KeyOperation.objects

    class Fleet:
        @staticmethod
        def filter(**given: Any) -> Any:
            return everybody.filter(tenant__slug__startswith=stem, **given)

    class Rows:
        objects = Fleet

    monkeypatch.setattr(region_fleet, "KeyOperation", Rows)
    return stem


@contextmanager
def workers(*tenants: TenantView) -> Iterator[None]:
    """Workers that run what is due of these tenants meanwhile."""
    over = threading.Event()

    def work() -> None:
        try:
            while not over.wait(0.05):
                for tenant in tenants:
                    if not run_due(tenant):
                        let_time_pass(tenant)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)


def test_a_rehearsal_shows_the_plan_and_writes_nothing(cast: Cast) -> None:
    acme = cast.onboard("acme", (US, EU), US, {})
    before = get_progress(acme.id)
    code, found = as_json("add_region", WEST, acme.slug, "--dry-run")
    assert (code, found["plan"]) == (0, "region_added")
    assert found["steps"][1]["kind"] == "replicate_key"
    assert "region_added" in run("add_region", WEST, acme.slug, "--dry-run")[1]
    assert get_progress(acme.id) == before
    assert len(list_region_rules(acme.id)) == 2
    stands_in(acme, (US, EU))
    code, found = as_json("move_primary", EU, acme.slug, "--dry-run")
    assert found["steps"][0]["kind"] == "update_primary_region"
    code, found = as_json("remove_region", EU, acme.slug, "--dry-run")
    assert found["plan"] == "region_removed"
    stands_in(acme, (US, EU))
    assert get_tenant(acme.slug).key_epoch == acme.key_epoch


def test_a_region_is_added_and_the_same_again_changes_nothing(cast: Cast) -> None:
    acme = cast.onboard("acme", (US, EU), US, {})
    with workers(acme):
        code, out = run("add_region", WEST, acme.slug, "--decrypt", "pii, pci", "--wait")
    assert code == 0
    assert f"{WEST}  replica  Enabled" in out
    [rule] = [one for one in list_region_rules(acme.id) if one.region == WEST]
    assert rule.may_decrypt == ("pci", "pii")
    code, out = run("add_region", WEST, acme.slug, "--decrypt", "pii,pci")
    assert (code, out.strip()) == (0, f"{acme.slug} has {WEST} already.")
    with pytest.raises(CommandError, match="conflict"):
        run("add_region", WEST, acme.slug)


def test_waiting_for_workers_that_are_away_ends_with_3(cast: Cast) -> None:
    acme = cast.onboard("acme", (US, EU), US, {})
    code, found = as_json("add_region", WEST, acme.slug, "--wait", "--timeout", "0")
    assert (code, found["is_finished"]) == (terminal.UNFINISHED, False)


def test_a_removal_is_waited_for_until_only_kms_waits_and_is_cancelled(cast: Cast) -> None:
    acme = cast.onboard("acme", (US, EU), US, {})
    with workers(acme):
        code, out = run("remove_region", EU, acme.slug, "--waiting-days", "7", "--wait")
        assert code == 0
        assert "deleted on 20" in out
        assert run("remove_region", EU, acme.slug, "--cancel", "--wait")[0] == 0
    stands_in(acme, (US, EU))


def test_the_primary_is_moved(cast: Cast) -> None:
    acme = cast.onboard("acme", (US, EU), US, {})
    move = run("move_primary", EU, acme.slug)
    assert move[0] == 0
    run_plan(acme)
    stands_in(acme, (US, EU), primary=EU)
    assert run("move_primary", EU, acme.slug)[1].strip().endswith(f"is in {EU} already.")


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("remove_region", (US, "{slug}"), "region_not_dispensable"),
        ("remove_region", (EU, "{slug}", "--waiting-days", "3"), "input_invalid"),
        ("remove_region", (WEST, "{slug}"), "not_found"),
        ("move_primary", (WEST, "{slug}"), "not_found"),
        ("add_region", ("mars-north-1", "{slug}"), "input_invalid"),
        ("add_region", (WEST, "nobody"), "not_found"),
        ("add_region", (WEST,), "Name a tenant"),
        ("move_primary", (WEST, "{slug}", "--all"), "Name a tenant"),
    ],
)
def test_what_is_refused_is_said_and_ends_with_1(
    cast: Cast, name: str, arguments: tuple[str, ...], code: str
) -> None:
    globex = cast.onboard("acme", (US, EU), US, {})
    with pytest.raises(CommandError, match=code) as caught:
        run(name, *[argument.format(slug=globex.slug) for argument in arguments])
    assert caught.value.returncode == 1


def test_a_fleet_is_counted_and_its_hours_estimated(cast: Cast, alone: str) -> None:
    for _ in range(3):
        cast.onboard(alone, (US, EU), US, {})
    cast.onboard(alone, (EU,), EU, {})
    cast.onboard(alone, EVERYWHERE, US, {})
    cast.start(alone, EVERYWHERE, US, {})
    code, found = as_json("add_region", WEST, "--all", "--dry-run")
    assert code == 0
    assert found["tenants"]["to_start"] == 4
    assert found["tenants"]["has_it"] == 1
    assert found["tenants"]["not_active"] >= 1
    uses = {(use["region"], use["api"]): use for use in found["quotas"]}
    assert uses[WEST, "CreateKey"]["calls"] == 8  # each replica counts twice
    assert uses[US, "ReplicateKey"]["calls"] == 3
    assert uses[EU, "ReplicateKey"]["calls"] == 1
    assert found["hours"] == max(use["hours"] for use in found["quotas"])
    assert "4 to_start" in run("add_region", WEST, "--all", "--dry-run")[1]
    code, found = as_json("move_primary", EU, "--all", "--dry-run")
    assert found["tenants"]["to_start"] == 4
    assert found["tenants"]["has_it"] == 1
    uses = {(use["region"], use["api"]): use for use in found["quotas"]}
    assert uses[EU, "UpdatePrimaryRegion"]["calls"] == 4
    assert uses[US, "UpdatePrimaryRegion"]["calls"] == 4


def test_a_region_is_added_to_the_whole_fleet_a_few_at_a_time(cast: Cast, alone: str) -> None:
    tenants = [cast.onboard(alone, (US, EU), US, {}) for _ in range(4)]
    with workers(*tenants):
        code, found = as_json(
            "add_region", WEST, "--all", "--at-once", "2", "--wait", "--timeout", "120"
        )
    assert (code, found["started"], found["refused"]) == (0, 4, [])
    for tenant in tenants:
        stands_in(tenant, EVERYWHERE)
    code, found = as_json("add_region", WEST, "--all")
    assert (code, found["started"]) == (0, 0)
    assert found["tenants"]["has_it"] == 4


def test_a_wave_that_was_stopped_goes_on_where_it_was(cast: Cast, alone: str) -> None:
    tenants = [cast.onboard(alone, (US, EU), US, {}) for _ in range(3)]
    code, found = as_json("move_primary", EU, "--all", "--at-once", "1", "--wait", "--timeout", "1")
    assert (code, found["started"], found["active"]) == (terminal.UNFINISHED, 1, 1)
    assert count_fleet(PlanKind.PROMOTION, EU)["under_way"] == 1
    with workers(*tenants):
        code, found = as_json("move_primary", EU, "--all", "--wait", "--timeout", "120")
    assert (code, found["started"]) == (0, 2)
    for tenant in tenants:
        stands_in(tenant, (US, EU), primary=EU)


def test_what_a_tenant_forbids_is_passed_over_and_what_fails_is_told(
    cast: Cast, alone: str
) -> None:
    busy, failing = (cast.onboard(alone, (US, EU), US, {}) for _ in range(2))
    run("move_primary", EU, busy.slug)
    denied = Fake(does=raising(KeyAccessDenied("no")))
    with handled_by({OperationKind.APPLY_KEY_POLICY: denied}):
        code, found = as_json("add_region", WEST, "--all")
        assert (code, found["started"]) == (terminal.UNFINISHED, 1)
        assert found["refused"] == [
            {"code": "plan_under_way", "tenants": 1, "examples": [busy.slug]}
        ]
        run_due(failing)
        code, found = as_json("add_region", WEST, "--all", "--wait")
    assert (code, found["failed"], found["examples"]) == (terminal.FAILED, 1, [failing.slug])
