"""The page of keys: drift and its repair, rotation, re-encryption, usage, and a tenant's Regions."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tenants.selectors import TenantView, get_progress, get_tenant, list_region_rules
from tenants.selectors.key_usage import get_key_rotation
from tests.cast import Cast, run_plan
from tests.gateway.console.faults import check, open_a_backdoor
from tests.gateway.console.people import as_member, as_operator
from tests.tenants.aws import policy_of
from tests.tenants.endings import leaving

US, WEST, EU = "us-east-2", "us-west-1", "eu-west-1"


@pytest.fixture(scope="module")
def acme() -> TenantView:
    return Cast().acme()


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", str(answer.content.decode()))


def url(tenant: TenantView, name: str = "keys", *more: str) -> str:
    return reverse(f"console:{name}", args=[tenant.slug, *more])


def do(client: Client, tenant: TenantView, name: str, *more: str, **form: str) -> str:
    return text(client.post(url(tenant, name, *more), form, follow=True))


def test_drift_is_shown_in_words_and_repaired(acme: TenantView) -> None:
    admin = as_member(acme, "key_admin")
    assert "Not compared yet" in text(admin.get(url(acme)))
    open_a_backdoor(acme, EU)
    check(acme, US)
    page = text(admin.get(url(acme)))
    assert "1 difference" in page
    assert "Backdoor should not be there" in page
    assert "Allows more than it should" in page
    assert url(acme, "repair", EU) not in text(as_member(acme, "auditor").get(url(acme)))
    assert "Repair the key in eu-west-1?" in text(admin.get(url(acme, "repair", EU)))
    assert "is being repaired" in do(admin, acme, "repair", EU)
    run_plan(acme)
    assert "1 difference" not in text(admin.get(url(acme)))
    assert "Backdoor" not in json.dumps(policy_of(acme, EU))


def test_a_rotation_is_counted_and_the_plan_is_shown(acme: TenantView) -> None:
    admin = as_member(acme, "key_admin")
    assert "25 of 25 are left" in text(admin.get(url(acme)))
    assert "25 are left" in text(admin.get(url(acme, "rotate")))
    page = do(admin, acme, "rotate")
    assert "The key is being rotated." in page
    assert 'data-live hx-get="' + url(acme) in page
    again = do(admin, acme, "rotate")
    assert "plan_under_way" in again
    run_plan(acme)
    page = text(admin.get(url(acme)))
    assert "24 of 25 are left" in page
    assert get_key_rotation(acme.id).key_material_id in page


def test_the_period_is_checked_before_it_is_set(acme: TenantView) -> None:
    admin = as_member(acme, "key_admin")
    for days in ("89", "-1", "9999", "soon"):
        assert admin.post(url(acme, "rotation"), {"days": days}).status_code == 422, days
    assert "The period is being set." in do(admin, acme, "rotation", days="180")
    run_plan(acme)
    assert "Each 180 days" in text(admin.get(url(acme)))
    do(admin, acme, "rotation", days="0")
    run_plan(acme)
    assert "Never by itself" in text(admin.get(url(acme)))


def test_records_are_re_encrypted_until_none_is_left() -> None:
    tenant = leaving(Cast().onboard("hooli", (US,), US, {})).tenant
    admin = as_member(tenant, "key_admin")
    page = text(admin.get(url(tenant)))
    assert "Records" in page
    assert "Nothing: all records are under the current key material" in page
    assert "The data keys are being replaced." in do(admin, tenant, "retire-data-keys")
    run_plan(tenant)
    do(admin, tenant, "rotate")
    run_plan(tenant)
    assert "under an old key or old key material" in text(admin.get(url(tenant)))
    assert "The records are being re-encrypted." in do(admin, tenant, "reencrypt")
    run_plan(tenant)
    page = text(admin.get(url(tenant)))
    assert "Nothing: all records are under the current key material" in page


def test_a_shared_key_is_not_repaired_or_rotated_for_one_tenant() -> None:
    pool = Cast().pool()
    tenant = Cast().pooled(pool, US, EU)
    operator, owner = as_operator(), as_member(tenant, "owner")
    page = text(owner.get(url(tenant)))
    assert "The key of a pool" in page
    assert pool.slug not in page
    assert pool.slug in text(operator.get(url(tenant)))
    assert url(tenant, "rotate") not in page
    assert "key_shared" in do(owner, tenant, "rotate")
    assert "key_shared" in do(owner, tenant, "repair", US)
    assert operator.get(url(pool)).status_code == 200


def test_an_operator_removes_keeps_moves_and_adds_a_region() -> None:
    tenant = Cast().acme()
    operator = as_operator()
    assert url(tenant, "remove-region", EU) not in text(as_member(tenant, "owner").get(url(tenant)))
    assert "region_not_dispensable" in do(operator, tenant, "remove-region", US, waiting_days="7")
    assert operator.get(url(tenant, "remove-region", "ap-south-1")).status_code == 404
    remove = url(tenant, "remove-region", EU)
    assert operator.post(remove, {"waiting_days": "31"}).status_code == 422
    assert "is being removed" in do(operator, tenant, "remove-region", EU, waiting_days="7")
    page = text(operator.get(url(tenant)))
    assert "The tenant leaves this Region" in page
    assert url(tenant, "keep-region", EU) in page
    assert "is kept" in do(operator, tenant, "keep-region", EU)
    run_plan(tenant)
    assert "The primary moves to us-west-1." in do(operator, tenant, "make-primary", WEST)
    run_plan(tenant)
    assert get_tenant(tenant.slug).home_region == WEST
    assert "is the primary already" in do(operator, tenant, "make-primary", WEST)


def test_an_operator_adds_a_region_with_its_rule() -> None:
    tenant = Cast().onboard("hooli", (US,), US, {})
    operator = as_operator()
    assert "Add a Region" in text(operator.get(url(tenant)))
    answer = operator.post(url(tenant, "add-region"), {"region": "mars", "decrypt": "all"})
    assert answer.status_code == 422
    page = do(operator, tenant, "add-region", region=EU, decrypt="some", listed="pii")
    assert "The key is being replicated to eu-west-1." in page
    rule = next(rule for rule in list_region_rules(tenant.id) if rule.region == EU)
    assert (rule.may_encrypt, rule.may_decrypt) == (False, ("pii",))
    run_plan(tenant)
    assert get_progress(tenant.id).plan == "region_added"
