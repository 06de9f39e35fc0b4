"""What can go wrong in a use case: a stable code, a sentence, and whether a retry may help.

These classes know nothing of HTTP: `gateway/errors.py` holds the one table from class to status. No message carries
plaintext, key material or a credential.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class TenantError(Exception):
    """Base of all errors of a use case."""

    code: ClassVar[str] = "tenant_error"
    retryable: ClassVar[bool] = False
    retry_after_seconds: ClassVar[int | None] = None


class NotFound(TenantError):
    """The thing is absent, or it is another tenant's, which is the same to the caller."""

    code = "not_found"


class CollectionNotFound(NotFound):
    """No such collection in this tenant."""

    code = "collection_not_found"


class RecordNotFound(NotFound):
    """No such record in this collection."""

    code = "record_not_found"


class Conflict(TenantError):
    """The request contradicts what is there."""

    code = "conflict"


class RecordExists(Conflict):
    """A record of this id is there already."""

    code = "record_exists"


class CollectionExists(Conflict):
    """A collection of this name is there already, with another schema."""

    code = "collection_exists"


class TenantExists(Conflict):
    """A tenant of this slug is there already, with other Regions or another name."""

    code = "tenant_exists"


class ValueNotUnique(Conflict):
    """Another record holds the same value in a field that must be unique."""

    code = "value_not_unique"


class LimitReached(Conflict):
    """There are as many of these as there may be."""

    code = "limit_reached"


class AnswerFull(TenantError):
    """The answer would be too large for one request: ask for the rest in another."""

    code = "answer_full"


class VersionConflict(TenantError):
    """The record has changed since the version that the caller named."""

    code = "version_conflict"


class TenantNotActive(TenantError):
    """The tenant is still being onboarded, is revoked, or has left."""

    code = "tenant_not_active"


class RegionNotAllowed(TenantError):
    """A Region rule of the tenant forbids this here."""

    code = "region_not_allowed"


class CredentialInvalid(TenantError):
    """The credential is unknown, malformed, expired or revoked: never said which."""

    code = "credential_invalid"


class ScopeMissing(TenantError):
    """The credential is good, but not for this."""

    code = "scope_missing"


class InputInvalid(TenantError):
    """The input breaks a rule. `problems` holds (place, rule) pairs and never the offending value."""

    code = "input_invalid"

    def __init__(self, message: str, problems: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class OperationNotRetryable(Conflict):
    """Only a failed operation can be retried."""

    code = "operation_not_retryable"


class PlanUnderWay(Conflict):
    """Another plan of the tenant is not finished: two at a time could undo each other's steps."""

    code = "plan_under_way"


class PlanFinished(Conflict):
    """Nothing is left of the plan to cancel."""

    code = "plan_finished"


class WriterMoved(TenantError):
    """This connection is to a database that takes no writes, or is gone: connect again and retry."""

    code = "writer_moved"
    retryable = True
    retry_after_seconds = 2


class ScopeMisused(RuntimeError):
    """A programming mistake: a query outside a scope, a nested scope, or a write in a read scope."""
