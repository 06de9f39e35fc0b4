"""KMS in memory, behind the interface of boto3's client: related keys share material, and any Region can fail.

Faster and blunter than the stand-in of the sandbox: no key policies, no states, no wire. Its answers are those that the
keyring relies on: context and key are bound to the ciphertext, and errors have the codes of the KMS API Reference.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.arn import KeyArn
from crypto.conf import CryptoSettings
from crypto.envelope import Envelope
from crypto.keyring import TenantKeyRef
from crypto.materials import DataKeySlot, StoredDataKey

HOME, WEST, EUROPE = REGIONS = ("us-east-2", "us-west-1", "eu-west-1")
MRK = "mrk-" + "0123456789abcdef" * 2
ARN = f"arn:aws:kms:{HOME}:111122223333:key/{MRK}"
ACME = TenantKeyRef("acme", 1, KeyArn.parse(ARN), REGIONS)
GLOBEX = TenantKeyRef(
    "globex", 1, KeyArn("aws", EUROPE, "111122223333", "mrk-" + "f" * 32), (EUROPE,)
)


def refusal(code: str, status: int = 400, message: str = "") -> ClientError:
    """What botocore raises for an answer with that error code."""
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "Decrypt")


class MemoryKms:
    """Stands where `KmsClients` does. `fail` holds what a Region raises, `calls` what it was asked."""

    def __init__(self) -> None:
        self.fail: dict[str, Exception] = {}
        self.denied: set[tuple[str, str]] = set()  # (Region, operation)
        self.calls: list[tuple[str, str, str]] = []  # (Region, operation, ARN)
        self._material: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def kms(self, region: str, plane: object) -> _Client:
        return _Client(self, region)

    def count(self, operation: str = "") -> int:
        """How many calls there were, of one operation or of all."""
        return sum(name == operation or not operation for _, name, _ in self.calls)

    def cipher(self, key_id: str) -> AESGCM:
        """The material of a key: the same for its ARNs in all Regions."""
        with self._lock:
            return AESGCM(self._material.setdefault(key_id, os.urandom(32)))


class _Client:
    def __init__(self, kms: MemoryKms, region: str) -> None:
        self._kms, self._region = kms, region

    def generate_data_key(self, **request: Any) -> dict[str, Any]:
        arn, cipher = request["KeyId"], self._asked("GenerateDataKey", request["KeyId"])
        plaintext, nonce = os.urandom(request["NumberOfBytes"]), os.urandom(12)
        blob = nonce + cipher.encrypt(nonce, plaintext, _bound(request["EncryptionContext"]))
        return {
            "KeyId": arn,
            "Plaintext": plaintext,
            "CiphertextBlob": blob,
            "KeyMaterialId": "m-1",
        }

    def decrypt(self, **request: Any) -> dict[str, Any]:
        arn, cipher = request["KeyId"], self._asked("Decrypt", request["KeyId"])
        blob, context = request["CiphertextBlob"], _bound(request["EncryptionContext"])
        try:
            plaintext = cipher.decrypt(blob[:12], blob[12:], context)
        except (InvalidTag, ValueError):
            raise refusal("InvalidCiphertextException") from None
        return {"KeyId": arn, "Plaintext": plaintext, "KeyMaterialId": "m-1"}

    def _asked(self, operation: str, arn: str) -> AESGCM:
        self._kms.calls.append((self._region, operation, arn))
        assert KeyArn.parse(arn).region == self._region
        if self._region in self._kms.fail:
            raise self._kms.fail[self._region]
        if (self._region, operation) in self._kms.denied:
            raise refusal("AccessDeniedException")
        return self._kms.cipher(KeyArn.parse(arn).key_id)


class MemoryStore:
    """What the database does, in a dictionary."""

    def __init__(self) -> None:
        self.active: dict[DataKeySlot, StoredDataKey] = {}
        self.all: list[StoredDataKey] = []
        self._lock = threading.Lock()

    def find_active(self, slot: DataKeySlot) -> StoredDataKey | None:
        return self.active.get(slot)

    def add(self, key: StoredDataKey) -> StoredDataKey:
        with self._lock:
            if key.shared:
                held = self.active.get(key.slot)
                same = held and KeyArn.parse(held.key_arn).is_related_to(KeyArn.parse(key.key_arn))
                if held is not None and same and held.expires_at > key.created_at:
                    return held
                self.active[key.slot] = key
            self.all.append(key)
            return key


class Process:
    """One process of one Region with an envelope, and clocks that the test moves."""

    def __init__(
        self,
        kms: MemoryKms | None = None,
        store: MemoryStore | None = None,
        region: str = HOME,
        **settings: Any,
    ) -> None:
        self.kms = kms or MemoryKms()
        self.store = store or MemoryStore()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.seconds = 1_000.0
        self.envelope = Envelope(
            settings=CryptoSettings(region=region, regions=REGIONS, **settings),
            clients=self.kms,  # type: ignore[arg-type]  # of its interface the envelope uses `kms` alone
            store=self.store,
            clock=lambda: self.now,
            monotonic=lambda: self.seconds,
        )

    def sleep(self, seconds: float) -> None:
        """Let both clocks go on."""
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds

    def asked(self) -> Counter[str]:
        """How often KMS was asked in which Region."""
        return Counter(region for region, _, _ in self.kms.calls)


def _bound(context: dict[str, str]) -> bytes:
    return json.dumps(context, sort_keys=True).encode()
