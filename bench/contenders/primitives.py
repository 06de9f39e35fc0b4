"""The least that the format costs in Python: its calls of pyca/cryptography, with nothing around them."""

from __future__ import annotations

import hmac
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hmac import HMAC

from bench.workload import Calls, Work, same

_SHA512 = SHA512()
_KEY, _IV = os.urandom(32), bytes(12)
_HEADER, _BODY = bytes(460), bytes(78)  # the lengths of what is authenticated


class Primitives:
    """A fresh salt, HKDF-SHA512 to a key and a commitment, and AES-GCM over the header and over the bytes."""

    def prepare(self, work: Work) -> Calls:
        """No message is written or read."""
        plaintext = work.plaintext
        salt = os.urandom(32)
        key, commitment = _derive(salt)
        cipher = AESGCM(key)
        tag, content = cipher.encrypt(_IV, b"", _HEADER), cipher.encrypt(_IV, plaintext, _BODY)

        def seal() -> None:
            fresh = AESGCM(_derive(os.urandom(32))[0])
            fresh.encrypt(_IV, b"", _HEADER)
            fresh.encrypt(_IV, plaintext, _BODY)

        def open_() -> bytes:
            found_key, found = _derive(salt)
            same(hmac.compare_digest(found, commitment), True)
            found_cipher = AESGCM(found_key)
            found_cipher.decrypt(_IV, tag, _HEADER)
            return found_cipher.decrypt(_IV, content, _BODY)

        same(open_(), plaintext)
        return Calls(seal, open_)


def _derive(salt: bytes) -> tuple[bytes, bytes]:
    extract = HMAC(salt, _SHA512)
    extract.update(_KEY)
    derived = HMAC(extract.finalize(), _SHA512)
    commitment = derived.copy()
    derived.update(b"\x04\x78DERIVEKEY\x01")
    commitment.update(b"COMMITKEY\x01")
    return derived.finalize()[:32], commitment.finalize()[:32]
