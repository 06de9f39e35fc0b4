"""The danger zone of a tenant: revoke and restore it, end it with a second person, and the certificate of its end."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from gateway.console.access import Permission
from gateway.console.deeds import AskedDeed, Deed, Question
from gateway.console.end_forms import ApproveForm, EndForm, RevokeForm
from gateway.console.ends import End, get_end, get_export_state, get_revocation
from gateway.console.page import Page
from gateway.console.people import names_of
from gateway.console.plans import pace, state_of
from tenants.selectors import get_progress
from tenants.selectors.offboarding import get_certificate
from tenants.services.offboarding import (
    approve_offboarding,
    cancel_offboarding,
    request_offboarding,
)
from tenants.services.restoration import restore_tenant
from tenants.services.revocation import refresh_revocation, revoke_tenant

# Plans whose progress belongs on this page.
_PLANS = ("revocation", "restoration", "offboarding")


class DangerZone(Page):
    """Revocation with its report, the end of the tenant, the certificate."""

    needs = {"GET": Permission.VIEW}

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page, or its moving part alone when htmx asks for it."""
        tenant = self.tenant
        names = names_of(tenant, self.visitor)
        progress = get_progress(tenant.id)
        end = get_end(tenant, self.visitor, names)
        return self.render(
            "_danger" if request.headers.get("HX-Target") == "danger" else "danger",
            revocation=get_revocation(tenant, self.visitor, names),
            end=end,
            certificate=get_certificate(tenant.id) if end and end.view.has_certificate else None,
            progress=progress if progress.plan in _PLANS else None,
            plan_state=state_of(progress) if progress.total else "",
            pace=pace(progress.operations),
            tab="danger",
        )


class _Dangerous(AskedDeed):
    """A deed of this page, for those who may work on keys."""

    needs = {"GET": Permission.KEYS, "POST": Permission.KEYS}
    tab = "danger"

    def back(self) -> str:
        return reverse("console:danger", args=[self.tenant.slug])


class Revoke(_Dangerous):
    """Stop every use of the tenant's keys."""

    def form(self, data: Any = None) -> forms.Form:
        return RevokeForm(data, slug=self.tenant.slug)

    def question(self) -> Question:
        return Question(
            ask=f"Revoke {self.tenant.name}?",
            consequence="Every use of its keys stops in all Regions, at once and until it is restored.",
            details=(
                "Gateways refuse each request of the tenant as soon as they see it.",
                "Its key is disabled in every Region, and KMS is proven to refuse.",
                "All other work on its keys pauses. Nothing is deleted.",
            ),
            deed="Revoke the tenant",
        )

    def do(self, data: dict[str, Any]) -> str:
        revoke_tenant(
            tenant_id=self.tenant.id, reason=data["reason"].strip(), actor=self.visitor.actor
        )
        return f"{self.tenant.name} is revoked. Each Region reports below when it is proven."


class RefreshRevocation(Deed):
    """Prove a revocation again."""

    needs = {"POST": Permission.KEYS}

    def back(self) -> str:
        return reverse("console:danger", args=[self.tenant.slug])

    def do(self, data: dict[str, Any]) -> str:
        refresh_revocation(tenant_id=self.tenant.id, actor=self.visitor.actor)
        return "Every Region is proven again, and the trail is read again."


class Restore(_Dangerous):
    """Bring a revoked tenant back."""

    def question(self) -> Question:
        return Question(
            ask=f"Restore {self.tenant.name}?",
            consequence="Its keys are enabled, and its requests are served again once every Region is proven.",
            details=("Work that was paused by the revocation goes on.",),
            deed="Restore the tenant",
            is_danger=False,
        )

    def do(self, data: dict[str, Any]) -> str:
        restore_tenant(tenant_id=self.tenant.id, actor=self.visitor.actor)
        return f"{self.tenant.name} is being restored."


class RequestEnd(_Dangerous):
    """Ask for the end of the tenant."""

    def form(self, data: Any = None) -> forms.Form:
        return EndForm(data, slug=self.tenant.slug)

    def question(self) -> Question:
        return Question(
            ask=f"Request the end of {self.tenant.name}?",
            consequence="Its keys will be destroyed, and with them all that was sealed under them, in every copy.",
            details=(
                "Nothing happens before a second person approves the request.",
                "Export the records first: manage.py export_records writes them all.",
                "Until the last key is gone, one person can call it off.",
            ),
            deed="Request the end",
        )

    def do(self, data: dict[str, Any]) -> str:
        request_offboarding(
            tenant_id=self.tenant.id,
            reason=data["reason"].strip(),
            waiting_days=data["waiting_days"],
            actor=self.visitor.actor,
        )
        return "The end is requested. It waits for the approval of a second person."


class ApproveEnd(_Dangerous):
    """Approve it, as the second person."""

    def form(self, data: Any = None) -> forms.Form:
        return ApproveForm(data, slug=self.tenant.slug, request_id=str(self._end.view.id))

    def context(self) -> dict[str, Any]:
        return {"export": get_export_state(self.tenant), "end": self._end}

    def question(self) -> Question:
        return Question(
            ask=f"Approve the end of {self.tenant.name}?",
            consequence="From now on none of its requests is served, and its keys wait to be deleted for good.",
            deed="Approve the end",
        )

    def do(self, data: dict[str, Any]) -> str:
        approve_offboarding(
            tenant_id=self.tenant.id,
            offboarding_id=data["offboarding_id"],
            waive_export=data["waive_export"],
            actor=self.visitor.actor,
        )
        return "The end is approved. It can be called off until the last key is gone."

    @property
    def _end(self) -> End:
        end = get_end(self.tenant, self.visitor, names_of(self.tenant, self.visitor))
        if end is None:
            raise Http404
        return end


class CancelEnd(_Dangerous):
    """Call it off."""

    def question(self) -> Question:
        return Question(
            ask=f"Call off the end of {self.tenant.name}?",
            consequence="Its keys are kept. If they are disabled already, they are enabled and proven again first.",
            details=("A tenant that was revoked before stays revoked.",),
            deed="Call it off",
            is_danger=False,
        )

    def do(self, data: dict[str, Any]) -> str:
        cancel_offboarding(tenant_id=self.tenant.id, actor=self.visitor.actor)
        return "The end is called off."


class Certificate(Page):
    """The signed certificate, as a file."""

    needs: ClassVar = {"GET": Permission.VIEW}

    def get(self, request: HttpRequest) -> HttpResponse:
        """The document and its signature, as JSON."""
        body = json.dumps(get_certificate(self.tenant.id), ensure_ascii=False, indent=2)
        answer = HttpResponse(body, content_type="application/json")
        answer["Content-Disposition"] = (
            f'attachment; filename="{self.tenant.slug}-certificate.json"'
        )
        return answer
