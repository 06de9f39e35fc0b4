"""Google Tink's AEAD from a keyset in memory: native code, one key for all messages, no data key in the message."""

from __future__ import annotations

import tink
from tink import aead

from bench.stand_ins import make_context, make_tenant
from bench.workload import Calls, Work, same


class TinkAead:
    """AES-256-GCM under one key, the encryption context as associated data."""

    def __init__(self) -> None:
        aead.register()
        keyset = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM)
        self._aead = keyset.primitive(aead.Aead)

    def prepare(self, work: Work) -> Calls:
        """One ciphertext of the part's bytes."""
        cipher, plaintext = self._aead, work.plaintext
        context = make_context(make_tenant(1)).encode()
        ciphertext = cipher.encrypt(plaintext, context)
        same(cipher.decrypt(ciphertext, context), plaintext)
        return Calls(
            lambda: cipher.encrypt(plaintext, context), lambda: cipher.decrypt(ciphertext, context)
        )
