"""What a person who starts the sandbox can put right."""

from __future__ import annotations


class SandboxError(Exception):
    """Says what is wrong and what to do, in one or two lines; shown without a traceback."""
