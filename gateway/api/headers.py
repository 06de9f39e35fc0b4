"""Header fields of the API, what each is for, and entity tags of records."""

from __future__ import annotations

import re
from typing import Final

from rest_framework.request import Request

from gateway.errors import ConditionInvalid
from tenants.errors import VersionConflict
from tenants.services.records.expectation import ANYTHING, Expectation, Versioned, made_at

CONSISTENCY_TOKEN: Final = "Consistency-Token"  # noqa: S105 - the name of a header field
IF_MATCH: Final = "If-Match"
IF_NONE_MATCH: Final = "If-None-Match"
ETAG: Final = "ETag"
LOCATION: Final = "Location"
REPLICA_LAG: Final = "Replica-Lag"
MEANINGS: Final = {
    CONSISTENCY_TOKEN: "Where the writer's log was after a write. A read that brings it sees that write in any Region.",
    IF_MATCH: "The entity tag of the version that may be changed, * for any. Another answers 412.",
    IF_NONE_MATCH: "Of a read the entity tag that the client has: the same version answers 304. Of a write *: what is"
    " there already answers 412.",
    ETAG: "The entity tag of this version of the record.",
    LOCATION: "Where the new thing is.",
    REPLICA_LAG: "By how many seconds this Region's reader is behind, or `unknown`; where that is too far.",
}
_ENTITY_TAG = re.compile(r'"(?P<version>\d{1,10})-(?P<made>[0-9a-f]{1,16})"', re.ASCII)


def entity_tag(record: Versioned) -> str:
    """A strong entity tag: equal for equal content alone."""
    return f'"{record.version}-{made_at(record):x}"'


def expectation_of(request: Request, *, may_create: bool = False) -> Expectation:
    """What If-Match expects, and If-None-Match of a write that `may_create`. Raises `ConditionInvalid`,
    `VersionConflict`."""
    if may_create and IF_NONE_MATCH in request.headers:
        if IF_MATCH in request.headers or request.headers[IF_NONE_MATCH].strip() != "*":
            raise ConditionInvalid(f"A write takes {IF_NONE_MATCH}: * or {IF_MATCH}, not both.")
        return Expectation(exists=False)
    given = request.headers.get(IF_MATCH)
    if given is None:
        return ANYTHING
    if given.strip() == "*":
        return Expectation(exists=True)
    if given.strip().startswith("W/"):
        # If-Match compares strongly (RFC 9110, section 13.1.1): a weak tag matches nothing.
        raise VersionConflict("A weak entity tag matches no version.")
    tag = _parse(given, IF_MATCH)
    return Expectation(version=int(tag["version"]), made=int(tag["made"], 16))


def is_unchanged(request: Request, record: Versioned) -> bool:
    """Whether If-None-Match names this version. Raises `ConditionInvalid`."""
    given = request.headers.get(IF_NONE_MATCH)
    if given is None:
        return False
    if given.strip() == "*":
        return True
    tag = entity_tag(record)
    return any(_parse(one, IF_NONE_MATCH).group() == tag for one in given.split(","))


def _parse(given: str, header: str) -> re.Match[str]:
    found = _ENTITY_TAG.fullmatch(given.strip().removeprefix("W/"))
    if found is None:
        raise ConditionInvalid(
            f"{header} takes an ETag that a read or write of the record answered."
        )
    return found
