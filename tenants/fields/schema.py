"""What may be written into an encrypted column, and which change of a model may be migrated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

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
    """Raise `WrongTenant` or `WrongRow` where a sealed value is about to be stored in a place where it would not open.

    The tenant shows in the message's header. The row does not: of a copied row the value must open there.
    """
    message = held.message or b""
    try:
        context = read_header(message).context
    except DecryptionFailed:
        return  # what was broken before stays as it is, and raises when it is read
    # Pairs are sorted by name, so that the tenant comes last (`crypto.context`).
    if not context.endswith(b"\x00\x06tenant\x00\x20" + where.tenant.hex.encode()):
        raise WrongTenant(
            f"{field.label} was sealed for another tenant: assign the value anew to move it."
        )
    if add and field.bind_row:
        try:
            field.unseal(message, where)
        except DecryptionFailed:
            raise WrongRow(
                f"{field.label} was sealed for another row: assign the value anew to copy it."
            ) from None
