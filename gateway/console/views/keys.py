"""The keys of a tenant: each Region with its drift, rotation, re-encryption, and what is sealed under which key."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from gateway.console.access import Permission
from gateway.console.deeds import AskedDeed, Question
from gateway.console.end_forms import PeriodForm, RenewForm, RepairForm
from gateway.console.keys import differences, doable, free_regions, key_rows, under_way
from gateway.console.page import Page
from gateway.console.plans import pace
from tenants.selectors import (
    get_key_id,
    get_progress,
    list_region_rules,
    list_regional_keys,
)
from tenants.selectors.drift import list_drift
from tenants.selectors.key_tiers import get_key_tier
from tenants.selectors.key_usage import get_key_rotation, list_key_usage, parts_left
from tenants.services.data_keys import retire_data_keys
from tenants.services.reconciliation import start_repair
from tenants.services.reencryption import start_reencryption
from tenants.services.rotation import MOST_ON_DEMAND, rotate_key, set_rotation


class Keys(Page):
    """Everything of the tenant's key."""

    needs = {"GET": Permission.VIEW}

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page, or its moving part alone when htmx asks for it."""
        tenant = self.tenant
        tier = get_key_tier(tenant.id)
        progress = get_progress(tenant.id)
        rows = key_rows(
            list_regional_keys(tenant.id), list_drift(tenant.id), list_region_rules(tenant.id), tier
        )
        usage = list_key_usage(tenant.id)
        rotation = get_key_rotation(tenant.id)
        return self.render(
            "_keys" if request.headers.get("HX-Target") == "keys-page" else "keys",
            rows=rows,
            tier=tier,
            key_id=get_key_id(tenant.id),
            doable=doable(tenant, tier),
            free_regions=free_regions(settings.GATEWAY_REGIONS, rows),
            rotation=rotation,
            on_demand_left=MOST_ON_DEMAND - rotation.on_demand_rotations,
            usage=usage,
            parts_left=parts_left(usage),
            progress=progress,
            plan_state=under_way(progress),
            pace=pace(progress.operations),
            tab="keys",
        )


class KeyDeed(AskedDeed):
    """A deed of this page, for those who may work on keys."""

    needs = {"GET": Permission.KEYS, "POST": Permission.KEYS}
    tab = "keys"

    def back(self) -> str:
        return reverse("console:keys", args=[self.tenant.slug])


class Repair(KeyDeed):
    """Put right what drifts of one Region's key."""

    form_class = RepairForm

    @property
    def region(self) -> str:
        """The Region of the URL."""
        return str(self.kwargs["region"])

    def question(self) -> Question:
        found = next((one for one in list_drift(self.tenant.id) if one.region == self.region), None)
        if found is None:
            raise Http404
        return Question(
            ask=f"Repair the key in {self.region}?",
            consequence="It is compared with AWS once more, what can be put right is, and the key is verified.",
            details=tuple(line for one in found.drift for line in differences(one)),
            deed="Repair the key",
            is_danger=False,
        )

    def do(self, data: dict[str, Any]) -> str:
        start_repair(
            tenant_id=self.tenant.id,
            regions=[self.region],
            enable=data["enable"],
            actor=self.visitor.actor,
        )
        return f"The key in {self.region} is being repaired."


class RotateNow(KeyDeed):
    """Give the key new material."""

    form_class = RenewForm

    def question(self) -> Question:
        used = get_key_rotation(self.tenant.id).on_demand_rotations
        return Question(
            ask="Rotate the key now?",
            consequence="The key gets new key material in every Region. Nothing becomes unreadable.",
            details=(
                f"KMS allows {MOST_ON_DEMAND} rotations on demand in a key's life: {MOST_ON_DEMAND - used} are left.",
                "New data keys are made from then on, and index keys are wrapped anew.",
            ),
            deed="Rotate the key",
            is_danger=False,
        )

    def do(self, data: dict[str, Any]) -> str:
        rotate_key(tenant_id=self.tenant.id, reencrypt=data["reencrypt"], actor=self.visitor.actor)
        return "The key is being rotated."


class RetireDataKeys(KeyDeed):
    """Replace the data keys."""

    form_class = RenewForm

    def question(self) -> Question:
        return Question(
            ask="Replace all data keys?",
            consequence="From then on new data keys seal, under the same key. The old ones only open what is there.",
            deed="Replace the data keys",
            is_danger=False,
        )

    def do(self, data: dict[str, Any]) -> str:
        retire_data_keys(
            tenant_id=self.tenant.id, reencrypt=data["reencrypt"], actor=self.visitor.actor
        )
        return "The data keys are being replaced."


class Reencrypt(KeyDeed):
    """Move all records to data keys under the current key material."""

    def question(self) -> Question:
        left = parts_left(list_key_usage(self.tenant.id))
        return Question(
            ask="Re-encrypt the records?",
            consequence="In the background, while the tenant reads and writes: what is under an old key or old key"
            " material moves to data keys under the current one.",
            details=(f"Sealed parts that are known to be old: {left:,}.",),
            deed="Re-encrypt the records",
            is_danger=False,
        )

    def do(self, data: dict[str, Any]) -> str:
        start_reencryption(tenant_id=self.tenant.id, actor=self.visitor.actor)
        return "The records are being re-encrypted."


class RotationPeriod(KeyDeed):
    """How often KMS rotates the key by itself."""

    def form(self, data: Any = None) -> forms.Form:
        return PeriodForm(data, initial={"days": get_key_rotation(self.tenant.id).days})

    def question(self) -> Question:
        return Question(
            ask="Automatic rotation",
            consequence="KMS counts the days from the moment at which they are set.",
            deed="Set the period",
            is_danger=False,
        )

    def do(self, data: dict[str, Any]) -> str:
        set_rotation(tenant_id=self.tenant.id, days=data["days"], actor=self.visitor.actor)
        return "The period is being set."
