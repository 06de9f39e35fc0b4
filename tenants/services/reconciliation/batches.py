"""The keys of a Region that were not compared for longest, a bounded batch at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now

from crypto.errors import CredentialsRefused, KeyUnavailable
from tenants.errors import CallQuotaReached, TenantError
from tenants.models import RegionalKey
from tenants.scope import fleet_scope
from tenants.services.audit import this_worker
from tenants.services.reconciliation.checks import check_key
from tenants.services.reconciliation.drift import Drift
from tenants.services.reconciliation.repair import start_repair

_log = structlog.get_logger(__name__)


def reconcile(*, region: str) -> int:
    """Compare the keys of that Region, whose worker this is, that were not compared for longest; returns how many.

    At most a batch, and for half of the time until the next one is due: operations share the worker. It ends early
    where AWS does not serve, and goes on at the same key the next time. With GATEWAY_REPAIR_DRIFT=safe it repairs what
    a machine may.
    """
    until = time.monotonic() + settings.GATEWAY_RECONCILE_SECONDS / 2
    done = 0
    for tenant_id in _least_recent(region):
        if time.monotonic() > until:
            break
        try:
            found = check_key(tenant_id=tenant_id, region=region)
        except (KeyUnavailable, CredentialsRefused, CallQuotaReached) as error:
            _log.warning("reconciliation_stopped", region=region, error=error.code, done=done)
            break
        if settings.GATEWAY_REPAIR_DRIFT == "safe":
            _repair(tenant_id, region, found)
        done += 1
    return done


def _least_recent(region: str) -> list[UUID]:
    """From the index of that order: those never compared come first. Of any tenant, active or not, so that those who
    are not do not gather at the front."""
    age = timedelta(seconds=settings.GATEWAY_RECONCILE_AGE_SECONDS)
    with fleet_scope("latest"):
        keys = RegionalKey.objects.filter(region=region).filter(
            Q(checked_at=None) | Q(checked_at__lt=Now() - age)
        )
        ordered = keys.order_by(F("checked_at").asc(nulls_first=True))
        return list(ordered.values_list("tenant_id", flat=True)[: settings.GATEWAY_RECONCILE_BATCH])


def _repair(tenant_id: UUID, region: str, found: Sequence[Drift]) -> None:
    """Only where that puts right all that drifts: the proof would fail on the rest."""
    if not found or not all(each.repairable for each in found):
        return
    try:
        start_repair(tenant_id=tenant_id, regions=[region], unattended=True, actor=this_worker())
    except TenantError as error:  # another plan, or another state, since
        _log.info("repair_left", region=region, error=error.code)
