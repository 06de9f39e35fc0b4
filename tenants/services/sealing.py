"""Seals and opens the parts of records, and makes search tokens, for one caller and collection.

Nothing here may run inside a scope: each call may reach KMS.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from django.conf import settings

from crypto.blind_index import IndexKey, token
from crypto.context import EncryptionContext, Purpose
from crypto.errors import CryptoError, DecryptionFailed
from crypto.keyring import TenantKeyRef
from crypto.part import Binding, JsonValue, decode_part, encode_part
from tenants.errors import TenantNotActive
from tenants.schema import Field, SearchTerm
from tenants.scope import give_back_connections
from tenants.selectors import Caller
from tenants.selectors.collections import StoredCollection
from tenants.selectors.records import StoredRecord
from tenants.services.regions import check_region
from tenants.services.serving import get_envelope

log = logging.getLogger(__name__)
T = TypeVar("T")

# A clear field stands in the row as it is, so its token hides nothing: it only gives clear fields the same index.
_PUBLIC: Final = IndexKey(b"clear fields")


@dataclass(frozen=True, slots=True)
class NewPart:
    """A part that is sealed and not yet stored."""

    classification: str
    message: bytes
    data_key_id: UUID


@dataclass(frozen=True, slots=True)
class NewToken:
    """A search token that is not yet stored."""

    field: str
    token: bytes
    unique: bool


class Sealing:
    """One request's work with keys. A key that fails is not asked for again: a batch must not wait once an item."""

    def __init__(self, caller: Caller, collection: StoredCollection) -> None:
        """The tenant comes from the caller's credential. Raises `TenantNotActive` before the tenant has a key."""
        if caller.key is None:
            raise TenantNotActive("The tenant's key is not made yet.")
        self._caller = caller
        self._tenant = caller.key.tenant
        self._collection = collection
        self._envelope = get_envelope()
        self._keys: dict[tuple[str, bool], TenantKeyRef] = {}
        self._index_keys: dict[str, IndexKey] = {}
        self._failures: dict[tuple[str, Purpose], CryptoError] = {}

    def seal(
        self, fields: Mapping[str, Mapping[str, JsonValue]], record_id: str, version: int
    ) -> list[NewPart]:
        """One part a classification. Raises `RegionNotAllowed` and the errors of KMS."""
        check_region(self._caller, fields, "encrypt")
        give_back_connections()
        binding = Binding(self._collection.name, record_id, version)
        return [self._seal(name, encode_part(values, binding)) for name, values in fields.items()]

    def open(self, record: StoredRecord) -> dict[str, dict[str, JsonValue]]:
        """The sealed fields of a record by classification: all of them or none.

        Raises `RegionNotAllowed`, `DecryptionFailed` and the errors of KMS.
        """
        give_back_connections()
        try:
            return self._open_parts(record)
        except DecryptionFailed:
            log.error("Record %s of tenant %s does not open.", record.id, self._tenant)
            raise

    def tokens(self, terms: Iterable[SearchTerm]) -> list[NewToken]:
        """The search tokens of these terms."""
        return [
            NewToken(term.field, self.token(term.field, term.text), term.unique) for term in terms
        ]

    def token(self, name: str, text: str) -> bytes:
        """The token of one normalised text, the same in every Region.

        Raises `RegionNotAllowed` where this Region may not decrypt the field's class: it could not use the index key
        that the other Regions use, and what it wrote would be found nowhere.
        """
        field = self._collection.schema.fields[name]
        index_key = self._index_key(field) if field.sealed else _PUBLIC
        return token(index_key, collection=self._collection.name, field=name, value=text)

    def _open_parts(self, record: StoredRecord) -> dict[str, dict[str, JsonValue]]:
        known = self._collection.schema.classifications
        if not all(part.classification in known for part in record.parts):
            raise DecryptionFailed
        check_region(self._caller, [part.classification for part in record.parts], "decrypt")
        opened = {
            part.classification: decode_part(
                self._open(part.classification, part.message),
                Binding(self._collection.name, record.record_id, part.version),
            )
            for part in record.parts
        }
        if self._collection.schema.lacks_required(opened):
            raise DecryptionFailed
        return opened

    def _index_key(self, field: Field) -> IndexKey:
        name = field.classification
        if name not in self._index_keys:
            check_region(self._caller, [name], "decrypt")
            give_back_connections()
            self._index_keys[name] = self._asking(
                name,
                Purpose.INDEX,
                lambda: self._envelope.index_key(key=self._key(name), classification=name),
            )
        return self._index_keys[name]

    def _seal(self, classification: str, plaintext: bytes) -> NewPart:
        context, key = self._context(classification), self._key(classification, sealing=True)
        sealed = self._asking(
            classification,
            Purpose.RECORD,
            lambda: self._envelope.seal(plaintext, key=key, context=context),
        )
        return NewPart(classification, sealed.message, sealed.data_key_id)

    def _open(self, classification: str, message: bytes) -> bytes:
        context, key = self._context(classification), self._key(classification)
        return self._asking(
            classification,
            Purpose.RECORD,
            lambda: self._envelope.open(message, key=key, context=context),
        )

    def _context(self, classification: str) -> EncryptionContext:
        return EncryptionContext(self._tenant, classification, Purpose.RECORD)

    def _key(self, classification: str, *, sealing: bool = False) -> TenantKeyRef:
        place = (classification, sealing)
        if place not in self._keys:
            region: str = settings.GATEWAY_REGION
            self._keys[place] = self._caller.key_for(region, classification, sealing=sealing)
        return self._keys[place]

    def _asking(self, classification: str, purpose: Purpose, call: Callable[[], T]) -> T:
        place = (classification, purpose)
        if place in self._failures:
            raise self._failures[place]
        try:
            return call()
        except DecryptionFailed:
            raise  # of one message; the others may be sound
        except CryptoError as failure:
            self._failures[place] = failure
            raise
