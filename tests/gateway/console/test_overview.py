"""What the tenant page says of a tenant: worked out from views alone, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from gateway.console.overview import RegionRow, region_rows, sentence, steps
from tenants.selectors import OperationView, Progress, RegionalKeyView, RuleView, TenantView

NOW = datetime(2026, 11, 23, 14, 2, 11, tzinfo=UTC)
ACME = TenantView(uuid4(), "acme", "Acme", "active", "us-east-2", 1, NOW, NOW)
KEY = RegionalKeyView("us-east-2", "primary", "arn", "Enabled", True, NOW, "aa", "aa")
RULE = RuleView("us-east-2", True, ("*",))
NO_PLAN = Progress(None, "", 0, 0, 0, ())


def operation(region: str, position: int, state: str, kind: str = "verify_key") -> OperationView:
    return OperationView(uuid4(), kind, region, region, position, state, 1, {}, None, NOW, None)


def progress(*operations: OperationView) -> Progress:
    states = [item.state for item in operations]
    return Progress(
        uuid4(), "onboarding", states.count("done"), len(states), states.count("failed"), operations
    )


def row(**changes: object) -> RegionRow:
    key = replace(KEY, **changes)  # type: ignore[arg-type]  # fields of the view
    return RegionRow(key.region, RULE, key)


def test_the_home_region_comes_first_and_a_region_without_a_key_is_shown() -> None:
    rules = [RuleView(region, True, ()) for region in ("eu-west-1", "us-east-2", "ap-south-1")]
    found = region_rows("us-east-2", [KEY], rules)
    assert [item.region for item in found] == ["us-east-2", "ap-south-1", "eu-west-1"]
    assert [item.key for item in found] == [KEY, None, None]


def test_a_key_policy_is_in_force_only_when_kms_was_seen_to_have_it() -> None:
    assert row().policy == "in_force"
    assert row(policy_in_force=False, applied_fingerprint="bb").policy == "pending"
    assert row(policy_in_force=False, applied_fingerprint="").policy == "none"


def test_a_region_is_sound_when_enabled_under_its_policy_and_verified() -> None:
    assert row().is_sound
    assert not row(key_state="Disabled").is_sound
    assert not row(policy_in_force=False).is_sound
    assert not row(verified_at=None).is_sound
    assert not RegionRow("eu-west-1", RULE, None).is_sound


def test_a_rule_reads_as_all_some_or_none() -> None:
    read = [
        RegionRow("r", RuleView("r", True, names), None).decrypts
        for names in (("*",), ("pii",), ())
    ]
    assert read == ["all", "some", "none"]


def test_the_steps_of_a_plan_stand_in_the_order_in_which_they_run() -> None:
    plan = progress(
        operation("eu-west-1", 2, "planned"),
        operation("us-east-2", 0, "done", "create_primary_key"),
        operation("us-east-2", 2, "due"),
    )
    found = steps(plan, ["us-east-2", "eu-west-1"])
    assert [item.kind for item in found] == ["create_primary_key", "verify_key"]
    assert [[cell.state if cell else None for _, cell in item.cells] for item in found] == [
        ["done", None],
        ["due", "planned"],
    ]
    assert [item.is_done for item in found] == [True, False]


def test_a_failed_step_is_said_before_anything_else_and_names_its_regions() -> None:
    plan = progress(
        operation("eu-west-1", 1, "failed"),
        operation("us-west-1", 1, "failed"),
        operation("us-east-2", 1, "running"),
    )
    said = sentence(replace(ACME, state="onboarding"), [], plan)
    assert said.tone == "bad"
    assert (
        said.text
        == "Onboarding has stopped in eu-west-1 and us-west-1: a step failed and needs a retry."
    )


def test_work_under_way_is_counted() -> None:
    said = sentence(
        ACME, [row()], progress(operation("us-east-2", 0, "done"), operation("us-east-2", 1, "due"))
    )
    assert (said.tone, said.text) == ("busy", "Onboarding is under way: 1 of 2 steps are done.")


def test_a_region_that_is_not_sound_is_named_however_well_the_others_are() -> None:
    said = sentence(ACME, [row(), row(region="eu-west-1", key_state="Disabled")], NO_PLAN)
    assert said.tone == "warn"
    assert "eu-west-1" in said.text
    assert "us-east-2" not in said.text


def test_all_is_well_only_when_every_region_is() -> None:
    assert (
        sentence(ACME, [row()], NO_PLAN).text
        == "The key is enabled, under its policy and verified in us-east-2."
    )
    said = sentence(ACME, [row(), row(region="eu-west-1")], NO_PLAN)
    assert (said.tone, said.text) == (
        "ok",
        "The key is enabled, under its policy and verified in all 2 Regions.",
    )


def test_a_revoked_tenant_never_looks_well() -> None:
    assert sentence(replace(ACME, state="revoked"), [row()], NO_PLAN).tone == "warn"


def test_a_tenant_without_regions_never_looks_well() -> None:
    assert sentence(ACME, [], NO_PLAN).tone != "ok"
