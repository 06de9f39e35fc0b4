"""Botocore's errors become ours, once, here. Error codes: AWS KMS API Reference, "Errors" of each operation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    ParamValidationError,
)
from botocore.exceptions import ConnectionError as BotocoreConnectionError

from crypto.errors import (
    CredentialsRefused,
    CryptoError,
    DecryptionFailed,
    KeyAccessDenied,
    KeyAlreadyExists,
    KeyNotFound,
    KeyUnavailable,
    KeyUnusable,
    KmsRequestInvalid,
)

_BY_CODE: dict[str, type[CryptoError]] = {
    "AccessDeniedException": KeyAccessDenied,
    "AccessDenied": KeyAccessDenied,
    "UnrecognizedClientException": CredentialsRefused,
    "InvalidClientTokenId": CredentialsRefused,
    "ExpiredTokenException": CredentialsRefused,
    "InvalidSignatureException": CredentialsRefused,
    "IncompleteSignatureException": CredentialsRefused,
    "NotFoundException": KeyNotFound,
    "ParameterNotFound": KeyNotFound,
    "AlreadyExistsException": KeyAlreadyExists,
    "DisabledException": KeyUnusable,
    "InvalidKeyUsageException": KeyUnusable,
    "KeyUnavailableException": KeyUnavailable,
    "DependencyTimeoutException": KeyUnavailable,
    "KMSInternalException": KeyUnavailable,
    "InternalFailure": KeyUnavailable,
    "InternalServerError": KeyUnavailable,
    "ServiceUnavailable": KeyUnavailable,
    "ServiceUnavailableException": KeyUnavailable,
    "ThrottlingException": KeyUnavailable,
    "Throttling": KeyUnavailable,
    "TooManyUpdates": KeyUnavailable,
    "TooManyRequestsException": KeyUnavailable,
    "RequestLimitExceeded": KeyUnavailable,
    "InvalidCiphertextException": DecryptionFailed,
    "IncorrectKeyException": DecryptionFailed,
}
# The message of KMSInvalidStateException ends in "... is pending creation." and the like; the code alone does not say
# whether waiting helps (AWS KMS Developer Guide, "Key states of AWS KMS keys").
_PASSING_STATES = ("creating", "pending creation", "updating")


@contextmanager
def translated(action: str, region: str) -> Iterator[None]:
    """Raise what went wrong inside the block as an error of `crypto.errors`, naming the action, Region and code.

    AWS's own message is left out: it may name principals of the account, and ends up before tenants.
    """
    try:
        yield
    except ClientError as error:
        raise _from_answer(error, action, region) from error
    except (BotocoreConnectionError, HTTPClientError) as error:
        raise KeyUnavailable(
            f"{action} in {region}: no answer ({type(error).__name__})."
        ) from error
    except ParamValidationError as error:
        raise KmsRequestInvalid(f"{action} in {region}: an argument has the wrong form.") from error
    except BotoCoreError as error:
        # No credentials, no profile, no Region: a fault of the deployment, not of the message.
        raise CredentialsRefused(
            f"{action} in {region}: not sent ({type(error).__name__})."
        ) from error


def _from_answer(error: ClientError, action: str, region: str) -> CryptoError:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = _BY_CODE.get(code)
    if code == "KMSInvalidStateException":
        message = error.response.get("Error", {}).get("Message", "").lower()
        passing = any(state in message for state in _PASSING_STATES)
        kind = KeyUnavailable if passing else KeyUnusable
    elif kind is None:
        kind = KeyUnavailable if status >= 500 or status == 429 else KmsRequestInvalid
    if kind is DecryptionFailed:
        return DecryptionFailed()
    return kind(f"{action} in {region} was refused: {code or status}.")
