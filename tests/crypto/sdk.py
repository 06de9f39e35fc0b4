"""The AWS Encryption SDK as a judge: it encrypts and decrypts with data keys that the test hands it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.identifiers import Algorithm
from aws_encryption_sdk.internal.crypto.authentication import Signer, Verifier
from aws_encryption_sdk.internal.crypto.elliptic_curve import generate_ecc_signing_key
from aws_encryption_sdk.materials_managers import DecryptionMaterials, EncryptionMaterials
from aws_encryption_sdk.materials_managers.base import CryptoMaterialsManager
from aws_encryption_sdk.structures import DataKey, EncryptedDataKey, MasterKeyInfo

from tests.crypto.kms import ARN

PUBLIC_KEY = "aws-crypto-public-key"
SUITE = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
SIGNED = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384
UNCOMMITTED = Algorithm.AES_256_GCM_IV12_TAG16_HKDF_SHA256


class Wrapped(NamedTuple):
    """One encrypted data key of a message."""

    ciphertext: bytes
    key_arn: str = ARN
    provider: str = "aws-kms"


# From the pairs of the encryption context to a data key and its encrypted forms.
Keys = Callable[[dict[str, str]], tuple[bytes, Sequence[Wrapped]]]


class GivenDataKeys(CryptoMaterialsManager):  # type: ignore[misc]  # the SDK has no types
    """Materials of which the test decides everything."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def get_encryption_materials(self, request: Any) -> EncryptionMaterials:
        """Encrypt under the data key that is given for this context."""
        context, signing_key = dict(request.encryption_context), None
        if request.algorithm.signing_algorithm_info:
            signer = Signer(request.algorithm, generate_ecc_signing_key(request.algorithm))
            context[PUBLIC_KEY] = signer.encoded_public_key().decode()
            signing_key = signer.key_bytes()
        data_key, wrapped = self._keys(context)
        infos = [MasterKeyInfo(key.provider, key.key_arn.encode()) for key in wrapped]
        return EncryptionMaterials(
            algorithm=request.algorithm,
            data_encryption_key=DataKey(infos[0], data_key, wrapped[0].ciphertext),
            encrypted_data_keys={
                EncryptedDataKey(info, key.ciphertext)
                for info, key in zip(infos, wrapped, strict=True)
            },
            encryption_context=context,
            signing_key=signing_key,
        )

    def decrypt_materials(self, request: Any) -> DecryptionMaterials:
        """Decrypt under the data key that is given for this context."""
        data_key, _ = self._keys(dict(request.encryption_context))
        verification_key = None
        if request.algorithm.signing_algorithm_info:
            point = request.encryption_context[PUBLIC_KEY]
            verification_key = Verifier.from_encoded_point(request.algorithm, point).key_bytes()
        return DecryptionMaterials(
            DataKey(MasterKeyInfo("aws-kms", ARN.encode()), data_key, b"wrapped"), verification_key
        )


def given(data_key: bytes) -> Keys:
    """That data key, whatever the context."""
    return lambda _: (data_key, [Wrapped(b"wrapped")])


def _client(*, forbid: bool = False) -> EncryptionSDKClient:
    policy = (
        CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT
        if forbid
        else CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    )
    return EncryptionSDKClient(commitment_policy=policy)


def sdk_encrypt(
    plaintext: bytes,
    keys: bytes | Keys,
    context: Mapping[str, str],
    *,
    frame: int = 4096,
    suite: Algorithm = SUITE,
) -> bytes:
    """A message made by the SDK, with frames of that length or, where it is 0, with none."""
    message, _ = _client(forbid=suite is UNCOMMITTED).encrypt(
        source=plaintext,
        materials_manager=GivenDataKeys(given(keys) if isinstance(keys, bytes) else keys),
        encryption_context=dict(context),
        algorithm=suite,
        frame_length=frame,
    )
    return bytes(message)


def sdk_decrypt(message: bytes, data_key: bytes) -> tuple[bytes, dict[str, str]]:
    """Plaintext and encryption context of a message, as the SDK reads it."""
    plaintext, header = _client().decrypt(
        source=message, materials_manager=GivenDataKeys(given(data_key))
    )
    return bytes(plaintext), dict(header.encryption_context)
