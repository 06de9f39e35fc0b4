"""Sealed parts moved to where they do not belong: every swap of tenant, class, collection, record or version fails."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest

from crypto.context import EncryptionContext, Purpose
from crypto.errors import DecryptionFailed
from crypto.keyring import TenantKeyRef
from crypto.part import Binding, decode_part, encode_part
from tests.crypto.kms import ACME, EUROPE, GLOBEX, MemoryKms, Process

PROCESS = Process(MemoryKms(), region=EUROPE)


@dataclass(frozen=True)
class Place:
    """Where a part belongs."""

    key: TenantKeyRef
    classification: str
    collection: str
    record: str
    version: int

    @property
    def context(self) -> EncryptionContext:
        return EncryptionContext(self.key.tenant, self.classification, Purpose.RECORD)

    @property
    def binding(self) -> Binding:
        return Binding(self.collection, self.record, self.version)


PLACES = [
    Place(*parts)
    for parts in product(
        (ACME, GLOBEX), ("pii", "pci"), ("people", "invoices"), ("r-1", "r-2"), (1, 2)
    )
]


def seal(place: Place) -> bytes:
    plaintext = encode_part({"secret": f"of {place}"}, place.binding)
    return PROCESS.envelope.seal(plaintext, key=place.key, context=place.context).message


def unseal(message: bytes, place: Place) -> object:
    plaintext = PROCESS.envelope.open(message, key=place.key, context=place.context)
    return decode_part(plaintext, place.binding)["secret"]


def test_of_all_pairs_of_places_only_the_right_one_opens() -> None:
    sealed = {place: seal(place) for place in PLACES}
    for place, message in sealed.items():
        assert unseal(message, place) == f"of {place}"
        for other in PLACES:
            if other != place:
                with pytest.raises(DecryptionFailed):
                    unseal(message, other)


def test_a_message_of_another_purpose_is_not_a_part() -> None:
    place = PLACES[0]
    context = EncryptionContext(place.key.tenant, place.classification, Purpose.VALUE)
    plaintext = encode_part({"secret": "x"}, place.binding)
    message = PROCESS.envelope.seal(plaintext, key=place.key, context=context).message
    with pytest.raises(DecryptionFailed):
        unseal(message, place)


def test_halves_of_two_messages_make_none() -> None:
    """Head of one and body of another, cut at every place where both have the same fields."""
    place = PLACES[0]
    one, other = seal(place), seal(place)
    assert len(one) == len(other)
    for at in range(4, len(one)):
        spliced = one[:at] + other[at:]
        if spliced not in {one, other}:
            with pytest.raises(DecryptionFailed):
                unseal(spliced, place)
