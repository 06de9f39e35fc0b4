"""Encryption context: the three pairs that every message of ours carries in the clear, and their canonical bytes.

`tenant` is the tenant's opaque id, `class` the classification, `purpose` what the key is for. Key policies match on
them, CloudTrail shows them, and the cache is keyed by them. Nothing per record is in it: a record's id would make
every data key serve one record only. The record is bound inside the plaintext instead (`crypto.part`).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from crypto.errors import InvalidEncryptionContext

Pairs: TypeAlias = Mapping[str, str]
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_MAX_PAIRS, _MAX_TEXT = 64, 8_192


class Purpose(StrEnum):
    """What a data key may be used for. A data key of one purpose never opens a message of another."""

    RECORD = "record"
    VALUE = "value"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class EncryptionContext:
    """The context of one message; hashable, since it is part of the cache key."""

    tenant: str
    classification: str
    purpose: Purpose

    def __post_init__(self) -> None:
        """Refuse what a key policy condition could match by accident: wildcards, spaces, empty text."""
        for value in (self.tenant, self.classification):
            if not _VALUE.fullmatch(value):
                raise InvalidEncryptionContext("Context values are 1 to 64 of A-Z a-z 0-9 . _ : -")

    def as_dict(self) -> dict[str, str]:
        """The pairs as KMS and the Encryption SDK take them."""
        return {"class": self.classification, "purpose": self.purpose.value, "tenant": self.tenant}

    def encode(self) -> bytes:
        """The pairs as a message header holds them."""
        return encode_pairs(self.as_dict())


def encode_pairs(pairs: Pairs) -> bytes:
    """Serialise as "AAD Key Value Pairs" of the Encryption SDK message header (specification, message-header).

    Pair count and lengths are unsigned 16-bit big-endian; pairs are in ascending order of the key's UTF-8 bytes. An
    empty context has no bytes at all. Raises `InvalidEncryptionContext` for more than KMS takes.
    """
    if not pairs:
        return b""
    items = sorted((key.encode(), value.encode()) for key, value in pairs.items())
    size = 2 + sum(4 + len(key) + len(value) for key, value in items)
    if len(items) > _MAX_PAIRS or size > _MAX_TEXT:
        raise InvalidEncryptionContext("The encryption context is larger than KMS takes.")
    out = [struct.pack(">H", len(items))]
    for key, value in items:
        out += (struct.pack(">H", len(key)), key, struct.pack(">H", len(value)), value)
    return b"".join(out)
