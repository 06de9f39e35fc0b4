"""Asherah, native code: one call a field, as its users do, in one session with the intermediate key in its cache."""

from __future__ import annotations

import asherah

from bench.stand_ins import make_tenant
from bench.workload import Calls, Work, same

CONFIGURATION = {
    "ServiceName": "gateway",
    "ProductID": "bench",
    "Metastore": "memory",
    "KMS": "static",
    "StaticMasterKeyHex": "22" * 32,
}


class AsherahFields:
    """As many data row records as fields."""

    def __init__(self) -> None:
        self._session = asherah.SessionFactory(CONFIGURATION).get_session(make_tenant(1).tenant)

    def prepare(self, work: Work) -> Calls:
        """Encrypt and decrypt each text by itself."""
        encrypt, decrypt, texts = self._session.encrypt_text, self._session.decrypt_text, work.texts
        records = [encrypt(text) for text in texts]
        same([decrypt(record) for record in records], texts)
        return Calls(
            lambda: [encrypt(text) for text in texts],
            lambda: [decrypt(record) for record in records],
        )
