"""Independent clients open what was sealed through the door, in another Region; and the door opens what they write.

Bytes are compared, never exit codes: the command line client exits 0 without output when the context is another.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crypto.arn import KeyArn
from crypto.conf import CryptoSettings
from crypto.context import EncryptionContext, Purpose
from crypto.envelope import Envelope
from crypto.errors import DecryptionFailed
from crypto.keyring import TenantKeyRef
from crypto.message import read_header
from crypto.part import Binding, encode_part
from tests.crypto.kms import MemoryStore
from tests.judges.clients import Client, Place, command_line, javascript
from tests.sandbox.kms_cast import EUROPE, HOME, IDENTITIES, REGIONS, Cast, standing_in, statement

PII = EncryptionContext("acme", "pii", Purpose.RECORD)
PLAINTEXTS = [
    b"",
    b"x",
    encode_part({"ssn": "078-05-1120", "name": "Zo\u00eb \U0001f511"}, Binding("people", "r-1", 1)),
    bytes(4_096),
    bytes(range(256)) * 400,
]


class World:
    """Acme's key in all three Regions of a KMS stand-in, and a process in each."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.arn = cast.key()
        for region in REGIONS[1:]:
            cast.replica(self.arn, region)
        self.key = TenantKeyRef("acme", 1, KeyArn.parse(self.arn), REGIONS)
        self._store = MemoryStore()

    def envelope(self, region: str) -> Envelope:
        """A process of that Region, which signs with that Region's role wherever it calls."""
        clients: Any = _Clients(self.cast, f"use{region}")
        settings = CryptoSettings(region=region, regions=REGIONS)
        return Envelope(settings=settings, clients=clients, store=self._store)

    def place(self, region: str, who: str = "operator") -> Place:
        access_key = f"AKIA{who.upper()}"
        return Place(
            region=region,
            endpoint=self.cast.stand_in.endpoints[region],
            key_arn=self.arn.replace(HOME, region),
            access_key=access_key,
            secret=IDENTITIES[access_key]["secret"],
        )

    def sealed(self) -> list[bytes]:
        envelope = self.envelope(HOME)
        return [envelope.seal(text, key=self.key, context=PII).message for text in PLAINTEXTS]


class _Clients:
    def __init__(self, cast: Cast, who: str) -> None:
        self._cast, self._who = cast, who

    def kms(self, region: str, plane: object) -> Any:
        return self._cast.kms(self._who, region)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with standing_in(tmp_path_factory.mktemp("kms"), transition_seconds=0) as cast:
        yield World(cast)


@pytest.fixture(params=["command line", "JavaScript"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    return command_line(tmp_path) if request.param == "command line" else javascript()


def test_it_opens_what_we_sealed_with_the_replica_key_of_another_region(
    client: Client, world: World
) -> None:
    messages = world.sealed()
    world.cast.stand_in.set_mode(HOME, "down")
    try:
        place = world.place(EUROPE, f"use{EUROPE}")
        assert client.decrypt(messages, place, PII.as_dict()) == PLAINTEXTS
    finally:
        world.cast.stand_in.set_mode(HOME, "up")
    used = world.cast.stand_in.events(EUROPE)[-1]
    assert [resource["ARN"] for resource in used["resources"]] == [place.key_arn]


def test_it_opens_nothing_that_is_damaged_or_of_another_context(
    client: Client, world: World
) -> None:
    message = world.sealed()[2]
    damaged = [message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :] for at in (40, 300, -1)]
    place = world.place(EUROPE)
    nothing: list[bytes | None] = [None]
    assert client.decrypt([*damaged, message[:-1]], place, PII.as_dict()) == nothing * 4
    assert client.decrypt([message], place, PII.as_dict() | {"class": "pci"}) == nothing
    assert client.decrypt([message], place, PII.as_dict()) == [PLAINTEXTS[2]]


def test_it_opens_nothing_in_a_region_whose_key_policy_forbids_it(
    client: Client, world: World
) -> None:
    messages, place = world.sealed()[:1], world.place(EUROPE)
    allow = statement("*", "kms:*")
    world.cast.put_policy(place.key_arn, statement("*", "kms:Decrypt", "Deny"), allow)
    try:
        assert client.decrypt(messages, place, PII.as_dict()) == [None]
    finally:
        world.cast.put_policy(place.key_arn, allow)
    assert client.decrypt(messages, place, PII.as_dict()) == [b""]


def test_the_door_opens_what_it_writes_in_every_region(client: Client, world: World) -> None:
    messages = client.encrypt(PLAINTEXTS, world.place(EUROPE), PII.as_dict())
    headers = [read_header(message) for message in messages]
    assert all(header.signed and header.frame_length == 256 for header in headers)
    for region in REGIONS:
        envelope = world.envelope(region)
        assert [envelope.open(message, key=world.key, context=PII) for message in messages] == (
            PLAINTEXTS
        )
    resealed = world.envelope(HOME).reseal(messages[2], key=world.key, context=PII).message
    assert client.decrypt([resealed], world.place(EUROPE), PII.as_dict()) == [PLAINTEXTS[2]]


def test_the_door_refuses_what_it_writes_for_another_place(client: Client, world: World) -> None:
    for other in ({"tenant": "globex"}, {"class": "pci"}, {"more": "pairs"}):
        (message,) = client.encrypt([b"x"], world.place(EUROPE), PII.as_dict() | other)
        with pytest.raises(DecryptionFailed):
            world.envelope(EUROPE).open(message, key=world.key, context=PII)
