# mypy: disable-error-code=type-arg
# Django's fields take type arguments in the stubs alone.
"""Equality search: `queries=Equality()` adds a column of tokens, which are equal when the values are.

A token is a truncated HMAC under a key of the tenant (`crypto.blind_index`). Whoever reads the database learns from it
which rows of one tenant share a value of that one field, and nothing else.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast

from django.db import models
from django.db.models import Model
from django.db.models.query_utils import DeferredAttribute
from django.utils.deconstruct import deconstructible

from crypto.blind_index import TOKEN_LENGTH, normalise, token
from tenants.fields.ambient import required_tenant
from tenants.fields.attribute import stays_closed
from tenants.fields.keys import current_keys
from tenants.fields.value import MASK, EncryptedValue

if TYPE_CHECKING:
    from tenants.fields.base import EncryptedField

SUFFIX: Final = "_bidx"


@deconstructible(path="tenants.fields.Equality")
class Equality:
    """Search by `exact` and `in`. `normaliser` says which values count as equal: exact, casefold, digits or email."""

    def __init__(self, normaliser: str = "exact") -> None:
        self.normaliser = normaliser

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Equality) and other.normaliser == self.normaliser

    def __hash__(self) -> int:
        return hash(self.normaliser)


class Term:
    """A value that is searched for, of which a query's text and error pages show a mask."""

    __slots__ = ("_text", "field")

    def __init__(self, value: EncryptedValue) -> None:
        """`value` is open, of a field with `queries`. Raises `DataError` for one of a wrong type."""
        self.field = value.field
        normaliser = self.field.queries.normaliser if self.field.queries else "exact"
        self._text = normalise(self.field.text_of(value), normaliser)

    def token(self, tenant: Any = None) -> bytes:
        """The token for this tenant, or for the ambient one; may ask KMS for the index key."""
        owner = tenant or required_tenant()
        index_key = current_keys().index_key(owner, self.field.classification)
        collection, name = self.field.place
        return token(index_key, collection=collection, field=name, value=self._text)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Term)
            and (other.field.place, other._text) == (self.field.place, self._text)
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.field.place, self._text))

    def __repr__(self) -> str:
        return f"<Term {self.field.label}: {MASK}>"


class Stale(Enum):
    """Stands in an instance where the token must be computed when it is needed."""

    TOKEN = 1


class TokenAttribute(DeferredAttribute):
    """Gives the token of what the instance holds now."""

    field: BlindIndexField

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        held = super().__get__(instance, cls)
        if held is not Stale.TOKEN or stays_closed(instance):
            return held
        token = instance.__dict__[self.field.attname] = self.field.token_of(instance)
        return token

    def __set__(self, instance: Model, value: Any) -> None:
        # The constructor sets every field, this one to None: what was just assigned must get its token all the same.
        # So does a row that was stored before its field could be searched, when it is saved the next time.
        is_missing = value is None and instance.__dict__.get(self.field.source) is not None
        instance.__dict__[self.field.attname] = Stale.TOKEN if is_missing else value


class BlindIndexField(models.BinaryField):
    """The column of tokens beside an encrypted field. It is made by `queries=`, and named in constraints only."""

    descriptor_class = TokenAttribute
    _fixed: Final = {"null": True, "editable": False, "serialize": False, "db_index": True}

    def __init__(self, *args: Any, source: str = "", **kwargs: Any) -> None:
        kwargs.setdefault("max_length", TOKEN_LENGTH)
        super().__init__(*args, **kwargs | self._fixed)
        self.source = source

    def deconstruct(self) -> Any:
        """For migrations: what the source decides is left out."""
        name, _, args, kwargs = super().deconstruct()
        for key in (*self._fixed, "max_length", "verbose_name"):
            kwargs.pop(key, None)
        return name, "tenants.fields.BlindIndexField", args, kwargs | {"source": self.source}

    def contribute_to_class(self, cls: type[Model], name: str, private_only: bool = False) -> None:
        """Nothing, where the source or an abstract parent has brought it already."""
        if not any(field.name == name for field in cls._meta.local_fields):
            super().contribute_to_class(cls, name, private_only)

    def source_of(self, instance: Model) -> EncryptedField:
        """The encrypted field that this one serves."""
        found: Any = instance._meta.get_field(self.source)
        return cast("EncryptedField", found)

    def token_of(self, instance: Model) -> bytes | None:
        """The token of the value that the instance holds."""
        source = self.source_of(instance)
        held, where = source.held(instance), source.where(instance)
        if held is None:
            return None
        held.open(where)
        return Term(held).token(where.tenant)

    def pre_save(self, model_instance: Model, *_: Any, **__: Any) -> Any:
        """The token that is stored."""
        return getattr(model_instance, self.attname)

    def get_prep_value(self, value: Any) -> Any:
        """A searched term stays one until the query is compiled, since its token depends on the tenant of then."""
        return value if isinstance(value, Term) else super().get_prep_value(value)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """The bytes of a token."""
        found = value.token() if isinstance(value, Term) else value
        return super().get_db_prep_value(found, connection, prepared)
