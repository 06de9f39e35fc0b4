"""Wraps and unwraps data keys under one tenant's key in one Region: the only two KMS calls of the data plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crypto.arn import KeyArn
from crypto.errors import DecryptionFailed, KmsRequestInvalid
from crypto.kms.clients import KmsClients, Plane
from crypto.kms.translate import translated

DATA_KEY_LENGTH = 32


class PlaintextDataKey:
    """32 secret bytes that show in no repr and go into no pickle.

    Python cannot wipe them from memory: what bounds their life is the cache that holds them.
    """

    __slots__ = ("secret",)

    def __init__(self, secret: bytes) -> None:
        """`secret` is the data key itself."""
        self.secret = secret

    def __repr__(self) -> str:
        """Say what it is, and nothing of what it holds."""
        return "<PlaintextDataKey>"

    def __reduce__(self) -> str:
        """Key material never leaves the process in a pickle."""
        raise TypeError("A plaintext data key cannot be pickled.")


@dataclass(frozen=True, slots=True)
class TenantKeyRef:
    """A tenant's key as the data plane needs it.

    `key` is the ARN of any related key, `regions` are those with a usable one, and a greater `epoch` says that what
    was cached for this tenant must go.
    """

    tenant: str
    epoch: int
    key: KeyArn
    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GeneratedDataKey:
    """A new data key, and the form of it that may be stored."""

    plaintext: PlaintextDataKey
    encrypted_data_key: bytes
    key_arn: KeyArn
    key_material_id: str


class Keyring:
    """The keys of one Region, used with the role of this process's own Region."""

    def __init__(self, clients: KmsClients, region: str) -> None:
        """`region` is where every call of this keyring goes."""
        self._clients = clients
        self._region = region

    def generate(self, key: KeyArn, context: Mapping[str, str]) -> GeneratedDataKey:
        """GenerateDataKey under the related key of this Region, bound to the encryption context."""
        arn = key.in_region(self._region)
        with translated("kms:GenerateDataKey", self._region):
            answer = self._clients.kms(self._region, Plane.USE).generate_data_key(
                KeyId=str(arn), EncryptionContext=context, NumberOfBytes=DATA_KEY_LENGTH
            )
        if answer["KeyId"] != str(arn) or len(answer["Plaintext"]) != DATA_KEY_LENGTH:
            raise KmsRequestInvalid(
                f"kms:GenerateDataKey in {self._region} answered for another key."
            )
        return GeneratedDataKey(
            PlaintextDataKey(answer["Plaintext"]),
            answer["CiphertextBlob"],
            arn,
            answer.get("KeyMaterialId", ""),
        )

    def unwrap(
        self, key: KeyArn, context: Mapping[str, str], encrypted_data_key: bytes
    ) -> PlaintextDataKey:
        """Decrypt with the related key of this Region, whichever of them wrapped it.

        KeyId is always named, so that KMS refuses a ciphertext of any other key (Encryption SDK specification, "AWS
        KMS MRK-aware symmetric keyring", OnDecrypt). What KMS answers for another key or length is not believed.
        """
        arn = key.in_region(self._region)
        with translated("kms:Decrypt", self._region):
            answer = self._clients.kms(self._region, Plane.USE).decrypt(
                KeyId=str(arn), EncryptionContext=context, CiphertextBlob=encrypted_data_key
            )
        if answer["KeyId"] != str(arn) or len(answer["Plaintext"]) != DATA_KEY_LENGTH:
            raise DecryptionFailed
        return PlaintextDataKey(answer["Plaintext"])
