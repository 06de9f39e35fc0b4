"""Revocation and the end of tenants whose key is a pool's, or stands in their own account."""

from __future__ import annotations

from typing import Any

import pytest

from crypto.errors import KeyAccessDenied
from tenants.selectors import TenantView, get_tenant, list_regional_keys
from tenants.selectors.offboarding import get_certificate
from tenants.selectors.revocation import RegionRefusal, get_revocation_report
from tenants.services import proof
from tenants.services.offboarding import cancel_offboarding
from tenants.services.records import read_record
from tenants.services.restoration import restore_tenant
from tenants.services.retirement import count_rows
from tenants.services.revocation import revoke_tenant
from tenants.services.signing import public_keys, verify
from tenants.states import TenantState
from tests.callers import caller_of
from tests.cast import EVERYWHERE, OPERATOR, Cast, let_time_pass, run_plan
from tests.tenants.aws import arn_of, keys_of, unwrap, wrap
from tests.tenants.endings import Leaving, leaving, run_until
from tests.tenants.test_external_keys import onboarded


@pytest.fixture(autouse=True)
def probes_without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "_ROUND_SECONDS", 0.0)


@pytest.fixture
def pool(cast: Cast) -> TenantView:
    return cast.pool()


def reads(tenant: Leaving) -> bool:
    found = read_record(
        caller=caller_of(tenant.tenant), collection=tenant.collection, record_id="record-0"
    )
    return found.fields["card"] == "4111"


def state_of(tenant: TenantView) -> str:
    return get_tenant(tenant.slug).state


def usable(tenant: TenantView) -> set[str]:
    """The Regions in which KMS lets the gateways use the key for this tenant."""
    found = set()
    for region in [key.region for key in list_regional_keys(tenant.id)]:
        try:
            wrap(tenant, "pii", role=region, key=region)
        except KeyAccessDenied:
            continue
        found.add(region)
    return found


def test_a_pooled_tenant_is_denied_by_name_and_its_neighbours_go_on(
    cast: Cast, pool: TenantView
) -> None:
    hooli, neighbour = cast.pooled(pool), cast.pooled(pool, stem="neighbour")
    wrapped = wrap(hooli, "pii", role="eu-west-1", key="eu-west-1")
    revoke_tenant(tenant_id=hooli.id, reason="A leak.", actor=OPERATOR)
    run_plan(hooli)
    assert get_revocation_report(hooli.id).is_proven
    assert usable(hooli) == set()
    with pytest.raises(KeyAccessDenied):
        unwrap(hooli, "pii", wrapped, role="eu-west-1", key="eu-west-1")
    assert usable(neighbour) == set(EVERYWHERE)
    restore_tenant(tenant_id=hooli.id, actor=OPERATOR)
    run_plan(hooli)
    assert usable(hooli) == set(EVERYWHERE)
    assert state_of(hooli) == TenantState.ACTIVE


def test_a_pooled_tenant_that_is_not_where_the_pools_primary_is(
    cast: Cast, pool: TenantView
) -> None:
    hooli = cast.pooled(pool, "eu-west-1", "us-west-1")
    revoke_tenant(tenant_id=hooli.id, reason="A leak.", actor=OPERATOR)
    run_plan(hooli)
    assert get_revocation_report(hooli.id).is_proven
    assert usable(hooli) == set()
    restore_tenant(tenant_id=hooli.id, actor=OPERATOR)
    run_plan(hooli)
    assert usable(hooli) == {"eu-west-1", "us-west-1"}


def hurry(tenant: TenantView) -> None:
    """The waiting period of a tenant without a key of its own is our own to keep."""
    from datetime import UTC, datetime

    from tenants.models import KeyOperation
    from tenants.scope import tenant_scope

    with tenant_scope(tenant.id, "write"):
        for step in KeyOperation.objects.filter(tenant_id=tenant.id, kind="retire_tenant"):
            step.arguments["not_before"] = datetime.now(UTC).isoformat()
            step.next_attempt_at = datetime.now(UTC) if step.next_attempt_at else None
            step.save(update_fields=["arguments", "next_attempt_at"])


def test_the_end_of_a_pooled_tenant_leaves_the_pools_key_and_says_so(
    cast: Cast, pool: TenantView
) -> None:
    hooli, neighbour = leaving(cast.pooled(pool)), cast.pooled(pool, stem="neighbour")
    hooli.export()
    hooli.request(hooli.olga)
    view = hooli.approve(hooli.ben)
    assert view.final_date
    assert view.approved_at
    assert (view.final_date - view.approved_at).days == 7
    run_until(hooli.tenant, lambda: usable(hooli.tenant) == set(), let_time_pass)
    for _ in range(3):
        let_time_pass(hooli.tenant)
    assert count_rows(hooli.id)["record"] == 2  # the waiting period is not over
    cancel_offboarding(tenant_id=hooli.id, actor=OPERATOR)
    run_plan(hooli.tenant)
    assert reads(hooli)
    hooli.request(hooli.olga)
    hooli.approve(hooli.ben)
    run_until(hooli.tenant, lambda: usable(hooli.tenant) == set(), let_time_pass)
    hurry(hooli.tenant)
    run_plan(hooli.tenant)
    assert state_of(hooli.tenant) == TenantState.RETIRED
    certificate = verify(get_certificate(hooli.id), public_keys())
    assert certificate["keys"] == []
    assert "no key of its own could be destroyed" in certificate["statement"]
    assert certificate["unreadable"]["records"] == 2
    assert set(count_rows(hooli.id).values()) == {0}
    assert usable(hooli.tenant) == set()  # the deny stays
    assert usable(neighbour) == set(EVERYWHERE)
    assert sorted(keys_of(pool)) == sorted(EVERYWHERE)


def test_an_external_key_is_its_owners_to_disable_and_the_report_says_so() -> None:
    external = leaving(onboarded())
    arns = [str(arn_of(external.tenant, region)) for region in EVERYWHERE]
    revoke_tenant(tenant_id=external.id, reason="A leak.", actor=OPERATOR)
    run_plan(external.tenant)
    report = get_revocation_report(external.id)
    assert {region.state for region in report.regions} == {RegionRefusal.GATEWAYS_ONLY}
    assert all(region.disabled_at is None for region in report.regions)
    assert all(region.reader_at for region in report.regions)
    assert "aws kms disable-key" in report.to_do
    assert usable(external.tenant) == set(EVERYWHERE)  # nobody but its owner changes that
    restore_tenant(tenant_id=external.id, actor=OPERATOR)
    run_plan(external.tenant)
    assert reads(external)
    external.export()
    external.request(external.olga)
    external.approve(external.ben)
    run_until(external.tenant, lambda: waits_to_retire(external.tenant), let_time_pass)
    hurry(external.tenant)
    run_plan(external.tenant)
    document: dict[str, Any] = get_certificate(external.id)["document"]
    assert state_of(external.tenant) == TenantState.RETIRED
    assert document["keys"] == []
    assert "only the tenant can delete it" in document["statement"]
    assert arns
    assert usable(external.tenant) == set(EVERYWHERE)


def waits_to_retire(tenant: TenantView) -> bool:
    from tenants.states import OperationKind
    from tests.tenants.plans import step

    return step(tenant, OperationKind.RETIRE_TENANT).attempts > 0


def test_a_pool_is_neither_revoked_nor_ended(pool: TenantView) -> None:
    from tenants.errors import Conflict
    from tenants.services.offboarding import request_offboarding

    with pytest.raises(Conflict):
        revoke_tenant(tenant_id=pool.id, reason="A leak.", actor=OPERATOR)
    with pytest.raises(Conflict):
        request_offboarding(tenant_id=pool.id, reason="End.", waiting_days=7, actor=OPERATOR)
