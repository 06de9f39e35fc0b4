"""What a caller expects of a record before a write: a write that meets another state is refused and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from tenants.errors import VersionConflict

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Versioned(Protocol):
    """A record in one version."""

    @property
    def version(self) -> int:
        """Counts the writes of one record from 1."""

    @property
    def created_at(self) -> datetime:
        """Tells a record from an earlier one of the same id, whose versions were counted from 1 too."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is None is not asked. `made` is what `made_at` says of the record that is meant."""

    exists: bool | None = None
    version: int | None = None
    made: int | None = None

    def check(self, found: Versioned | None) -> None:
        """Raise `VersionConflict` where this is not what was expected; None: there is no record."""
        if self.exists is False and found is not None:
            raise VersionConflict("A record of this id is there already.")
        if found is None:
            if self != ANYTHING and self.exists is not False:
                raise VersionConflict("There is no record of this id.")
            return
        if self.version not in (None, found.version) or self.made not in (None, made_at(found)):
            raise VersionConflict("The record has another version.")


ANYTHING: Final = Expectation()


def made_at(record: Versioned) -> int:
    """When the record was created, in microseconds since 1970."""
    return (record.created_at - _EPOCH) // timedelta(microseconds=1)
