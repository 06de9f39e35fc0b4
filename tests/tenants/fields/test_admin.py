"""Django's admin, served: masks for everybody, plain values for whoever has the permission."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.test import Client, modify_settings, override_settings

from tenants.fields import using_tenant
from tenants.fields.admin import check_admins
from tenants.models import User
from tests.tenants.fields.crm.models import Account, Contact, Person
from tests.tenants.fields.rows import put, raw

# A plain project's: what this project has beside it is no business of the admin.
SETTINGS: dict[str, Any] = {
    "ROOT_URLCONF": "tests.tenants.fields.crm.urls",
    "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
    "AUTHENTICATION_BACKENDS": ["tests.tenants.fields.test_admin.Everybody"],
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    "STORAGES": {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    },
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
}


@pytest.fixture(autouse=True)
def pages() -> Iterator[None]:
    """The admin is installed, and served; sessions live in memory."""
    with (
        modify_settings(INSTALLED_APPS={"append": "django.contrib.admin"}),
        override_settings(**SETTINGS),
    ):
        yield
    cache.clear()


class Everybody:
    """Signs in whoever is asked for; who is a superuser may do all, others may look, and two may see."""

    def get_user(self, key: Any) -> User | None:
        return User.objects.filter(pk=key).first()

    def has_perm(self, user: User, permission: str, obj: Any = None) -> bool:
        return (
            user.first_name == "Editor" and "reveal" not in permission
        ) or permission in user.last_name.split()

    def has_module_perms(self, user: User, label: str) -> bool:
        return True


def signed_in(first_name: str, permissions: str = "") -> Client:
    user = User.objects.create_user(
        f"{secrets.token_hex(6)}@example.com", first_name=first_name, is_staff=True
    )
    User.objects.filter(pk=user.pk).update(last_name=permissions)
    client = Client(headers={"host": "testserver"})
    client.force_login(user, backend="tests.tenants.fields.test_admin.Everybody")
    return client


@pytest.fixture
def ann(account: Account) -> Person:
    made: Person = Person.objects.create(
        account=account, name="Ann", email="ann@example.com", phone="030-1234", notes="secret-note"
    )
    return made


def page(client: Client, url: str, **data: Any) -> str:
    answer = client.post(url, data) if data else client.get(url)
    assert answer.status_code == (302 if data else 200), answer.content.decode()
    return answer.content.decode()


PLAIN = ("ann@example.com", "030-1234", "secret-note")


def test_the_list_and_the_form_show_masks(ann: Person) -> None:
    client = signed_in("Editor")
    for url in ("/admin/crm/person/", f"/admin/crm/person/{ann.pk}/change/"):
        shown = page(client, url)
        assert not [value for value in PLAIN if value in shown]
        assert "••••••" in shown
    assert ">Email<" in page(client, "/admin/crm/person/").replace("<span>", ">").replace(
        "</span>", "<"
    )


def test_whoever_may_only_look_sees_masks(ann: Person) -> None:
    shown = page(signed_in("Viewer", "crm.view_person"), f"/admin/crm/person/{ann.pk}/change/")
    assert "Ann" in shown
    assert not [value for value in PLAIN if value in shown]
    assert shown.count("••••••") == 3


def test_the_permission_reveals(ann: Person) -> None:
    for client in (
        signed_in("Editor", "crm.reveal_person"),
        signed_in("Viewer", "crm.view_person crm.reveal_person"),
    ):
        shown = page(client, f"/admin/crm/person/{ann.pk}/change/")
        assert [value for value in PLAIN if value in shown] == list(PLAIN)
        assert "ann@example.com" in page(client, "/admin/crm/person/")


def test_a_value_that_does_not_open_keeps_no_other_from_being_shown(ann: Person) -> None:
    broken = Person.objects.create(account=ann.account, name="Broken", email="b@example.com")
    put(broken, "email", b"broken")
    shown = page(signed_in("Editor", "crm.reveal_person"), "/admin/crm/person/")
    assert "ann@example.com" in shown
    assert "could not be decrypted" in shown


def test_a_form_saves_what_was_typed_and_keeps_the_rest(ann: Person) -> None:
    client = signed_in("Editor")
    with no_log_entries():
        page(
            client, f"/admin/crm/person/{ann.pk}/change/",
            account=ann.account_id, name="Anne", email="", notes="new",
        )  # fmt: skip
    found = Person.objects.get(pk=ann.pk)
    assert (found.name, found.email, found.notes) == ("Anne", "ann@example.com", "new")
    assert raw(found, "email") == raw(ann, "email")


def test_search_finds_by_the_whole_value(ann: Person) -> None:
    with using_tenant(ann.account.tenant_id):
        found = page(signed_in("Editor"), "/admin/crm/person/?q=ann@example.com")
        nothing = page(signed_in("Editor"), "/admin/crm/person/?q=ann")
    assert f"/admin/crm/person/{ann.pk}/change/" in found
    assert f"/admin/crm/person/{ann.pk}/change/" not in nothing


def test_inlines_show_masks(account: Account) -> None:
    Contact.objects.create(account=account, sealed="secret-contact", plain="p")
    shown = page(signed_in("Editor"), f"/admin/crm/account/{account.pk}/change/")
    assert "secret-contact" not in shown
    assert "••••••" in shown


def test_an_admin_that_would_show_values_is_found() -> None:
    from tests.tenants.fields.crm import urls

    assert urls.site.is_registered(Person)
    assert check_admins() == []
    other = admin.AdminSite("other")
    other.register(Person)
    [error] = check_admins()
    assert error.id == "encrypted_fields.E012"
    assert "MaskedAdmin" in str(error.hint)
    del other


class no_log_entries:  # noqa: N801 - reads as a statement
    """The admin's own log has no table here."""

    def __enter__(self) -> None:
        self.patch = pytest.MonkeyPatch()
        for name in ("log_change", "log_addition", "log_deletions"):
            self.patch.setattr(admin.ModelAdmin, name, lambda *_, **__: None)

    def __exit__(self, *_: object) -> None:
        self.patch.undo()
