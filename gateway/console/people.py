"""Who somebody is: ids of actors as the addresses and names that the tenant knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.console.access import Visitor
from gateway.console.words import plain
from tenants.selectors import TenantView, list_api_keys, list_members


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asked for something: their address where the tenant knows one, and what they acted as."""

    kind: str
    id: str
    name: str

    @property
    def title(self) -> str:
        """The address, or what they are."""
        return self.name or self.kind


def names_of(tenant: TenantView, visitor: Visitor) -> Mapping[str, str]:
    """Addresses of members and of the visitor, names of API keys; by id."""
    members = list_members(tenant.id)
    return {
        **{str(key.id): key.name for key in list_api_keys(tenant.id)},
        **{str(member.id): member.email for member in members},
        **{str(member.user_id): member.email for member in members},
        str(visitor.user_id): visitor.email,
    }


def person(actor: str, names: Mapping[str, str]) -> Person | None:
    """Of an actor as services write it down (`member:ID`); None for nobody."""
    kind, _, identity = actor.partition(":")
    return Person(plain(kind), identity, names.get(identity, "")) if actor else None
