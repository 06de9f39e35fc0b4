"""The admin of the customer database, and a page that fails."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tenants.fields.admin import MaskedAdmin
from tests.tenants.fields.crm.models import Account, Contact, Person

site = admin.AdminSite("crm")


class ContactInline(MaskedAdmin, admin.TabularInline):  # type: ignore[type-arg]  # as a project would write it
    """Contacts within their account."""

    model = Contact
    extra = 0


@admin.register(Account, site=site)
class AccountAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as a project would write it
    """Accounts have no encrypted field of their own."""

    inlines: ClassVar[Any] = [ContactInline]


@admin.register(Person, site=site)
class PersonAdmin(MaskedAdmin, admin.ModelAdmin):  # type: ignore[type-arg]  # as a project would write it
    """People."""

    list_display = ("name", "email", "phone")
    list_display_links = ("name", "email")
    readonly_fields = ("phone",)
    search_fields = ("email__exact",)
    fieldsets = ((None, {"fields": ("account", ("name", "email"), "phone", "notes")}),)
    reveal_permission = "crm.reveal_person"


def failing(request: HttpRequest, pk: int) -> HttpResponse:
    """Touches a row, and then goes wrong in the database layer."""
    row = Person.objects.select_related("account").get(pk=pk)
    row.phone = row.email
    rows = [row, vars(row), row.account]
    if request.GET.get("keys"):
        row.notes = row.phone
        row.save()
    raise RuntimeError(f"{len(rows)} rows")


urlpatterns = [path("admin/", site.urls), path("failing/<int:pk>/", failing)]
