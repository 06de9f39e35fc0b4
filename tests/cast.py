"""The named cast. Acme: all three Regions; Globex: eu-west-1 alone; Initech: half onboarded.

Each call makes a fresh tenant with a slug of its own: tests share one database and never see each other.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from unittest.mock import patch

import httpx2
from django.conf import settings
from django.db.models import F
from django.test import override_settings
from django.utils import timezone

from crypto.conf import CryptoSettings
from crypto.kms.clients import BeforeCall, KmsClients
from tenants.actor import Actor
from tenants.models import KeyOperation
from tenants.scope import tenant_scope
from tenants.selectors import OperationView, Progress, TenantView, get_progress, get_tenant
from tenants.services.claims import CLAIMABLE
from tenants.services.clients import get_clients
from tenants.services.key_choice import KeyInput
from tenants.services.onboarding import RegionRuleInput, create_pool, start_onboarding
from tenants.services.operations import run_operation
from tenants.services.serving import get_envelope
from tenants.states import KeyTier
from tests.stack import Stack

OPERATOR = Actor(kind="operator", id="test")
_CLIENTS: dict[str, KmsClients] = {}
EVERYWHERE = ("us-east-2", "us-west-1", "eu-west-1")


@contextmanager
def as_region(region: str) -> Iterator[None]:
    """Be a process of that Region: its settings, and its own use role's credentials."""
    crypto = replace(settings.CRYPTO, region=region, use_profile=f"gateway-use-{region}")
    with (
        override_settings(GATEWAY_REGION=region, CRYPTO=crypto),
        patch("tenants.services.clients.KmsClients", clients_of),
    ):
        forget_clients()
        try:
            yield
        finally:
            forget_clients()


def clients_of(crypto: CryptoSettings, before_admin_call: BeforeCall | None = None) -> KmsClients:
    """Clients of these settings, kept from test to test: making a boto3 session takes a tenth of a second."""
    place = f"{crypto!r} {before_admin_call is not None}"
    return _CLIENTS.setdefault(place, KmsClients(crypto, before_admin_call))


def forget_clients() -> None:
    """Let clients be made anew, from the settings of the moment."""
    get_envelope.cache_clear()
    get_clients.cache_clear()


class Cast:
    """Makes tenants."""

    def acme(self, **rules: RegionRuleInput) -> TenantView:
        """Active in all three Regions; `eu_west_1=RegionRuleInput(...)` changes one Region's rule."""
        return self.onboard("acme", EVERYWHERE, "us-east-2", rules)

    def globex(self) -> TenantView:
        """Active in eu-west-1 alone."""
        return self.onboard("globex", ("eu-west-1",), "eu-west-1", {})

    def initech(self) -> TenantView:
        """Onboarding was planned and has not begun."""
        return self.start("initech", EVERYWHERE, "us-east-2", {})

    def pool(self, **rules: RegionRuleInput) -> TenantView:
        """A pool, active in all three Regions."""
        pool = self.start_pool(rules)
        run_plan(pool)
        return get_tenant(pool.slug)

    def start_pool(self, rules: dict[str, RegionRuleInput]) -> TenantView:
        """Plan the making of a fresh pool."""
        given = {name.replace("_", "-"): rule for name, rule in rules.items()}
        return create_pool(
            slug=f"pool-{secrets.token_hex(4)}",
            name="Pool",
            home_region="us-east-2",
            rules=[given.get(region) or RegionRuleInput(region=region) for region in EVERYWHERE],
            actor=OPERATOR,
        )

    def pooled(self, pool: TenantView, *regions: str, stem: str = "hooli") -> TenantView:
        """Active, with the key of this pool; in all Regions unless some are named, the first of them its home."""
        tenant = self.start_pooled(pool, *regions, stem=stem)
        run_plan(tenant)
        return get_tenant(tenant.slug)

    def start_pooled(self, pool: TenantView, *regions: str, stem: str = "hooli") -> TenantView:
        """Plan the onboarding of a fresh tenant of this pool."""
        chosen = regions or EVERYWHERE
        return start_onboarding(
            slug=f"{stem}-{secrets.token_hex(4)}",
            name=stem.title(),
            home_region=chosen[0],
            rules=[RegionRuleInput(region=region) for region in chosen],
            key=KeyInput(tier=KeyTier.POOLED, pool=pool.slug),
            actor=OPERATOR,
        )

    def start(
        self, stem: str, regions: Sequence[str], home: str, rules: dict[str, RegionRuleInput]
    ) -> TenantView:
        """Plan the onboarding of a fresh tenant."""
        given = {name.replace("_", "-"): rule for name, rule in rules.items()}
        slug = f"{stem}-{secrets.token_hex(4)}"
        return start_onboarding(
            slug=slug,
            name=stem.title(),
            home_region=home,
            rules=[given.get(region) or RegionRuleInput(region=region) for region in regions],
            actor=OPERATOR,
        )

    def onboard(
        self, stem: str, regions: Sequence[str], home: str, rules: dict[str, RegionRuleInput]
    ) -> TenantView:
        """Onboard a fresh tenant to the end, as the workers of its Regions would."""
        tenant = self.start(stem, regions, home, rules)
        run_plan(tenant)
        return get_tenant(tenant.slug)


def run_plan(tenant: TenantView, passes: int = 60) -> Progress:
    """Run what is due, each operation in the Region that must run it, until the newest plan is done."""
    for _ in range(passes):
        progress = get_progress(tenant.id)
        if progress.is_finished:
            return progress
        assert not progress.failed, progress
        if not run_due(tenant):
            let_time_pass(tenant)
    raise AssertionError(f"The plan of {tenant.slug} did not finish: {get_progress(tenant.id)}")


def run_due(tenant: TenantView) -> int:
    """Run once, Region by Region, what a worker may claim now; how many operations that was."""
    now = timezone.now()
    due = [
        operation
        for operation in get_progress(tenant.id).operations
        if operation.state in CLAIMABLE
        and operation.next_attempt_at
        and operation.next_attempt_at <= now
    ]
    for region, operations in groupby(sorted(due, key=by_region), key=by_region):
        with as_region(region):
            for operation in operations:
                run_operation(tenant_id=tenant.id, operation_id=operation.id)
    return len(due)


def by_region(operation: OperationView) -> str:
    """Whose worker runs it."""
    return operation.run_region


def let_time_pass(tenant: TenantView) -> None:
    """Half a minute later: pauses and leases of this tenant are over, and KMS has made what it was making."""
    later = timedelta(seconds=30)
    with tenant_scope(tenant.id, "write"):
        waiting = KeyOperation.objects.filter(tenant_id=tenant.id, state__in=CLAIMABLE)
        waiting.update(next_attempt_at=F("next_attempt_at") - later)
    advance_kms_clock(later.total_seconds())


def advance_kms_clock(seconds: float) -> None:
    """Move the time of the KMS stand-in on, in all Regions."""
    answer = httpx2.post(f"{Stack.inherited().kms_admin}/clock", json={"advance_seconds": seconds})
    answer.raise_for_status()
