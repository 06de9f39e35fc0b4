"""The Regions of a tenant, for operators: add one, remove one and take that back, move the primary."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from gateway.console.access import Permission
from gateway.console.deeds import AskedDeed, Question
from gateway.console.end_forms import RegionForm, RemovalForm
from gateway.console.forms import add_problems
from gateway.console.page import Page
from gateway.errors import explain
from tenants.errors import InputInvalid, TenantError
from tenants.selectors import list_regional_keys
from tenants.services.promotion import start_promotion
from tenants.services.region_addition import start_region_addition
from tenants.services.region_removal import cancel_region_removal, start_region_removal


class AddRegion(Page):
    """The form for another Region, with its rule."""

    needs = {"GET": Permission.FLEET, "POST": Permission.FLEET}

    def get(self, request: HttpRequest) -> HttpResponse:
        """The Regions in which the tenant has no key."""
        return self._show(RegionForm(regions=self._free()))

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Plan the replica, and show it being made."""
        form = RegionForm(request.POST, regions=self._free())
        if not form.is_valid():
            return self._show(form)
        region = form.cleaned_data["region"]
        try:
            start_region_addition(
                tenant_id=self.tenant.id, rule=form.rule(region), actor=self.visitor.actor
            )
        except InputInvalid as error:
            add_problems(form, error)
            return self._show(form)
        except TenantError as error:
            problem = explain(error)
            form.add_error(None, f"{problem.detail} ({problem.code})")
            return self._show(form)
        messages.success(request, f"The key is being replicated to {region}.")
        return redirect("console:keys", slug=self.tenant.slug)

    def _free(self) -> list[str]:
        used = {key.region for key in list_regional_keys(self.tenant.id)}
        return [region for region in settings.GATEWAY_REGIONS if region not in used]

    def _show(self, form: RegionForm) -> HttpResponse:
        status = 422 if form.is_bound else 200
        return self.render("add_region", status=status, form=form, free=self._free(), tab="keys")


class RegionDeed(AskedDeed):
    """A deed about one Region in which the tenant has a key."""

    needs = {"GET": Permission.FLEET, "POST": Permission.FLEET}
    tab = "keys"

    def back(self) -> str:
        return reverse("console:keys", args=[self.tenant.slug])

    @property
    def region(self) -> str:
        """The Region of the URL."""
        return str(self.kwargs["region"])

    def known(self) -> str:
        """The Region; raises Http404 where the tenant has no key there."""
        if self.region not in {key.region for key in list_regional_keys(self.tenant.id)}:
            raise Http404
        return self.region


class RemoveRegion(RegionDeed):
    """Stop serving the tenant in one Region, and delete its key there."""

    form_class = RemovalForm

    def question(self) -> Question:
        region = self.known()
        return Question(
            ask=f"Remove {region} from {self.tenant.name}?",
            consequence="The tenant is not served there from now on, and its key is deleted after the waiting period.",
            details=(
                "First it is proven that the remaining Regions open every classification that is stored.",
                "They unwrap data keys and open canaries that this Region has made.",
                "Then their key policies stop naming it, and every remaining key is verified.",
            ),
            deed="Remove the Region",
        )

    def do(self, data: dict[str, Any]) -> str:
        start_region_removal(
            tenant_id=self.tenant.id,
            region=self.region,
            waiting_days=data["waiting_days"],
            actor=self.visitor.actor,
        )
        return f"{self.region} is being removed."


class KeepRegion(RegionDeed):
    """Cancel the removal of a Region."""

    def question(self) -> Question:
        region = self.known()
        return Question(
            ask=f"Keep {region} for {self.tenant.name}?",
            consequence="Its key is not deleted. It serves again, under its old rule, once the key is proven.",
            deed="Keep the Region",
            is_danger=False,
        )

    def do(self, data: dict[str, Any]) -> str:
        cancel_region_removal(
            tenant_id=self.tenant.id, region=self.region, actor=self.visitor.actor
        )
        return f"{self.region} is kept."


class MakePrimary(RegionDeed):
    """Move the primary of the key."""

    def question(self) -> Question:
        region = self.known()
        return Question(
            ask=f"Make {region} the primary Region of {self.tenant.name}?",
            consequence="Replicas are made from the primary, and rotation is set there. Requests are served as before.",
            details=(
                "Both Regions must answer: this is no remedy for an outage, and none needs it.",
            ),
            deed="Make it the primary",
            is_danger=False,
        )

    def do(self, data: dict[str, Any]) -> str:
        moved = start_promotion(
            tenant_id=self.tenant.id, region=self.region, actor=self.visitor.actor
        )
        return (
            f"The primary moves to {self.region}."
            if moved
            else f"{self.region} is the primary already."
        )
