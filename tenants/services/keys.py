"""The steps of making a tenant's key and keeping it as it should be. Each may be killed at any point and run again.

CreateKey takes no idempotency token, so a key is tagged in the same call with the id of its operation and found again
by that tag. Remaining risk, stated plainly: AWS's tag index is eventually consistent. A worker killed between the
answer of CreateKey and its own commit leaves a key that the index may show late; the next try waits until the call is
SETTLE_SECONDS old before it believes that there is none. Were the index later still, or a worker paused for longer than
lease and wait just before its call, a second key would be made. The one that is not in our tables is then unused: no
data was ever sealed with it, and a reconciliation finds it by its tag. While both show, a look-up stops with
`KeyAlreadyExists` rather than guess.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.utils import timezone

from crypto.arn import KeyArn
from crypto.errors import KeyAlreadyExists, KeyNotFound, KeyThrottled, KeyUnusable
from tenants.key_policy import fingerprint, render
from tenants.kms.key_admin import KeyDescription
from tenants.models import RegionalKey, TenantKey
from tenants.services.audit import record_event, this_worker
from tenants.services.call_budget import await_turn
from tenants.services.claims import note
from tenants.services.clients import get_key_admin
from tenants.services.policies import desired_policy_of
from tenants.services.work import NotVerified, NotYet, Result, Work

OPERATION_TAG = "mrk-gateway:operation"
ENVIRONMENT_TAG = "mrk-gateway:environment"
TENANT_TAG = "mrk-gateway:tenant-id"
SETTLE_SECONDS = 30
_SETTLE = timedelta(seconds=SETTLE_SECONDS)


class CreatePrimaryKey:
    """Make the multi-Region primary, with its key policy and tags in the same call."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """Take the key that somebody has chosen, or that of an earlier try; else make one.

        A try notes its call before it makes it, so that without a note there is nothing to look for.
        """
        admin = get_key_admin()
        if "adopted" in work.found:
            return _made(_adopted(work, KeyArn.parse(str(work.found["adopted"]))), "")
        if called := work.found.get("create_called_at"):
            found = admin.find_key_by_tag(
                region=work.region, tag=OPERATION_TAG, value=str(work.operation_id)
            )
            if found:
                return _made(admin.describe_key(found), "")
            if timezone.now() - datetime.fromisoformat(str(called)) < _SETTLE:
                raise NotYet(5)
        await_turn(work.region, "CreateKey")
        note(work, create_called_at=timezone.now().isoformat())
        policy = desired_policy_of(work)
        try:
            made = admin.create_primary_key(
                region=work.region,
                policy=render(policy),
                tags=tags_of(work),
                description=_description(work),
            )
        except KeyThrottled:
            note(work, create_called_at="")  # nothing was made, so there is nothing to look for
            raise
        return _made(made, fingerprint(policy))

    def record(self, work: Work, result: Result) -> None:
        """The key's id and ARN, and that it is there."""
        arn = KeyArn.parse(str(result["arn"]))
        if not work.of_new_key:
            TenantKey.objects.filter(tenant_id=work.tenant_id).update(key_id=arn.key_id)
        _record_made(work, result, "key.created")


def _adopted(work: Work, arn: KeyArn) -> KeyDescription:
    """The orphan that an operator has chosen for this step, if it still is one of the tenant and may be used."""
    admin = get_key_admin()
    key = admin.describe_key(arn)
    if admin.list_tags(arn).get(TENANT_TAG) != work.tenant:
        raise NotVerified(
            f"The key in {arn.region} that was adopted is not tagged as the tenant's."
        )
    if not key.is_primary or key.state != "Enabled":
        raise NotVerified(f"The key in {arn.region} that was adopted is {key.state} or a replica.")
    return key


class ReplicateKey:
    """Make the replica in one Region, with that Region's key policy and tags in the same call."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """Make it; where there is one already, an earlier try made it, since one key has one replica a Region."""
        admin = get_key_admin()
        primary = work.arns[work.primary_region]
        policy = desired_policy_of(work)
        try:
            made = admin.replicate_key(
                primary=primary,
                region=work.region,
                policy=render(policy),
                tags=tags_of(work),
                description=_description(work),
            )
        except KeyAlreadyExists:
            return _made(admin.describe_key(primary.in_region(work.region)), "")
        return _made(made, fingerprint(policy))

    def record(self, work: Work, result: Result) -> None:
        """The replica's ARN, and that it is there: made, or found where we knew of it."""
        found = not result["fingerprint"] and work.region in work.arns
        _record_made(work, result, "key.found" if found else "key.replicated")


class AwaitEnabled:
    """Wait until KMS has made the key ready: a replica is `Creating` for seconds, at times minutes."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """Ask once. `NotYet` while KMS is at it; `KeyUnusable` for a key that nobody makes ready."""
        state = get_key_admin().describe_key(work.arn).state
        if state in ("Creating", "Updating"):
            raise NotYet(min(1 + work.attempt, 15))
        if state != "Enabled":
            raise KeyUnusable(f"The key in {work.region} is {state}.")
        return {"key_state": state}

    def record(self, work: Work, result: Result) -> None:
        """The state as it was seen."""
        if work.of_new_key:
            return
        key = RegionalKey.objects.filter(tenant_id=work.tenant_id, region=work.region)
        key.update(key_state=result["key_state"])


def tags_of(work: Work) -> dict[str, str]:
    """The tags of a key: whose it is, and which operation made it."""
    return {
        OPERATION_TAG: str(work.operation_id),
        **owner_tags(slug=work.slug, tenant=work.tenant),
    }


def owner_tags(*, slug: str, tenant: str) -> dict[str, str]:
    """The tags that say whose a key is, which it has as long as it lives."""
    return {
        ENVIRONMENT_TAG: settings.GATEWAY_ENVIRONMENT,
        "mrk-gateway:tenant": slug,
        TENANT_TAG: tenant,
    }


def _description(work: Work) -> str:
    return f"Tenant {work.slug} of the encryption gateway, {settings.GATEWAY_ENVIRONMENT}"


def _made(key: KeyDescription, applied: str) -> Result:
    return {
        "arn": str(key.arn),
        "key_state": key.state,
        "fingerprint": applied,
        "key_material_id": key.key_material_id,
    }


def _record_made(work: Work, result: Result, action: str) -> None:
    """A new key of a tenant that moves stands in the results of the plan alone, until the tenant has moved."""
    if not work.of_new_key:
        RegionalKey.objects.filter(tenant_id=work.tenant_id, region=work.region).update(
            arn=result["arn"],
            key_state=result["key_state"],
            applied_fingerprint=result["fingerprint"],
        )
    record_event(
        tenant_id=work.tenant_id,
        actor=this_worker(),
        action=action,
        subject=str(result["arn"]),
        detail={"region": work.region, "operation": str(work.operation_id)},
    )
