"""The state of all Regions: in memory for reading, written through to the database before anyone sees a change."""

from __future__ import annotations

import math
import secrets
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable, Mapping

from sandbox.kms.accounts import AccessKey, Principal
from sandbox.kms.clock import Clock
from sandbox.kms.database import Database
from sandbox.kms.grants import Grant
from sandbox.kms.keys import Alias, KeySet, RegionalKey
from sandbox.kms.records import Entity, dump, load, name_of
from sandbox.kms.shelves import Accounts, Aliases, Grants


class Store:
    """Keys, and on shelves of their own aliases, grants, and the accounts' users and roles.

    `next_due` is when time itself next changes a key (`settling`): earlier than that nothing has to be looked for.
    """

    def __init__(self, database: Database) -> None:
        """Read everything that the database holds."""
        self._database = database
        self._key_sets: dict[str, KeySet] = {}
        self._related: dict[str, dict[str, RegionalKey]] = defaultdict(dict)  # key id -> Region
        self._by_region: dict[str, dict[str, RegionalKey]] = defaultdict(dict)  # Region -> key id
        self.aliases = Aliases()
        self.grants = Grants()
        self.accounts = Accounts()
        self.next_due = -math.inf
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

    def primary_of(self, key_set: KeySet) -> RegionalKey:
        """The primary of related keys. A single-Region key is its own."""
        return self._related[key_set.key_id][key_set.primary_region]

    def is_primary(self, key: RegionalKey) -> bool:
        """Whether it is the primary of its relatives."""
        return self.key_set(key).primary_region == key.region

    def keys(self, region: str, account: str) -> list[RegionalKey]:
        """The account's keys in that Region, in the order of their ids."""
        found = (key for key in self._by_region[region].values() if key.account == account)
        return sorted(found, key=lambda key: key.key_id)

    def has_keys(self, region: str, account: str, count: int) -> bool:
        """Whether the account has that many keys in that Region, or more."""
        keys = self._by_region[region]
        # Counted one by one only where there are enough of all accounts together.
        return len(keys) >= count <= sum(key.account == account for key in keys.values())

    def all_keys(self) -> list[RegionalKey]:
        """Every key of every account and Region."""
        return [key for keys in self._by_region.values() for key in keys.values()]

    def all_key_sets(self) -> list[KeySet]:
        """What each set of related keys shares."""
        return list(self._key_sets.values())

    def put(self, *entities: Entity) -> None:
        """Write new or changed entities, all or none, then show them."""
        self.change(puts=entities)

    def delete(self, *entities: Entity) -> None:
        """Forget entities, all or none."""
        self.change(deletes=entities)

    def change(self, *, puts: Iterable[Entity] = (), deletes: Iterable[Entity] = ()) -> None:
        """Write and forget, all of it or nothing."""
        puts, deletes = tuple(puts), tuple(deletes)
        self._database.write(
            [(*name_of(entity), dump(entity)) for entity in puts],
            [name_of(entity) for entity in deletes],
        )
        for entity in deletes:
            self._forget(entity)
        for entity in puts:
            self._remember(entity)

    def advance_clock(self, seconds: float) -> None:
        """Move the time on, for good; raises ValueError for a step back."""
        self.clock.advance(seconds)
        self._database.write([("setting", "clock_offset", str(self.clock.offset))])

    def _remember(self, entity: Entity) -> None:
        match entity:
            case KeySet():
                self._key_sets[entity.key_id] = entity
                self._expect(entity.next_rotation_at)
            case RegionalKey():
                self._related[entity.key_id][entity.region] = entity
                self._by_region[entity.region][entity.key_id] = entity
                self._expect(entity.deletion_at)
                for copy in entity.imported.values():
                    self._expect(copy.expires_at)
            case Alias():
                self.aliases.add(entity)
            case Grant():
                self.grants.add(entity)
            case Principal() | AccessKey():
                self.accounts.add(entity)

    def _forget(self, entity: Entity) -> None:
        match entity:
            case KeySet():
                del self._key_sets[entity.key_id]
            case RegionalKey():
                del self._by_region[entity.region][entity.key_id]
                del self._related[entity.key_id][entity.region]
                if not self._related[entity.key_id]:
                    del self._related[entity.key_id]
            case Alias():
                self.aliases.remove(entity)
            case Grant():
                self.grants.remove(entity)
            case Principal() | AccessKey():
                self.accounts.remove(entity)

    def _expect(self, moment: float | None) -> None:
        if moment is not None:
            self.next_due = min(self.next_due, moment)

    def close(self) -> None:
        """Close the database."""
        self._database.close()
