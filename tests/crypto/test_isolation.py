"""Many tenants in one process with one cache: whatever is done in whatever order, no key serves another tenant."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from crypto.arn import KeyArn
from crypto.cache import Cache
from crypto.context import EncryptionContext, Purpose
from crypto.errors import DecryptionFailed, KeyAccessDenied, KeyNotFound
from crypto.keyring import TenantKeyRef
from crypto.materials import Materials
from crypto.message import encode_names, read_header, seal_message
from tests.crypto.kms import ACME, GLOBEX, HOME, Process

TENANTS = [
    TenantKeyRef(f"t-{n}", 1, KeyArn("aws", HOME, "111122223333", f"mrk-{n:032x}"), (HOME,))
    for n in range(4)
]
# Two tenants under one key, as in the pooled tier: the encryption context alone is between them.
POOLED = [replace(TENANTS[0], tenant=name) for name in ("pooled-1", "pooled-2")]
tenants = st.sampled_from([*TENANTS, *POOLED])
classes = st.sampled_from(["pii", "pci"])


class Sharing(RuleBasedStateMachine):
    """A small cache, so that lines are pushed out, with epochs that rise and time that passes."""

    messages: Bundle[tuple[TenantKeyRef, str, bytes, bytes]] = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.process = Process(cache_size=5, data_key_max_messages=3)
        self.epochs: dict[str, int] = {}

    def key(self, tenant: TenantKeyRef) -> TenantKeyRef:
        return replace(tenant, epoch=self.epochs.get(tenant.tenant, 1))

    @rule(target=messages, tenant=tenants, name=classes, plaintext=st.binary(max_size=20))
    def seal(
        self, tenant: TenantKeyRef, name: str, plaintext: bytes
    ) -> tuple[TenantKeyRef, str, bytes, bytes]:
        context = EncryptionContext(tenant.tenant, name, Purpose.RECORD)
        sealed = self.process.envelope.seal(plaintext, key=self.key(tenant), context=context)
        (encrypted,) = read_header(sealed.message).data_keys
        assert KeyArn.parse(encrypted.key_arn.decode()).key_id == tenant.key.key_id
        return tenant, name, plaintext, sealed.message

    @rule(message=messages, tenant=tenants, name=classes)
    def open(
        self, message: tuple[TenantKeyRef, str, bytes, bytes], tenant: TenantKeyRef, name: str
    ) -> None:
        owner, its_name, plaintext, sealed = message
        context = EncryptionContext(tenant.tenant, name, Purpose.RECORD)
        if (tenant, name) == (owner, its_name):
            assert self.process.envelope.open(sealed, key=self.key(tenant), context=context) == (
                plaintext
            )
        else:
            with pytest.raises(DecryptionFailed):
                self.process.envelope.open(sealed, key=self.key(tenant), context=context)

    @rule(message=messages, tenant=tenants)
    def open_with_a_forged_context(
        self, message: tuple[TenantKeyRef, str, bytes, bytes], tenant: TenantKeyRef
    ) -> None:
        """The header is rewritten to name the thief: what it asks for is KMS's own refusal, never a cached key."""
        owner, name, _, sealed = message
        if tenant.tenant != owner.tenant:
            theirs = EncryptionContext(owner.tenant, name, Purpose.RECORD).encode()
            mine = EncryptionContext(tenant.tenant, name, Purpose.RECORD)
            size = len(mine.encode()).to_bytes(2, "big")
            forged = sealed.replace(len(theirs).to_bytes(2, "big") + theirs, size + mine.encode())
            forged = forged.replace(str(owner.key).encode(), str(tenant.key).encode())
            with pytest.raises(DecryptionFailed):
                self.process.envelope.open(forged, key=self.key(tenant), context=mine)

    @rule(tenant=tenants)
    def revoke(self, tenant: TenantKeyRef) -> None:
        self.epochs[tenant.tenant] = self.epochs.get(tenant.tenant, 1) + 1

    @rule(seconds=st.sampled_from([1, 200, 90_000]))
    def sleep(self, seconds: int) -> None:
        self.process.sleep(seconds)

    @invariant()
    def the_cache_is_bounded(self) -> None:
        assert len(self.process.envelope._materials.cache) <= 5


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


PII = EncryptionContext("acme", "pii", Purpose.RECORD)


def what_globex_gets(materials: Materials, names: bytes) -> list[bytes]:
    """Data keys that the cache serves to Globex, with key, context and all else forged to be Acme's."""
    served = []
    for key, context in product(
        (GLOBEX, replace(GLOBEX, key=ACME.key)), (PII, replace(PII, tenant="globex"))
    ):
        with suppress(DecryptionFailed, KeyAccessDenied, KeyNotFound):
            served.append(materials.for_opening(key, context, names).secret)
        with suppress(KeyAccessDenied, KeyNotFound):
            served.append(materials.for_sealing(key, context).plaintext.secret)
    return served


def acme_has_used_its_key() -> tuple[Materials, bytes]:
    """A process in which Acme's data keys are cached, and in which KMS refuses everything from now on."""
    process = Process()
    message = process.envelope.seal(b"acme's", key=ACME, context=PII).message
    process.envelope.open(message, key=ACME, context=PII)
    process.kms.denied |= {(HOME, "Decrypt"), (HOME, "GenerateDataKey")}
    assert process.envelope.open(message, key=ACME, context=PII) == b"acme's"
    return process.envelope._materials, read_header(message).names


def test_a_key_cached_for_acme_neither_opens_nor_seals_for_globex_with_all_else_forged() -> None:
    """The mix-up of caching managers that share a cache and a partition name."""
    assert what_globex_gets(*acme_has_used_its_key()) == []


def test_without_shelves_by_tenant_it_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above would notice: here is the cache with its guard removed."""
    get = Cache.get
    monkeypatch.setattr(Cache, "get", lambda self, _, *rest: get(self, "one for all", *rest))
    assert what_globex_gets(*acme_has_used_its_key()) != []


def test_a_message_sealed_with_anothers_wrapped_key_is_not_taken() -> None:
    """Globex knows Acme's encrypted data key, which stands in every message, and builds a header of its own with it."""
    process = Process()
    acmes = process.envelope.seal(b"acme's", key=ACME, context=PII)
    process.envelope.open(acmes.message, key=ACME, context=PII)
    theirs = replace(PII, tenant="globex")
    globex = replace(GLOBEX, regions=ACME.regions)
    encrypted = read_header(acmes.message).data_keys[0]
    for arn in (str(ACME.key), str(globex.key)):
        forged = seal_message(
            b"x",
            data_key=bytes(32),
            names=encode_names(theirs.encode(), encrypted._replace(key_arn=arn.encode())),
            message_id=bytes(32),
        )
        with pytest.raises(DecryptionFailed):
            process.envelope.open(forged, key=globex, context=theirs)
