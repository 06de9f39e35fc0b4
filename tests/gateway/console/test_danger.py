"""Revoking and restoring a tenant, its end by two people, and the certificate, through the pages."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tenants.selectors import TenantView, get_tenant, list_audit_events
from tenants.selectors.offboarding import get_offboarding
from tenants.services.signing import public_keys, verify
from tests.cast import Cast, run_plan
from tests.gateway.console.people import address, as_member, as_operator, join, session_of
from tests.tenants.endings import leaving, pass_days, run_until


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", str(answer.content.decode()))


def url(tenant: TenantView, name: str = "danger") -> str:
    return reverse(f"console:{name}", args=[tenant.slug])


def revoke(client: Client, tenant: TenantView, **changes: str) -> Any:
    form = {"slug": tenant.slug, "reason": "A key was <leaked>"} | changes
    return client.post(url(tenant, "revoke"), form, follow=True)


def request_end(client: Client, tenant: TenantView, **changes: str) -> Any:
    form = {"slug": tenant.slug, "reason": "The contract ends", "waiting_days": "7"} | changes
    return client.post(url(tenant, "request-end"), form, follow=True)


def approve(client: Client, tenant: TenantView, **changes: str) -> Any:
    asked = str(get_offboarding(tenant.id).id)
    form = {"slug": tenant.slug, "offboarding_id": asked} | changes
    return client.post(url(tenant, "approve-end"), form, follow=True)


def actions(tenant: TenantView) -> list[str]:
    return [event.action for event in list_audit_events(tenant.id, before=None, limit=200)]


def test_a_revocation_needs_the_slug_and_a_reason_and_reports_region_by_region() -> None:
    acme = Cast().acme()
    owner = as_member(acme, "owner")
    for fault in ({"slug": "another"}, {"reason": ""}, {"reason": "two\nlines\x07"}):
        assert revoke(owner, acme, **fault).status_code == 422, fault
    assert get_tenant(acme.slug).state == "active"
    page = text(revoke(owner, acme))
    assert "is revoked. Each Region reports below" in page
    assert "A key was &lt;leaked&gt;" in page
    assert page.count("Not reached yet") >= 3
    run_plan(acme)
    seen_by_auditor = text(as_member(acme, "auditor").get(url(acme)))
    assert "proven in every Region" in seen_by_auditor
    assert "CloudTrail shows an event within 15 minutes" in seen_by_auditor
    assert url(acme, "restore") not in seen_by_auditor
    assert "data-live" not in seen_by_auditor
    refreshed = text(owner.post(url(acme, "refresh-revocation"), follow=True))
    assert "the trail is read again" in refreshed
    run_plan(acme)
    assert "is being restored" in text(owner.post(url(acme, "restore"), follow=True))
    run_plan(acme)
    assert get_tenant(acme.slug).state == "active"
    assert {"tenant.revoked", "revocation.refreshed", "tenant.restored"} <= set(actions(acme))


def test_members_of_a_revoked_tenant_sign_in_and_see_why() -> None:
    globex = Cast().globex()
    email = address("developer")
    join(globex, email, "developer")
    revoke(as_operator(), globex)
    client = session_of(email)
    assert client.get("/console/").status_code == 302
    assert "is revoked" in text(client.get(reverse("console:tenant", args=[globex.slug])))
    for name in ("danger", "keys", "plans", "api-keys", "members", "audit"):
        assert client.get(url(globex, name)).status_code == 200, name


def test_what_an_operator_has_revoked_no_member_restores() -> None:
    globex = Cast().globex()
    revoke(as_operator(), globex)
    owner = as_member(globex, "owner")
    page = text(owner.get(url(globex)))
    assert "only an operator restores it" in page
    assert 'id="restore"' not in page
    refused = text(owner.post(url(globex, "restore"), follow=True))
    assert "only an operator restores it" in refused
    assert "actor_not_allowed" in refused
    assert get_tenant(globex.slug).state == "revoked"


def test_what_does_not_apply_is_said_with_its_code() -> None:
    globex = Cast().globex()
    owner = as_member(globex, "owner")
    for name in ("restore", "refresh-revocation"):
        page = text(owner.post(url(globex, name), follow=True))
        assert "The tenant is active." in page
        assert "tenant_not_active" in page
    assert "No end of this tenant is requested." in text(
        owner.post(url(globex, "cancel-end"), follow=True)
    )


def test_an_end_takes_a_second_person_who_was_there_before() -> None:
    globex = Cast().globex()
    owner, admin = as_member(globex, "owner"), as_member(globex, "key_admin")
    assert request_end(owner, globex, waiting_days="6").status_code == 422
    page = text(request_end(owner, globex))
    assert "waits for the approval of a second person" in page
    assert "or an operator" in page
    assert 'id="approve"' not in page
    assert 'id="approve"' in text(admin.get(url(globex)))
    late = as_member(globex, "owner")
    assert 'id="approve"' not in text(late.get(url(globex)))
    for client in (owner, late):
        refused = text(approve(client, globex, waive_export="on"))
        assert "actor_not_allowed" in refused
    assert get_tenant(globex.slug).state == "active"
    page = text(admin.get(url(globex, "approve-end")))
    assert "There are no records" in page
    assert "is leaving" in text(approve(admin, globex))
    assert get_tenant(globex.slug).state == "offboarding"
    assert "called off" in text(owner.post(url(globex, "cancel-end"), follow=True))
    run_plan(globex)
    assert get_tenant(globex.slug).state == "active"


def test_what_an_operator_requests_a_member_approves() -> None:
    globex = Cast().globex()
    owner, operator = as_member(globex, "owner"), as_operator()
    page = text(request_end(operator, globex))
    assert 'id="approve"' not in page
    assert "or an operator" not in page
    assert "actor_not_allowed" in text(approve(as_operator(), globex))
    assert 'id="approve"' in text(owner.get(url(globex)))


def test_nobody_approves_another_request_than_the_one_they_have_read() -> None:
    globex = Cast().globex()
    owner, admin = as_member(globex, "owner"), as_member(globex, "key_admin")
    request_end(owner, globex)
    read = str(get_offboarding(globex.id).id)
    owner.post(url(globex, "cancel-end"))
    request_end(owner, globex, reason="Another reason")
    page = text(approve(admin, globex, offboarding_id=read))
    assert "conflict" in page
    assert get_tenant(globex.slug).state == "active"


@pytest.mark.parametrize("waived", [False, True])
def test_records_are_exported_before_or_waived_in_so_many_words(waived: bool) -> None:
    going = leaving(Cast().onboard("hooli", ("us-east-2",), "us-east-2", {}))
    owner, admin = as_member(going.tenant, "owner"), as_member(going.tenant, "key_admin")
    request_end(owner, going.tenant)
    page = text(admin.get(url(going.tenant, "approve-end")))
    assert "2 records would be lost" in page
    assert 'name="waive_export"' in page
    assert "export_missing" in text(approve(admin, going.tenant))
    if waived:
        assert "the records were not exported" in text(
            approve(admin, going.tenant, waive_export="on")
        )
        return
    export = going.export()
    page = text(admin.get(url(going.tenant, "approve-end")))
    assert export.digest in page
    assert 'name="waive_export"' not in page
    assert export.digest in text(approve(admin, going.tenant))


def test_the_end_is_followed_to_its_certificate_which_can_be_checked() -> None:
    going = leaving(Cast().onboard("hooli", ("us-east-2",), "us-east-2", {}))
    owner, admin = as_member(going.tenant, "owner"), as_member(going.tenant, "key_admin")
    request_end(owner, going.tenant)
    approve(admin, going.tenant, waive_export="on")

    def waits() -> bool:
        return "PendingDeletion" in {key.key_state for key in get_offboarding(going.id).keys}

    run_until(going.tenant, waits, lambda tenant: pass_days(tenant, 0.01))
    page = text(owner.get(url(going.tenant)))
    assert "Pending deletion" in page
    assert owner.get(url(going.tenant, "certificate")).status_code == 404
    run_until(going.tenant, lambda: get_offboarding(going.id).has_certificate, pass_days)
    page = text(owner.get(url(going.tenant)))
    assert "Download as JSON" in page
    assert "2 records" in page
    answer = as_member(going.tenant, "auditor").get(url(going.tenant, "certificate"))
    assert answer["Content-Type"] == "application/json"
    assert f"{going.tenant.slug}-certificate.json" in answer["Content-Disposition"]
    document = verify(json.loads(answer.content), public_keys())
    assert document["tenant"]["slug"] == going.tenant.slug
    assert owner.get(reverse("console:keys", args=[going.tenant.slug])).status_code == 200
