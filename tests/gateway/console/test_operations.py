"""Verify now and Retry."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from tenants.models import KeyOperation
from tenants.scope import tenant_scope
from tenants.selectors import (
    TenantView,
    get_progress,
    list_regional_keys,
)
from tests.cast import Cast, run_plan
from tests.gateway.console.people import as_member, as_operator


@pytest.fixture(scope="module")
def acme() -> TenantView:
    return Cast().acme()


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_verify_now_proves_every_region_again(acme: TenantView) -> None:
    before = {key.region: key.verified_at for key in list_regional_keys(acme.id)}
    owner = as_member(acme, "owner")
    page = text(owner.post(reverse("console:verify", args=[acme.slug]), follow=True))
    assert "Verification has started." in page
    run_plan(acme)
    after = {key.region: key.verified_at for key in list_regional_keys(acme.id)}
    assert all(after[region] > before[region] for region in before)  # type: ignore[operator]  # verified both times


def test_verify_now_does_not_hide_an_onboarding() -> None:
    initech = Cast().initech()
    owner = as_member(initech, "owner")
    page = text(owner.post(reverse("console:verify", args=[initech.slug]), follow=True))
    assert "Only an active tenant can be verified." in page
    assert get_progress(initech.id).plan == "onboarding"


def test_only_a_failed_step_can_be_retried() -> None:
    initech = Cast().initech()
    first = get_progress(initech.id).operations[0]
    url = reverse("console:retry", args=[initech.slug, first.id])
    assert "Only a failed operation can be retried." in text(as_operator().post(url, follow=True))


def test_the_step_of_another_tenant_is_not_there(acme: TenantView) -> None:
    theirs = get_progress(Cast().initech().id).operations[0]
    assert (
        as_operator().post(reverse("console:retry", args=[acme.slug, theirs.id])).status_code == 404
    )


def test_a_failed_step_shows_its_error_to_all_and_a_retry_to_the_operator_alone() -> None:
    initech = Cast().initech()
    first = get_progress(initech.id).operations[0]
    with tenant_scope(initech.id, "write"):
        KeyOperation.objects.filter(tenant_id=initech.id, id=first.id).update(
            state="failed", error={"code": "key_access_denied", "message": "KMS refuses <it>."}
        )
    page = reverse("console:tenant", args=[initech.slug])
    retry = reverse("console:retry", args=[initech.slug, first.id])
    seen_by_owner = text(as_member(initech, "owner").get(page))
    assert "KMS refuses &lt;it&gt;." in seen_by_owner
    assert retry not in seen_by_owner
    operator = as_operator()
    seen = text(operator.get(page))
    assert "Onboarding has stopped in us-east-2" in seen
    assert retry in seen
    assert "The step will run again." in text(operator.post(retry, follow=True))
    assert get_progress(initech.id).operations[0].state == "due"
