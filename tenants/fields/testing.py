# ruff: noqa: N803 - AWS's names
"""For the tests of projects that use encrypted fields: keys without AWS or a registry, and a look into the column.

    @pytest.fixture(autouse=True)
    def keys():
        with fake_keys():
            yield

Every tenant id is then an active tenant. Messages are real; what wraps their data keys is this module. Inside of a
transaction a missing key raises as it does in production, Django's `TestCase` aside.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import connections
from django.db.models import Model

from crypto.arn import KeyArn
from crypto.context import EncryptionContext, Purpose, encode_pairs
from crypto.envelope import Envelope
from crypto.errors import DecryptionFailed, KeyUnavailable
from crypto.keyring import TenantKeyRef
from crypto.materials import DataKeySlot, StoredDataKey
from crypto.message import read_header
from tenants.fields.base import EncryptedField
from tenants.fields.generations import Generations, cache_seconds, clock
from tenants.fields.keys import FieldKeys, replaced_by
from tenants.fields.transactions import refuse_in_transaction
from tenants.selectors import Caller, RuleView
from tenants.states import TenantState


class FakeKeys(FieldKeys):
    """What `fake_keys` gives: counts calls, and can be made to fail.

    `calls` counts what would have been calls to KMS. While `is_away` is true they raise `KeyUnavailable`. `revoked`
    holds the ids of tenants that are not served.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.is_away = False
        self.revoked: set[UUID] = set()
        self._store = _Store()
        self._clients: Any = SimpleNamespace(kms=lambda region, _plane: _Kms(self, region))
        super().__init__(Generations(self._new_envelope, cache_seconds), self._caller)

    def revoke(self, tenant: UUID) -> None:
        """Serve this tenant no longer, at once."""
        self.revoked.add(tenant)
        self.forget()

    def _new_envelope(self) -> Envelope:
        return Envelope(
            settings=settings.CRYPTO, clients=self._clients, store=self._store, clock=clock
        )

    def _caller(self, tenant: UUID) -> Caller:
        regions: tuple[str, ...] = settings.CRYPTO.regions
        arn = KeyArn.parse(f"arn:aws:kms:{regions[0]}:000000000000:key/mrk-{tenant.hex}")
        return Caller(
            tenant_id=tenant,
            slug=f"tenant-{tenant.hex[:8]}",
            state=TenantState.REVOKED if tenant in self.revoked else TenantState.ACTIVE,
            api_key_id=UUID(int=0),
            scopes=frozenset(),
            key=TenantKeyRef(tenant.hex, 1, arn, regions),
            rules={region: RuleView(region, True, ("*",)) for region in regions},
        )


@contextmanager
def fake_keys() -> Iterator[FakeKeys]:
    """Let encrypted fields work without AWS and without a registry until the block ends, in all threads."""
    if getattr(settings, "GATEWAY_ENVIRONMENT", "") == "production":
        raise RuntimeError("fake_keys() protects nothing: it is for tests.")
    keys = FakeKeys()
    with replaced_by(keys):
        yield keys


def assert_encrypted(instance: Model, *names: str) -> None:
    """Assert that these columns hold a message for the row's own tenant, and nothing of the value."""
    for name in names:
        field: Any = type(instance)._meta.get_field(name)
        assert isinstance(field, EncryptedField), f"{name} is no encrypted field."  # noqa: S101
        _assert_sealed(instance, field, _stored(instance, field))


def _assert_sealed(instance: Model, field: EncryptedField, stored: bytes | None) -> None:
    held = field.held(instance)
    if held is None:
        assert stored is None, f"{field.label} is not NULL."  # noqa: S101
        return
    assert stored, f"{field.label} is not stored."  # noqa: S101
    try:
        context = read_header(stored).context
    except DecryptionFailed:
        raise AssertionError(f"{field.label} holds no message.") from None
    tenant = field.tenant_of(instance).hex
    expected = EncryptionContext(tenant, field.classification, Purpose.VALUE).as_dict()
    assert context == encode_pairs(expected), f"{field.label} is sealed for something else."  # noqa: S101
    held.open(field.where(instance))
    text = field.text_of(held).encode()
    assert len(text) < 4 or text not in stored, f"{field.label} shows its value."  # noqa: S101


def _stored(instance: Model, field: EncryptedField) -> bytes | None:
    connection = connections[instance._state.db or "default"]
    quote, table = connection.ops.quote_name, field.model._meta
    key: Any = table.pk
    column = str(field.column)
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {quote(column)} from {quote(table.db_table)} where {quote(key.column)} = %s",  # noqa: S608 - names of the model
            [key.get_db_prep_value(instance.pk, connection)],
        )
        row = cursor.fetchone()
    assert row, f"{instance._meta.label} {instance.pk} is not stored."  # noqa: S101
    return None if row[0] is None else bytes(row[0])


class _Kms:
    """GenerateDataKey and Decrypt under a key that every test run knows."""

    def __init__(self, keys: FakeKeys, region: str) -> None:
        self._keys = keys
        self._region = region

    def generate_data_key(
        self,
        *,
        KeyId: str,
        EncryptionContext: Mapping[str, str],
        NumberOfBytes: int,
    ) -> dict[str, Any]:
        self._called()
        secret, nonce = os.urandom(NumberOfBytes), os.urandom(12)
        sealed = nonce + _cipher(KeyId).encrypt(nonce, secret, encode_pairs(EncryptionContext))
        return {"KeyId": KeyId, "Plaintext": secret, "CiphertextBlob": sealed}

    def decrypt(
        self,
        *,
        KeyId: str,
        EncryptionContext: Mapping[str, str],
        CiphertextBlob: bytes,
    ) -> dict[str, Any]:
        self._called()
        nonce, sealed = CiphertextBlob[:12], CiphertextBlob[12:]
        try:
            secret = _cipher(KeyId).decrypt(nonce, sealed, encode_pairs(EncryptionContext))
        except InvalidTag:
            raise DecryptionFailed from None
        return {"KeyId": KeyId, "Plaintext": secret}

    def _called(self) -> None:
        refuse_in_transaction()
        self._keys.calls += 1
        if self._keys.is_away:
            raise KeyUnavailable("The fake KMS is away.")


def _cipher(key_id: str) -> AESGCM:
    """A key of the tenant's, which follows from its ARN: a fixture of one run opens in the next."""
    return AESGCM(KeyArn.parse(key_id).key_id.removeprefix("mrk-").encode())


class _Store:
    """Shared data keys, in a dictionary."""

    def __init__(self) -> None:
        self._active: dict[DataKeySlot, StoredDataKey] = {}
        self._lock = threading.Lock()

    def find_active(self, slot: DataKeySlot) -> StoredDataKey | None:
        refuse_in_transaction()
        return self._active.get(slot)

    def add(self, key: StoredDataKey) -> StoredDataKey:
        refuse_in_transaction()
        with self._lock:
            held = self._active.get(key.slot)
            if key.shared and held is not None and held.expires_at > key.created_at:
                return held
            if key.shared:
                self._active[key.slot] = key
        return key
