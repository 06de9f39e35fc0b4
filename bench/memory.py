"""Memory of 10,000 warm tenants, in a process of its own: `python -m bench.memory ours|sdk|start [--trace]`.

Each tenant has sealed and opened one record, so its data key is in the cache for both. The database's copy is not
counted. Prints one JSON object; sizes in bytes.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from bench.stand_ins import CountingKms, ForgetfulStore, make_context, make_envelope, make_tenant

TENANTS = 10_000
_LINES = 2 * TENANTS  # one to seal and one to open
_PLAINTEXT = b"{}"


def measure_memory(kind: str, *, trace: bool = False) -> dict[str, Any]:
    """The measurement of a fresh process."""
    command = [sys.executable, "-m", "bench.memory", kind, *(["--trace"] if trace else [])]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return cast("dict[str, Any]", json.loads(run.stdout))


def main() -> None:
    """Warm one tenant so that everything is loaded, then the others, and print what those took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["ours", "sdk"])
    parser.add_argument("--trace", action="store_true", help="count Python's allocations instead")
    options = parser.parse_args()
    warm = _ours() if options.kind == "ours" else _sdk()
    warm(0)
    size: Callable[[], int] = _resident
    if options.trace:
        tracemalloc.start()
        size = _traced
    before = size()
    for number in range(1, TENANTS + 1):
        warm(number)
    after = size()
    print(
        json.dumps({"tenants": TENANTS, "before": before, "after": after, "grown": after - before})
    )


def _ours() -> Callable[[int], None]:
    envelope = make_envelope(CountingKms(), ForgetfulStore(), cache_size=_LINES + 2)

    def warm(number: int) -> None:
        tenant = make_tenant(number)
        context = make_context(tenant)
        sealed = envelope.seal(_PLAINTEXT, key=tenant, context=context)
        envelope.open(sealed.message, key=tenant, context=context)
        if envelope.counters.evictions:
            raise RuntimeError("The cache is too small: not all tenants are warm.")

    return warm


def _sdk() -> Callable[[int], None]:
    # Imported here, since it would count as memory of ours.
    from aws_encryption_sdk.identifiers import Algorithm  # noqa: PLC0415

    from bench.contenders.aws_sdk import Sdk  # noqa: PLC0415

    algorithm = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
    sdk = Sdk(CountingKms(), algorithm, cache_size=_LINES + 2)
    managers = []

    def warm(number: int) -> None:
        tenant = make_tenant(number)
        managers.append(sdk.manager(tenant))
        context = make_context(tenant).as_dict()
        sdk.open(sdk.seal(_PLAINTEXT, managers[-1], context), managers[-1])

    return warm


def _resident() -> int:
    gc.collect()
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


if __name__ == "__main__":
    main()
