"""The named cast. Acme: all three Regions; Globex: eu-west-1 alone; Initech: half onboarded.

Each call makes a fresh tenant with a slug of its own: tests share one database and never see each other.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from django.conf import settings
from django.test import override_settings

from tenants.models import Tenant
from tenants.selectors import get_progress, get_tenant
from tenants.services.audit import Actor
from tenants.services.onboarding import RegionRuleInput, start_onboarding
from tenants.services.operations import run_operation
from tenants.services.serving import get_envelope

OPERATOR = Actor(kind="operator", id="test")
EVERYWHERE = ("us-east-2", "us-west-1", "eu-west-1")


@contextmanager
def as_region(region: str) -> Iterator[None]:
    """Be a process of that Region: its settings, and its own use role's credentials."""
    crypto = replace(settings.CRYPTO, region=region, use_profile=f"gateway-use-{region}")
    with override_settings(GATEWAY_REGION=region, CRYPTO=crypto):
        get_envelope.cache_clear()
        try:
            yield
        finally:
            get_envelope.cache_clear()


class Cast:
    """Makes tenants."""

    def acme(self, **rules: RegionRuleInput) -> Tenant:
        """Active in all three Regions; `eu_west_1=RegionRuleInput(...)` changes one Region's rule."""
        return self.onboard("acme", EVERYWHERE, "us-east-2", rules)

    def globex(self) -> Tenant:
        """Active in eu-west-1 alone."""
        return self.onboard("globex", ("eu-west-1",), "eu-west-1", {})

    def initech(self) -> Tenant:
        """Onboarding was planned and has not begun."""
        return self.start("initech", EVERYWHERE, "us-east-2", {})

    def start(self, stem: str, regions: Sequence[str], home: str, rules: dict[str, RegionRuleInput]) -> Tenant:
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

    def onboard(self, stem: str, regions: Sequence[str], home: str, rules: dict[str, RegionRuleInput]) -> Tenant:
        """Onboard a fresh tenant to the end, as the workers of its Regions would."""
        tenant = self.start(stem, regions, home, rules)
        run_plan(tenant)
        return get_tenant(tenant.slug)


def run_plan(tenant: Tenant, limit: int = 200) -> None:
    """Run what is due, each operation in the Region that must run it, until the plan is done."""
    for _ in range(limit):
        progress = get_progress(tenant.id)
        if progress.done == progress.total:
            return
        for operation in progress.operations:
            if operation.state in ("due", "running"):
                with as_region(operation.run_region):
                    run_operation(tenant_id=tenant.id, operation_id=operation.id)
            assert operation.state != "failed", operation
    raise AssertionError(f"The plan of {tenant.slug} did not finish: {get_progress(tenant.id)}")
