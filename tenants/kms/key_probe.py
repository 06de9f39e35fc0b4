"""Tries what KMS lets the use role of this process's Region do with a key, and changes nothing.

A dry run asks for permission alone; a real call shows that the permission works. Wrong credentials raise
`CredentialsRefused`: they prove no refusal by a policy.
"""

from __future__ import annotations

from crypto.arn import KeyArn
from crypto.context import Pairs
from crypto.errors import (
    CredentialsRefused,
    DecryptionFailed,
    DryRunPassed,
    KeyAccessDenied,
    KmsRequestInvalid,
)
from crypto.keyring import DATA_KEY_LENGTH, Keyring
from crypto.kms.clients import KmsClients, Plane
from crypto.kms.translate import translated
from tenants.kms.key_admin import KeyDescription, described


class KeyProbe:
    """Probes of keys. Each method is one call in the Region of the ARN."""

    def __init__(self, clients: KmsClients) -> None:
        self._clients = clients

    def describe(self, arn: KeyArn) -> KeyDescription | None:
        """What KMS says of the key, or None where its policy does not let us ask."""
        try:
            with translated("kms:DescribeKey", arn.region):
                answer = self._clients.kms(arn.region, Plane.USE).describe_key(KeyId=str(arn))
        except CredentialsRefused:
            raise
        except KeyAccessDenied:
            return None
        return described(answer["KeyMetadata"])

    def may_generate(self, arn: KeyArn, pairs: Pairs) -> bool:
        """Whether GenerateDataKey is allowed in this encryption context. Raises KMS's other errors."""
        client = self._clients.kms(arn.region, Plane.USE)
        try:
            with translated("kms:GenerateDataKey", arn.region):
                client.generate_data_key(
                    KeyId=str(arn),
                    EncryptionContext=pairs,
                    NumberOfBytes=DATA_KEY_LENGTH,
                    DryRun=True,
                )
        except (DryRunPassed, KeyAccessDenied) as outcome:
            return _allowed(outcome)
        raise KmsRequestInvalid(f"kms:GenerateDataKey in {arn.region}: a dry run was answered.")

    def may_decrypt(self, arn: KeyArn, pairs: Pairs) -> bool:
        """Whether Decrypt is allowed in this encryption context, whatever the ciphertext. Raises KMS's other errors."""
        client = self._clients.kms(arn.region, Plane.USE)
        try:
            with translated("kms:Decrypt", arn.region):
                client.decrypt(
                    KeyId=str(arn),
                    EncryptionContext=pairs,
                    DryRun=True,
                    DryRunModifiers=["IGNORE_CIPHERTEXT"],
                )
        except (DryRunPassed, KeyAccessDenied) as outcome:
            return _allowed(outcome)
        raise KmsRequestInvalid(f"kms:Decrypt in {arn.region}: a dry run was answered.")

    def may_rewrap(self, source: KeyArn, destination: KeyArn, pairs: Pairs) -> bool:
        """Whether ReEncrypt from the one key to the other is allowed. Raises KMS's other errors."""
        client = self._clients.kms(source.region, Plane.USE)
        try:
            with translated("kms:ReEncrypt", source.region):
                client.re_encrypt(
                    SourceKeyId=str(source),
                    SourceEncryptionContext=pairs,
                    DestinationKeyId=str(destination),
                    DestinationEncryptionContext=pairs,
                    DryRun=True,
                    DryRunModifiers=["IGNORE_CIPHERTEXT"],
                )
        except (DryRunPassed, KeyAccessDenied) as outcome:
            return _allowed(outcome)
        raise KmsRequestInvalid(f"kms:ReEncrypt in {source.region}: a dry run was answered.")

    def wrapped(self, arn: KeyArn, pairs: Pairs) -> bytes | None:
        """An encrypted data key that KMS has made for nothing, or None where it refuses."""
        try:
            return Keyring(self._clients, arn.region).generate(arn, pairs).encrypted_data_key
        except CredentialsRefused:
            raise
        except KeyAccessDenied:
            return None

    def unwraps(self, arn: KeyArn, pairs: Pairs, wrapped: bytes) -> bool:
        """Whether KMS opens it in this encryption context: refused by policy or by the context is no."""
        try:
            Keyring(self._clients, arn.region).unwrap(arn, pairs, wrapped)
        except CredentialsRefused:
            raise
        except (KeyAccessDenied, DecryptionFailed):
            return False
        return True


def _allowed(outcome: Exception) -> bool:
    if isinstance(outcome, CredentialsRefused):
        raise outcome
    return isinstance(outcome, DryRunPassed)
