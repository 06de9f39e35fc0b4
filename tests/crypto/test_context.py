"""The encryption context: its rules, and its bytes as the Encryption SDK writes them."""

from __future__ import annotations

import pytest
from aws_encryption_sdk.internal.formatting.encryption_context import serialize_encryption_context
from hypothesis import given
from hypothesis import strategies as st

from crypto.context import EncryptionContext, Purpose, encode_pairs
from crypto.errors import InvalidEncryptionContext


@given(
    st.dictionaries(
        st.text(max_size=30).filter(lambda key: not key.startswith("aws-crypto-")),
        st.text(max_size=50),
        max_size=10,
    )
)
def test_pairs_are_written_as_the_sdk_writes_them(pairs: dict[str, str]) -> None:
    assert encode_pairs(pairs) == bytes(serialize_encryption_context(pairs))


@pytest.mark.parametrize("value", ["", "*", "a*", "a b", "?", "${aws:x}", "x" * 65, "é"])
def test_a_value_that_a_policy_could_match_by_accident_is_refused(value: str) -> None:
    with pytest.raises(InvalidEncryptionContext):
        EncryptionContext(value, "pii", Purpose.RECORD)
    with pytest.raises(InvalidEncryptionContext):
        EncryptionContext("t", value, Purpose.RECORD)


def test_more_than_kms_takes_is_refused() -> None:
    with pytest.raises(InvalidEncryptionContext):
        encode_pairs({str(n): "v" for n in range(65)})
    with pytest.raises(InvalidEncryptionContext):
        encode_pairs({"k": "v" * 9_000})
    with pytest.raises(InvalidEncryptionContext):
        encode_pairs({"k" * 4_096: "v" * 4_091})
    assert len(encode_pairs({"k" * 4_096: "v" * 4_090})) == 8_192
    assert encode_pairs({str(n): "v" for n in range(64)})[:2] == b"\x00\x40"
