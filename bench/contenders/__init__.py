"""The contenders. One that is not installed, or does not start, is named with the reason and never guessed at."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from bench.workload import Contender

OURS, OURS_BYTES, PRIMITIVES = "ours", "ours, bytes", "primitives"
SDK, SDK_SIGNED = "SDK", "SDK, signed"
FERNET, TINK, ASHERAH = "Fernet", "Tink AEAD", "Asherah"
_CLASSES = {
    OURS: "ours.Ours",
    OURS_BYTES: "ours.OursBytes",
    PRIMITIVES: "primitives.Primitives",
    SDK: "aws_sdk.Unsigned",
    SDK_SIGNED: "aws_sdk.Signed",
    FERNET: "fernet.FernetToken",
    TINK: "tink_aead.TinkAead",
    ASHERAH: "asherah_fields.AsherahFields",
}


def load_contenders() -> tuple[dict[str, Contender], dict[str, str]]:
    """Those that run, and for each of the others the reason why it does not."""
    running: dict[str, Contender] = {}
    absent: dict[str, str] = {}
    for name, place in _CLASSES.items():
        module, kind = place.split(".")
        try:
            running[name] = cast(
                "Contender", getattr(import_module(f"bench.contenders.{module}"), kind)()
            )
        except (ImportError, OSError, RuntimeError) as error:
            absent[name] = f"{type(error).__name__}: {error}"
    return running, absent
