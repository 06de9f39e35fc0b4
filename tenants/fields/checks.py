"""System checks of encrypted fields, each with an id and a hint. Those of the admin are in `tenants.fields.admin`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Error
from django.db.models import UUIDField

from crypto.blind_index import NORMALISERS
from tenants.fields import paths
from tenants.fields.search import SUFFIX, BlindIndexField

if TYPE_CHECKING:
    from tenants.fields.base import EncryptedField

_CLASSIFICATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,39}")
_PLACE = re.compile(r"[\w]+\.[\w]+\.[\w]+")
_KEYS = ("primary_key", "db_index", "unique", "unique_for_date", "unique_for_month", "unique_for_year")  # fmt: skip


def check_field(field: EncryptedField) -> list[CheckMessage]:
    """All faults of one field at once."""
    found = [*_column(field), *_meta(field), *_search(field), *_binding(field), *_managers(field)]
    return [
        Error(f"{field.label} {text}.", hint=hint, obj=field, id=f"encrypted_fields.{number}")
        for number, text, hint in found
    ]


Found = Iterator[tuple[str, str, str]]


def _column(field: EncryptedField) -> Found:
    for option in _KEYS:
        if getattr(field, f"_{option}" if option == "unique" else option, None):
            yield (
                "E001",
                f"cannot have {option}: equal values have different ciphertexts",
                f"Use queries=Equality(), and a UniqueConstraint over the tenant and {field.name}{SUFFIX}.",
            )
    if field.has_db_default():
        yield (
            "E002",
            "cannot have db_default: the database would hold it in plain",
            "Use default.",
        )


def _meta(field: EncryptedField) -> Found:
    options = field.model._meta
    ordered = [str(name).lstrip("-") for name in options.ordering or () if isinstance(name, str)]
    latest: Any = options.get_latest_by or ()
    ordered += [name.lstrip("-") for name in ([latest] if isinstance(latest, str) else latest)]
    if field.name in ordered:
        yield (
            "E003",
            "cannot be ordered by: its ciphertext is random",
            "Order by another field, or sort in Python after decrypted().",
        )
    for names in _indexed(options):
        if field.name in names:
            yield (
                "E004",
                "cannot be part of an index or constraint",
                f"Use queries=Equality(), and name {field.name}{SUFFIX} together with the tenant.",
            )


def _indexed(options: Any) -> Iterator[Iterable[str]]:
    yield from options.unique_together
    for one in (*options.indexes, *options.constraints):
        yield [name.lstrip("-") for name in getattr(one, "fields", ())]
        yield getattr(one, "include", None) or ()
        for expression in getattr(one, "expressions", ()):
            yield [getattr(part, "name", "") for part in expression.flatten()]


def _search(field: EncryptedField) -> Found:
    if field.queries is None:
        return
    if not field.may_be_searched:
        yield (
            "E005",
            "cannot be searched: its values have no text that tells little enough",
            "Remove queries=.",
        )
    if field.queries.normaliser not in NORMALISERS:
        yield (
            "E005",
            f"names the unknown normaliser {field.queries.normaliser}",
            f"Use one of {', '.join(NORMALISERS)}.",
        )
    if not isinstance(field.model._meta.get_field(field.name + SUFFIX), BlindIndexField):
        yield (
            "E006",
            f"needs the name {field.name}{SUFFIX} for its tokens, which another field has",
            "Rename the other field.",
        )


def _binding(field: EncryptedField) -> Found:
    if field.tenant:
        try:
            paths.resolve(field.model, field.tenant)
        except paths.PathBroken as error:
            yield (
                "E007",
                f"finds no tenant by {field.tenant}: {error}",
                "Name relations, and at the end a UUIDField with the tenant's id in the registry.",
            )
    key: Any = field.model._meta.pk
    while key.remote_field:
        key = key.target_field
    if field.bind_row and not (isinstance(key, UUIDField) and key.has_default()):
        yield (
            "E008",
            "cannot be bound to its row: the primary key is not known before the row is stored",
            "Use a UUIDField with a default as primary key, or remove bind_row.",
        )
    if not _CLASSIFICATION.fullmatch(field.classification):
        yield (
            "E009",
            "has a classification that no key policy could name",
            "Use 1 to 40 of A-Z a-z 0-9 . _ : -",
        )
    if field.bound_to and not _PLACE.fullmatch(field.bound_to):
        yield ("E010", "has a malformed bound_to", "Use app.model.field.")


def _managers(field: EncryptedField) -> Found:
    from tenants.fields.queryset import EncryptedQuerySet  # noqa: PLC0415 - it imports the fields

    for manager in field.model._meta.managers:
        kind = getattr(manager, "_queryset_class", object)
        if not issubclass(kind, EncryptedQuerySet):
            yield (
                "E011",
                f"is reached by the manager {manager.name}, which would pass plain values on",
                "Derive the manager from EncryptedManager, or its queryset from EncryptedQuerySet.",
            )
