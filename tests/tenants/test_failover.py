"""What speaks against moving the writer is found, told, and stops it; a rehearsal changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from django.conf import settings
from django.test import override_settings

from sandbox.identities import DATABASE_ADMIN
from sandbox.layout import GLOBAL_CLUSTER
from tenants.errors import SignatureInvalid, WriterMoveRefused, WriterMoveUnreachable
from tenants.key_policy import Document
from tenants.models import RegionalKey, RegionRule, WriterCanary, WriterEpoch, WriterMove
from tenants.scope import fleet_scope, tenant_scope
from tenants.selectors import TenantView
from tenants.services import failover
from tenants.services.clients import get_key_admin
from tenants.services.failover import Kind, Move, Severity, Wanted
from tenants.services.failover import keys as keys_of_failover
from tenants.services.failover.fleet import KeyHere, look_at_tables
from tenants.services.failover.journal import Journal
from tenants.services.onboarding import RegionRuleInput
from tenants.services.signing import public_keys, verify
from tests.callers import as_superuser, reading_from
from tests.cast import Cast, as_region
from tests.stack import REGIONS, Stack

HERE = "eu-west-1"


@contextmanager
def shell_in(stack: Stack, region: str, **changed: Any) -> Iterator[None]:
    """What an operator's shell in that Region has."""
    given = {
        "GATEWAY_GLOBAL_CLUSTER": GLOBAL_CLUSTER,
        "GATEWAY_DATABASE_ADMIN_PROFILE": DATABASE_ADMIN,
        "GATEWAY_RDS_ENDPOINTS": {each: stack.kms_endpoint(each) for each in REGIONS},
    } | changed
    with as_region(region), reading_from(stack, region), override_settings(**given):
        yield


@pytest.fixture
def shell(stack: Stack) -> Iterator[None]:
    with shell_in(stack, HERE):
        yield


def wanted(target: str = HERE, **changed: Any) -> Wanted:
    given: dict[str, Any] = {"kind": Kind.SWITCHOVER, "rehearse": True}
    return Wanted(target=target, operator="test", **given | changed)


def assess(**changed: Any) -> Move:
    return failover.assess(wanted=wanted(**changed), show=lambda _: None)


def found(move: Move, code: str) -> list[str]:
    """Whom the finding names; nobody where there is none."""
    return [name for each in move.journal.findings if each.code == code for name in each.names]


def key_of(tenant: TenantView) -> KeyHere:
    """The tenant's key, as the look at the tables finds it, once this Region's reader has it."""
    for _ in range(50):
        fleet = look_at_tables(Journal(lambda _: None), HERE, sample=None)
        for key in fleet.sample:
            if key.tenant_id == tenant.id:
                return key
    raise AssertionError("It is not there.")


def ask_kms(key: KeyHere, seconds: float = 20) -> set[str]:
    journal = Journal(lambda _: None)
    keys_of_failover.ask_kms(journal, [key], seconds=seconds)
    return {finding.code for finding in journal.findings}


def change_key(tenant: TenantView, **columns: Any) -> None:
    with tenant_scope(tenant.id, "write"):
        RegionalKey.objects.filter(tenant_id=tenant.id, region=HERE).update(**columns)


def test_a_healthy_tenant_has_nothing_against_it_and_its_old_canary_opens_here(
    shell: None, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of(cast.acme())

    def refuse(_: KeyHere) -> dict[str, Any]:
        raise AssertionError("The canary of the onboarding was to be opened, and none sealed.")

    monkeypatch.setattr(keys_of_failover, "seal_here", refuse)
    assert ask_kms(key) == set()


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"key_state": "Disabled"}, "key_not_enabled"),
        ({"applied_fingerprint": "0" * 64}, "policy_not_in_force"),
        ({"applied_fingerprint": "", "desired_fingerprint": ""}, "policy_not_in_force"),
        ({"verified_at": None}, "key_not_verified"),
        ({"drift": [{"what": "alias"}]}, "key_drifts"),
    ],
)
def test_what_the_tables_say_against_a_tenants_key_names_the_tenant(
    shell: None, cast: Cast, columns: dict[str, Any], code: str
) -> None:
    tenant = cast.acme()
    change_key(tenant, **columns)
    assert tenant.slug in found(until_read(lambda: assess(sample=0), code, tenant), code)


def until_read(look: Callable[[], Move], code: str, tenant: TenantView) -> Move:
    """This Region's reader comes to show what was changed."""
    for _ in range(50):
        move = look()
        if tenant.slug in found(move, code):
            break
    return move


def test_a_key_that_kms_itself_has_disabled_is_found_whatever_the_tables_say(
    shell: None, cast: Cast
) -> None:
    key = key_of(cast.acme())
    get_key_admin().disable_key(key.arn)
    assert ask_kms(key) == {"kms_key_not_enabled"}


def test_a_key_policy_that_somebody_else_has_put_is_found(
    shell: None, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of(cast.acme())
    policy: Document = {"Version": "2012-10-17", "Statement": []}
    monkeypatch.setattr(keys_of_failover, "get_applied_policy", lambda _: policy)
    assert ask_kms(key) == {"kms_policy_differs"}


def test_a_rule_that_kms_does_not_follow_is_found(shell: None, cast: Cast) -> None:
    rule = RegionRuleInput(region=HERE, may_encrypt=True, may_decrypt=())
    key = key_of(cast.acme(eu_west_1=rule))
    assert ask_kms(key) == set()
    pretended = replace(key, rule=replace(key.rule, may_decrypt=("*",)))
    assert ask_kms(pretended) == {"canary_refused"}


def test_a_region_that_only_opens_tries_what_others_have_sealed(shell: None, cast: Cast) -> None:
    rule = RegionRuleInput(region=HERE, may_encrypt=False, may_decrypt=("phi",))
    key = key_of(cast.acme(eu_west_1=rule))
    assert ask_kms(key) == set()
    nothing = replace(key, tenant_id=cast.initech().id)  # whose plan has sealed no canary
    assert ask_kms(nothing) == {"no_canary"}


def test_a_kms_that_is_away_is_no_refusal(stack: Stack, shell: None, cast: Cast) -> None:
    key = key_of(cast.acme())
    fault = f"{stack.kms_admin}/regions/{HERE}"
    httpx2.post(fault, json={"mode": "throttled"}).raise_for_status()
    try:
        assert ask_kms(key) == {"kms_unavailable"}
    finally:
        httpx2.post(fault, json={"mode": "up"}).raise_for_status()


def test_what_kms_has_not_answered_in_time_is_said(shell: None, cast: Cast) -> None:
    assert ask_kms(key_of(cast.acme()), seconds=0) == {"kms_too_slow"}


def test_a_tenant_that_the_target_does_not_serve_is_counted_and_not_looked_at(
    stack: Stack, cast: Cast
) -> None:
    cast.globex()
    with shell_in(stack, "us-west-1"):
        move = assess(target="us-west-1", sample=None)
    assert move.fleet.tenants > move.fleet.served
    [fact] = [each for each in move.journal.findings if each.code == "not_served_here"]
    assert (fact.severity, fact.count) == (
        Severity.FACT,
        move.fleet.tenants - move.fleet.served,
    )


def test_a_sample_is_no_larger_than_asked_for_and_all_is_all(shell: None, cast: Cast) -> None:
    for _ in range(2):
        cast.acme()
    one, every = assess(sample=1), assess(sample=None)
    assert (len(one.fleet.sample), one.keys_tried) == (1, 1)
    assert len(every.fleet.sample) == every.fleet.served >= 2


def test_a_rehearsal_changes_nothing_and_is_signed(shell: None, cast: Cast) -> None:
    cast.acme()

    def state() -> tuple[Any, ...]:
        with fleet_scope("latest"):
            epoch = WriterEpoch.objects.values_list("epoch", "region").get()
            return epoch, WriterMove.objects.count()

    before = state()
    move = assess(force=True)
    report = failover.rehearse(move=move)
    assert state() == before
    for key in move.fleet.sample:
        with tenant_scope(key.tenant_id, "latest"):
            assert not WriterCanary.objects.exists()
    document = verify(report, public_keys())
    assert (document["type"], document["rehearsal"], document["outcome"]) == (
        failover.REPORT,
        True,
        "ready",
    )
    assert document["proof"]["sealed"] >= 1
    assert [step["outcome"] for step in document["steps"]].count("rehearsed") == 8
    assert document["databases"].keys() == set(REGIONS)
    assert document["databases"]["us-east-2"]["is_writer"]
    report["document"]["outcome"] = "done"
    with pytest.raises(SignatureInvalid):
        verify(report, public_keys())


def test_a_report_without_a_signing_key_says_so(shell: None) -> None:
    with override_settings(GATEWAY_SIGNING_KEY=""):
        report = failover.refuse(move=assess(sample=0))
    assert report["signature"] is None
    assert "report_unsigned" in {each["code"] for each in report["document"]["findings"]}


def test_a_failover_while_the_writer_answers_is_stopped_and_can_be_forced(shell: None) -> None:
    move = assess(kind=Kind.FAILOVER, rehearse=False, sample=0)
    assert found(move, "writer_answers") == ["us-east-2"]
    assert not failover.is_admissible(move)
    assert failover.carry_out(move=move)["document"]["outcome"] == "refused"
    assert failover.is_admissible(replace(move, wanted=replace(move.wanted, force=True)))


def test_it_is_run_in_the_region_that_takes_over(stack: Stack) -> None:
    with shell_in(stack, HERE), pytest.raises(WriterMoveRefused, match="Run it in us-west-1"):
        assess(target="us-west-1")
    with shell_in(stack, "us-east-2"), pytest.raises(WriterMoveRefused, match="already"):
        assess(target="us-east-2")


def test_without_rds_or_its_name_nothing_begins(stack: Stack) -> None:
    dead = dict.fromkeys(REGIONS, "http://127.0.0.1:9")
    with (
        shell_in(stack, HERE, GATEWAY_RDS_ENDPOINTS=dead),
        pytest.raises(WriterMoveUnreachable),
    ):
        assess()
    with (
        shell_in(stack, HERE, GATEWAY_GLOBAL_CLUSTER=""),
        pytest.raises(WriterMoveRefused, match="GATEWAY_GLOBAL_CLUSTER"),
    ):
        assess()
    with (
        shell_in(stack, HERE, GATEWAY_GLOBAL_CLUSTER="another"),
        pytest.raises(WriterMoveRefused, match="RDS refuses"),
    ):
        assess()


def test_a_target_that_is_behind_is_no_target(stack: Stack, shell: None) -> None:
    as_superuser(stack, "update tenants_writerepoch set beat_at = now() - interval '1 hour'")
    try:
        with override_settings(GATEWAY_READER_BEHIND_SECONDS=15):
            codes = {each.code for _ in range(20) for each in assess(sample=0).journal.blockers}
        assert "target_behind" in codes
    finally:
        as_superuser(stack, "update tenants_writerepoch set beat_at = now()")


def test_the_role_that_serves_cannot_move_the_writer(stack: Stack) -> None:
    profile = f"gateway-use-{HERE}"
    with (
        shell_in(stack, HERE, GATEWAY_DATABASE_ADMIN_PROFILE=profile),
        pytest.raises(WriterMoveRefused, match="AccessDenied"),
    ):
        assess()
    assert settings.CRYPTO.region != HERE


def test_rules_that_name_the_target_without_a_key_there_are_not_served(
    shell: None, cast: Cast
) -> None:
    tenant = cast.initech()
    with tenant_scope(tenant.id, "latest"):
        assert RegionRule.objects.filter(tenant_id=tenant.id, region=HERE).exists()
    move = assess(sample=None)
    assert tenant.id not in {key.tenant_id for key in move.fleet.sample}
