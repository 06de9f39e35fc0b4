"""Whether KMS of the target Region serves the tenants: state, key policy, and a canary opened by this Region's key and
role alone. Preferably one that was sealed elsewhere, before: what others wrote is what must be read here."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, Final
from uuid import UUID

from crypto.errors import CryptoError, DecryptionFailed, KeyUnavailable
from crypto.message import read_header
from tenants.key_policy import fingerprint, opens
from tenants.models import KeyOperation
from tenants.scope import fleet_scope
from tenants.services.canary import CANARY_CLASS, CanaryKey
from tenants.services.clients import get_key_admin
from tenants.services.failover.fleet import KeyHere
from tenants.services.failover.journal import Journal, Severity
from tenants.services.policies import get_applied_policy
from tenants.states import KeyTier, OperationKind, OperationState

Canary = dict[str, Any]

_THREADS: Final = 16
_FAULTS: Final = {
    "kms_key_not_enabled": (Severity.BLOCKER, "KMS says that the key is not enabled here."),
    "kms_policy_differs": (Severity.BLOCKER, "KMS holds another key policy than the tables say."),
    "canary_refused": (Severity.BLOCKER, "KMS does not do here what the tenant's rule says."),
    "canary_wrong": (Severity.BLOCKER, "A canary opens to another value than was sealed."),
    "kms_unavailable": (Severity.BLOCKER, "KMS of this Region does not answer, or throttles."),
    "no_canary": (Severity.WARNING, "No canary is under the present key, and none can be sealed here."),
}  # fmt: skip


def ask_kms(journal: Journal, keys: Sequence[KeyHere], *, seconds: float) -> int:
    """Look at these keys in KMS of this Region; returns how many were. Beyond so many seconds the rest is left out."""
    canaries = _sealed_elsewhere(keys)
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="keys")
    looks = {pool.submit(_look, key, canaries.get(key.tenant_id, [])): key for key in keys}
    found: dict[str, list[str]] = {}
    try:
        for look in _ended(looks, seconds):
            if fault := look.result():
                found.setdefault(fault, []).append(looks[look].slug)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    for fault, slugs in sorted(found.items()):
        severity, text = _FAULTS[fault]
        journal.find(severity, fault, text, slugs)
    looked = sum(1 for look in looks if look.done() and not look.cancelled())
    if looked < len(keys):
        text = f"KMS was not asked about these keys within {seconds:.0f} s."
        journal.find(Severity.WARNING, "kms_too_slow", text, count=len(keys) - looked)
    return looked


def _ended(looks: dict[Future[str], KeyHere], seconds: float) -> Iterator[Future[str]]:
    try:
        yield from as_completed(looks, timeout=seconds)
    except TimeoutError:
        return


def _look(key: KeyHere, canaries: Sequence[Canary]) -> str:
    """The code of what is wrong with the key, empty where nothing is."""
    try:
        if key.tier != KeyTier.EXTERNAL and (fault := _look_at_key(key)):
            return fault
        return _look_at_use(key, canaries)
    except DecryptionFailed:
        return "canary_wrong"
    except KeyUnavailable:
        return "kms_unavailable"
    except CryptoError:
        return "canary_refused"


def _look_at_key(key: KeyHere) -> str:
    if get_key_admin().describe_key(key.arn).state != "Enabled":
        return "kms_key_not_enabled"
    if key.tier == KeyTier.POOLED:
        return ""  # its pool's policy also follows other tenants, whose rows may be on their way
    return "" if fingerprint(get_applied_policy(key.arn)) == key.desired else "kms_policy_differs"


def _look_at_use(key: KeyHere, sealed: Sequence[Canary]) -> str:
    own = CanaryKey(key.context_id, key.arn)
    canary = next((each for each in sealed if opens(key.rule, each["class"])), None)
    if canary is None and key.rule.may_encrypt:
        canary = seal_here(key)
    if canary is None:
        return "no_canary"
    return "" if own.may_open(canary) == opens(key.rule, canary["class"]) else "canary_refused"


def seal_here(key: KeyHere) -> Canary:
    """A fresh canary, of a class that this Region may open if there is any. Raises KMS's errors."""
    listed = [name for name in key.rule.may_decrypt if not opens(key.rule, CANARY_CLASS)]
    return dict(CanaryKey(key.context_id, key.arn).seal(min(listed, default=CANARY_CLASS)))


def _sealed_elsewhere(keys: Sequence[KeyHere]) -> dict[UUID, list[Canary]]:
    """The canaries of each tenant's newest verification, if they are under the key that it has now."""
    by_tenant = {key.tenant_id: key for key in keys}
    with fleet_scope("read"):
        rows = (
            KeyOperation.objects.filter(
                tenant_id__in=by_tenant,
                kind=OperationKind.SEAL_CANARY,
                state=OperationState.DONE,
            )
            .order_by("tenant_id", "-plan_id")
            .distinct("tenant_id")
            .values_list("tenant_id", "result")
        )
        found = list(rows)
    return {
        tenant_id: [
            canary
            for canary in result.get("canaries", [])
            if _is_under(by_tenant[tenant_id].arn.key_id, canary)
        ]
        for tenant_id, result in found
    }


def _is_under(key_id: str, canary: Canary) -> bool:
    header = read_header(base64.b64decode(canary["message"]))
    return all(
        each.key_arn.decode("ascii", "replace").endswith(f":key/{key_id}")
        for each in header.data_keys
    )
