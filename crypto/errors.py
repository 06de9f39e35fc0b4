"""What can go wrong with keys and messages: each class has a stable code and says whether a retry may help.

No message carries plaintext, key material, or a reason that would tell a forger which check stopped the forgery.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final


class CryptoError(Exception):
    """Base of all errors of this package."""

    code: ClassVar[str] = "crypto_error"
    retryable: ClassVar[bool] = False

    def __init_subclass__(cls, code: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.code = code or cls.code


class DecryptionFailed(CryptoError, code="decryption_failed"):
    """The message is not authentic for its place: tag, context, commitment, binding or format is wrong."""

    TEXT: Final = "The value could not be decrypted."

    def __init__(self) -> None:
        super().__init__(self.TEXT)


class KeyUnavailable(CryptoError, code="key_unavailable"):
    """KMS did not serve the request now: unreachable, throttled, failing, or the key is still being made."""

    retryable = True


class KeyThrottled(KeyUnavailable):
    """KMS has had too many requests and refused this one: it has done nothing."""


class KeyNotReady(KeyUnavailable):
    """This one key is still being made or changed; KMS of the Region is well."""


class KeyReplaced(KeyUnavailable):
    """The tenant has another key since the caller looked it up: look again."""

    def __init__(self, text: str = "The tenant's key has been replaced just now.") -> None:
        super().__init__(text)


class KeyAccessDenied(CryptoError, code="key_access_denied"):
    """A key policy or an identity policy refuses this role this request in this Region."""


class CredentialsRefused(KeyAccessDenied):
    """The request was not sent, or its signature was not accepted: this says nothing of what a policy allows."""


class KeyUnusable(CryptoError, code="key_unusable"):
    """The key is disabled, awaits deletion, or is of a kind that cannot do this."""


class KeyNotFound(CryptoError, code="key_not_found"):
    """There is no such key in this Region and account."""


class KeyAlreadyExists(CryptoError, code="key_already_exists"):
    """A related key or an alias of this name is there already."""


class KmsRequestInvalid(CryptoError, code="kms_request_invalid"):
    """KMS or Parameter Store refuses the request as such: malformed policy, limit exceeded, wrong argument."""


class DryRunPassed(KmsRequestInvalid):
    """KMS would have done it, had it not been asked to try only: the one way in which a dry run can end well."""


class InvalidKeyArn(CryptoError, ValueError, code="invalid_key_arn"):
    """The text is not the ARN of a KMS key."""


class InvalidEncryptionContext(CryptoError, ValueError, code="invalid_encryption_context"):
    """The encryption context breaks a rule of `crypto.context`."""


class PlaintextTooLarge(CryptoError, ValueError, code="plaintext_too_large"):
    """The plaintext is longer than one message may hold."""
