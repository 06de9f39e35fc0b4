"""Proof of a revocation in one Region: its reader shows it to the gateways, and KMS refuses its role every use.

KMS is eventually consistent, so one refusal is not enough: a few in a row are. Probes begin at once, beside the step
that disables the key, and go on until KMS refuses, so that they also tell until when it did not.
"""

from __future__ import annotations

import time
from contextvars import copy_context
from datetime import UTC, datetime
from typing import ClassVar, Final

from crypto.arn import KeyArn
from crypto.errors import CryptoError, KeyNotFound
from crypto.part import JsonValue
from tenants import consistency
from tenants.kms.trail import TrailEvent
from tenants.models import KeyOperation, PreviousKey, Tenant
from tenants.scope import tenant_scope
from tenants.services.audit import record_event, this_worker
from tenants.services.claims import note
from tenants.services.clients import get_key_admin, get_trail
from tenants.services.disabling import keys_in_region, seconds_to_settle, switch_off
from tenants.services.probing import Outcome, Prober
from tenants.services.work import NotYet, Result, Work
from tenants.states import KeyTier, OperationKind, OperationState, TenantState

_ROUND_SECONDS: Final = 0.25
_ROUNDS: Final = 24  # of one claim: six seconds, far below its lease
_ROUNDS_OF_PROOF: Final = 3


class ProveRevoked:
    """Prove that nothing in this Region opens the tenant's data any more, with the role of this Region."""

    settles: ClassVar[tuple[type[Exception], ...]] = ()

    def perform(self, work: Work) -> Result:
        """Probe, look at the reader, and read the trail. `NotYet` until all of it refuses."""
        facts: Result = {name: work.found[name] for name in _KEPT if name in work.found}
        keys = proven_keys(work)
        if keys:
            self._await_refusal(work, keys, facts)
        if "reader_at" not in facts:
            if not gateways_refuse(work):
                _wait(work, facts, 1)
            facts["reader_at"] = _now()
        if rest := seconds_to_settle(work):
            _wait(work, facts, min(rest, 5))
        external = work.tier == KeyTier.EXTERNAL
        return facts | {"gateway_only": external, "trail": _trail(work)}

    def record(self, work: Work, result: Result) -> None:
        """That it is refused, and since when."""
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="key.revocation_proven",
            subject=work.region,
            detail={
                "region": work.region,
                **{name: result.get(name) for name in ("refused_at", "last_served_at", "refused")},
            },
        )

    def _await_refusal(self, work: Work, keys: list[KeyArn], facts: Result) -> None:
        prober = Prober(work, keys)
        try:
            if not _is_refused(prober, facts):
                _switch_off_again(work)
                _wait(work, facts, 1)
        except CryptoError:
            note(work, **facts)
            raise


_KEPT: Final = ("refused_at", "refused", "last_served_at", "reader_at")


def _is_refused(prober: Prober, facts: Result) -> bool:
    """Whether KMS refuses now, several times in a row; `facts` are told since when, or when it last did not."""
    streak = 0
    for _ in range(_ROUNDS):
        streak = streak + 1 if _note_outcome(prober.try_all(), facts) else 0
        if streak == _ROUNDS_OF_PROOF:
            return True
        time.sleep(_ROUND_SECONDS)
    return False


def _note_outcome(outcome: Outcome, facts: Result) -> bool:
    if outcome.is_refused:
        facts.setdefault("refused_at", _now())
        facts["refused"] = {**outcome.refused}
        return True
    facts["last_served_at"] = _now()
    facts.pop("refused_at", None)
    return False


def proven_keys(work: Work) -> list[KeyArn]:
    """The keys of this Region under which KMS must refuse: all but those in the tenant's own account."""
    known = work.arns.get(work.region) or work.arns.get(work.primary_region)
    keys = [known] if known and work.tier != KeyTier.EXTERNAL else []
    if work.previous:
        with tenant_scope(work.tenant_id, "latest"):
            rows = PreviousKey.objects.filter(tenant_id=work.tenant_id)
            ours = rows.exclude(tier=KeyTier.EXTERNAL).order_by("-replaced_at")
            keys += [KeyArn.parse(arn) for arn in ours.values_list("arn", flat=True)]
    return [key.in_region(work.region) for key in keys]


def gateways_refuse(work: Work) -> bool:
    """Whether the gateways of this Region read that the tenant is not active: they read the Region's own replica.

    In a context of its own: what this process wrote before must not send the look to the writer.
    """

    def look() -> bool:
        consistency.required.set(None)
        with tenant_scope(work.tenant_id, "read"):
            states = Tenant.objects.filter(id=work.tenant_id).values_list("state", flat=True)
            return TenantState.ACTIVE not in states

    return copy_context().run(look)


def _switch_off_again(work: Work) -> None:
    """A key that serves after its step has disabled it was enabled by a late call, or by somebody."""
    with tenant_scope(work.tenant_id, "latest"):
        disabled = KeyOperation.objects.filter(
            tenant_id=work.tenant_id,
            plan_id=work.plan_id,
            kind=OperationKind.DISABLE_KEY,
            region=work.region,
        )
        waits = disabled.exclude(state=OperationState.DONE).exists()
    if waits:
        return
    for arn in keys_in_region(work):
        try:
            state = get_key_admin().describe_key(arn).state
        except KeyNotFound:
            continue
        if state == "Enabled":
            switch_off(work, arn)


def _trail(work: Work) -> dict[str, JsonValue]:
    """The last Decrypt that KMS served, as far as the trail knows by now. The proof stands without it."""
    read: dict[str, JsonValue] = {"read_at": _now()}
    try:
        found = [
            event
            for arn in all_keys(work)
            if (event := get_trail().find_last_decrypt(arn, tenant=work.tenant))
        ]
    except CryptoError as error:
        return read | {"error": error.code}
    if not found:
        return read
    last: TrailEvent = max(found, key=lambda event: event.at)
    return read | {
        "last_decrypt_at": last.at.astimezone(UTC).isoformat(),
        "event_id": last.id,
        "by": last.by,
    }


def all_keys(work: Work) -> list[KeyArn]:
    """The tenant's keys of this Region, whosever they are to administer: the current one and those before."""
    known = work.arns.get(work.region) or work.arns.get(work.primary_region)
    keys = [*([known] if known else []), *work.previous]
    return [key.in_region(work.region) for key in keys]


def _wait(work: Work, facts: Result, seconds: float) -> None:
    """Raises `NotYet`, when what is known so far is written down."""
    note(work, **facts)
    raise NotYet(seconds)


def _now() -> str:
    return datetime.now(UTC).isoformat()
