"""The AWS Encryption SDK as a judge: it encrypts and decrypts with a data key that the test hands it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.identifiers import Algorithm
from aws_encryption_sdk.materials_managers import DecryptionMaterials, EncryptionMaterials
from aws_encryption_sdk.materials_managers.base import CryptoMaterialsManager
from aws_encryption_sdk.structures import DataKey, EncryptedDataKey, MasterKeyInfo

ARN = "arn:aws:kms:us-east-2:111122223333:key/mrk-" + "0123456789abcdef" * 2
SUITE = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY


class GivenDataKey(CryptoMaterialsManager):  # type: ignore[misc]  # the SDK has no types
    """Materials with one data key, as if KMS had wrapped it into `encrypted`."""

    def __init__(self, data_key: bytes, encrypted: bytes = b"wrapped") -> None:
        self._info = MasterKeyInfo("aws-kms", ARN.encode())
        self._data_key = DataKey(self._info, data_key, encrypted)

    def get_encryption_materials(self, request: Any) -> EncryptionMaterials:
        """Encrypt under the given data key."""
        return EncryptionMaterials(
            algorithm=SUITE,
            data_encryption_key=self._data_key,
            encrypted_data_keys={EncryptedDataKey(self._info, self._data_key.encrypted_data_key)},
            encryption_context=request.encryption_context,
        )

    def decrypt_materials(self, request: Any) -> DecryptionMaterials:
        """Decrypt under the given data key."""
        return DecryptionMaterials(self._data_key)


def _client() -> EncryptionSDKClient:
    return EncryptionSDKClient(
        commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
        max_encrypted_data_keys=1,
    )


def sdk_encrypt(plaintext: bytes, data_key: bytes, context: Mapping[str, str], frame: int) -> bytes:
    """A message made by the SDK."""
    message, _ = _client().encrypt(
        source=plaintext,
        materials_manager=GivenDataKey(data_key),
        encryption_context=dict(context),
        algorithm=SUITE,
        frame_length=frame,
    )
    return bytes(message)


def sdk_decrypt(message: bytes, data_key: bytes) -> tuple[bytes, dict[str, str]]:
    """Plaintext and encryption context of a message, as the SDK reads it."""
    plaintext, header = _client().decrypt(source=message, materials_manager=GivenDataKey(data_key))
    return bytes(plaintext), dict(header.encryption_context)
