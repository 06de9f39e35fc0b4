"""Botocore's errors become ours, once, here. Error codes: AWS KMS API Reference, "Errors" of each operation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ParamValidationError
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.parsers import ResponseParserError

from crypto import errors

_CODES: dict[type[errors.CryptoError], str] = {
    errors.KeyAccessDenied: "AccessDeniedException AccessDenied",
    errors.CredentialsRefused: "UnrecognizedClientException InvalidClientTokenId ExpiredTokenException"
    " InvalidSignatureException IncompleteSignatureException",
    errors.KeyNotFound: "NotFoundException ParameterNotFound",
    errors.KeyAlreadyExists: "AlreadyExistsException",
    errors.KeyUnusable: "DisabledException InvalidKeyUsageException",
    errors.KeyNotReady: "KeyUnavailableException",
    errors.KeyUnavailable: "DependencyTimeoutException KMSInternalException InternalFailure InternalServerError"
    " ServiceUnavailable ServiceUnavailableException TooManyUpdates",
    errors.KeyThrottled: "ThrottlingException Throttling TooManyRequestsException RequestLimitExceeded",
    errors.DryRunPassed: "DryRunOperationException",
    errors.DecryptionFailed: "InvalidCiphertextException IncorrectKeyException",
}
_BY_CODE = {code: kind for kind, codes in _CODES.items() for code in codes.split()}
# The message of KMSInvalidStateException ends in "... is pending creation." and the like; the code alone does not say
# whether waiting helps (AWS KMS Developer Guide, "Key states of AWS KMS keys").
_PASSING_STATES = ("creating", "pending creation", "updating")


@contextmanager
def translated(action: str, region: str) -> Iterator[None]:
    """Raise what went wrong inside the block as an error of `crypto.errors`, naming the action, Region and code.

    AWS's own message is left out: it may name principals of the account, and ends up before tenants.
    """
    call = f"{action} in {region}"
    try:
        yield
    except ClientError as error:
        raise _from_answer(error, call) from error
    except (BotocoreConnectionError, HTTPClientError, ResponseParserError) as error:
        raise errors.KeyUnavailable(f"{call}: no answer ({type(error).__name__}).") from error
    except ParamValidationError as error:
        raise errors.KmsRequestInvalid(f"{call}: an argument has the wrong form.") from error
    except BotoCoreError as error:
        # No credentials, no profile, no Region: a fault of the deployment, not of the message.
        raise errors.CredentialsRefused(f"{call}: not sent ({type(error).__name__}).") from error


def _from_answer(error: ClientError, call: str) -> errors.CryptoError:
    told = error.response.get("Error", {})
    code = told.get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = _BY_CODE.get(code)
    if code == "KMSInvalidStateException":
        passing = any(state in told.get("Message", "").lower() for state in _PASSING_STATES)
        kind = errors.KeyNotReady if passing else errors.KeyUnusable
    elif kind is None:
        away = status >= 500 or status == 429
        kind = errors.KeyUnavailable if away else errors.KmsRequestInvalid
    if kind is errors.DecryptionFailed:
        return errors.DecryptionFailed()
    return kind(f"{call} was refused: {code or status}.")
