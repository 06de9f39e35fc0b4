"""What goes wrong with encrypted fields besides keys and messages: mistakes of the code around them.

No text names a value. What KMS and the registry answer is raised as it is (`crypto.errors`, `tenants.errors`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tenants.errors import ScopeMisused


class TenantMissing(ScopeMisused):
    """Neither the row nor an open `using_tenant()` says whose value this is: nothing is sealed, opened or sought."""


class WrongTenant(ScopeMisused):
    """The row belongs to another tenant than the one acted for, or than the one that its value was sealed for."""


class WrongRow(ScopeMisused):
    """The value is bound to another row."""


class KeyNotPrepared(ScopeMisused):
    """A data key is needed that this process does not hold, inside of a transaction, where none is fetched.

    `fetch()` after the transaction has ended gets what was missing, so that the same work may be tried again.
    """

    TEXT: Final = (
        "A data key is needed that this process does not hold, and none is fetched inside of a transaction."
        " Call prepare() or prefetch_decrypt() before it begins, or use atomic_with_keys."
    )

    def __init__(self, message: str = TEXT, missing: Sequence[Callable[[], object]] = ()) -> None:
        super().__init__(message)
        self.missing = tuple(missing)

    def fetch(self) -> None:
        """Get what was missing. Raises the errors of KMS, or this one again inside of a transaction."""
        for get in self.missing:
            get()
