"""Header fields of the API, what each is for, and entity tags of records."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, Protocol

from rest_framework.request import Request

from gateway.errors import ConditionInvalid
from tenants.errors import VersionConflict

CONSISTENCY_TOKEN: Final = "Consistency-Token"  # noqa: S105 - the name of a header field
IF_MATCH: Final = "If-Match"
IF_NONE_MATCH: Final = "If-None-Match"
ETAG: Final = "ETag"
LOCATION: Final = "Location"
MEANINGS: Final = {
    CONSISTENCY_TOKEN: "Where the writer's log was after a write. A read that brings it sees that write in any Region.",
    IF_MATCH: "The entity tag of the version that may be changed; another version answers 412.",
    IF_NONE_MATCH: "The entity tag that the client has; the same version answers 304.",
    ETAG: "The entity tag of this version of the record.",
    LOCATION: "Where the new thing is.",
}
_ENTITY_TAG = re.compile(r'"(\d{1,10})-[0-9a-f]{1,16}"')


class Versioned(Protocol):
    """What an entity tag is made of."""

    @property
    def version(self) -> int:
        """Counts the writes of one record."""

    @property
    def created_at(self) -> datetime:
        """Tells a record from an earlier one of the same id, whose versions were counted from 1 too."""


def entity_tag(record: Versioned) -> str:
    """A strong entity tag: equal for equal content alone."""
    return f'"{record.version}-{int(record.created_at.timestamp() * 1_000_000):x}"'


def expected_version(request: Request) -> int | None:
    """The version of If-Match; None where there is no condition. Raises `ConditionInvalid`, `VersionConflict`."""
    given = request.headers.get(IF_MATCH)
    if given is None or given.strip() == "*":
        return None
    if given.strip().startswith("W/"):
        # If-Match compares strongly (RFC 9110, section 13.1.1): a weak tag matches nothing.
        raise VersionConflict("A weak entity tag matches no version.")
    return int(_parse(given, IF_MATCH)[1])


def is_unchanged(request: Request, record: Versioned) -> bool:
    """Whether If-None-Match names this version. Raises `ConditionInvalid`."""
    given = request.headers.get(IF_NONE_MATCH)
    if given is None:
        return False
    if given.strip() == "*":
        return True
    tag = entity_tag(record)
    return any(_parse(one, IF_NONE_MATCH)[0] == tag for one in given.split(","))


def _parse(given: str, header: str) -> re.Match[str]:
    found = _ENTITY_TAG.fullmatch(given.strip().removeprefix("W/"))
    if found is None:
        raise ConditionInvalid(
            f"{header} takes an ETag that a read or write of the record answered."
        )
    return found
