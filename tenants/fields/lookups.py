"""What an encrypted column may be asked: `isnull`, and with `queries=Equality()` also `exact` and `in`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldError
from django.db.models import BinaryField
from django.db.models.expressions import Col
from django.db.models.lookups import Exact, In, IsNull, Lookup

from tenants.fields.search import SUFFIX, Term
from tenants.fields.value import EncryptedValue

if TYPE_CHECKING:
    from tenants.fields.base import EncryptedField


def lookup_of(field: EncryptedField, name: str) -> Callable[[Any, Any], Lookup[Any]]:
    """What makes the lookup of that name. Raises `FieldError` with the reason for one that cannot be answered."""
    if name in _LOOKUPS:
        return _LOOKUPS[name]
    raise FieldError(
        f"{field.label} is encrypted: it can be tested with exact, in and isnull, and not with {name}."
    )


def _isnull(column: Any, value: Any) -> Lookup[Any]:
    return IsNull(Col(column.alias, column.target, column.output_field), value)


def _exact(column: Any, value: Any) -> Lookup[Any]:
    if value is None:
        return Exact(_tokens(column), None)  # which Django turns into isnull
    if isinstance(value, EncryptedValue):
        # "Is it still this very message?": how a command notices that a row has changed under its hands.
        return Exact(Col(column.alias, column.target, BinaryField()), value.message)
    return Exact(_searched(column), _term(column, value))


def _in(column: Any, values: Any) -> Lookup[Any]:
    if not isinstance(values, Iterable) or hasattr(values, "resolve_expression"):
        _refuse(column, "it can be compared with a list of values only")
    searched = _searched(column)
    return In(searched, [_term(column, value) for value in values if value is not None])


_LOOKUPS: dict[str, Callable[[Any, Any], Lookup[Any]]] = {
    "exact": _exact,
    "in": _in,
    "isnull": _isnull,
}


def _searched(column: Any) -> Col:
    if column.target.queries is None:
        _refuse(column, "without queries=Equality() it can only be tested with isnull")
    return _tokens(column)


def _tokens(column: Any) -> Col:
    """The column of tokens, which stands in the same table."""
    target = column.target
    if target.queries is None:
        return Col(column.alias, target, BinaryField())
    return Col(column.alias, target.model._meta.get_field(target.name + SUFFIX))


def _term(column: Any, value: Any) -> Term:
    if hasattr(value, "resolve_expression"):
        _refuse(column, "it can be compared with a value only")
    return Term(EncryptedValue.plain(column.target, value))


def _refuse(column: Any, reason: str) -> None:
    raise FieldError(f"{column.target.label} is encrypted: {reason}.")
