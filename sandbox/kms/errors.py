"""What the stand-in answers when it refuses: the error codes and texts of AWS KMS.

Codes: AWS KMS API Reference, "Errors" of each operation and "Common Errors".
"""

from __future__ import annotations


class Refusal(Exception):
    """One refused request: `code` is the AWS error code, `status` the HTTP status of the answer."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def not_found(message: str) -> Refusal:
    """The key, alias or marker is not in this Region and account."""
    return Refusal("NotFoundException", message)


def invalid(message: str) -> Refusal:
    """The request breaks a constraint of the API."""
    return Refusal("ValidationException", message)


def malformed_policy(message: str) -> Refusal:
    """The key policy is not one that KMS would attach."""
    return Refusal("MalformedPolicyDocumentException", message)


def invalid_state(arn: str, state: str) -> Refusal:
    """The key's state does not admit this; `state` completes the sentence `<arn> is ...`."""
    return Refusal("KMSInvalidStateException", f"{arn} is {state}.")


def disabled(arn: str) -> Refusal:
    """The key is disabled."""
    return Refusal("DisabledException", f"{arn} is disabled.")


def unsupported(message: str) -> Refusal:
    """The operation does not exist for this kind of key."""
    return Refusal("UnsupportedOperationException", message)


def invalid_ciphertext() -> Refusal:
    """Forged, damaged, or another encryption context. AWS sends no text, so that a forger learns nothing."""
    return Refusal("InvalidCiphertextException")


def access_denied(message: str) -> Refusal:
    """No policy allows it, or one denies it."""
    return Refusal("AccessDeniedException", message)


# Codes that a fault may answer with. AWS KMS API Reference, "Errors" of Decrypt and "Common Errors".
ERROR_STATUS = {
    "KMSInternalException": 500,
    "DependencyTimeoutException": 503,
    "InternalFailure": 500,
    "ServiceUnavailable": 503,
}
_KMS = "kms.amazonaws.com"


def throttled(source: str = _KMS) -> Refusal:
    """Above the quota of a service. Text: AWS KMS Developer Guide, "Throttling AWS KMS requests"."""
    if source == _KMS:
        message = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
        return Refusal("ThrottlingException", message)
    return Refusal("ThrottlingException", "Rate exceeded")


def server_error(code: str = "", source: str = _KMS) -> Refusal:
    """AWS's own failure; the service's usual code when none is given."""
    code = code or ("KMSInternalException" if source == _KMS else "InternalFailure")
    return Refusal(code, "The request failed. Retry it.", ERROR_STATUS[code])


def key_unavailable() -> Refusal:
    """The key is there, its material is out of reach for now."""
    return Refusal("KeyUnavailableException", "The key is not available. Retry it.", status=500)
