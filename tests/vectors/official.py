"""Test vectors of others: read from the folder in GATEWAY_VECTORS, by default shared/vectors beside the checkout.

They are data of other projects and no part of this one, so a run without them skips, and says where it looked.
"""

from __future__ import annotations

import json
import os
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(
    os.environ.get("GATEWAY_VECTORS") or Path(__file__).resolve().parents[3] / "shared" / "vectors"
)
needs_vectors = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"No official vectors in {FOLDER}: set GATEWAY_VECTORS."
)


def read_json(name: str) -> Any:
    """A file of the folder; empty where the folder is absent, since tests are collected all the same."""
    return json.loads((FOLDER / name).read_text()) if FOLDER.is_dir() else {}


def wycheproof(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each test of a Wycheproof file, with its group."""
    for group in read_json(name).get("testGroups", []):
        for test in group["tests"]:
            yield group, test


@dataclass(frozen=True)
class Message:
    """One message of the Encryption SDK's decrypt manifest."""

    name: str
    ciphertext: bytes
    plaintext: bytes
    pairs: dict[str, str]
    keys: tuple[dict[str, Any], ...]
    leaves_pairs_out: (
        bool  # made by the "required encryption context" manager: some pairs are not in the header
    )

    @property
    def is_raw(self) -> bool:
        """Whether the keys are in the vectors, and not in somebody's KMS."""
        return all(key["type"] == "raw" for key in self.keys)

    @property
    def has_commitment(self) -> bool:
        return self.ciphertext[0] == 2


@cache
def messages() -> list[Message]:
    """All messages of the manifest."""
    if not FOLDER.is_dir():
        return []
    with zipfile.ZipFile(FOLDER / "esdk-v4-net-4.0.1.zip") as archive:

        def data(uri: str) -> bytes:
            return archive.read(uri.removeprefix("file://"))

        return [
            Message(
                name=name,
                ciphertext=data(test["ciphertext"]),
                plaintext=data(test["result"]["output"]["plaintext"]),
                pairs=test["encryption-context"],
                keys=tuple(test["master-keys"]),
                leaves_pairs_out=test["cmm"] == "RequiredEncryptionContext",
            )
            for name, test in json.loads(archive.read("manifest.json"))["tests"].items()
        ]


@cache
def key_material(name: str) -> bytes:
    """A wrapping key of the manifest: bytes, or PEM."""
    with zipfile.ZipFile(FOLDER / "esdk-v4-net-4.0.1.zip") as archive:
        key = json.loads(archive.read("keys.json"))["keys"][name]
    return b64decode(key["material"]) if key["encoding"] == "base64" else key["material"].encode()
