"""Indexes over what the store holds: aliases by name and by key, grants by id and by key, principals by account."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sandbox.kms.accounts import AccessKey, Principal
from sandbox.kms.grants import Grant
from sandbox.kms.keys import Alias, RegionalKey


class Aliases:
    """Aliases of every account and Region."""

    def __init__(self) -> None:
        self._by_name: dict[tuple[str, str], dict[str, Alias]] = defaultdict(dict)
        self._by_key: dict[tuple[str, str], dict[str, Alias]] = defaultdict(dict)

    def find(self, region: str, account: str, name: str) -> Alias | None:
        """The alias of that name."""
        return self._by_name[region, account].get(name)

    def of_account(self, region: str, account: str) -> list[Alias]:
        """The account's aliases in that Region, by name."""
        return sorted(self._by_name[region, account].values(), key=lambda alias: alias.name)

    def of_key(self, key: RegionalKey) -> list[Alias]:
        """The aliases of one key, by name."""
        found = self._by_key.get((key.region, key.key_id))
        return sorted(found.values(), key=lambda alias: alias.name) if found else []

    def add(self, alias: Alias) -> None:
        """Add it, in the place of one of the same name."""
        if former := self.find(alias.region, alias.account, alias.name):
            self.remove(former)
        self._by_name[alias.region, alias.account][alias.name] = alias
        self._by_key[alias.region, alias.key_id][alias.name] = alias

    def remove(self, alias: Alias) -> None:
        """Forget it."""
        del self._by_name[alias.region, alias.account][alias.name]
        _drop(self._by_key, (alias.region, alias.key_id), alias.name)


class Grants:
    """Grants of every key."""

    def __init__(self) -> None:
        self._by_id: dict[str, Grant] = {}
        self._by_key: dict[tuple[str, str], dict[str, Grant]] = defaultdict(dict)

    def find(self, grant_id: str) -> Grant | None:
        """The grant of that id."""
        return self._by_id.get(grant_id)

    def of_key(self, key: RegionalKey) -> list[Grant]:
        """The grants of one key, in the order of their ids."""
        found = self._by_key.get((key.region, key.key_id))
        return sorted(found.values(), key=lambda grant: grant.id) if found else []

    def retirable_by(self, region: str, principal: str) -> list[Grant]:
        """The grants of that Region with that retiring principal, in the order of their ids."""
        found = (
            grant
            for grant in self._by_id.values()
            if grant.region == region and grant.retiring == principal
        )
        return sorted(found, key=lambda grant: grant.id)

    def add(self, grant: Grant) -> None:
        """Add it."""
        self._by_id[grant.id] = grant
        self._by_key[grant.region, grant.key_id][grant.id] = grant

    def remove(self, grant: Grant) -> None:
        """Forget it."""
        del self._by_id[grant.id]
        _drop(self._by_key, (grant.region, grant.key_id), grant.id)


class Accounts:
    """Users, roles and access keys. `version` counts changes, for whoever keeps what it made of them."""

    def __init__(self) -> None:
        self._principals: dict[tuple[str, str, str], Principal] = {}
        self._access_keys: dict[str, AccessKey] = {}
        self.version = 0

    def find(self, account: str, kind: str, name: str) -> Principal | None:
        """The user or role of that name."""
        return self._principals.get((account, kind, name))

    def find_access_key(self, key_id: str) -> AccessKey | None:
        """The access key of that id."""
        return self._access_keys.get(key_id)

    def of_account(self, account: str, kind: str) -> list[Principal]:
        """The account's users or roles, by name."""
        found = (p for p in self._principals.values() if (p.account, p.kind) == (account, kind))
        return sorted(found, key=lambda principal: principal.name)

    def access_keys_of(self, user: Principal) -> list[AccessKey]:
        """The access keys of one user, by id."""
        owner = (user.account, user.name)
        found = (key for key in self._access_keys.values() if (key.account, key.user) == owner)
        return sorted(found, key=lambda key: key.id)

    def add(self, item: Principal | AccessKey) -> None:
        """Add it, in the place of one of the same name."""
        self.version += 1
        if isinstance(item, Principal):
            self._principals[item.account, item.kind, item.name] = item
        else:
            self._access_keys[item.id] = item

    def remove(self, item: Principal | AccessKey) -> None:
        """Forget it."""
        self.version += 1
        if isinstance(item, Principal):
            del self._principals[item.account, item.kind, item.name]
        else:
            del self._access_keys[item.id]


def _drop(index: dict[tuple[str, str], dict[str, Any]], key: tuple[str, str], name: str) -> None:
    del index[key][name]
    if not index[key]:
        del index[key]
