"""Run the stand-in: `python -m sandbox.kms --state DIR --identities FILE --listen us-east-2=18011 --admin 18019`.

Prints one line when every listener is open: `ready` and a JSON object of the endpoints. Stops on SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sqlite3
import sys
from pathlib import Path

from sandbox.kms.admin import Admin
from sandbox.kms.database import StateInUse
from sandbox.kms.identities import InvalidIdentities
from sandbox.kms.listener import Listener
from sandbox.kms.production import LooksLikeProduction, refuse_production
from sandbox.kms.server import Server, Settings
from sandbox.kms.service import MAX_KEYS

_REASONS = (LooksLikeProduction, InvalidIdentities, StateInUse, OSError, sqlite3.Error)


def main() -> int:
    """Exit status 0 after a clean stop, 2 when it cannot start (the reason is on standard error)."""
    options = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        refuse_production(os.environ)
        asyncio.run(_serve(options))
    except _REASONS as error:
        print(f"The KMS stand-in cannot start: {error}", file=sys.stderr)
        return 2
    return 0


async def _serve(options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = Server(
        Settings(
            state=options.state,
            identities=options.identities,
            ports=dict(options.listen),
            transition_seconds=options.transition_seconds,
            delivery_seconds=options.delivery_seconds,
            max_keys=options.max_keys,
            quotas=options.quotas,
            forward=dict(options.forward),
            verify_signatures=not options.trust_signatures,
        )
    )
    admin = Listener(Admin(server).handle, options.admin)
    try:
        await server.start()
        await admin.open()
        ready = json.dumps({"endpoints": server.urls, "admin": admin.url})
        print(f"ready {ready}", flush=True)
        if options.stop_with_stdin:
            loop.add_reader(sys.stdin.fileno(), lambda: _stop_at_end(stopped))
        await stopped.wait()
    finally:
        await admin.close()
        await server.stop()


def _stop_at_end(stopped: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stopped.set()


def _service_place(text: str) -> tuple[str, str]:
    service, _, place = text.partition("=")
    if not service or not place.startswith(("http://127.0.0.1:", "unix:/")):
        raise argparse.ArgumentTypeError(f"{text!r} is not SERVICE=http://127.0.0.1:PORT or unix:")
    return service, place


def _region_port(text: str) -> tuple[str, int]:
    region, _, port = text.partition("=")
    if not region or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not REGION=PORT")
    return region, int(port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.kms", description="A stand-in for AWS KMS"
    )
    parser.add_argument("--state", type=Path, required=True, help="directory of keys and trail")
    parser.add_argument("--identities", type=Path, required=True, help="JSON file of who may call")
    parser.add_argument(
        "--listen",
        type=_region_port,
        action="append",
        required=True,
        metavar="REGION=PORT",
        help="serve this Region on this port of 127.0.0.1 (0: any free one); once for each Region",
    )
    parser.add_argument(
        "--forward",
        type=_service_place,
        action="append",
        default=[],
        metavar="SERVICE=PLACE",
        help="pass requests signed for this service on to http://127.0.0.1:PORT or unix:/path/of/socket",
    )
    parser.add_argument("--admin", type=int, default=0, metavar="PORT", help="administration port")
    parser.add_argument(
        "--transition-seconds",
        type=float,
        default=2.0,
        help="how long a new replica is Creating, and a changed primary Updating",
    )
    parser.add_argument(
        "--delivery-seconds",
        type=float,
        default=60.0,
        help="how often log files are delivered to STATE/bucket",
    )
    parser.add_argument(
        "--max-keys",
        type=int,
        default=MAX_KEYS,
        help="how many keys an account may have in a Region, as AWS grants on request",
    )
    parser.add_argument(
        "--quotas", action="store_true", help="enforce the request quotas of AWS from the start"
    )
    parser.add_argument(
        "--trust-signatures",
        action="store_true",
        help="read who signed a request, but do not verify the signature",
    )
    parser.add_argument(
        "--stop-with-stdin", action="store_true", help="stop when standard input is closed"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
