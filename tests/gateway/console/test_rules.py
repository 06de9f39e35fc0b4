"""Region rules through their form, and what the tenant page says of them."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from tenants.selectors import (
    TenantView,
    list_region_rules,
    list_regional_keys,
)
from tests.cast import Cast, run_plan
from tests.gateway.console.people import as_member


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
    assert "The tenant is onboarding." in text(answer)
