"""How often KMS is asked: for 10,000 records one by one, and for the first record of 32 threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from aws_encryption_sdk.identifiers import Algorithm

from bench.contenders.aws_sdk import Sdk
from bench.stand_ins import CountingKms, MemoryStore, make_context, make_envelope, make_tenant
from bench.workload import Shape, make_work

RECORDS = 10_000
THREADS = 32
KMS_SECONDS = 0.02  # of one call in the cold start, so that the threads meet
_TENANT = make_tenant(1)
_CONTEXT = make_context(_TENANT)
_WORK = make_work(Shape(5, 20))


class KmsCalls(NamedTuple):
    """Calls to KMS, to seal and then to open."""

    sealing: int
    opening: int


def count_ours() -> dict[str, KmsCalls]:
    """In the process that makes the data key, and in one that starts when the data key is in the database."""
    kms, store = CountingKms(), MemoryStore()
    return {
        "ours, in the process that makes the data key": _ours(kms, store),
        "ours, in every process that starts after": _ours(kms, store),
    }


def count_sdk() -> KmsCalls:
    """The SDK with its caching materials manager."""
    kms = CountingKms()
    sdk = Sdk(kms, Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY)
    manager, context = sdk.manager(_TENANT), _CONTEXT.as_dict()
    message = b""
    for _ in range(RECORDS):
        message = sdk.seal(_WORK.plaintext, manager, context)
    sealing = kms.total
    for _ in range(RECORDS):
        sdk.open(message, manager)
    return KmsCalls(sealing, kms.total - sealing)


def cold_start_of_ours() -> KmsCalls:
    """32 threads seal in a process that has just started, then 32 open in another."""
    kms, store = CountingKms(KMS_SECONDS), MemoryStore()
    sealer, opener = make_envelope(kms, store), make_envelope(kms, store)
    _at_once(lambda: sealer.seal(_WORK.plaintext, key=_TENANT, context=_CONTEXT))
    sealing = kms.total
    message = sealer.seal(_WORK.plaintext, key=_TENANT, context=_CONTEXT).message
    _at_once(lambda: opener.open(message, key=_TENANT, context=_CONTEXT))
    return KmsCalls(sealing, kms.total - sealing)


def cold_start_of_sdk() -> KmsCalls:
    """The same with the SDK."""
    kms = CountingKms(KMS_SECONDS)
    algorithm, context = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY, _CONTEXT.as_dict()
    sealer, opener = Sdk(kms, algorithm), Sdk(kms, algorithm)
    manager = sealer.manager(_TENANT)
    _at_once(lambda: sealer.seal(_WORK.plaintext, manager, context))
    sealing = kms.total
    message, other = sealer.seal(_WORK.plaintext, manager, context), opener.manager(_TENANT)
    _at_once(lambda: opener.open(message, other))
    return KmsCalls(sealing, kms.total - sealing)


def _ours(kms: CountingKms, store: MemoryStore) -> KmsCalls:
    before = kms.total
    envelope = make_envelope(kms, store)
    message = b""
    for _ in range(RECORDS):
        message = envelope.seal(_WORK.plaintext, key=_TENANT, context=_CONTEXT).message
    sealing = kms.total
    for _ in range(RECORDS):
        envelope.open(message, key=_TENANT, context=_CONTEXT)
    return KmsCalls(sealing - before, kms.total - sealing)


def _at_once(call: Callable[[], object]) -> None:
    barrier = threading.Barrier(THREADS)

    def work() -> None:
        barrier.wait()
        call()

    with ThreadPoolExecutor(THREADS) as threads:
        for future in [threads.submit(work) for _ in range(THREADS)]:
            future.result()
