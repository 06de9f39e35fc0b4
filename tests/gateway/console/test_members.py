"""The people of a tenant, through their forms."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from tenants.selectors import (
    TenantView,
    list_members,
)
from tests.cast import Cast
from tests.gateway.console.people import PASSWORD, address, as_member


@pytest.fixture(scope="module")
def acme() -> TenantView:
    return Cast().acme()


def text(answer: Any) -> str:
    return str(answer.content.decode())


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
