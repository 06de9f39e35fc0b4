"""Re-encryption under concurrent writes: `python -m bench.bench_reencryption --records 100000`.

Fills a tenant, lets writers create, change and delete records, rotates the tenant's key, re-encrypts every record, and
then reads all of them in two Regions and compares each with what was last acknowledged to its writer. It runs on a data
plane of its own: PostgreSQL in three Regions, KMS stand-in, one process a writer, one worker.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from bench.tables import RESULTS
from tests.stack import Stack

# Modules that import models can be loaded only when Django is set up, which needs the data plane's addresses.
_WITH_DJANGO = "import django; django.setup(); import bench.reencryption_run as run; run.main()"


def main() -> None:
    """Start the data plane, and on it the run."""
    options = _parser().parse_args()
    stack = Stack.start()
    try:
        environment = stack.pytest_environment() | {
            "GATEWAY_REENCRYPTION_PARTS_PER_SECOND": str(options.rate),
            "GATEWAY_REENCRYPTION_BATCH": str(options.batch),
            "GATEWAY_LOG_LEVEL": "WARNING",
        }
        arguments = [str(options.records), str(options.writers), str(options.out)]
        done = subprocess.run(
            [sys.executable, "-c", _WITH_DJANGO, *arguments],
            env={**os.environ, **environment},
            check=False,
        )
    finally:
        stack.stop()
    sys.exit(done.returncode)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="how many, default 100,000")
    parser.add_argument("--writers", type=int, default=2, help="processes that write meanwhile")
    parser.add_argument("--rate", type=int, default=0, help="parts a second at most, 0: no limit")
    parser.add_argument("--batch", type=int, default=500, help="parts a statement")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    main()
