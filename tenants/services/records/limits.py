"""How many records one call takes, and how a record may be called."""

from __future__ import annotations

import re
from typing import Final

from tenants.errors import InputInvalid, RecordNotFound

MAX_BATCH: Final = 500
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}\Z", re.ASCII)
_RULE = "must be 1 to 128 of A-Z a-z 0-9 . _ : @ - and begin with a letter or digit"


def is_record_id(text: str) -> bool:
    """Whether a record can have this id."""
    return _ID.match(text) is not None


def check_new_id(text: str) -> None:
    """Raise `InputInvalid` where no record can be called so."""
    if not is_record_id(text):
        raise InputInvalid("The record's id is not valid.", [("/id", _RULE)])


def check_known_id(text: str) -> None:
    """Raise `RecordNotFound` where no record can be called so: PostgreSQL refuses some texts with an error."""
    if not is_record_id(text):
        raise RecordNotFound("No such record.")


def check_batch(size: int) -> None:
    """Raise `InputInvalid` where a batch is larger than one call takes."""
    if size > MAX_BATCH:
        raise InputInvalid(
            "The batch is too large.", [("", f"must have at most {MAX_BATCH} items")]
        )


def check_limit(limit: int) -> None:
    """Raise `InputInvalid` where a page would have no or too many records."""
    if not 1 <= limit <= MAX_BATCH:
        raise InputInvalid("The limit is not valid.", [("/limit", f"must be 1 to {MAX_BATCH}")])
