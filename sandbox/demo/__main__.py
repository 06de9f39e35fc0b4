"""`make demo`: onboard two tenants, import a CSV, and show where the plaintext is and where it is not.

Running it again finds what is there and goes on; nothing is doubled.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from rich.console import Console

from sandbox.demo.story import SAMPLE, tell
from sandbox.errors import SandboxError
from sandbox.layout import default_home


def main() -> int:
    """Parse, tell the story, say what went wrong in one line."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "csv", nargs="?", default=str(SAMPLE), help="a CSV file whose first column is a unique id"
    )
    arguments = parser.parse_args()
    # A pipe has no width; the lines of the KMS trail are as wide as this.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    # A program of the sandbox, not of the gateway: no log lines between the pictures.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        tell(console, default_home(), Path(arguments.csv or SAMPLE))
    except SandboxError as error:
        Console(stderr=True).print(f"[red]{error}[/red]")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
