"""Fernet of pyca/cryptography: one static key, no tenant, no key commitment, text out. What most Django fields use."""

from __future__ import annotations

from cryptography.fernet import Fernet

from bench.workload import Calls, Work, same


class FernetToken:
    """One token of the part's bytes."""

    def __init__(self) -> None:
        self._fernet = Fernet(Fernet.generate_key())

    def prepare(self, work: Work) -> Calls:
        """AES-128-CBC and HMAC-SHA256 over the bytes, in URL-safe base64."""
        fernet, plaintext = self._fernet, work.plaintext
        token = fernet.encrypt(plaintext)
        same(fernet.decrypt(token), plaintext)
        return Calls(lambda: fernet.encrypt(plaintext), lambda: fernet.decrypt(token))
