"""What can go wrong with keys and messages: each class has a stable code and says whether a retry may help.

No message carries plaintext, key material, or a reason that would tell a forger which check stopped the forgery.
"""

from __future__ import annotations

from typing import ClassVar, Final


class CryptoError(Exception):
    """Base of all errors of this package."""

    code: ClassVar[str] = "crypto_error"
    retryable: ClassVar[bool] = False


class DecryptionFailed(CryptoError):
    """The message is not authentic for its place: tag, context, commitment, binding or format is wrong."""

    code = "decryption_failed"
    TEXT: Final = "The value could not be decrypted."

    def __init__(self) -> None:
        super().__init__(self.TEXT)


class KeyUnavailable(CryptoError):
    """KMS did not serve the request now: unreachable, throttled, failing, or the key is still being made."""

    code = "key_unavailable"
    retryable = True


class KeyNotReady(KeyUnavailable):
    """This one key is still being made or changed; KMS of the Region is well."""


class KeyAccessDenied(CryptoError):
    """A key policy or an identity policy refuses this role this request in this Region."""

    code = "key_access_denied"


class CredentialsRefused(KeyAccessDenied):
    """The request was not sent, or its signature was not accepted: this says nothing of what a policy allows."""


class KeyUnusable(CryptoError):
    """The key is disabled, awaits deletion, or is of a kind that cannot do this."""

    code = "key_unusable"


class KeyNotFound(CryptoError):
    """There is no such key in this Region and account."""

    code = "key_not_found"


class KeyAlreadyExists(CryptoError):
    """A related key or an alias of this name is there already."""

    code = "key_already_exists"


class KmsRequestInvalid(CryptoError):
    """KMS or Parameter Store refuses the request as such: malformed policy, limit exceeded, wrong argument."""

    code = "kms_request_invalid"


class InvalidKeyArn(CryptoError, ValueError):
    """The text is not the ARN of a KMS key."""

    code = "invalid_key_arn"


class InvalidEncryptionContext(CryptoError, ValueError):
    """The encryption context breaks a rule of `crypto.context`."""

    code = "invalid_encryption_context"


class PlaintextTooLarge(CryptoError, ValueError):
    """The plaintext is longer than one message may hold."""

    code = "plaintext_too_large"
