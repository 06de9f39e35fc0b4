"""Every error of botocore becomes one of ours, once, and tells a tenant nothing of the AWS account."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from botocore.session import Session

from crypto.errors import (
    CredentialsRefused,
    CryptoError,
    DecryptionFailed,
    KeyAccessDenied,
    KeyAlreadyExists,
    KeyNotFound,
    KeyNotReady,
    KeyThrottled,
    KeyUnavailable,
    KeyUnusable,
    KmsRequestInvalid,
)
from crypto.kms.translate import translated
from tests.crypto.kms import refusal


def answer(
    code: str, status: int = 400, message: str = "arn:aws:iam::111122223333:role/x"
) -> ClientError:
    return refusal(code, status, message)


CASES = [
    (answer("AccessDeniedException"), KeyAccessDenied),
    (answer("NotFoundException"), KeyNotFound),
    (answer("AlreadyExistsException"), KeyAlreadyExists),
    (answer("DisabledException"), KeyUnusable),
    (answer("KMSInvalidStateException", message="... is pending deletion."), KeyUnusable),
    (answer("KMSInvalidStateException", message="... is Creating."), KeyNotReady),
    (answer("KMSInvalidStateException", message="... is pending creation."), KeyNotReady),
    (answer("KMSInvalidStateException", message="... is Updating."), KeyNotReady),
    (answer("KeyUnavailableException", 500), KeyNotReady),
    (answer("ThrottlingException"), KeyThrottled),
    (answer("SomethingNew", 429), KeyUnavailable),
    (answer("", 499), KmsRequestInvalid),
    (ResponseParserError("<html>"), KeyUnavailable),
    (answer("KMSInternalException", 500), KeyUnavailable),
    (answer("SomethingNew", 503), KeyUnavailable),
    (answer("SomethingNew", 500), KeyUnavailable),
    (answer("SomethingNew", 400), KmsRequestInvalid),
    (answer("InvalidCiphertextException"), DecryptionFailed),
    (answer("IncorrectKeyException"), DecryptionFailed),
    (answer("MalformedPolicyDocumentException"), KmsRequestInvalid),
    (answer("LimitExceededException"), KmsRequestInvalid),
    (EndpointConnectionError(endpoint_url="http://x"), KeyUnavailable),
    (ConnectTimeoutError(endpoint_url="http://x"), KeyUnavailable),
    (ReadTimeoutError(endpoint_url="http://x"), KeyUnavailable),
    (ParamValidationError(report="x"), KmsRequestInvalid),
    (answer("UnrecognizedClientException"), CredentialsRefused),
    (answer("InvalidSignatureException"), CredentialsRefused),
    (NoCredentialsError(), CredentialsRefused),
]


@pytest.mark.parametrize(("error", "expected"), CASES, ids=[str(error)[:60] for error, _ in CASES])
def test_the_class_follows_the_code(error: Exception, expected: type[CryptoError]) -> None:
    with pytest.raises(CryptoError) as caught, translated("kms:Decrypt", "eu-west-1"):
        raise error
    assert type(caught.value) is expected
    assert "111122223333" not in str(caught.value)
    assert caught.value.__cause__ is error
    if expected is not DecryptionFailed:
        assert str(caught.value).startswith("kms:Decrypt in eu-west-1")


def test_an_answer_without_error_or_status_is_refused_as_such() -> None:
    with pytest.raises(KmsRequestInvalid), translated("kms:Decrypt", "eu-west-1"):
        raise ClientError({}, "Decrypt")


def test_every_error_that_kms_declares_for_the_data_plane_has_a_class_of_its_own_accord() -> None:
    """Read from botocore's model, so that an error which AWS adds is not silently called invalid."""
    model = Session().get_service_model("kms")
    known_as_invalid = {"InvalidGrantTokenException"}
    for operation in ("Decrypt", "GenerateDataKey"):
        for shape in model.operation_model(operation).error_shapes:
            with pytest.raises(CryptoError) as caught, translated("x", "eu-west-1"):
                raise answer(shape.name, message="disabled")
            assert (type(caught.value) is KmsRequestInvalid) == (shape.name in known_as_invalid), (
                shape.name
            )
