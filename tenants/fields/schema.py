"""What may be written into an encrypted column, and which change of a model may be migrated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.core.exceptions import FieldError
from django.db.models import Case, Value
from django.db.models.functions import Cast

from crypto.errors import DecryptionFailed
from crypto.message import read_header
from tenants.fields.errors import WrongRow, WrongTenant
from tenants.fields.value import EncryptedValue, Where

if TYPE_CHECKING:
    from tenants.fields.base import EncryptedField

# Options of Django's fields that shape the column of a plain field, and not of an encrypted one.
TYPE_OPTIONS: Final = (
    "max_length",
    "max_digits",
    "decimal_places",
    "auto_now",
    "auto_now_add",
    "encoder",
    "decoder",
)


def checked_expression(field: EncryptedField, value: Any) -> Any:
    """The expression of `bulk_update`, whose every leaf is a message of ours; `FieldError` for any other one."""
    leaves = [value]
    while leaves:
        leaf = leaves.pop()
        if isinstance(leaf, Cast):
            leaves += leaf.get_source_expressions()
        elif isinstance(leaf, Case):
            leaves += [leaf.default, *[case.result for case in leaf.cases]]
        elif leaf is not None and not _is_sealed(leaf):
            raise FieldError(f"{field.label} is encrypted: the database cannot compute it.")
    return value


def _is_sealed(leaf: Any) -> bool:
    if not isinstance(leaf, Value):
        return False
    held = leaf.value
    return held is None or (isinstance(held, EncryptedValue) and held.message is not None)


def refuse_moved(field: EncryptedField, held: EncryptedValue, where: Where, add: bool) -> None:
    """Raise `WrongTenant` or `WrongRow` where a sealed value is about to be stored where it would not open."""
    if not _is_of(where.tenant, held):
        raise WrongTenant(
            f"{field.label} was sealed for another tenant: assign the value anew to move it."
        )
    if add and field.bind_row and not _opens(field, held, where):
        raise WrongRow(
            f"{field.label} was sealed for another row: assign the value anew to copy it."
        )


def _is_of(tenant: UUID, held: EncryptedValue) -> bool:
    """Whether it was sealed for that tenant; what was broken before counts, and raises when it is read."""
    if held.place is not None:
        return held.place.tenant == tenant
    try:
        context = read_header(held.message or b"").context
    except DecryptionFailed:
        return True
    # Pairs are sorted by name, so that the tenant comes last (`crypto.context`).
    return context.endswith(b"\x00\x06tenant\x00\x20" + tenant.hex.encode())


def _opens(field: EncryptedField, held: EncryptedValue, where: Where) -> bool:
    """The row does not show in a message: one that was only loaded must be opened to know."""
    if held.place is not None:
        return held.place == where
    try:
        field.unseal(held.message or b"", where)
    except DecryptionFailed:
        return False
    return True
