"""From an error to what an HTTP client is told: the one table of statuses, and RFC 9457 problem details.

An error that is not in the table is a fault of ours: the client learns the request id and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final, Protocol

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework.exceptions import APIException

from crypto import errors as crypto
from tenants import errors as tenants

MEDIA_TYPE: Final = "application/problem+json"
INTERNAL: Final = "internal_error"
RETRY_AFTER_SECONDS: Final = 2


class RequestRefused(Exception):
    """Base of what the HTTP face itself refuses, before any use case is asked."""

    code: ClassVar[str] = "bad_request"
    retryable: ClassVar[bool] = False


class MalformedJson(RequestRefused):
    """The body is not one JSON document in UTF-8, or names a member twice."""

    code = "malformed_json"


class LengthRequired(RequestRefused):
    """A body must say its length."""

    code = "length_required"


class MediaTypeUnsupported(RequestRefused):
    """Bodies are application/json."""

    code = "media_type_unsupported"


class ConditionInvalid(RequestRefused):
    """If-Match or If-None-Match is not an entity tag of ours."""

    code = "condition_invalid"


class ConsistencyTokenInvalid(RequestRefused):
    """Consistency-Token is not a value that a write of ours has answered."""

    code = "consistency_token_invalid"


class CredentialMissing(RequestRefused):
    """The request brings no bearer credential."""

    code = "credential_missing"


class CredentialKindWrong(RequestRefused):
    """An operator key on a path of tenant apps, or the other way round."""

    code = "credential_kind_wrong"


class BodiesWaiting(RequestRefused):
    """Too many requests of this client wait for the rest of their bodies: send them faster, or fewer at a time."""

    code = "bodies_waiting"
    retryable = True


class FormTooLarge(RequestDataTooBig):
    """More than any form of the console."""


STATUS: Final[Mapping[type[Exception], int]] = {
    # The request.
    RequestRefused: 400,
    LengthRequired: 411,
    MediaTypeUnsupported: 415,
    BodiesWaiting: 429,
    CredentialMissing: 401,
    CredentialKindWrong: 401,
    # Use cases.
    tenants.InputInvalid: 400,
    tenants.CredentialInvalid: 401,
    tenants.ScopeMissing: 403,
    tenants.ActorNotAllowed: 403,
    tenants.RegionNotAllowed: 403,
    tenants.NotFound: 404,
    tenants.Conflict: 409,
    tenants.TenantNotActive: 409,
    tenants.AnswerFull: 413,
    tenants.VersionConflict: 412,
    tenants.WriterMoved: 503,
    tenants.CallQuotaReached: 503,
    tenants.WriterMoveUnreachable: 503,
    tenants.WriterMoveUnfinished: 503,
    tenants.RegionNotReady: 503,
    # Keys and messages.
    crypto.DecryptionFailed: 422,
    crypto.PlaintextTooLarge: 413,
    crypto.KeyUnusable: 409,
    crypto.KeyNotFound: 409,
    crypto.KeyAlreadyExists: 409,
    crypto.KeyUnavailable: 503,
    crypto.KeyAccessDenied: 503,
    crypto.KmsRequestInvalid: 500,
    crypto.InvalidKeyArn: 500,
    crypto.InvalidEncryptionContext: 500,
}

# What the frameworks raise: status, code and a text of ours, since theirs may repeat the input.
FRAMEWORK: Final[Mapping[type[Exception], tuple[int, str, str]]] = {
    RequestDataTooBig: (
        413,
        "body_too_large",
        "A body may have at most 4 MiB: send fewer records at a time.",
    ),
    SuspiciousOperation: (400, "bad_request", "The request is not acceptable."),
    BadRequest: (400, "bad_request", "The request is not acceptable."),
    PermissionDenied: (403, "forbidden", "This is not allowed."),
    Http404: (404, "path_not_found", "There is nothing at this path."),
    OperationalError: (503, "database_unavailable", "The database of this Region does not answer."),
    InterfaceError: (503, "database_unavailable", "The database of this Region does not answer."),
}


class Rule(Protocol):
    """What this module must know of a Region rule."""

    @property
    def may_encrypt(self) -> bool:
        """Whether the Region may encrypt."""

    @property
    def may_decrypt(self) -> tuple[str, ...]:
        """The classifications that the Region may decrypt; `*` is every one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What a client is told. `problems` holds (place, rule) pairs of an invalid input."""

    status: int
    code: str
    detail: str
    retryable: bool = False
    retry_after_seconds: int | None = None
    problems: tuple[tuple[str, str], ...] = ()

    def document(self, request_id: str) -> dict[str, Any]:
        """The problem details object (RFC 9457, section 3.1) with our members `code`, `request_id`, `retryable`."""
        document: dict[str, Any] = {
            "type": f"/api/errors/{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
            "retryable": self.retryable,
        }
        if self.problems:
            document["problems"] = [{"at": at, "rule": rule} for at, rule in self.problems]
        return document

    def headers(self) -> dict[str, str]:
        """The header fields that go with the status."""
        headers = {}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        return headers


def explain(error: Exception, rule: Rule | None = None, *, has_rules: bool = False) -> Problem:
    """The problem that stands for this error.

    `rule` is the caller's rule for this Region and `has_rules` whether there is a caller at all: a refusal by KMS that
    the caller's own rules explain is theirs to change, and any other is an outage of ours.
    """
    if has_rules and _is_refusal(error) and _forbids(rule):
        return Problem(
            status=403,
            code=tenants.RegionNotAllowed.code,
            detail="A Region rule of the tenant forbids this in this Region.",
        )
    for kind in type(error).__mro__:
        if kind in STATUS:
            return _ours(error, STATUS[kind])
        if kind in FRAMEWORK:
            return _theirs(*FRAMEWORK[kind])
        if kind is APIException and isinstance(error, APIException):
            phrase = HTTPStatus(error.status_code).phrase
            code = phrase.lower().replace(" ", "_").replace("-", "_")
            return Problem(status=error.status_code, code=code, detail=f"{phrase}.")
    return Problem(
        status=500, code=INTERNAL, detail="Something went wrong here. Quote the request id."
    )


def _is_refusal(error: Exception) -> bool:
    """Whether KMS has judged the request by a policy, or has no key here to judge it by."""
    return isinstance(error, crypto.KeyAccessDenied | crypto.KeyNotFound) and not isinstance(
        error, crypto.CredentialsRefused
    )


def _forbids(rule: Rule | None) -> bool:
    return rule is None or not rule.may_encrypt or "*" not in rule.may_decrypt


def _ours(error: Exception, status: int) -> Problem:
    retryable = bool(getattr(error, "retryable", False))
    after = getattr(error, "retry_after_seconds", None) or RETRY_AFTER_SECONDS
    return Problem(
        status=status,
        code=str(getattr(error, "code", INTERNAL)),
        detail=str(error) or meaning(type(error)),
        retryable=retryable,
        retry_after_seconds=after if retryable else None,
        problems=tuple(getattr(error, "problems", ())),
    )


def _theirs(status: int, code: str, detail: str) -> Problem:
    retryable = status == HTTPStatus.SERVICE_UNAVAILABLE
    return Problem(
        status=status,
        code=code,
        detail=detail,
        retryable=retryable,
        retry_after_seconds=RETRY_AFTER_SECONDS if retryable else None,
    )


def status_of(kind: type[Exception]) -> int:
    """The status of a class of errors, which is that of its nearest ancestor in the table."""
    return next((STATUS[base] for base in kind.__mro__ if base in STATUS), 500)


def is_told(kind: type[Exception]) -> bool:
    """Whether clients are told of this class; any other is a fault of ours to them."""
    return any(base in STATUS for base in kind.__mro__)


def meaning(kind: type[Exception]) -> str:
    """What a class of errors stands for: the first paragraph of its docstring."""
    paragraph = (kind.__doc__ or kind.__name__).strip().split("\n\n")[0]
    return " ".join(paragraph.split())
