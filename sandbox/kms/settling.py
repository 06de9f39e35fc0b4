"""What time does to keys: it deletes them after their waiting period, rotates them, and lets imported material expire.

Sources: AWS KMS Developer Guide, "Deleting multi-Region keys", "Rotate AWS KMS keys", "Setting an expiration time".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from sandbox.kms.importing import without_expired
from sandbox.kms.keys import KeySet, KeyState, RegionalKey
from sandbox.kms.material import new_material
from sandbox.kms.store import Store

_DAY = 86_400
_TURNING = (KeyState.ENABLED, KeyState.UPDATING)  # in which a key rotates


@dataclass(frozen=True, slots=True)
class Happening:
    """What KMS did on its own: CloudTrail's name for it, the key, and when."""

    name: str
    key: RegionalKey
    at: float


Change = Callable[[Store], list[Happening]]


def settle(store: Store, now: float) -> list[Happening]:
    """Do all that has become due, in the order of time."""
    if now < store.next_due:
        return []
    happenings: list[Happening] = []
    while due := _due(store, now):
        for _, change in sorted(due, key=lambda item: item[0]):
            happenings += change(store)
    store.next_due = min((moment for moment in _dates(store) if moment > now), default=math.inf)
    return sorted(happenings, key=lambda happening: happening.at)


def _due(store: Store, now: float) -> list[tuple[float, Change]]:
    """What is due by now, each as a moment and what to do. The keys are looked up anew when it is done."""
    due: list[tuple[float, Change]] = []
    for key in store.all_keys():
        if key.deletion_at is not None and key.deletion_at <= now:
            due.append((key.deletion_at, _at(key, _delete)))
        elif key.imported and (expiry := _next_expiry(key)) <= now:
            due.append((expiry, _at(key, _expire)))
    for key_set in store.all_key_sets():
        moment = key_set.next_rotation_at
        if moment is not None and moment <= now and _turns(store, key_set, now):
            due.append((moment, _at(store.primary_of(key_set), _rotate)))
    return due


def _dates(store: Store) -> list[float]:
    deletions = [key.deletion_at for key in store.all_keys() if key.deletion_at is not None]
    expiries = [_next_expiry(key) for key in store.all_keys() if key.imported]
    rotations = [s.next_rotation_at for s in store.all_key_sets() if s.next_rotation_at is not None]
    return [*deletions, *expiries, *rotations]


def _next_expiry(key: RegionalKey) -> float:
    dates = (copy.expires_at for copy in key.imported.values())
    return min((date for date in dates if date is not None), default=math.inf)


def _turns(store: Store, key_set: KeySet, now: float) -> bool:
    """A key that is disabled or pending deletion is not rotated."""
    return store.primary_of(key_set).state(now) in _TURNING


def _at(key: RegionalKey, change: Callable[[Store, RegionalKey], list[Happening]]) -> Change:
    """The change of the key as it will be then; nothing when it is gone."""

    def apply(store: Store) -> list[Happening]:
        found = store.find_key(key.region, key.key_id)
        return change(store, found) if found is not None else []

    return apply


def _delete(store: Store, key: RegionalKey) -> list[Happening]:
    """Delete one key with its aliases and grants, and with the last of its relatives the key material."""
    moment = key.deletion_at
    if moment is None:
        return []
    key_set = store.key_set(key)
    relatives = [item for item in store.related(key).values() if item.region != key.region]
    store.change(
        puts=_start_waiting(key_set, relatives, moment),
        deletes=[
            key,
            *store.aliases.of_key(key),
            *store.grants.of_key(key),
            *(() if relatives else (key_set,)),
        ],
    )
    return [Happening("DeleteKey", key, moment)]


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


def _rotate(store: Store, key: RegionalKey) -> list[Happening]:
    """New material for the key and all its relatives, and the date of the next."""
    key_set = store.key_set(key)
    moment, days = key_set.next_rotation_at, key_set.rotation_days
    if moment is None or days is None:
        return []
    material = new_material(moment, rotation="AUTOMATIC")
    store.put(
        replace(
            key_set,
            materials=(*key_set.materials, material),
            next_rotation_at=moment + days * _DAY,
        )
    )
    happenings = [Happening("RotateKey", key, moment)]
    if len(store.related(key)) > 1:
        happenings.append(Happening("SynchronizeMultiRegionKey", key, moment))
    return happenings


def _expire(store: Store, key: RegionalKey) -> list[Happening]:
    """Delete the imported material of one Region that is past its date."""
    moment = _next_expiry(key)
    store.put(*without_expired(store, key, moment))
    return [Happening("DeleteExpiredKeyMaterial", key, moment)]
