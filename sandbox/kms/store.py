"""All keys and aliases: in memory for reading, written through to the database before anyone sees a change."""

from __future__ import annotations

import math
import secrets
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from sandbox.kms.clock import Clock
from sandbox.kms.database import Database
from sandbox.kms.keys import Alias, KeySet, RegionalKey
from sandbox.kms.records import Entity, dump, load, name_of

_DAY = 86_400


class Store:
    """The state of all Regions."""

    def __init__(self, database: Database) -> None:
        """Read everything that the database holds."""
        self._database = database
        self._key_sets: dict[str, KeySet] = {}
        self._related: dict[str, dict[str, RegionalKey]] = defaultdict(dict)  # key id -> Region
        self._by_region: dict[str, dict[str, RegionalKey]] = defaultdict(dict)  # Region -> key id
        self._aliases: dict[str, dict[tuple[str, str], Alias]] = defaultdict(dict)
        self._names: dict[tuple[str, str], set[str]] = defaultdict(set)  # Region, key id -> aliases
        self._next_deletion = math.inf
        settings = {}
        for kind, name, body in database.records():
            if kind == "setting":
                settings[name] = body
            else:
                self._remember(load(kind, body))
        self.clock = Clock(float(settings.get("clock_offset", 0)))
        self.sealing_key = self._sealing_key(settings.get("sealing_key"))

    def _sealing_key(self, kept: str | None) -> bytes:
        """The secret that makes every ciphertext of this stand-in opaque and tamper evident as a whole."""
        key = b64decode(kept) if kept else secrets.token_bytes(32)
        if not kept:
            self._database.write([("setting", "sealing_key", b64encode(key).decode())])
        return key

    def find_key(self, region: str, key_id: str) -> RegionalKey | None:
        """The key in that Region, unless it is absent or deleted by now."""
        related = self._related.get(key_id)
        return related.get(region) if related else None

    def key_set(self, key: RegionalKey) -> KeySet:
        """What the key shares with its relatives."""
        return self._key_sets[key.key_id]

    def related(self, key: RegionalKey) -> Mapping[str, RegionalKey]:
        """The key and its relatives by Region."""
        return self._related[key.key_id]

    def is_primary(self, key: RegionalKey) -> bool:
        """Whether it is the primary of its relatives. A single-Region key is its own."""
        return self.key_set(key).primary_region == key.region

    def keys(self, region: str, account: str) -> list[RegionalKey]:
        """The account's keys in that Region, in the order of their ids."""
        found = (key for key in self._by_region[region].values() if key.account == account)
        return sorted(found, key=lambda key: key.key_id)

    def find_alias(self, region: str, account: str, name: str) -> Alias | None:
        """The alias of that name."""
        return self._aliases[region].get((account, name))

    def aliases(self, region: str, account: str) -> list[Alias]:
        """The account's aliases in that Region, by name."""
        found = (alias for alias in self._aliases[region].values() if alias.account == account)
        return sorted(found, key=lambda alias: alias.name)

    def aliases_of(self, key: RegionalKey) -> list[Alias]:
        """The aliases of one key, by name."""
        names = sorted(self._names.get((key.region, key.key_id), ()))
        return [self._aliases[key.region][key.account, name] for name in names]

    def put(self, *entities: Entity) -> None:
        """Write new or changed entities, all or none, then show them."""
        self._database.write([(*name_of(entity), dump(entity)) for entity in entities])
        for entity in entities:
            self._remember(entity)

    def delete_alias(self, alias: Alias) -> None:
        """Forget the alias."""
        self._database.write([], [name_of(alias)])
        self._forget_alias(alias)

    def advance_clock(self, seconds: float) -> None:
        """Move the time on, for good; raises ValueError for a step back."""
        self.clock.advance(seconds)
        self._database.write([("setting", "clock_offset", str(self.clock.offset))])

    def settle(self, now: float) -> None:
        """Do what time has done: delete keys whose waiting period is over."""
        while now >= self._next_deletion:
            due = [
                key
                for keys in self._by_region.values()
                for key in keys.values()
                if key.deletion_at is not None and key.deletion_at <= now
            ]
            for key in due:
                self._delete_key(key)
            self._next_deletion = min(
                (
                    key.deletion_at
                    for keys in self._by_region.values()
                    for key in keys.values()
                    if key.deletion_at is not None
                ),
                default=math.inf,
            )

    def _delete_key(self, key: RegionalKey) -> None:
        """Delete one key, its aliases, and with the last of its relatives the key material."""
        key_set = self.key_set(key)
        aliases = self.aliases_of(key)
        relatives = [item for item in self.related(key).values() if item.region != key.region]
        gone: list[Entity] = [key, *aliases, *(() if relatives else (key_set,))]
        promoted = _start_waiting(key_set, relatives, key.deletion_at or 0.0)
        self._database.write(
            [(*name_of(item), dump(item)) for item in promoted], [name_of(item) for item in gone]
        )
        for alias in aliases:
            self._forget_alias(alias)
        del self._related[key.key_id][key.region]
        del self._by_region[key.region][key.key_id]
        if not relatives:
            del self._related[key.key_id], self._key_sets[key.key_id]
        for item in promoted:
            self._remember(item)

    def _remember(self, entity: Entity) -> None:
        match entity:
            case KeySet():
                self._key_sets[entity.key_id] = entity
            case RegionalKey():
                self._related[entity.key_id][entity.region] = entity
                self._by_region[entity.region][entity.key_id] = entity
                if entity.deletion_at is not None:
                    self._next_deletion = min(self._next_deletion, entity.deletion_at)
            case Alias():
                if former := self.find_alias(entity.region, entity.account, entity.name):
                    self._forget_alias(former)
                self._aliases[entity.region][entity.account, entity.name] = entity
                self._names[entity.region, entity.key_id].add(entity.name)

    def _forget_alias(self, alias: Alias) -> None:
        del self._aliases[alias.region][alias.account, alias.name]
        self._names[alias.region, alias.key_id].discard(alias.name)
        if not self._names[alias.region, alias.key_id]:
            del self._names[alias.region, alias.key_id]

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _start_waiting(
    key_set: KeySet, relatives: list[RegionalKey], moment: float
) -> list[RegionalKey]:
    """A primary key whose last replica goes begins its own waiting period at that moment."""
    if len(relatives) != 1 or relatives[0].region != key_set.primary_region:
        return []
    primary = relatives[0]
    if primary.pending_days is None or primary.deletion_at is not None:
        return []
    return [replace(primary, deletion_at=moment + primary.pending_days * _DAY)]
