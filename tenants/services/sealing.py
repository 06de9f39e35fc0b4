"""Seals and opens the parts of records, and makes search tokens, for one caller and collection.

Nothing here may run inside a scope: each call may reach KMS.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from crypto.blind_index import IndexKey, token
from crypto.context import Purpose
from crypto.errors import DecryptionFailed
from crypto.part import Binding, JsonValue, decode_part, encode_part
from tenants.schema import Field, SearchTerm
from tenants.selectors import Caller
from tenants.selectors.collections import StoredCollection
from tenants.selectors.records import StoredRecord
from tenants.services.key_use import KeyUse

log = logging.getLogger(__name__)

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
    """One request's work on one collection: its parts and its search tokens."""

    def __init__(self, caller: Caller, collection: StoredCollection) -> None:
        """The tenant comes from the caller's credential. Raises `TenantNotActive` before the tenant has a key."""
        self._use = KeyUse(caller)
        self._collection = collection
        self._index_keys: dict[str, IndexKey] = {}

    def seal(
        self, fields: Mapping[str, Mapping[str, JsonValue]], record_id: str, version: int
    ) -> list[NewPart]:
        """One part a classification. Raises `RegionNotAllowed` and the errors of KMS."""
        self._use.check(fields, "encrypt")
        binding = Binding(self._collection.name, record_id, version)
        return [self._seal(name, encode_part(values, binding)) for name, values in fields.items()]

    def open(
        self, record: StoredRecord, classifications: Collection[str] | None = None
    ) -> dict[str, dict[str, JsonValue]]:
        """The sealed fields of a record by classification, of these or (None) of all: every part of them, or none.

        Raises `RegionNotAllowed`, `DecryptionFailed` and the errors of KMS.
        """
        try:
            return self._open_parts(record, classifications)
        except DecryptionFailed:
            log.error("Record %s of tenant %s does not open.", record.id, self._use.tenant)
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

    def _seal(self, classification: str, plaintext: bytes) -> NewPart:
        sealed = self._use.seal(plaintext, classification, Purpose.RECORD)
        return NewPart(classification, sealed.message, sealed.data_key_id)

    def _open_parts(
        self, record: StoredRecord, classifications: Collection[str] | None
    ) -> dict[str, dict[str, JsonValue]]:
        schema = self._collection.schema
        wanted = schema.parts if classifications is None else classifications
        names = [part.classification for part in record.parts]
        for name in names:
            if name not in wanted:
                raise DecryptionFailed
        self._use.check(names, "decrypt")
        opened = {}
        for name, version, message in record.parts:
            plaintext = self._use.open(message, name, Purpose.RECORD)
            binding = Binding(self._collection.name, record.record_id, version)
            opened[name] = decode_part(plaintext, binding)
        if schema.lacks_required(opened, wanted):
            raise DecryptionFailed
        return opened

    def _index_key(self, field: Field) -> IndexKey:
        name = field.classification
        if name not in self._index_keys:
            self._use.check([name], "decrypt")
            self._index_keys[name] = self._use.index_key(name)
        return self._index_keys[name]
