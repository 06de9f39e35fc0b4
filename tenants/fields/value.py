"""EncryptedValue: what an instance holds in place of a value, and what `values()` gives.

Sealed, or still plain, or both. A plain value is never in an instance's `__dict__`, so that neither a debugger's page
nor a pickle shows it: every form of text of this object is a mask.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from crypto.errors import DecryptionFailed

if TYPE_CHECKING:
    from tenants.fields.base import EncryptedField
    from tenants.fields.keys import Plaintext

log = logging.getLogger(__name__)
MASK: Final = "••••••"
_UNOPENED: Final = object()


class Where(NamedTuple):
    """Whose value it is, and for fields with `bind_row` of which row; `row` is empty for all others."""

    tenant: UUID
    row: str


class EncryptedValue:
    """One value of an encrypted field. `message` is None until it is sealed.

    `place` is where the message was made or has opened, None where neither has happened in this process.
    """

    __slots__ = ("_origin", "_sealed", "_value", "field", "message", "place")

    def __init__(
        self, field: EncryptedField, message: bytes | None, value: Any = _UNOPENED
    ) -> None:
        self.field = field
        self.message = message
        self._value = value
        self.place: Where | None = None
        self._sealed: Plaintext | None = None
        self._origin: Callable[[], Where] | None = None

    @classmethod
    def plain(cls, field: EncryptedField, value: Any) -> EncryptedValue:
        """A value that was assigned and is not sealed yet."""
        return cls(field, None, value)

    @property
    def is_open(self) -> bool:
        """Whether the plain value is in memory."""
        return self._value is not _UNOPENED

    def holds(self, value: Any) -> bool:
        """Whether this is the plain value already, so that assigning it changes nothing."""
        if self._value is value:
            return True
        same = type(self._value) is type(value) and self._value == value
        return bool(same) and not self.field.is_mutable

    def open(self, where: Where | None = None) -> Any:
        """The plain value. Without `where` it is sought for the row that this came from, else for the ambient tenant.

        Raises `DecryptionFailed`, `TenantMissing`, `KeyNotPrepared`, and what the registry and KMS answer.
        """
        if self._value is _UNOPENED and self.message is not None:
            place = where or (self._origin() if self._origin else self.field.where_without_row())
            try:
                self._value = self.field.unseal(self.message, place)
            except DecryptionFailed:
                log.error("%s of tenant %s does not open.", self.field.label, place.tenant)
                raise
            self._note_sealed(place)
        return self._value

    def seal(self, where: Where) -> None:
        """Make the message, unless it is made and the value has not changed since."""
        if self.message is not None and not self._has_changed():
            return
        self.message = self.field.seal(self.field.encoded(self, where), where)
        self._note_sealed(where)

    def _note_sealed(self, where: Where) -> None:
        """Remember where the message belongs, and what it holds where the value can change under our hands."""
        self.place = where
        if self.field.is_mutable:
            self._sealed = self.field.encoded(self, where)

    def _has_changed(self) -> bool:
        if self._sealed is None or self.place is None:
            return False
        return self.field.encoded(self, self.place).encoded != self._sealed.encoded

    def of(self, origin: Callable[[], Where]) -> EncryptedValue:
        """The same value, which now opens without being told where it is from."""
        found = EncryptedValue(self.field, self.message, self._value)
        found._origin = origin
        return found

    @property
    def plain_value(self) -> Any:
        """The plain value, which is in memory where `is_open` says so."""
        return self._value

    def __repr__(self) -> str:
        """Whose value it is, and nothing of what it is."""
        return f"<EncryptedValue {self.field.label}>"

    def __str__(self) -> str:
        return MASK

    def __reduce__(self) -> tuple[Any, ...]:
        """Only the sealed form leaves the process: it is opened anew after unpickling."""
        if self.message is None or self._has_changed():
            raise TypeError(f"{self.field.label} is not sealed yet: save it before pickling.")
        return EncryptedValue, (self.field, self.message)

    def __deepcopy__(self, memo: dict[int, Any]) -> EncryptedValue:
        value = self._value if self._value is _UNOPENED else deepcopy(self._value, memo)
        found = EncryptedValue(self.field, self.message, value)
        found._sealed, found.place = self._sealed, self.place
        return found
