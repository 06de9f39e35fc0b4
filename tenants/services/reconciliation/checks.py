"""The comparison of one key: read, compare, write down, tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.db.models.functions import Now

from tenants.key_policy import fingerprint
from tenants.models import KeyOperation, RegionalKey
from tenants.scope import tenant_scope
from tenants.services.audit import record_event, this_worker
from tenants.services.external_probe import probe_key
from tenants.services.reconciliation.drift import Drift, Severity, compare_key
from tenants.services.reconciliation.expected import Expected, fingerprint_of, read_expected
from tenants.services.reconciliation.truth import read_truth
from tenants.states import KeyTier, OperationKind, OperationState, PlanKind

# What these work at is no key as such.
_LEAVES_KEYS_ALONE: Final = (PlanKind.VERIFICATION, PlanKind.REENCRYPTION)
_WAITS_FOR_DAYS: Final = (OperationKind.AWAIT_DELETED, OperationKind.FORGET_REGION)

Found = tuple[list[Drift], dict[str, Any]]


def check_key(*, tenant_id: UUID, region: str) -> list[Drift]:
    """Compare the tenant's key in that Region, whose worker this is, and write down what drifts; returns it.

    Empty too where there is nothing to compare: the tenant is not active, its key is a pool's, or a plan is about to
    change it. Raises `KeyUnavailable`, `CredentialsRefused` and `CallQuotaReached`: then nothing is written.
    """
    expected = read_expected(tenant_id, region)
    if expected is None:
        _skip(tenant_id, region)
        return []
    found, facts = CHECKS[expected.tier](expected)
    return found if _write(expected, found, facts) else []


def _of_kms(expected: Expected) -> Found:
    truth = read_truth(expected)
    facts: dict[str, Any] = {}
    if truth.key:
        facts["key_state"] = truth.key.state
    if truth.policy is not None:
        facts["applied_fingerprint"] = fingerprint(truth.policy)
    return compare_key(expected, truth), facts


def _of_probes(expected: Expected) -> Found:
    """An external key: its policy cannot be read, so it is tried what it lets us do, and what it does not."""
    report = probe_key(tenant=expected.tenant, arn=expected.arn, rules=expected.rules)
    drift = [
        Drift(
            "probe",
            f"{'allowed' if one.expected else 'refused'}: {one.probe}",
            one.advice,
            Severity.HIGH if one.expected else Severity.CRITICAL,
        )
        for one in report.findings
        if one.advice
    ]
    return drift, {"key_state": report.key_state} if report.key_state else {}


# How the key of each tier is compared. A pooled tenant's is its pool's, and compared there.
CHECKS: Final[Mapping[KeyTier, Callable[[Expected], Found]]] = {
    KeyTier.DEDICATED: _of_kms,
    KeyTier.EXTERNAL: _of_probes,
}


def _skip(tenant_id: UUID, region: str) -> None:
    with tenant_scope(tenant_id, "write"):
        RegionalKey.objects.filter(tenant_id=tenant_id, region=region).update(checked_at=Now())


def is_moving(tenant_id: UUID) -> bool:
    """Whether a plan is changing keys of the tenant at this time, in the caller's scope. One that has failed or is
    paused is not: what it has left half-way is drift."""
    rows = KeyOperation.objects.filter(
        tenant_id=tenant_id, state__in=[OperationState.DUE, OperationState.RUNNING]
    )
    return rows.exclude(plan__in=_LEAVES_KEYS_ALONE).exclude(kind__in=_WAITS_FOR_DAYS).exists()


def _write(expected: Expected, found: Sequence[Drift], facts: Mapping[str, Any]) -> bool:
    """Write it down, unless what was expected is not expected any more; whether it was."""
    with tenant_scope(expected.tenant_id, "write"):
        keys = RegionalKey.objects.select_for_update()
        key = keys.get(tenant_id=expected.tenant_id, region=expected.region)
        stands = key.arn == str(expected.arn) and not is_moving(expected.tenant_id)
        key.checked_at = Now()
        if not stands or not _is_desired(expected, key):
            key.save(update_fields=["checked_at"])
            return False
        write_drift(expected.tenant_id, key, [each.as_json() for each in found])
        for name, value in facts.items():
            setattr(key, name, value)
        key.save(update_fields=["checked_at", "drift", *facts])
    return True


def _is_desired(expected: Expected, key: RegionalKey) -> bool:
    """Whether the policy is still the desired one. That of a pool depends on more than its own rows."""
    if expected.is_pool or expected.policy is None:
        return True
    return key.desired_fingerprint == fingerprint_of(expected)


def write_drift(tenant_id: UUID, key: RegionalKey, found: Sequence[Mapping[str, Any]]) -> None:
    """Put the drift into the row, which the caller saves, and tell what has come and what has gone."""
    before = {str(each["what"]) for each in key.drift}
    now = {str(each["what"]): str(each["severity"]) for each in found}
    key.drift = [dict(each) for each in found]
    come = {what: now[what] for what in sorted(now.keys() - before)}
    gone = sorted(before - now.keys())
    if come:
        _tell(tenant_id, key, "key.drift_found", {"what": [*come], "severity": come})
    if gone:
        _tell(tenant_id, key, "key.drift_gone", {"what": gone})


def _tell(tenant_id: UUID, key: RegionalKey, action: str, detail: Mapping[str, Any]) -> None:
    record_event(
        tenant_id=tenant_id,
        actor=this_worker(),
        action=action,
        subject=key.arn,
        detail={"region": key.region, **detail},
    )
