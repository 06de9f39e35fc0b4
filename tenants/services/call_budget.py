"""The budget of calls to AWS: every worker of every Region takes its turn from one table, before it calls.

    a call of the admin plane  ->  its slot, reserved in the table (one statement)  ->  wait  ->  the call

AWS's quotas count all callers of an account, and many workers that each slowed down on being throttled would still take
turns in being refused. Here each call reserves the next slot that is free (the generic cell rate algorithm: one time
stamp for each Region and API). A slot that is near is waited for. For one that is further off the operation is put
back, with its slot in its result: whoever claims it at that time calls at once, so that no worker sleeps for long and
nobody queues up twice. Should AWS throttle all the same, because somebody else calls too, that is a retryable error.

Without the database there is no slot, and so no call.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from django.conf import settings
from django.db import connections

from crypto.part import JsonValue
from tenants.errors import CallQuotaReached
from tenants.kms.quotas import Charge, charges
from tenants.scope import fleet_scope, give_back_connections, scope_alias
from tenants.services.work import SLOTS, NotYet, Work

# A worker waits so long; what is further off is put back. Were it longer, all threads could be waiting while the time
# of others comes.
NEAR_SECONDS: Final = 0.5
# What of a quota is used: calls that come later than their slots leave a debt, which the rest pays off.
USED: Final = 0.97
# How far a quota may be used ahead after a pause, so that calls which take from several need not come in one order.
# AWS counts in intervals of a second: the rest of it is for calls that come later than their slots.
BURST_SECONDS: Final = 0.25
# A slot that was missed by more is not used: many such at once would be a burst.
_LATE: Final = timedelta(seconds=5)

_RESERVE = """
    with wanted as (
        select * from unnest(%(regions)s::text[], %(apis)s::text[], %(seconds)s::float8[]) as w(region, api, seconds)
    ), locked as (
        select region, api, next_at, seconds from tenants_callbudget b join wanted using (region, api)
        order by region, api for update of b
    ), slot as (
        select greatest(max(next_at) - make_interval(secs => %(burst)s), clock_timestamp()) as at,
               clock_timestamp() as now, count(*) as found
        from locked
    )
    update tenants_callbudget b set next_at = greatest(l.next_at, slot.at) + make_interval(secs => l.seconds)
    from locked l, slot
    where b.region = l.region and b.api = l.api and slot.found = cardinality(%(apis)s::text[])
    returning slot.at, slot.now
"""
_BEGIN = """
    insert into tenants_callbudget (region, api, next_at)
    select region, api, clock_timestamp() - make_interval(secs => %(burst)s)
    from unnest(%(regions)s::text[], %(apis)s::text[]) as w(region, api)
    on conflict do nothing
"""


class SlotAhead(NotYet):
    """The call has its slot, and it is not near: the operation goes on then. Nothing has been called."""

    forgets: ClassVar[bool] = False


@dataclass(slots=True)
class _Turns:
    """The slots of the operation that this thread works on: reserved before, and those whose time has come."""

    reserved: dict[str, datetime]
    reached: set[str] = field(default_factory=set)


_turns: ContextVar[_Turns | None] = ContextVar("turns", default=None)
# By how much the database's clock is ahead of this process's, as it was last seen.
_ahead = timedelta(0)


@contextmanager
def turns_of(work: Work) -> Iterator[None]:
    """Let calls inside of the block use the slots that this operation has reserved, and put it back for others."""
    noted = work.found.get(SLOTS, {})
    slots = noted if isinstance(noted, Mapping) else {}
    token = _turns.set(
        _Turns({name: datetime.fromisoformat(str(slot)) for name, slot in slots.items()})
    )
    try:
        yield
    finally:
        _turns.reset(token)


def await_turn(region: str, operation: str, **parameters: Any) -> None:
    """Wait for the slot of a call that comes next, before something is noted that must be true of the call.

    Raises as `before_call` does. The call itself then goes through at once.
    """
    before_call(region, operation, parameters)
    turns = _turns.get()
    if turns is not None:
        turns.reached.add(_name(region, operation, parameters))


def before_call(region: str, operation: str, parameters: Mapping[str, Any]) -> None:
    """Wait until this call is within all quotas that it takes from; called by the client before each call.

    Raises `SlotAhead` inside of an operation when that is not soon, `CallQuotaReached` outside of one, and
    `WriterMoved` without a database.
    """
    taken = charges(region, operation, parameters, settings.GATEWAY_CALL_QUOTAS)
    if not taken:
        return
    turns, name = _turns.get(), _name(region, operation, parameters)
    if turns is not None and name in turns.reached:
        turns.reached.remove(name)
        return
    slot = turns.reserved.pop(name, None) if turns is not None else None
    if slot is None or slot < _now() - _LATE:
        slot = _reserve(taken)
    seconds = (slot - _now()).total_seconds()
    if seconds <= NEAR_SECONDS:
        if seconds > 0:
            give_back_connections()
            time.sleep(seconds)
        return
    if turns is None:
        raise CallQuotaReached(f"{operation} in {region} has a free slot in {seconds:.0f} s.")
    turns.reserved[name] = slot
    slots: dict[str, JsonValue] = {each: at.isoformat() for each, at in turns.reserved.items()}
    raise SlotAhead(seconds, **{SLOTS: slots})


def _reserve(taken: list[Charge]) -> datetime:
    """The first moment at which all these quotas have room, which is taken by this call from now on."""
    global _ahead  # noqa: PLW0603 - the difference of two clocks is one fact of the process
    parameters: dict[str, Any] = {
        "regions": [charge.region for charge in taken],
        "apis": [charge.api for charge in taken],
        "seconds": [charge.seconds / USED for charge in taken],
        "burst": BURST_SECONDS,
    }
    with fleet_scope("write"), connections[scope_alias()].cursor() as cursor:
        cursor.execute(_RESERVE, parameters)
        if not cursor.rowcount:
            cursor.execute(_BEGIN, parameters)
            cursor.execute(_RESERVE, parameters)
        slot, now = cursor.fetchone()
    _ahead = now - datetime.now(UTC)
    found: datetime = slot
    return found


def _now() -> datetime:
    return datetime.now(UTC) + _ahead


def _name(region: str, operation: str, parameters: Mapping[str, Any]) -> str:
    other = parameters.get("ReplicaRegion") or parameters.get("PrimaryRegion")
    return f"{region} {operation}" + (f" {other}" if other else "")
