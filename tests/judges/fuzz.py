"""Coverage-guided fuzzing of the door: whatever bytes come in, `DecryptionFailed` comes out, and KMS is seldom asked.

    python -m tests.judges.fuzz [libFuzzer's options, as -max_total_time=60]

The corpus holds one message of each shape, all under a data key of zeros, which the KMS of this file gives for every
ciphertext; so damage reaches the last check. `python -m tests.judges.fuzz --corpus` writes it anew.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Behind this project's own packages, so that what is fuzzed is what it runs with.
sys.path.append(str(ROOT / ".venv-judges" / "lib" / "python3.11" / "site-packages"))

import atheris  # type: ignore[import-untyped]  # noqa: E402 - found by the line above

with atheris.instrument_imports(include=["crypto", "aws_encryption_sdk"]):
    from aws_encryption_sdk.internal.formatting.deserialize import deserialize_header

    from crypto.arn import KeyArn
    from crypto.context import EncryptionContext, Purpose, encode_pairs
    from crypto.errors import DecryptionFailed, InvalidKeyArn
    from crypto.foreign import PUBLIC_KEY
    from crypto.message import EncryptedDataKey, encode_names, read_header, seal_message
    from crypto.part import Binding, decode_part
    from tests.crypto.kms import ACME, ARN, MemoryKms, Process
    from tests.crypto.sdk import SIGNED, SUITE, Wrapped, sdk_encrypt

CORPUS = Path(__file__).with_name("corpus")
PII = EncryptionContext("acme", "pii", Purpose.RECORD)
WRAPPED = Wrapped(b"wrapped")


class AnyKey(MemoryKms):
    """Gives the data key of zeros for whatever it is asked to decrypt."""

    def kms(self, region: str, plane: object) -> Any:
        return self

    def decrypt(self, **request: Any) -> dict[str, Any]:
        self.calls.append(("", "Decrypt", request["KeyId"]))
        return {"KeyId": request["KeyId"], "Plaintext": bytes(32)}


PROCESS = Process(AnyKey(), cache_size=64)
GENUINE = {path.read_bytes() for path in CORPUS.iterdir()} if CORPUS.is_dir() else set()


def shapes() -> dict[str, bytes]:
    """One message of each shape."""

    def sdk(plaintext: bytes, *keys: Wrapped, **how: Any) -> bytes:
        return sdk_encrypt(plaintext, lambda _: (bytes(32), [WRAPPED, *keys]), PII.as_dict(), **how)

    def ours(plaintext: bytes) -> bytes:
        return seal_message(
            plaintext,
            data_key=bytes(32),
            names=encode_names(PII.encode(), EncryptedDataKey(ARN.encode(), b"wrapped")),
            message_id=bytes(32),
        )

    return {
        "ours-empty": ours(b""),
        "ours": ours(b"4111 1111 1111 1111"),
        "frames": sdk(bytes(300), frame=128, suite=SUITE),
        "no-frames": sdk(bytes(30), frame=0, suite=SUITE),
        "signed": sdk(bytes(30), suite=SIGNED),
        "signed-frames-two-keys": sdk(
            bytes(300), Wrapped(b"safe", "safe-1", "raw-rsa"), frame=128, suite=SIGNED
        ),
    }


def one_input(data: bytes) -> None:
    """Everything that must hold for any bytes; what does not hold raises, which ends the run."""
    agrees_with_the_sdk(data)
    opens_only_what_is_genuine(data)
    with suppress(DecryptionFailed):
        decode_part(data, Binding("people", "r-1", 1))
    with suppress(InvalidKeyArn):
        assert str(KeyArn.parse(data.decode("utf-8", "surrogateescape"))).encode() == data


def agrees_with_the_sdk(data: bytes) -> None:
    try:
        header = read_header(data)
    except DecryptionFailed:
        return
    try:
        theirs, raw = deserialize_header(BytesIO(data), 3)
    except Exception:
        # Text that is no UTF-8, or a malformed context: the door compares contexts with what it expects, byte by byte.
        return
    assert len(raw) == header.length
    assert theirs.algorithm.is_committing()
    assert (theirs.message_id, theirs.commitment_key) == (header.message_id, header.commitment)
    assert theirs.frame_length == header.frame_length
    if header.context == PII.encode():
        assert encode_pairs(theirs.encryption_context) == header.context


def opens_only_what_is_genuine(data: bytes) -> None:
    asked = len(PROCESS.kms.calls)
    try:
        PROCESS.envelope.open(data, key=ACME, context=PII)
    except DecryptionFailed:
        if len(PROCESS.kms.calls) > asked:
            context = read_header(data).context
            assert context == PII.encode() or PUBLIC_KEY.encode() in context
            assert len(PROCESS.kms.calls) - asked <= 3
    else:
        assert data in GENUINE, data.hex()


def main(arguments: list[str]) -> None:
    """Write the corpus, or fuzz until the time is up; findings go to the folder of the run."""
    if arguments == ["--corpus"]:
        CORPUS.mkdir(exist_ok=True)
        for name, message in shapes().items():
            (CORPUS / name).write_bytes(message)
        return
    found = tempfile.mkdtemp(prefix="fuzz-")
    where = f"-artifact_prefix={found}/"
    atheris.Setup([sys.argv[0], where, *arguments, found, str(CORPUS)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
