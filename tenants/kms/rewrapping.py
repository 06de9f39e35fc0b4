"""ReEncrypt: KMS wraps a data key anew, and its plaintext never leaves KMS. Signed by the use role of this Region."""

from __future__ import annotations

from dataclasses import dataclass

from crypto.arn import KeyArn
from crypto.context import Pairs
from crypto.errors import KmsRequestInvalid
from crypto.kms.clients import KmsClients, Plane
from crypto.kms.translate import translated


@dataclass(frozen=True, slots=True)
class WrappedDataKey:
    """A data key in the form that may be stored, and which key and key material wrapped it."""

    encrypted_data_key: bytes
    key_arn: KeyArn
    key_material_id: str


def rewrap(
    clients: KmsClients, *, wrapped: bytes, source: KeyArn, destination: KeyArn, pairs: Pairs
) -> WrappedDataKey:
    """Wrap the same data key under the current material of `destination`, which may be `source` itself.

    Both keys are those of one Region, and the encryption context stays as it is. Both are named, so that KMS opens
    the ciphertext with no other key (API Reference, "ReEncrypt", SourceKeyId), and the answer must name them too.
    Raises `DecryptionFailed` where the ciphertext is not of `source` and this context, and KMS's other errors.
    """
    region = source.region
    with translated("kms:ReEncrypt", region):
        answer = clients.kms(region, Plane.USE).re_encrypt(
            CiphertextBlob=wrapped,
            SourceKeyId=str(source),
            SourceEncryptionContext=pairs,
            DestinationKeyId=str(destination),
            DestinationEncryptionContext=pairs,
        )
    named = (answer.get("SourceKeyId"), answer.get("KeyId"))
    if named != (str(source), str(destination)) or not answer.get("CiphertextBlob"):
        raise KmsRequestInvalid(f"kms:ReEncrypt in {region}: an unusable answer.")
    return WrappedDataKey(
        answer["CiphertextBlob"], destination, answer.get("DestinationKeyMaterialId", "")
    )
