"""Our own vectors: made again bit by bit, opened, refused, and read by the Encryption SDK."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crypto.context import encode_pairs
from crypto.errors import DecryptionFailed
from crypto.message import open_body, read_header
from crypto.part import Binding, decode_part
from tests.crypto.sdk import sdk_decrypt
from tests.vectors import freeze

FROZEN = json.loads(freeze.FILE.read_text())
MESSAGES = FROZEN["messages"]


def data(vector: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(vector[name]) for name in names]


def test_the_code_makes_what_is_frozen() -> None:
    assert freeze.difference() == ""


def test_a_difference_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert freeze.main([]) == 0
    monkeypatch.setitem(freeze.PLAINTEXTS, "short", b"changed")
    assert freeze.main([]) == 1
    assert "+++ made now" in capsys.readouterr().out


@pytest.mark.parametrize("vector", MESSAGES, ids=lambda vector: vector["name"])
def test_a_frozen_message_does_what_is_expected_of_it(vector: dict[str, Any]) -> None:
    message, data_key, plaintext = data(vector, "message", "data_key", "plaintext")
    if vector["expect"] == "refused":
        with pytest.raises(DecryptionFailed):
            open_body(message, read_header(message), data_key)
        return
    header = read_header(message)
    assert header.is_ours
    assert header.context == encode_pairs(vector["context"])
    assert open_body(message, header, data_key) == plaintext
    assert sdk_decrypt(message, data_key) == (plaintext, vector["context"])


@pytest.mark.parametrize("vector", FROZEN["parts"])
def test_a_frozen_part_opens_in_its_place(vector: dict[str, Any]) -> None:
    binding = Binding(vector["collection"], vector["record"], vector["version"])
    assert decode_part(bytes.fromhex(vector["plaintext"]), binding) == vector["fields"]
