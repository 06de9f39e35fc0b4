"""Re-encryption of a tenant's records in the background: what is under old data keys moves to the active ones.

Old is a data key which is not wrapped by the tenant's current key and its current material; in a rotation of data keys
every one that was retired. The walk goes through the index of sealed parts by data key, page by page, and a part that
has moved leaves that index, so whoever takes over goes on where the other stopped. Each page is one `Resealing.batch`.

Parts that do not open are passed over, counted, and named by the ids of their records when all others are done. Parts
that come under an old data key behind the walk, from a process whose reader lags, are found by the count at its end,
and walked again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import ClassVar, Final, cast
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Exists, OuterRef

from crypto.context import Purpose
from crypto.errors import KeyAccessDenied, KeyNotFound
from crypto.part import JsonValue
from tenants.actor import Actor
from tenants.data_keys import outdated
from tenants.errors import ReencryptionIncomplete, RegionNotAllowed
from tenants.models import Collection, Record, RegionRule, SealedPart, TenantKey
from tenants.scope import tenant_scope
from tenants.selectors.in_process import get_in_process_caller
from tenants.selectors.key_usage import fetch_key_usage
from tenants.services.audit import record_event, this_worker
from tenants.services.claims import note
from tenants.services.data_keys import retired_until
from tenants.services.plans import locked_tenant, need_no_other_plan, write_plan
from tenants.services.renewal import reencryption_steps, region_for, regions_for, renewal_steps
from tenants.services.resealing import Outcome, Resealing
from tenants.services.work import Continue, NotYet, Result, Work
from tenants.states import PlanKind

# How long one claim works before it writes down how far it is; well below the lease.
_CLAIM_SECONDS: Final = 5.0
# How long requests that hold a data key which was just retired may still take to store what they sealed with it.
_SETTLE_SECONDS: Final = 5.0
_MOST_NAMED: Final = 100
_BEGIN: Final = UUID(int=0)


def start_reencryption(*, tenant_id: UUID, actor: Actor) -> UUID:
    """Plan that all records move to data keys under the tenant's current key and key material, also where KMS has
    rotated the key by itself. Returns the id of the plan.

    Raises `NotFound`, `TenantNotActive`, `PlanUnderWay`, and `RegionNotAllowed` where no Region may both decrypt and
    encrypt.
    """
    with tenant_scope(tenant_id, "write"):
        tenant = locked_tenant(tenant_id)
        need_no_other_plan(tenant_id)
        first = TenantKey.objects.get(tenant_id=tenant_id).primary_region
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
        if not regions_for(rules, first):
            raise RegionNotAllowed("No Region of the tenant may both decrypt and encrypt.")
        home = tenant.home_region
        steps = [
            *renewal_steps(home=home, first=first, rules=rules, position=0),
            *reencryption_steps(home=home, first=first, rules=rules, position=2),
        ]
        record_event(tenant_id=tenant_id, actor=actor, action="reencryption.started")
        return write_plan(tenant_id=tenant_id, plan=PlanKind.REENCRYPTION, steps=steps)


class ReencryptRecords:
    """Move the sealed parts of the classifications that this Region may both decrypt and encrypt."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound, KeyAccessDenied)

    def perform(self, work: Work) -> Result:
        """Until none is left, and a moment later still none."""
        walk = _walk(work)
        if not walk.settled:
            walk.settled = True
            raise NotYet(_SETTLE_SECONDS, **walk.begun_anew())
        return {"done": walk.total, "total": walk.total, "parts": walk.done}

    def record(self, work: Work, result: Result) -> None:
        """How many parts were moved; the others were changed or deleted by their owners meanwhile."""
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="records.reencrypted",
            detail={"region": work.region, "parts": result["parts"]},
        )


class VerifyReencryption:
    """Prove by a count that nothing is left under old data keys."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound, KeyAccessDenied)

    def perform(self, work: Work) -> Result:
        """What came late is moved where this Region may; what no Region may move stops the plan."""
        _walk(work)
        if left := _left_by_class(work):
            parts = ", ".join(f"{count} classified {name}" for name, count in sorted(left.items()))
            raise ReencryptionIncomplete(
                f"Parts are left under old data keys, which no Region has moved: {parts}."
            )
        with tenant_scope(work.tenant_id, "latest"):
            usage = fetch_key_usage(work.tenant_id)
        return {
            "left": 0,
            "usage": [
                {
                    "key_arn": each.key_arn,
                    "key_material_id": each.key_material_id,
                    "parts": each.parts,
                }
                for each in usage
                if each.purpose == Purpose.RECORD
            ],
        }

    def record(self, work: Work, result: Result) -> None:
        """What is sealed under which key material."""
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="reencryption.verified",
            detail={name: result[name] for name in ("left", "usage")},
        )


@dataclass(slots=True)
class _Walk:
    """How far the walk is: the data key and the record that come before what is next, and what was found so far."""

    data_key: UUID
    record: UUID
    done: int
    total: int
    moved: int
    unreadable: int
    unreadable_records: list[str]
    settled: bool
    rows: list[UUID] = field(default_factory=list)

    @classmethod
    def of(cls, work: Work, total: int) -> _Walk:
        """Where an earlier claim has stopped, or the beginning."""
        found = work.found
        place = cast("list[str] | None", found.get("place"))
        data_key, record = map(UUID, place) if place else (_BEGIN, _BEGIN)
        return cls(
            data_key=data_key,
            record=record,
            done=cast("int", found.get("done", 0)),
            total=cast("int", found.get("total", total)),
            moved=cast("int", found.get("moved", 0)) if place else 0,
            unreadable=cast("int", found.get("unreadable", 0)) if place else 0,
            unreadable_records=cast("list[str]", found.get("unreadable_records", []))
            if place
            else [],
            settled=bool(found.get("settled")),
        )

    def take(self, outcome: Outcome) -> None:
        """Count a batch."""
        self.record = outcome.last or self.record
        self.done += outcome.moved
        self.moved += outcome.moved
        self.unreadable += len(outcome.unreadable)
        self.rows += outcome.unreadable

    def facts(self) -> dict[str, JsonValue]:
        """What the next claim must know."""
        return {
            "place": [str(self.data_key), str(self.record)],
            "done": self.done,
            "total": max(self.total, self.done),
            "moved": self.moved,
            "unreadable": self.unreadable,
            "unreadable_records": cast("JsonValue", self.unreadable_records),
            "settled": self.settled,
        }

    def begun_anew(self) -> dict[str, JsonValue]:
        """The same for a walk from the beginning."""
        return {**self.facts(), "place": None}


def _walk(work: Work) -> _Walk:
    """Move what is left, and return when nothing is.

    Raises `Continue` when the time of a claim is over, `NotYet` to begin anew where parts have come behind the walk,
    and `ReencryptionIncomplete` where only such are left as do not open.
    """
    data_keys = _old_data_keys(work)
    walk = _Walk.of(work, 0 if "total" in work.found else _count(work, data_keys))
    resealing = Resealing(get_in_process_caller(work.tenant_id, "latest"))
    until = time.monotonic() + _CLAIM_SECONDS
    for data_key in data_keys:
        if data_key < walk.data_key:
            continue
        if data_key > walk.data_key:
            walk.data_key, walk.record = data_key, _BEGIN
        while _batch(resealing, walk):
            if time.monotonic() > until:
                _name(work, walk)
                raise Continue(**walk.facts())
    if not _count(work, _old_data_keys(work)):
        return walk
    _name(work, walk)
    if walk.moved:
        raise NotYet(1, **walk.begun_anew())
    note(work, **walk.begun_anew())
    named = ", ".join(walk.unreadable_records[:5])
    raise ReencryptionIncomplete(
        f"{walk.unreadable} parts do not open, of records such as {named}."
    )


def _batch(resealing: Resealing, walk: _Walk) -> bool:
    """Move one page, as fast as the settings allow; whether there was anything."""
    began, rate = time.monotonic(), settings.GATEWAY_REENCRYPTION_PARTS_PER_SECOND
    limit = settings.GATEWAY_REENCRYPTION_BATCH
    if rate:
        limit = min(limit, rate)  # so that no pause is longer than a second
    outcome = resealing.batch(walk.data_key, walk.record, limit)
    walk.take(outcome)
    if rate and outcome.read:
        time.sleep(max(0.0, outcome.read / rate - (time.monotonic() - began)))
    return outcome.read > 0


def _old_data_keys(work: Work) -> list[UUID]:
    """The old data keys that sealed something, of the classifications which this process's Region re-encrypts."""
    with tenant_scope(work.tenant_id, "latest"):
        parts = SealedPart.objects.filter(tenant_id=work.tenant_id, data_key=OuterRef("id"))
        rows = outdated(work.tenant_id, retired_until(work)).filter(
            Exists(parts), purpose=Purpose.RECORD
        )
        found = list(rows.order_by("id").values_list("id", "classification"))
    return [
        data_key
        for data_key, name in found
        if region_for(work.rules, work.primary_region, name) == settings.GATEWAY_REGION
    ]


def _count(work: Work, data_keys: list[UUID]) -> int:
    if not data_keys:
        return 0
    with tenant_scope(work.tenant_id, "latest"):
        parts = SealedPart.objects.filter(tenant_id=work.tenant_id, data_key__in=data_keys)
        return parts.count()


def _left_by_class(work: Work) -> dict[str, int]:
    """How many parts are under old data keys, of every classification."""
    with tenant_scope(work.tenant_id, "latest"):
        old = outdated(work.tenant_id, retired_until(work)).filter(purpose=Purpose.RECORD)
        parts = SealedPart.objects.filter(tenant_id=work.tenant_id, data_key__in=old.values("id"))
        counts = parts.values("classification").annotate(parts=Count("record"))
        return {each["classification"]: each["parts"] for each in counts}


def _name(work: Work, walk: _Walk) -> None:
    """Add the names of records that do not open, as `collection/id`, up to a hundred of them."""
    room = _MOST_NAMED - len(walk.unreadable_records)
    rows, walk.rows = walk.rows[: max(0, room)], []
    if not rows:
        return
    with tenant_scope(work.tenant_id, "latest"):
        mine = Record.objects.filter(tenant_id=work.tenant_id, id__in=rows)
        found = list(mine.values_list("collection_id", "record_id"))
        names = dict(Collection.objects.filter(tenant_id=work.tenant_id).values_list("id", "name"))
    walk.unreadable_records += sorted(f"{names[of]}/{record}" for of, record in found)
