"""The end of a key in one Region: its names are taken away, it waits for its deletion, and is gone.

Each step is about the tenant's key in its Region, or about the key whose ARN the argument `arn` gives: one that the
tenant had before.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

from django.utils import timezone

from crypto.arn import KeyArn
from crypto.errors import KeyNotFound
from tenants.kms.key_admin import KeyDescription
from tenants.models import RegionalKey
from tenants.services.audit import record_event, this_worker
from tenants.services.claims import note
from tenants.services.clients import get_key_admin, get_key_directory
from tenants.services.publication import alias_of, parameter_of
from tenants.services.work import NotVerified, NotYet, Result, Work
from tenants.states import KeyTier

# A primary with replicas waits for them; its days begin with the last of them (Developer Guide, "Deleting
# multi-Region keys").
PENDING: Final = ("PendingDeletion", "PendingReplicaDeletion")
# AWS KMS API Reference, ScheduleKeyDeletion.
LEAST_DAYS: Final = 7
MOST_DAYS: Final = 30
_POLL_SECONDS: Final = 6 * 3600.0
_SHORTEST_POLL_SECONDS: Final = 60.0
# KMS is eventually consistent: once is not enough to believe that a key is gone.
_TRIES_BEFORE_BELIEF: Final = 2


class WithdrawKey:
    """Take away alias and parameter of one Region, where they name this key."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """What names another key already, or nothing, stays as it is."""
        arn, alias, parameter = key_of(work), alias_of(work.slug), parameter_of(work.slug)
        admin, directory = get_key_admin(), get_key_directory()
        ours = work.tier == KeyTier.DEDICATED or "arn" in work.arguments
        if ours and find_key(work, arn) and alias in admin.list_aliases(arn):
            admin.delete_alias(region=arn.region, alias=alias)
        if directory.find(region=arn.region, name=parameter) == arn:
            directory.withdraw(region=arn.region, name=parameter)
        return {"arn": str(arn), "alias": alias, "parameter": parameter}

    def record(self, work: Work, result: Result) -> None:
        """That nobody finds the key any more."""
        _tell(work, "key.withdrawn", result, "alias", "parameter")


class ScheduleDeletion:
    """Let KMS delete the key after `waiting_days`, in which it cannot be used and may be kept after all."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """Schedule it, unless it is, or there is none (a replica that was planned and never made)."""
        arn, admin = key_of(work), get_key_admin()
        key = find_key(work, arn)
        if key and key.state in ("Creating", "Updating"):
            raise NotYet(5)
        if key and key.state not in PENDING:
            note(
                work, schedule_called_at=timezone.now().isoformat()
            )  # not by whoever lost the claim
            admin.schedule_deletion(arn=arn, days=int(str(work.arguments["waiting_days"])))
            key = find_key(work, arn)
        return {"arn": str(arn), "key_state": key.state if key else "", "deletion_date": _date(key)}

    def record(self, work: Work, result: Result) -> None:
        """When it will be gone."""
        _record_state(work, result)
        _tell(work, "key.deletion_scheduled", result, "key_state", "deletion_date")


class CancelDeletion:
    """Keep a key that waits for its deletion; it is Disabled then, until a later step enables it."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """Cancel it, unless it does not wait. Raises `KeyNotFound` when it is too late."""
        arn, admin = key_of(work), get_key_admin()
        if admin.describe_key(arn).state in PENDING:
            admin.cancel_deletion(arn)
        state = admin.describe_key(arn).state
        return {"arn": str(arn), "key_state": state, "deletion_date": None}

    def record(self, work: Work, result: Result) -> None:
        """That it stays."""
        _record_state(work, result)
        _tell(work, "key.deletion_cancelled", result, "key_state")


class AwaitDeleted:
    """Wait until KMS has deleted the key, for days; looks a few times a day."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """Ask once. `NotYet` while it waits; `NotVerified` when somebody has cancelled the deletion in KMS."""
        arn = key_of(work)
        key = find_key(work, arn)
        if key is None:
            return {"arn": str(arn), "key_state": "", "deletion_date": None}
        if key.state not in PENDING:
            raise NotVerified(
                f"The key in {arn.region} is {key.state}: its deletion was cancelled outside of the gateway."
            )
        if _date(key) != work.found.get("deletion_date"):
            note(work, deletion_date=_date(key))
        raise NotYet(_seconds_to(key.deletion_date))

    def record(self, work: Work, result: Result) -> None:
        """That it is gone."""
        _record_state(work, result)
        _tell(work, "key.deleted", result)


def key_of(work: Work) -> KeyArn:
    """The key that the step is about. Related keys have one id, so that the ARN of any tells that of each, whether or
    not an earlier plan has come to write it down."""
    if "arn" in work.arguments:
        return KeyArn.parse(str(work.arguments["arn"]))
    return next(iter(work.arns.values())).in_region(work.region)


def find_key(work: Work, arn: KeyArn) -> KeyDescription | None:
    """What KMS says of the key, or None where it has said in several tries that there is none.

    Raises `KeyNotFound` in the first of them, which the steps here let settle.
    """
    try:
        return get_key_admin().describe_key(arn)
    except KeyNotFound:
        if work.failures < _TRIES_BEFORE_BELIEF:
            raise
        return None


def _seconds_to(date: datetime | None) -> float:
    """Until just after the date, and then again, but never for longer than a quarter of a day."""
    if date is None:
        return _POLL_SECONDS
    left = (date - timezone.now()).total_seconds() + _SHORTEST_POLL_SECONDS
    return min(max(left, _SHORTEST_POLL_SECONDS), _POLL_SECONDS)


def _date(key: KeyDescription | None) -> str | None:
    return key.deletion_date.isoformat() if key and key.deletion_date else None


def _record_state(work: Work, result: Result) -> None:
    """In the row of the Region, if this is still the key that the row is about."""
    RegionalKey.objects.filter(
        tenant_id=work.tenant_id, region=work.region, arn__in=("", result["arn"])
    ).update(key_state=result["key_state"], deletion_date=result["deletion_date"])


def _tell(work: Work, action: str, result: Result, *facts: str) -> None:
    record_event(
        tenant_id=work.tenant_id,
        actor=this_worker(),
        action=action,
        subject=str(result["arn"]),
        detail={"region": work.region, **{name: result[name] for name in facts}},
    )
