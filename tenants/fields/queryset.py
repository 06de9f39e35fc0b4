"""The queryset and manager of models with encrypted fields; a model that names no manager of its own gets them.

Django puts a transaction around `bulk_create`, `bulk_update`, `get_or_create` and `update_or_create`. No key is fetched
inside of one, so values are sealed before it begins, or the keys are fetched after it failed and it begins again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self, TypeVar

from django.core.exceptions import FieldError
from django.db import models
from django.db.models import Model, QuerySet

from crypto.errors import DecryptionFailed
from tenants.fields import paths
from tenants.fields.ambient import current_tenant, required_tenant
from tenants.fields.attribute import unopened
from tenants.fields.base import EncryptedField
from tenants.fields.errors import KeyNotPrepared
from tenants.fields.search import SUFFIX, Term
from tenants.fields.transactions import in_transaction
from tenants.fields.value import EncryptedValue

T = TypeVar("T")
M = TypeVar("M", bound=Model)
_TRIES = 8
_CHUNK = 2_000


def encrypted_fields(model: type[Model], names: Iterable[str] = ()) -> list[EncryptedField]:
    """The encrypted fields of a model, those of its parents included; with `names` only these."""
    wanted = set(names)
    found = [field for field in model._meta.concrete_fields if isinstance(field, EncryptedField)]
    return [field for field in found if not wanted or field.name in wanted]


def with_companions(model: type[Model], names: Iterable[str]) -> set[str]:
    """These names, and with each searchable field its column of tokens."""
    found = set(names)
    searchable = [field.name for field in encrypted_fields(model) if field.queries is not None]
    return found | {name + SUFFIX for name in searchable if name in found}


def seal_row(row: Model, *, add: bool, names: Iterable[str] = ()) -> None:
    """Seal what was assigned, and compute its tokens, before a transaction begins that will store them."""
    for field in encrypted_fields(type(row), names):
        if field.attname in row.__dict__:
            field.pre_save(row, add)
            if field.queries is not None and field.name + SUFFIX in row.__dict__:
                getattr(row, field.name + SUFFIX)


def prefetch_decrypt(rows: Iterable[M], *names: str) -> list[M]:
    """Open these encrypted fields, or all, of all rows: one call to KMS for each data key, not for each row.

    A value that does not open raises when it is read, as ever. Every other error is raised here.
    """
    found = list(rows)
    _open_all(found, names)
    return found


class EncryptedQuerySet(QuerySet[M, M]):
    """A queryset that can seal many values at once and open many at once."""

    _names: tuple[str, ...] | None = None

    def decrypted(self, *names: str) -> Self:
        """Open these encrypted fields, or all, when the rows are fetched; `values()` then gives plain values."""
        unknown = set(names) - {field.name for field in encrypted_fields(self.model)}
        if unknown:
            raise FieldError(
                f"{self.model._meta.label} has no encrypted {', '.join(sorted(unknown))}."
            )
        found: Self = self.all()
        found._names = names
        return found

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        """As Django's. Also in an upsert the tokens follow their values."""
        objs = list(objs)
        for obj in objs:
            seal_row(obj, add=True)
        if kwargs.get("update_fields"):
            kwargs["update_fields"] = sorted(with_companions(self.model, kwargs["update_fields"]))
        return super().bulk_create(objs, *args, **kwargs)

    def bulk_update(
        self, objs: Iterable[M], fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> int:
        """As Django's, which would take plain values into a CASE of the database: sealed ones are put into it."""
        objs, fields = list(objs), with_companions(self.model, fields)
        self._refuse_moving(fields)
        for obj in objs:
            seal_row(obj, add=False, names=fields)
        with unopened():
            return super().bulk_update(objs, sorted(fields), *args, **kwargs)

    def get_or_create(self, *args: Any, **kwargs: Any) -> tuple[M, bool]:
        """As Django's."""
        return _with_keys(lambda: super(EncryptedQuerySet, self).get_or_create(*args, **kwargs))

    def update_or_create(self, *args: Any, **kwargs: Any) -> tuple[M, bool]:
        """As Django's."""
        return _with_keys(lambda: super(EncryptedQuerySet, self).update_or_create(*args, **kwargs))

    def update(self, **kwargs: Any) -> int:
        """As Django's; a literal is sealed once for all rows, and then only rows of the ambient tenant are reached."""
        self._refuse_moving(kwargs)
        rows: Any = self
        for field in encrypted_fields(self.model, kwargs) if kwargs else ():
            value = kwargs[field.name]
            if hasattr(value, "resolve_expression"):
                continue  # of bulk_update, or refused when it is compiled
            kwargs |= self._sealed(field, value)
            if field.tenant and (value is not None or current_tenant()):
                rows = rows.filter(**{field.tenant: required_tenant()})
        return super(EncryptedQuerySet, rows).update(**kwargs)

    def _sealed(self, field: EncryptedField, value: Any) -> dict[str, Any]:
        """The columns that hold this value: the field's, and that of its tokens."""
        found, token = None, None
        if value is not None:
            if field.bind_row:
                raise FieldError(
                    f"{field.label} is bound to its row: update() cannot set it, bulk_update() can."
                )
            found = EncryptedValue.plain(field, _plain(value))
            token = None if field.queries is None else Term(found).token()
            found.seal(field.where_without_row())
        return {field.name: found} | ({} if field.queries is None else {field.name + SUFFIX: token})

    def _refuse_moving(self, names: Iterable[str]) -> None:
        """Rows that go to another tenant must take their values along, which only `save()` can do."""
        moving = {
            paths.head(field.tenant) for field in encrypted_fields(self.model) if field.tenant
        }
        if moved := moving & {form for name in names for form in (name, name.removesuffix("_id"))}:
            raise FieldError(
                f"{', '.join(moved)} says whose the encrypted values are: assign them anew and save() each row."
            )

    def iterator(self, *args: Any, **kwargs: Any) -> Iterator[M]:
        """As Django's; after `decrypted()` rows are opened in batches."""
        found = super().iterator(*args, **kwargs)
        return found if self._names is None else _opened_in_batches(found, self._names)

    def _clone(self) -> Self:
        found: Self = super()._clone()  # type: ignore[misc]  # the stubs leave it out
        found._names = self._names
        return found

    def _fetch_all(self) -> None:
        is_new = self._result_cache is None
        super()._fetch_all()
        if is_new and self._names is not None:
            self._result_cache = _open_all(self._result_cache, self._names)


class EncryptedManager(models.Manager.from_queryset(EncryptedQuerySet)):  # type: ignore[misc]  # a class that is made
    """The manager to derive one's own from."""


def _with_keys(call: Callable[[], T]) -> T:
    for _ in range(_TRIES):
        try:
            return call()
        except KeyNotPrepared as missing:
            if in_transaction():
                raise
            missing.fetch()
    return call()


def _open_all(rows: Any, names: tuple[str, ...]) -> Any:
    """Open all rows, whatever their form. What is missing in a transaction is told at once, for all of them."""
    missing: list[Callable[[], object]] = []
    found = [_opened(row, names, missing) for row in rows]
    if missing:
        raise KeyNotPrepared(missing=missing)
    return found


def _opened(row: Any, names: tuple[str, ...], missing: list[Callable[[], object]]) -> Any:
    try:
        if isinstance(row, Model):
            for field in encrypted_fields(type(row), names):
                _read(row, field)
        elif isinstance(row, dict):
            return {key: _plain(value) for key, value in row.items()}
        elif isinstance(row, tuple):
            values = [_plain(value) for value in row]
            return row._make(values) if hasattr(row, "_make") else tuple(values)
        else:
            return _plain(row)
    except KeyNotPrepared as error:
        missing += error.missing
    return row


def _read(row: Model, field: EncryptedField) -> None:
    try:
        if field.attname in row.__dict__:
            getattr(row, field.attname)
    except DecryptionFailed:
        pass


def _plain(value: Any) -> Any:
    return value.open() if isinstance(value, EncryptedValue) else value


def _opened_in_batches(rows: Iterator[Any], names: tuple[str, ...]) -> Iterator[Any]:
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _CHUNK:
            yield from _open_all(batch, names)
            batch = []
    yield from _open_all(batch, names)
