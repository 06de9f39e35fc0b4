"""Our own vectors: what the formats of `crypto/` must be for ever, since stored data depends on them.

    python -m tests.vectors.freeze            make them again and show any difference; exits 1 where there is one
    python -m tests.vectors.freeze --write    write the file anew, which is right only when a format was added

Inputs are derived from names by SHA-256, so that nothing in the file is secret or was chosen. `expect` says what
opening must do: `success`, or `refused` with the one error.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from crypto.blind_index import IndexKey, normalise, token
from crypto.context import encode_pairs
from crypto.message import EncryptedDataKey, encode_names, seal_message
from crypto.part import Binding, JsonValue, encode_part

FILE = Path(__file__).with_name("frozen.json")
ARN = "arn:aws:kms:us-east-2:111122223333:key/mrk-0123456789abcdef0123456789abcdef"
PROVENANCE = {
    "made by": "tests/vectors/freeze.py from crypto/, whose messages the AWS Encryption SDK and its clients open",
    "message": "AWS Encryption SDK specification, data-format, message version 2, suite 0x0478",
    "part": "canonical JSON: sorted keys, no spaces, UTF-8",
    "token": "HMAC-SHA256 under HKDF-SHA512 (RFC 5869) of the data key, truncated",
}
OURS = {"class": "pii", "purpose": "record", "tenant": "018f3c6e9a7b7c3d8e2f1a0b9c8d7e6f"}
CONTEXTS: Mapping[str, Mapping[str, str]] = {
    "of ours": OURS,
    "none": {},
    "Unicode, sorted by UTF-8": {"\uff5a": "\U0001f511", "\U0001f511": "\uff5a", "é": "", "e": "é"},
    "the most pairs": {f"key-{n:02}": "v" * 100 for n in range(64)},
}
PLAINTEXTS = {"empty": b"", "short": b"4111 1111 1111 1111", "a frame unit": bytes(4_096)}
CASES = [
    ("of ours", "empty"),
    ("of ours", "a frame unit"),
    ("none", "short"),
    ("Unicode, sorted by UTF-8", "short"),
    ("the most pairs", "short"),
    ("of ours", "short"),
]
DAMAGE: Mapping[str, Callable[[bytes], bytes]] = {
    "one bit of the tag": lambda message: message[:-1] + bytes([message[-1] ^ 1]),
    "one byte short": lambda message: message[:-1],
    "one byte more": lambda message: message + b"\0",
    "another message id": lambda message: message[:3] + secret("other") + message[35:],
    "another suite": lambda message: b"\x02\x05\x78" + message[3:],
}
PARTS: list[tuple[dict[str, JsonValue], Binding]] = [
    ({}, Binding("people", "r-1", 1)),
    ({"ssn": "078-05-1120", "name": "Ada", "n": -(2**63), "x": 0.1}, Binding("people", "r-1", 7)),
    ({"é": None, "a": [True, {"b": "ü"}]}, Binding("käufe", "\U0001f511", 2**31 - 1)),
]
VALUES = [
    ("exact", "Ada "),
    ("exact", "e\u0301"),
    ("casefold", " STRASSE "),
    ("email", "Ada@Example.COM"),
    ("digits", "+49 (0)30 ٤٢"),
    ("exact", ""),
]


def secret(name: str) -> bytes:
    """32 bytes that belong to the name."""
    return sha256(name.encode()).digest()


def messages() -> Iterator[dict[str, Any]]:
    for where, what in CASES:
        name = f"{what}, context {where}"
        made = {
            "data_key": secret("data key " + name).hex(),
            "message_id": secret("message id " + name).hex(),
            "key_arn": ARN,
            "encrypted_data_key": secret("wrapped " + name).hex(),
            "context": dict(CONTEXTS[where]),
            "plaintext": PLAINTEXTS[what].hex(),
        }
        yield {"name": name, "expect": "success", **made, "message": seal(made).hex()}
    for how, damage in DAMAGE.items():
        yield {"name": how, "expect": "refused", **made, "message": damage(seal(made)).hex()}


def seal(made: Mapping[str, Any]) -> bytes:
    """The message of these inputs."""
    return seal_message(
        bytes.fromhex(made["plaintext"]),
        data_key=bytes.fromhex(made["data_key"]),
        names=encode_names(
            encode_pairs(made["context"]),
            EncryptedDataKey(made["key_arn"].encode(), bytes.fromhex(made["encrypted_data_key"])),
        ),
        message_id=bytes.fromhex(made["message_id"]),
    )


def parts() -> Iterator[dict[str, Any]]:
    for fields, binding in PARTS:
        place = {
            "collection": binding.collection,
            "record": binding.record,
            "version": binding.version,
        }
        yield {**place, "fields": fields, "plaintext": encode_part(fields, binding).hex()}


def tokens() -> Iterator[dict[str, Any]]:
    data_key = secret("index")
    for version, length in ((1, 16), (1, 4), (2, 32)):
        index_key = IndexKey.derive(data_key, version)
        for normaliser, value in VALUES:
            text = normalise(value, normaliser)
            made = token(index_key, collection="people", field="f", value=text, length=length)
            yield {
                "data_key": data_key.hex(),
                "version": version,
                "normaliser": normaliser,
                "value": value,
                "normalised": text,
                "length": length,
                "token": made.hex(),
            }


def made() -> str:
    """The whole file."""
    content = {
        "provenance": PROVENANCE,
        "messages": list(messages()),
        "parts": list(parts()),
        "tokens": list(tokens()),
    }
    return json.dumps(content, indent=1) + "\n"


def difference() -> str:
    """What differs between the file and what the code makes now; empty where nothing does."""
    return "".join(
        difflib.unified_diff(
            FILE.read_text().splitlines(keepends=True),
            made().splitlines(keepends=True),
            "frozen",
            "made now",
        )
    )


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        FILE.write_text(made())
    if found := difference():
        print(found)
        return 1
    print(f"{FILE.name}: no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
