"""Activation: the last step of onboarding. From here on the tenant's requests are served."""

from __future__ import annotations

from typing import ClassVar

from django.utils import timezone

from tenants.models import RegionalKey, Tenant
from tenants.services.audit import record_event, this_worker
from tenants.services.work import NotVerified, Result, Work
from tenants.states import TenantState


class ActivateTenant:
    """Make the tenant active, once its key is proven in each Region."""

    settles: ClassVar[tuple[type[Exception], ...]] = ()

    def perform(self, work: Work) -> Result:
        """All of it happens in our own tables."""
        return {"regions": [*sorted(work.arns)]}

    def record(self, work: Work, result: Result) -> None:
        """ONBOARDING becomes ACTIVE. A tenant that was revoked meanwhile stays revoked."""
        keys = RegionalKey.objects.filter(tenant_id=work.tenant_id)
        unproven = list(keys.filter(verified_at=None).values_list("region", flat=True))
        if unproven:
            raise NotVerified(f"The key is not verified in {', '.join(sorted(unproven))}.")
        activated = Tenant.objects.filter(id=work.tenant_id, state=TenantState.ONBOARDING).update(
            state=TenantState.ACTIVE, activated_at=timezone.now()
        )
        if activated:
            record_event(
                tenant_id=work.tenant_id,
                actor=this_worker(),
                action="tenant.activated",
                subject=work.slug,
                detail={"regions": result["regions"]},
            )
