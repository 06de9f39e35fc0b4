"""Adopting a column: values of one column, plain or encrypted otherwise, are sealed into an encrypted one beside it.

Rows whose target is NULL and whose source is not are left to do, so that a run which was stopped goes on where it was,
and nothing is written down about it. The source stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Field, Model, QuerySet

from crypto.errors import KeyUnavailable
from tenants.fields.base import EncryptedField
from tenants.fields.batches import ROW_ERRORS, Outcome, Rows, Write, write
from tenants.fields.search import SUFFIX
from tenants.fields.value import EncryptedValue


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far it is: rows with a value in the source, and those of them that have one in the target."""

    total: int
    done: int

    @property
    def left(self) -> int:
        """Rows that are left to do."""
        return self.total - self.done


@dataclass(frozen=True, slots=True)
class Adoption:
    """From one column into another of the same rows."""

    rows: Rows
    source: Field[Any, Any]
    target: EncryptedField

    def coverage(self) -> Coverage:
        """Count."""
        total = self._with_value()
        done = total.exclude(**{f"{self.target.name}__isnull": True})
        return Coverage(total.count(), done.count())

    def run(self, size: int, *, dry: bool = False) -> Outcome:
        """Seal what is left to do, `size` rows at a time; when `dry` write nothing."""
        outcome = Outcome()
        todo = self._with_value().filter(**{f"{self.target.name}__isnull": True})
        with self.rows.acting():
            for batch in self.rows.batches(todo, size):
                writes = [one for row in batch if (one := self._sealed(row, outcome))]
                if dry:
                    outcome.written += len(writes)
                else:
                    write(self.rows, writes, outcome)
        return outcome

    def verify(self, size: int) -> Outcome:
        """Open what is done and compare it with the source; `changed` counts the rows that differ."""
        outcome = Outcome()
        done = self._with_value().exclude(**{f"{self.target.name}__isnull": True})
        with self.rows.acting():
            for batch in self.rows.batches(done, size):
                for row in batch:
                    self._compare(row, outcome)
        return outcome

    def _with_value(self) -> QuerySet[Model]:
        return self.rows.all().exclude(**{f"{self.source.name}__isnull": True})

    def _sealed(self, row: Model, outcome: Outcome) -> Write | None:
        """What is to be written of one row; None where it is passed over."""
        before = row.__dict__[self.source.attname]
        try:
            setattr(row, self.target.name, getattr(row, self.source.attname))
            held = self.target.pre_save(row, False)
            columns = {self.target.name: held}
            if self.target.queries is not None:
                columns[self.target.name + SUFFIX] = getattr(row, self.target.name + SUFFIX)
        except KeyUnavailable:
            raise
        except ROW_ERRORS as error:
            outcome.note(error, row)
            return None
        guard = {self.source.name: before, f"{self.target.name}__isnull": True}
        return Write(row.pk, guard, columns)

    def _compare(self, row: Model, outcome: Outcome) -> None:
        try:
            wanted = EncryptedValue.plain(self.target, getattr(row, self.source.attname))
            getattr(row, self.target.attname)
            where = self.target.where(row)
            found: EncryptedValue = row.__dict__[self.target.attname]
            same = (
                self.target.encoded(found, where).encoded
                == self.target.encoded(wanted, where).encoded
            )
        except KeyUnavailable:
            raise
        except ROW_ERRORS as error:
            outcome.note(error, row)
        else:
            outcome.written += same
            outcome.changed += not same
