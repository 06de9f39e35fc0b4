"""`python -m sandbox up|down|status|logs|reset|env`; `make` has a target for each."""

from __future__ import annotations

import sys

from sandbox.command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
