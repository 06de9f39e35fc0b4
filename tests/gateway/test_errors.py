"""Every class of errors has its place in the one table; nothing else is told to a client."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, IntegrityError, OperationalError
from django.http import Http404
from rest_framework.exceptions import MethodNotAllowed, Throttled

from crypto.errors import (
    CredentialsRefused,
    CryptoError,
    DecryptionFailed,
    KeyAccessDenied,
    KeyNotFound,
    KeyUnavailable,
    KeyUnusable,
)
from gateway.api.docs import catalogue, subclasses
from gateway.errors import STATUS, RequestRefused, explain, status_of
from tenants.errors import (
    InputInvalid,
    NotFound,
    RecordNotFound,
    TenantError,
    TenantNotActive,
    VersionConflict,
    WriterMoved,
)
from tenants.selectors import RuleView

# Raised and caught below the faces; were one to reach a client, it would be a fault of ours.
INTERNAL = {
    *("NotVerified", "UnknownNormaliser", "ReencryptionIncomplete"),
    *("SigningKeyMissing", "SignatureInvalid"),
}
ALL = [kind for base in (TenantError, CryptoError, RequestRefused) for kind in subclasses(base)]
KINDS = [kind for kind in ALL if kind.__name__ not in INTERNAL]
OPEN = RuleView(region="eu-west-1", may_encrypt=True, may_decrypt=("*",))
NARROW = RuleView(region="eu-west-1", may_encrypt=True, may_decrypt=("pii",))


def made(kind: type[Exception]) -> Exception:
    return kind() if kind is DecryptionFailed else kind("A sentence.")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_class_of_errors_has_a_status_of_its_own_or_of_a_meaningful_ancestor(
    kind: type[Exception],
) -> None:
    assert any(base in STATUS for base in kind.__mro__)
    problem = explain(made(kind))
    assert problem.status == status_of(kind)
    assert problem.code == kind.code  # type: ignore[attr-defined]
    assert problem.retryable == kind.retryable  # type: ignore[attr-defined]
    assert (problem.retry_after_seconds is not None) == problem.retryable
    assert problem.code in catalogue()


def test_internal_errors_tell_a_client_nothing() -> None:
    for kind in ALL:
        if kind.__name__ in INTERNAL:
            problem = explain(kind("A sentence."))
            assert (problem.status, problem.code) == (500, "internal_error")
            assert "sentence" not in problem.detail


def test_there_are_as_many_classes_as_the_two_packages_have() -> None:
    assert len(KINDS) > 25
    assert TenantError not in STATUS
    assert CryptoError not in STATUS


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DecryptionFailed(), 422),
        (KeyUnavailable("x"), 503),
        (KeyUnusable("x"), 409),
        (TenantNotActive("x"), 409),
        (RecordNotFound("x"), 404),
        (VersionConflict("x"), 412),
        (WriterMoved("x"), 503),
    ],
)
def test_the_statuses_are_those_of_the_design(error: Exception, status: int) -> None:
    assert explain(error).status == status


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Http404("/secret"), 404, "path_not_found"),
        (PermissionDenied("secret"), 403, "forbidden"),
        (SuspiciousOperation("secret"), 400, "bad_request"),
        (RequestDataTooBig("secret"), 413, "body_too_large"),
        (OperationalError("secret"), 503, "database_unavailable"),
        (MethodNotAllowed("secret"), 405, "method_not_allowed"),
        (Throttled(detail="secret"), 429, "too_many_requests"),
        (IntegrityError("secret"), 500, "internal_error"),
        (DataError("secret"), 500, "internal_error"),
        (KeyError("secret"), 500, "internal_error"),
    ],
)
def test_what_frameworks_and_mistakes_raise_is_told_in_our_own_words(
    error: Exception, status: int, code: str
) -> None:
    problem = explain(error)
    assert (problem.status, problem.code) == (status, code)
    assert "secret" not in str(problem.document("r"))


def test_a_refusal_by_kms_is_the_rules_when_a_rule_of_the_caller_explains_it() -> None:
    for error in (KeyAccessDenied("x"), KeyNotFound("x")):
        for rule in (None, NARROW):
            problem = explain(error, rule, has_rules=True)
            assert (problem.status, problem.code) == (403, "region_not_allowed")


def test_a_refusal_by_kms_is_ours_when_no_rule_explains_it() -> None:
    assert explain(KeyAccessDenied("x"), OPEN, has_rules=True).status == 503
    assert explain(KeyAccessDenied("x")).status == 503
    assert explain(CredentialsRefused("x"), NARROW, has_rules=True).status == 503


def test_an_invalid_input_names_each_place_and_its_rule() -> None:
    document = explain(InputInvalid("Wrong.", [("/a", "is required"), ("/b", "is odd")])).document(
        "r-1"
    )
    assert document["problems"] == [
        {"at": "/a", "rule": "is required"},
        {"at": "/b", "rule": "is odd"},
    ]
    assert document["request_id"] == "r-1"


def test_a_problem_says_what_to_do_next_in_its_headers() -> None:
    assert explain(KeyUnavailable("x")).headers() == {"Retry-After": "2"}
    assert explain(NotFound("x")).headers() == {}
    invalid = next(kind for kind in KINDS if kind.__name__ == "CredentialInvalid")
    assert explain(invalid("x")).headers() == {"WWW-Authenticate": "Bearer"}
