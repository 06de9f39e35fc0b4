"""MaskedAdmin: encrypted fields in Django's admin show a mask, unless a permission says otherwise.

    @admin.register(Person)
    class PersonAdmin(MaskedAdmin, admin.ModelAdmin):
        list_display = ["name", "email"]
        reveal_permission = "crm.reveal_person"

A system check finds every other admin of a model with encrypted fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, register
from django.db.models import Model
from django.http import HttpRequest
from django.utils.text import capfirst

from crypto.errors import DecryptionFailed
from tenants.fields.base import EncryptedField
from tenants.fields.queryset import encrypted_fields

if TYPE_CHECKING:
    from django.contrib.admin.options import BaseModelAdmin

    _Admin = BaseModelAdmin[Any]
else:
    _Admin = object


class MaskedAdmin(_Admin):
    """Mixed in front of ModelAdmin or of an inline.

    Lists and read-only fields show masks, forms take new values and keep old ones. Whoever has `reveal_permission`
    sees and edits plain values; it is a permission like `"crm.reveal_person"`, and where it is empty nobody does.
    """

    reveal_permission: str = ""

    def may_reveal(self, request: HttpRequest) -> bool:
        """Whether this person sees plain values."""
        user: Any = request.user
        return bool(self.reveal_permission) and user.has_perm(self.reveal_permission)

    def get_list_display(self, request: HttpRequest) -> Any:
        """The columns, encrypted ones masked."""
        return self._shown(request, super().get_list_display(request))  # type: ignore[misc]  # inlines have none

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        """The columns that lead to the form."""
        links = super().get_list_display_links(request, list_display)  # type: ignore[misc]  # inlines have none
        return None if links is None else self._shown(request, links)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What cannot be edited, encrypted fields masked."""
        return self._shown(request, super().get_readonly_fields(request, obj))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The form's parts; in them too, what cannot be edited is masked."""
        editable = self.has_change_permission(request, obj) if obj else True
        fixed = set(super().get_readonly_fields(request, obj))

        def shown(names: Any) -> Any:
            return [
                shown(name)
                if isinstance(name, list | tuple)
                else self._shown(request, [name])[0]
                if not editable or name in fixed
                else name
                for name in names
            ]

        return [
            (title, {**options, "fields": shown(options["fields"])})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A masked form field, or the plain one."""
        if isinstance(db_field, EncryptedField) and self.may_reveal(request):
            kwargs["reveal"] = True
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def _shown(self, request: HttpRequest, names: Any) -> Any:
        found = {field.name: field for field in encrypted_fields(self.model)}
        reveal = self.may_reveal(request)
        return [shown_column(found[name], reveal) if name in found else name for name in names]


@lru_cache(maxsize=1_024)
def shown_column(field: EncryptedField, reveal: bool) -> Callable[[Model], Any]:
    """A column of the admin: a mask that opens nothing, or the value. Remembered, since Django compares columns."""

    def column(row: Model) -> Any:
        if field.held(row) is None or not reveal:
            return field.value_to_string(row) or None
        try:
            return getattr(row, field.attname)
        except DecryptionFailed:
            return (
                DecryptionFailed.TEXT
            )  # of one row, which must not keep the others from being shown

    column.__name__ = field.name
    column.short_description = capfirst(field.verbose_name)  # type: ignore[attr-defined]  # of functions in the admin
    return column


def register_check() -> None:
    """Have Django run the check below."""
    register(Tags.admin)(check_admins)


def check_admins(**_: object) -> list[CheckMessage]:
    """Every admin of a model with encrypted fields masks them."""
    if not apps.is_installed("django.contrib.admin"):
        return []
    return [
        Error(
            f"{type(found).__name__} would show the encrypted fields of {found.model._meta.label}.",
            hint="Put tenants.fields.admin.MaskedAdmin in front of its bases.",
            obj=type(found),
            id="encrypted_fields.E012",
        )
        for found in _admins()
        if encrypted_fields(found.model) and not isinstance(found, MaskedAdmin)
    ]


def _admins() -> Iterator[Any]:
    from django.contrib.admin.sites import all_sites  # noqa: PLC0415 - only where it is installed

    for site in all_sites:
        for found in site._registry.values():
            yield found
            yield from (inline(found.model, site) for inline in found.inlines)
