"""Messages that others wrote: signed, in many frames or in none, with several data keys, through `aws_encryption_sdk`.

Our own keyring unwraps the data key; the SDK never asks KMS. It decrypts and verifies under the commitment policy
"require encrypt, require decrypt". Imported when the first such message comes, since the SDK takes 32 MB of memory.
"""

from __future__ import annotations

import struct
from io import IOBase
from typing import Any, Final

from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.key_providers.base import MasterKeyProvider, MasterKeyProviderConfig
from aws_encryption_sdk.structures import DataKey

from crypto.context import EncryptionContext, Pairs, encode_pairs
from crypto.errors import DecryptionFailed
from crypto.message import MAX_DATA_KEYS, Header, read_sized

PUBLIC_KEY: Final = "aws-crypto-public-key"


def pairs_of(header: Header, context: EncryptionContext) -> dict[str, str]:
    """The pairs to give to KMS: those of `context` and, where the message is signed, its public key, which sorts first.

    Raises `DecryptionFailed` where the header names any other (specification, "framework/structures").
    """
    pairs = context.as_dict()
    try:
        if header.signed:
            _, at = read_sized(header.context, 2)
            pairs[PUBLIC_KEY] = read_sized(header.context, at)[0].decode("ascii")
    except (struct.error, UnicodeDecodeError):
        raise DecryptionFailed from None
    if encode_pairs(pairs) != header.context:
        raise DecryptionFailed
    return pairs


def open_foreign(message: bytes, header: Header, data_key: bytes, pairs: Pairs) -> bytes:
    """The plaintext, once commitment, tags, signature and context have passed in the SDK; else `DecryptionFailed`.

    `header` is what `read_header` found in `message`, `data_key` is 32 bytes, `pairs` comes from `pairs_of`.
    """
    # Whole frames: the SDK copies all that it has buffered on each read, which is quadratic in small steps.
    chunk = max(65_536, header.frame_length or len(message))
    try:
        plaintext, found = _decrypt(message, data_key, chunk)
    except Exception:
        # InvalidTag, UnicodeDecodeError and others come through the SDK; which of them it was is nobody's business.
        raise DecryptionFailed from None
    if found != pairs:
        raise DecryptionFailed
    return plaintext


class _Unwrapped(MasterKeyProvider):  # type: ignore[misc]  # the SDK has no types
    """Gives the one data key; the SDK's default materials manager around it enforces commitment and signature."""

    provider_id = "aws-kms"
    _config_class = MasterKeyProviderConfig
    secret: bytes

    def _new_master_key(self, key_id: bytes) -> Any:
        raise NotImplementedError

    def decrypt_data_key_from_list(self, encrypted_data_keys: Any, *_: Any, **__: Any) -> DataKey:
        """The data key, as if it had come from one of those in the message."""
        encrypted = next(iter(encrypted_data_keys))
        return DataKey(encrypted.key_provider, self.secret, encrypted.encrypted_data_key)


def _decrypt(message: bytes, data_key: bytes, chunk: int) -> tuple[bytes, dict[str, str]]:
    provider = _Unwrapped()
    provider.secret = data_key
    policy = CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    client = EncryptionSDKClient(commitment_policy=policy, max_encrypted_data_keys=MAX_DATA_KEYS)
    stream = client.stream(mode="decrypt", source=message, key_provider=provider)
    try:
        plaintext = b"".join(iter(lambda: stream.read(chunk), b""))
        stream.close()  # raises where the footer, and so the signature, was not read
        return plaintext, dict(stream.header.encryption_context)
    finally:
        IOBase.close(stream)  # else the SDK's close complains again when the stream is collected
