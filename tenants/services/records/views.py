"""What goes into and comes out of the services of records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from crypto.errors import CryptoError
from crypto.part import JsonValue
from tenants.errors import TenantError
from tenants.services.records.expectation import ANYTHING, Expectation


@dataclass(frozen=True, slots=True)
class RecordInput:
    """A record to create. Without an id it gets a UUIDv7; with one, sending it again is safe."""

    id: str | None
    fields: Mapping[str, JsonValue] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecordPut:
    """A record to create, or to put in the place of the one of this id, all of it."""

    id: str
    fields: Mapping[str, JsonValue] = field(repr=False)
    expected: Expectation = ANYTHING


@dataclass(frozen=True, slots=True)
class RecordVersion:
    """What became of a record by a change, without its fields: whoever may write need not be one who may read."""

    id: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RecordView:
    """A record with its sealed fields opened. Its repr shows no field, since a repr ends up in logs."""

    id: str
    version: int
    fields: Mapping[str, JsonValue] = field(repr=False)
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RecordFault:
    """Why one record of a batch was not served; the others were."""

    error: TenantError | CryptoError


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some records. `next` goes on from here as `after`; None at the end."""

    records: list[RecordView]
    next: str | None
