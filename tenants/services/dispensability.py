"""Proof that a tenant can do without a Region: nothing that is stored becomes unreadable with its key.

Related keys share their key material, so whatever one of them wrapped another unwraps. What counts is whether some
remaining Region's rule lets it: for each classification of stored parts, of search tokens, and of values that the
tenant keeps itself. A pool stores nothing, and leaves no Region that its tenants use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast
from uuid import UUID

from crypto.context import EncryptionContext, Purpose
from crypto.errors import KeyAccessDenied, KeyNotFound
from crypto.keyring import Keyring
from tenants.errors import RegionNotDispensable
from tenants.key_policy import Rule, opens
from tenants.models import DataKey, SealedPart
from tenants.scope import tenant_scope
from tenants.selectors.keys import RuleView
from tenants.selectors.part_counts import PartPage, count_parts
from tenants.services.audit import record_event, this_worker
from tenants.services.canary import CanaryKey
from tenants.services.clients import get_clients
from tenants.services.work import Continue, NotVerified, Result, Work
from tenants.states import OperationKind

_PARTS_AT_A_TIME: Final = 50_000
_MOST_TENANTS_TRIED: Final = (
    20  # of a pool, with a call to KMS for each of their kinds of data keys
)


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as the leaving Region has wrapped it."""

    classification: str
    purpose: Purpose
    encrypted_data_key: bytes


class ProveDispensable:
    """Show, with the role and the key of one remaining Region, that the Region of the argument `leaving` is not needed.

    In the home Region what is stored is counted first, a page in each claim.
    """

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound, KeyAccessDenied)

    def perform(self, work: Work) -> Result:
        """Count; open the leaving Region's canaries; unwrap the newest of each kind of the data keys that it made."""
        parts = _counted(work) if work.arguments["counts"] else {}
        return {
            "parts": parts,
            "opened": [*_open_canaries(work)],
            "unwrapped": [*_unwrap_data_keys(work)],
        }

    def record(self, work: Work, result: Result) -> None:
        """That it was proven, and by what."""
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="region.proven_dispensable",
            subject=str(work.arguments["leaving"]),
            detail={"by": work.region, **result},
        )


def find_stranded(tenant_id: UUID, leaving: Rule, remaining: Sequence[Rule]) -> list[str]:
    """The classes in use that the leaving Region opens and no remaining one does, sorted; in the caller's scope.

    What no Region opens even now is not lost by this: a rule can still be widened, since the key material lives on in
    every remaining Region.
    """
    keys = DataKey.objects.filter(tenant_id=tenant_id)
    return [
        name
        for name in sorted(set(keys.values_list("classification", flat=True).distinct()))
        if opens(leaving, name)
        and not any(opens(rule, name) for rule in remaining)
        and _is_used(tenant_id, name)
    ]


def refuse_stranded(region: str, classes: Sequence[str]) -> None:
    """Raise `RegionNotDispensable` where there are any."""
    if classes:
        raise RegionNotDispensable(
            f"Data of class {', '.join(classes)} is opened in {region} alone: let another Region decrypt it first."
        )


def _is_used(tenant_id: UUID, classification: str) -> bool:
    """Whether something of the class may be out there: search tokens and the tenant's own values leave no row of their
    own, so that a data key for them counts; one for records counts while there are parts under it."""
    keys = DataKey.objects.filter(tenant_id=tenant_id, classification=classification)
    if keys.exclude(purpose=Purpose.RECORD).exists():
        return True
    parts = SealedPart.objects.filter(tenant_id=tenant_id, data_key__in=keys.values("id"))
    return parts.exists()


def _counted(work: Work) -> dict[str, Any]:
    """How many parts of each class are stored, once the last page is counted; `Continue` until then."""
    place = cast("list[str] | None", work.found.get("place"))
    with tenant_scope(work.tenant_id, "latest"):
        stranded = find_stranded(work.tenant_id, _leaving_rule(work), work.rules)
        refuse_stranded(str(work.arguments["leaving"]), stranded)
        page = count_parts(work.tenant_id, after=place, limit=_PARTS_AT_A_TIME)
    parts = _added(cast("dict[str, int]", work.found.get("parts", {})), page)
    if page.last:
        raise Continue(parts={**parts}, done=sum(parts.values()), place=list(page.last))
    return parts


def _added(parts: Mapping[str, int], page: PartPage) -> dict[str, int]:
    names = parts.keys() | page.counts.keys()
    return {name: parts.get(name, 0) + page.counts.get(name, 0) for name in sorted(names)}


def _open_canaries(work: Work) -> Iterator[str]:
    """Each canary of the leaving Region opens here exactly where this Region's rule says so."""
    sealed = work.earlier.get(OperationKind.SEAL_CANARY, {}).get("canaries", [])
    key = CanaryKey(work.tenant, work.arn)
    for canary in cast("list[dict[str, Any]]", sealed):
        expected = opens(work.rule, canary["class"])
        if key.may_open(canary) != expected:
            raise NotVerified(
                f"What {work.arguments['leaving']} sealed as {canary['class']} should"
                f" {'open' if expected else 'not open'} in {work.region}, and KMS says otherwise."
            )
        if expected:
            yield canary["class"]


def _unwrap_data_keys(work: Work) -> Iterator[str]:
    keyring = Keyring(get_clients(), work.region)
    for wrapped in _wrapped_there(work):
        if opens(work.rule, wrapped.classification):
            context = EncryptionContext(work.tenant, wrapped.classification, wrapped.purpose)
            keyring.unwrap(work.arn, context.as_dict(), wrapped.encrypted_data_key)
            yield f"{wrapped.purpose.value} {wrapped.classification}"


def _wrapped_there(work: Work) -> list[WrappedKey]:
    """The newest data key of each class and purpose that the leaving Region's key has wrapped."""
    arn = str(work.arn.in_region(str(work.arguments["leaving"])))
    with tenant_scope(work.tenant_id, "latest"):
        rows = DataKey.objects.filter(tenant_id=work.tenant_id, key_arn=arn)
        newest = rows.order_by("classification", "purpose", "-created_at")
        return [
            WrappedKey(row.classification, Purpose(row.purpose), bytes(row.encrypted_data_key))
            for row in newest.distinct("classification", "purpose")
        ]


def _leaving_rule(work: Work) -> RuleView:
    """The rule of the Region as it was when the tenant had it."""
    rule = cast("dict[str, Any]", work.arguments["rule"])
    return RuleView(str(work.arguments["leaving"]), rule["may_encrypt"], tuple(rule["may_decrypt"]))
