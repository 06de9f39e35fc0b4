"""Run the stand-in: `python -m sandbox.rds HOME PORTS`. Stops on SIGTERM or SIGINT, when no change is under way."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from sandbox.kms.production import LooksLikeProduction, refuse_production
from sandbox.layout import Home
from sandbox.ports import Ports
from sandbox.rds.change import Changes
from sandbox.rds.operations import Databases
from sandbox.rds.server import serve


def main() -> int:
    """Exit status 0 after a clean stop, 2 when it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.rds")
    parser.add_argument("home", type=Path)
    parser.add_argument("ports", type=int)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        refuse_production(os.environ)
        asyncio.run(_run(Home(given.home), Ports(given.ports)))
    except (LooksLikeProduction, OSError) as error:
        print(f"The RDS stand-in cannot start: {error}", file=sys.stderr)
        return 2
    return 0


async def _run(home: Home, ports: Ports) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    changes = Changes(home, ports)
    async with serve(Databases(home, ports, changes), home.rds_socket):
        changes.resume()
        await stopped.wait()
    await asyncio.to_thread(changes.wait)


if __name__ == "__main__":
    sys.exit(main())
