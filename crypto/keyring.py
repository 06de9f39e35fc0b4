"""Wraps and unwraps data keys under one tenant's key in one Region: the only two KMS calls of the data plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from crypto.arn import KeyArn
from crypto.context import Pairs
from crypto.errors import DecryptionFailed, InvalidKeyArn, KmsRequestInvalid
from crypto.kms.clients import KmsClients, Plane
from crypto.kms.translate import translated
from crypto.message import PROVIDER, EncryptedDataKey

DATA_KEY_LENGTH = 32
_MAX_WRAPPED = 6_144  # bytes that KMS takes (API Reference, Decrypt, CiphertextBlob)


class PlaintextDataKey:
    """32 secret bytes, in no repr and no pickle. Python cannot wipe memory: the cache bounds their life."""

    __slots__ = ("secret",)

    def __init__(self, secret: bytes) -> None:
        self.secret = secret

    def __repr__(self) -> str:
        return "<PlaintextDataKey>"

    def __reduce__(self) -> str:
        raise TypeError("A plaintext data key cannot be pickled.")


@dataclass(frozen=True, slots=True)
class TenantKeyRef:
    """A tenant's key: the ARN of any related one, and the Regions with a usable one. A greater epoch empties caches.

    `previous` are keys that the tenant had before, in the same Regions. They open and never seal. Whoever adds or
    removes one raises the epoch: a cached data key counts for the keys of its epoch.
    """

    tenant: str
    epoch: int
    key: KeyArn
    regions: tuple[str, ...]
    previous: tuple[KeyArn, ...] = ()


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
        self._clients = clients
        self._region = region

    def generate(self, key: KeyArn, pairs: Pairs) -> GeneratedDataKey:
        """GenerateDataKey under the related key of this Region, bound to the encryption context."""
        arn = key.in_region(self._region)
        with translated("kms:GenerateDataKey", self._region):
            answer = self._clients.kms(self._region, Plane.USE).generate_data_key(
                KeyId=str(arn), EncryptionContext=pairs, NumberOfBytes=DATA_KEY_LENGTH
            )
        plaintext, encrypted = _secret(answer, arn), answer.get("CiphertextBlob")
        if plaintext is None or not encrypted:
            raise KmsRequestInvalid(f"kms:GenerateDataKey in {self._region}: an unusable answer.")
        return GeneratedDataKey(plaintext, encrypted, arn, answer.get("KeyMaterialId", ""))

    def unwrap(self, key: KeyArn, pairs: Pairs, wrapped: bytes) -> PlaintextDataKey:
        """Decrypt with the related key of this Region, whichever of them wrapped it.

        KeyId is always named, so that KMS refuses a ciphertext of any other key (Encryption SDK specification, "AWS
        KMS MRK-aware symmetric keyring", OnDecrypt), and the answer must name that key too.
        """
        arn = key.in_region(self._region)
        with translated("kms:Decrypt", self._region):
            answer = self._clients.kms(self._region, Plane.USE).decrypt(
                KeyId=str(arn), EncryptionContext=pairs, CiphertextBlob=wrapped
            )
        plaintext = _secret(answer, arn)
        if plaintext is None:
            raise DecryptionFailed
        return plaintext


def _secret(answer: Mapping[str, Any], arn: KeyArn) -> PlaintextDataKey | None:
    """The data key of an answer that is for that very key and of the right length; nothing else is believed."""
    plaintext = answer.get("Plaintext", b"")
    if answer.get("KeyId") != str(arn) or len(plaintext) != DATA_KEY_LENGTH:
        return None
    return PlaintextDataKey(plaintext)


def may_unwrap(key: KeyArn, encrypted: EncryptedDataKey) -> bool:
    """Whether a related key may have wrapped it (specification, "AWS KMS MRK-aware symmetric keyring", OnDecrypt)."""
    fits = encrypted.provider == PROVIDER and 0 < len(encrypted.ciphertext) <= _MAX_WRAPPED
    return fits and _is_related(key, encrypted.key_arn)


def opener_of(encrypted: EncryptedDataKey, key: TenantKeyRef) -> TenantKeyRef:
    """`key` with that one of the tenant's keys, current or previous, which the encrypted data key names.

    Exactly that key is asked to unwrap it, and no other is tried after. Raises `DecryptionFailed` where it names none.
    """
    for held in (key.key, *key.previous):
        if may_unwrap(held, encrypted):
            return replace(key, key=held)
    raise DecryptionFailed


@lru_cache(maxsize=4_096)
def _is_related(key: KeyArn, arn: bytes) -> bool:
    try:
        return KeyArn.parse(arn.decode("ascii")).is_related_to(key)
    except (UnicodeDecodeError, InvalidKeyArn):
        return False
