"""The tenant page in motion: rules, verification, retry, members and the audit log, through their forms."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from gateway.console.views import audit as audit_view
from tenants.selectors import (
    TenantView,
    get_progress,
    get_tenant,
    list_members,
    list_region_rules,
    list_regional_keys,
)
from tests.cast import Cast, run_plan
from tests.gateway.console.people import PASSWORD, address, as_member, as_operator


@pytest.fixture(scope="module")
def acme() -> TenantView:
    return Cast().acme()


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_the_page_of_an_active_tenant_shows_the_key_of_each_region(acme: TenantView) -> None:
    page = text(as_member(acme, "auditor").get(reverse("console:tenant", args=[acme.slug])))
    assert "verified in all 3 Regions" in page
    for key in list_regional_keys(acme.id):
        assert key.arn in page
        assert key.applied_fingerprint[:12] in page
    assert "data-live" not in page


def test_a_key_admin_changes_a_rule_and_the_page_says_that_it_is_not_yet_in_force(
    acme: TenantView,
) -> None:
    admin = as_member(acme, "key_admin")
    url = reverse("console:rule", args=[acme.slug, "eu-west-1"])
    assert "Rule of" in text(admin.get(url))
    answer = admin.post(
        url, {"decrypt": "some", "listed": ["pci"], "labels": "payroll"}, follow=True
    )
    page = text(answer)
    assert "The rule of eu-west-1 is being applied." in page
    assert "Not in force" in page
    assert "Rule change is under way" in page
    rule = next(rule for rule in list_region_rules(acme.id) if rule.region == "eu-west-1")
    assert (rule.may_encrypt, rule.may_decrypt) == (False, ("payroll", "pci"))
    run_plan(acme)
    page = text(admin.get(reverse("console:tenant", args=[acme.slug])))
    assert "Not in force" not in page
    again = text(admin.get(url))
    assert 'value="some"' in again
    assert 'value="payroll"' in again


def test_a_rule_with_a_fault_changes_nothing(acme: TenantView) -> None:
    admin = as_member(acme, "key_admin")
    before = list_region_rules(acme.id)
    url = reverse("console:rule", args=[acme.slug, "us-west-1"])
    for form, said in (
        ({"decrypt": "some"}, "List at least one classification"),
        ({"decrypt": "some", "labels": "Not A Label"}, "Must be * alone"),
        ({"decrypt": "everything"}, "Select a valid choice"),
        ({}, "This field is required"),
    ):
        answer = admin.post(url, form)
        assert answer.status_code == 422
        assert said in text(answer)
    assert list_region_rules(acme.id) == before


def test_a_rule_of_a_region_that_the_tenant_has_not_is_not_there(acme: TenantView) -> None:
    admin = as_member(acme, "key_admin")
    for region in ("ap-south-1", "nowhere"):
        url = reverse("console:rule", args=[acme.slug, region])
        assert admin.get(url).status_code == 404
        assert admin.post(url, {"decrypt": "all"}).status_code == 404


def test_a_rule_cannot_be_changed_while_the_tenant_is_onboarded() -> None:
    initech = Cast().initech()
    admin = as_member(initech, "key_admin")
    answer = admin.post(
        reverse("console:rule", args=[initech.slug, "us-east-2"]), {"decrypt": "none"}
    )
    assert answer.status_code == 422
    assert "not active" in text(answer)


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


def test_an_owner_adds_a_member_changes_their_role_and_removes_them(acme: TenantView) -> None:
    owner = as_member(acme, "owner")
    url = reverse("console:members", args=[acme.slug])
    form = {"email": address("Kim"), "role": "auditor", "password": PASSWORD}
    assert "is a member now: Auditor." in text(owner.post(url, form, follow=True))
    assert "is a member now: Key admin." in text(
        owner.post(url, form | {"role": "key_admin"}, follow=True)
    )
    kim = next(member for member in list_members(acme.id) if member.email == form["email"].lower())
    assert kim.role == "key_admin"
    url = reverse("console:remove-member", args=[acme.slug, kim.id])
    assert f"Remove {kim.email}?" in text(owner.get(url))
    assert "The member is removed." in text(owner.post(url, follow=True))
    assert kim not in list_members(acme.id)


def test_a_weak_first_password_or_a_bad_address_adds_nobody(acme: TenantView) -> None:
    owner = as_member(acme, "owner")
    before = list_members(acme.id)
    url = reverse("console:members", args=[acme.slug])
    for form, said in (
        ({"email": address("kim"), "role": "owner", "password": "short"}, "at least 12 characters"),
        ({"email": "kim", "role": "owner"}, "Enter a valid email address"),
        ({"email": address("kim"), "role": "god"}, "Select a valid choice"),
    ):
        answer = owner.post(url, form)
        assert answer.status_code == 422
        assert said in text(answer)
        assert "short" not in text(answer).replace("too short", "")
    assert list_members(acme.id) == before


def test_the_last_owner_stays() -> None:
    tenant = Cast().initech()
    owner = as_member(tenant, "owner")
    (only,) = list_members(tenant.id)
    url = reverse("console:remove-member", args=[tenant.slug, only.id])
    assert "The last owner of a tenant must stay." in text(owner.post(url, follow=True))
    assert list_members(tenant.id) == [only]


def test_the_audit_log_names_people_and_goes_back_page_by_page(
    acme: TenantView, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = as_member(acme, "auditor")
    url = reverse("console:audit", args=[acme.slug])
    page = text(client.get(url))
    assert "Member added" in page
    assert "auditor-" in page
    monkeypatch.setattr(audit_view, "EVENTS_A_PAGE", 2)
    seen, place = 0, url
    for _ in range(200):
        page = text(client.get(place))
        seen += page.count('role="row"') - 1
        if "Older" not in page:
            break
        place = url + "?before=" + page.split("?before=")[1][:36]
    monkeypatch.undo()
    assert seen == text(client.get(url)).count('role="row"') - 1


def test_a_place_in_the_audit_log_that_is_no_id_is_not_there(acme: TenantView) -> None:
    url = reverse("console:audit", args=[acme.slug])
    assert as_member(acme, "auditor").get(url, {"before": "yesterday"}).status_code == 404


def test_the_tenant_is_active_after_all_this(acme: TenantView) -> None:
    assert get_tenant(acme.slug).state == "active"
