"""The plans of a tenant: the list, one with its steps, retrying and cancelling."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse

from gateway.console.views import plans as plans_view
from tenants.selectors import TenantView, get_plan, get_progress, list_plans
from tenants.services.revocation import revoke_tenant
from tenants.services.rotation import set_rotation
from tests.cast import OPERATOR, Cast, run_plan
from tests.gateway.console.faults import stop
from tests.gateway.console.people import as_member, as_operator


@pytest.fixture(scope="module")
def globex() -> TenantView:
    return Cast().globex()


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", str(answer.content.decode()))


def url(tenant: TenantView, name: str = "plans", *more: Any) -> str:
    return reverse(f"console:{name}", args=[tenant.slug, *more])


def test_all_plans_are_listed_the_newest_first_a_page_at_a_time(
    globex: TenantView, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_rotation(tenant_id=globex.id, days=200, actor=OPERATOR)
    run_plan(globex)
    auditor = as_member(globex, "auditor")
    page = text(auditor.get(url(globex)))
    assert page.index("Rotation") < page.index("Onboarding")
    assert "data-live" not in page
    monkeypatch.setattr(plans_view, "PLANS_A_PAGE", 1)
    newest = text(auditor.get(url(globex)))
    assert "Older" in newest
    older = text(
        auditor.get(url(globex) + newest.split("plans/?before=")[1].join(["?before=", ""])[:44])
    )
    assert "Onboarding" in older
    assert auditor.get(url(globex), {"before": "yesterday"}).status_code == 404


def test_a_plan_that_has_stopped_shows_error_and_counts_and_goes_on_when_it_is_retried() -> None:
    initech = Cast().initech()
    failed = stop(initech)
    auditor, operator = as_member(initech, "auditor"), as_operator()
    page = text(auditor.get(url(initech)))
    for told in ("Stopped", "KMS refuses &lt;it&gt;.", "key_access_denied", "1,200 of 4,000"):
        assert told in page, told
    one = url(initech, "plan", failed.plan_id)
    retry = reverse("console:retry", args=[initech.slug, failed.id])
    assert retry not in text(auditor.get(one))
    assert retry in text(operator.get(one))
    answer = operator.post(retry, {"to": str(failed.plan_id)}, follow=True)
    assert answer.redirect_chain == [(one, 302)]
    assert "The step will run again." in text(answer)


def test_cancelling_is_asked_about_and_leaves_what_is_done() -> None:
    initech = Cast().initech()
    [plan] = list_plans(initech.id)
    operator = as_operator()
    cancel = url(initech, "cancel-plan", plan.plan_id)
    assert cancel in text(operator.get(url(initech, "plan", plan.plan_id)))
    assert "Cancel the plan “Onboarding”?" in text(operator.get(cancel))
    assert not get_progress(initech.id).cancelled
    assert "will not run" in text(operator.post(cancel, follow=True))
    assert get_plan(initech.id, plan.plan_id).cancelled == plan.total
    assert "plan_finished" in text(operator.post(cancel, follow=True))
    assert "Cancelled" in text(operator.get(url(initech)))


def test_a_revocation_is_not_cancelled_like_any_other_plan() -> None:
    globex = Cast().globex()
    plan = revoke_tenant(tenant_id=globex.id, reason="Leaked", actor=OPERATOR)
    operator = as_operator()
    cancel = url(globex, "cancel-plan", plan)
    assert cancel not in text(operator.get(url(globex, "plan", plan)))
    page = text(operator.post(cancel, follow=True))
    assert "A revocation is ended by restoring the tenant." in page
    assert get_plan(globex.id, plan).cancelled == 0


def test_a_plan_of_another_tenant_is_not_there(globex: TenantView) -> None:
    theirs = list_plans(Cast().initech().id)[0].plan_id
    operator = as_operator()
    assert operator.get(url(globex, "plan", theirs)).status_code == 404
    assert operator.get(url(globex, "cancel-plan", theirs)).status_code == 404
    page = text(operator.post(url(globex, "cancel-plan", theirs), follow=True))
    assert "will not run" not in page
