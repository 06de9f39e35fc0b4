"""Re-encryption: values move to the tenant's present data key, and from there to the present key material.

Which data key sealed a value stands in its message; how old that key is, and which material of the tenant's key wrapped
it, stands in the registry. A value that was moved is recent from then on, so that a run which was stopped goes on where
it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Model

from crypto.context import Purpose
from crypto.errors import DecryptionFailed, KeyUnavailable
from crypto.message import read_header
from tenants.fields.base import EncryptedField
from tenants.fields.batches import ROW_ERRORS, Outcome, Rows, Write, write
from tenants.fields.keys import current_keys
from tenants.fields.search import SUFFIX, Stale
from tenants.fields.value import EncryptedValue
from tenants.models import DataKey
from tenants.scope import tenant_scope
from tenants.states import DataKeyState

_NEVER = datetime.min.replace(tzinfo=UTC)


class Version(NamedTuple):
    """Under what a value is sealed; `made_at` is when the data key was made, None for one that nobody knows."""

    tenant: UUID
    key_material: str
    made_at: datetime | None


@dataclass(slots=True)
class DataKeys:
    """The data keys of tenants for one classification, by their encrypted form; read once for each tenant."""

    classification: str
    _known: dict[UUID, Mapping[bytes, Version]] = field(default_factory=dict)

    def version(self, tenant: UUID, message: bytes) -> Version:
        """Under what the message is sealed."""
        try:
            encrypted = read_header(message).data_keys[0].ciphertext
        except DecryptionFailed:
            encrypted = b""
        return self._of(tenant).get(encrypted) or Version(tenant, "", None)

    def newest(self, tenant: UUID) -> Version:
        """The tenant's present one."""
        known = self._of(tenant).values()
        return max(known, key=lambda one: one.made_at or _NEVER, default=Version(tenant, "", None))

    def retire(self, tenant: UUID, before: datetime) -> None:
        """Let no new value be sealed under a data key that was made before then, by this process from now on."""
        with tenant_scope(tenant, "write"):
            DataKey.objects.filter(
                tenant_id=tenant,
                classification=self.classification,
                purpose=Purpose.VALUE,
                state=DataKeyState.ACTIVE,
                created_at__lt=before,
            ).update(state=DataKeyState.RETIRED)
        current_keys().forget()

    def forget(self) -> None:
        """Read anew, since new ones may be in use."""
        self._known.clear()

    def _of(self, tenant: UUID) -> Mapping[bytes, Version]:
        if tenant not in self._known:
            with tenant_scope(tenant, "latest"):
                rows = DataKey.objects.filter(
                    tenant_id=tenant, classification=self.classification, purpose=Purpose.VALUE
                ).values_list("encrypted_data_key", "key_material_id", "created_at")
                self._known[tenant] = {
                    bytes(encrypted): Version(tenant, material, made_at)
                    for encrypted, material, made_at in rows
                }
        return self._known[tenant]


class Rotation:
    """Moves the values of one field that were sealed before a moment, or under old key material of their tenant."""

    def __init__(self, rows: Rows, target: EncryptedField, before: datetime | None = None) -> None:
        """Without `before` what counts is the key material: after KMS has rotated a key, or a tenant got another."""
        self.rows = rows
        self.target = target
        self.before = before
        self._data_keys = DataKeys(target.classification)
        self._renewed: set[UUID] = set()

    def versions(self, size: int) -> Counter[tuple[Version, bool]]:
        """How many values are sealed under what, and whether they are left to move."""
        self._data_keys.forget()
        found: Counter[tuple[Version, bool]] = Counter()
        with self.rows.acting():
            for batch in self.rows.batches(self._with_value(), size):
                for row in batch:
                    found[self._judged(row)] += 1
        return found

    def run(self, size: int, *, dry: bool = False) -> Outcome:
        """Move what is left, `size` rows at a time; when `dry` write nothing."""
        outcome = Outcome()
        with self.rows.acting():
            for batch in self.rows.batches(self._with_value(), size):
                if dry:
                    outcome.written += sum(self._judged(row)[1] for row in batch)
                elif writes := [one for row in batch if (one := self._moved(row, outcome))]:
                    write(self.rows, writes, outcome)
        return outcome

    def _with_value(self) -> Any:
        return self.rows.all().exclude(**{f"{self.target.name}__isnull": True})

    def _judged(self, row: Model) -> tuple[Version, bool]:
        try:
            tenant = self.target.tenant_of(row)
        except ROW_ERRORS:
            return Version(UUID(int=0), "", None), True
        held: EncryptedValue = row.__dict__[self.target.attname]
        version = self._data_keys.version(tenant, held.message or b"")
        return version, self._is_old(version) or self._lacks_token(row)

    def _is_old(self, version: Version) -> bool:
        if version.made_at is None:
            return True
        if self.before is not None:
            return version.made_at < self.before
        return version.key_material != self._data_keys.newest(version.tenant).key_material

    def _lacks_token(self, row: Model) -> bool:
        if self.target.queries is None:
            return False
        return row.__dict__[self.target.name + SUFFIX] is Stale.TOKEN

    def _renew(self, tenant: UUID) -> None:
        """Values must not move to a data key that is itself too old."""
        if self.before is not None and tenant not in self._renewed:
            self._data_keys.retire(tenant, self.before)
            self._renewed.add(tenant)

    def _moved(self, row: Model, outcome: Outcome) -> Write | None:
        """What is to be written of one row; None where it is to stay, or is passed over."""
        held: EncryptedValue = row.__dict__[self.target.attname]
        try:
            if not self._judged(row)[1]:
                return None
            where = self.target.where(row)
            self._renew(where.tenant)
            anew = EncryptedValue.plain(self.target, held.open(where))
            anew.seal(where)
            columns: dict[str, Any] = {self.target.name: anew}
            if self.target.queries is not None:
                row.__dict__[self.target.name + SUFFIX] = Stale.TOKEN
                columns[self.target.name + SUFFIX] = getattr(row, self.target.name + SUFFIX)
        except KeyUnavailable:
            raise
        except ROW_ERRORS as error:
            outcome.note(error, row)
            return None
        return Write(row.pk, {self.target.name: held}, columns)
