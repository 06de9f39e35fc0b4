"""Canaries: random values, sealed and opened through the same door as tenants' data, in one Region alone.

The envelope here knows one Region, has a cache of its own and a store that keeps nothing: what it opens was decrypted
just now by the KMS of that Region, with the role of that Region, and by nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from django.conf import settings

from crypto.arn import KeyArn
from crypto.context import EncryptionContext, Purpose
from crypto.envelope import Envelope, TenantKeyRef
from crypto.errors import CredentialsRefused, DecryptionFailed, KeyAccessDenied
from crypto.materials import DataKeySlot, StoredDataKey
from crypto.message import read_header
from crypto.part import JsonValue
from tenants.key_policy import EVERY_CLASS, Rule
from tenants.kms.key_probe import KeyProbe
from tenants.services.clients import get_clients

CANARY_CLASS: Final = "canary"


class _NoStore:
    """Keeps nothing: a canary needs its data key once."""

    def find_active(self, slot: DataKeySlot) -> StoredDataKey | None:  # noqa: ARG002 - the protocol's
        return None

    def add(self, key: StoredDataKey) -> StoredDataKey:
        return key


class CanaryKey:
    """A tenant's key in one Region, as the role of this process's Region may use it."""

    def __init__(self, tenant: str, arn: KeyArn) -> None:
        """`tenant` is the tenant id of the encryption context; `arn` names the Region."""
        self._tenant = tenant
        self._key = TenantKeyRef(tenant, 0, arn, (arn.region,))
        self._envelope = Envelope(
            settings=replace(settings.CRYPTO, region=arn.region, regions=(arn.region,)),
            clients=get_clients(),
            store=_NoStore(),
        )

    def seal(self, classification: str) -> dict[str, JsonValue]:
        """A fresh canary: its class, its message in base64 and the SHA-256 of its value. Raises KMS's errors."""
        value = secrets.token_bytes(32)
        sealed = self._envelope.seal(value, key=self._key, context=self._context(classification))
        return {
            "class": classification,
            "message": base64.b64encode(sealed.message).decode("ascii"),
            "digest": hashlib.sha256(value).hexdigest(),
        }

    def may_seal(self) -> bool:
        """Whether KMS lets this Region encrypt."""
        try:
            self.seal(CANARY_CLASS)
        except CredentialsRefused:
            raise
        except KeyAccessDenied:
            return False
        return True

    def may_open(self, canary: dict[str, str]) -> bool:
        """Whether KMS lets this Region decrypt the canary's class.

        Raises `DecryptionFailed` when it opens to another value, and KMS's other errors: wrong credentials prove no
        refusal by a key policy.
        """
        message = base64.b64decode(canary["message"])
        context = self._context(canary["class"])
        try:
            value = self._envelope.open(message, key=self._key, context=context)
        except CredentialsRefused:
            raise
        except KeyAccessDenied:
            return False
        if hashlib.sha256(value).hexdigest() != canary["digest"]:
            raise DecryptionFailed
        return True

    def opens_for_another(self, canary: dict[str, str]) -> bool:
        """Whether KMS unwraps the canary's data key in the name of another tenant. A pool's key policy lets each of
        them use the key; that they cannot open each other's data, the encryption context alone must see to."""
        context = EncryptionContext(secrets.token_hex(16), canary["class"], Purpose.VALUE)
        [encrypted] = read_header(base64.b64decode(canary["message"])).data_keys
        probe = KeyProbe(get_clients())
        return probe.unwraps(self._key.key, context.as_dict(), encrypted.ciphertext)

    def _context(self, classification: str) -> EncryptionContext:
        return EncryptionContext(self._tenant, classification, Purpose.VALUE)


def canary_classes(rules: Sequence[Rule]) -> list[str]:
    """The canary's own class, which opens only where everything does, and the first that each Region lists."""
    listed = {min(rule.may_decrypt) for rule in rules if rule.may_decrypt} - {EVERY_CLASS}
    return [CANARY_CLASS, *sorted(listed - {CANARY_CLASS})]
