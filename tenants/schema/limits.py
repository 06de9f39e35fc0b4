"""How much one schema and one record may hold. Texts are measured in bytes of UTF-8, records as JSON."""

from __future__ import annotations

from typing import Final

MAX_FIELDS: Final = 256
MAX_CLASSIFICATIONS: Final = 16  # each is one message and at most one KMS call of a record
MAX_TEXT_BYTES: Final = 64 * 1024
MAX_RECORD_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
# What a signed 64-bit integer holds: JSON readers of most languages agree up to here, and so does our encoder.
MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**63 - 1
