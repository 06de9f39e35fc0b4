"""The list of tenants, and onboarding a new one."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from gateway.console.access import Permission
from gateway.console.fleet import region_lines
from gateway.console.forms import OnboardForm, add_problems
from gateway.console.page import Page
from tenants.errors import InputInvalid, TenantExists
from tenants.selectors import TenantSummary, list_memberships, list_tenants
from tenants.services.onboarding import start_onboarding

TENANTS_A_PAGE = 50


class TenantList(Page):
    """All tenants for an operator; for anybody else, those that they are a member of."""

    needs = {"GET": Permission.SIGNED_IN}

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """The list, or its moving part alone when htmx asks for it."""
        if not self.visitor.is_operator:
            return self._own()
        search = _clean(request.GET.get("q", ""))
        after = _clean(request.GET.get("after", "")) or None
        found = list_tenants(after=after, limit=TENANTS_A_PAGE + 1, search=search)
        shown = found[:TENANTS_A_PAGE]
        template = "_fleet" if request.headers.get("HX-Target") == "fleet" else "tenants"
        return self.render(
            template,
            rows=shown,
            search=search,
            after=after,
            next=shown[-1].tenant.slug if len(found) > TENANTS_A_PAGE else None,
            regions=region_lines(),
            is_moving=any(_is_moving(row) for row in shown),
        )

    def _own(self) -> HttpResponseBase:
        memberships = list_memberships(self.visitor.user_id)
        if len(memberships) == 1:
            return redirect("console:tenant", slug=memberships[0][0].slug)
        return self.render("memberships", memberships=memberships)


class Onboard(Page):
    """The form for a new tenant."""

    needs = {"GET": Permission.FLEET, "POST": Permission.FLEET}

    def get(self, request: HttpRequest) -> HttpResponse:
        """An empty form with every Region chosen."""
        return self._show(
            OnboardForm(regions=settings.GATEWAY_REGIONS, home=settings.GATEWAY_REGIONS[0])
        )

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Plan the onboarding, and show it running."""
        form = OnboardForm(
            request.POST, regions=settings.GATEWAY_REGIONS, home=settings.GATEWAY_REGIONS[0]
        )
        if not form.is_valid():
            return self._show(form)
        try:
            tenant = start_onboarding(
                slug=form.cleaned_data["slug"],
                name=form.cleaned_data["name"],
                home_region=form.cleaned_data["home_region"],
                rules=form.rules(),
                actor=self.visitor.actor,
            )
        except InputInvalid as error:
            add_problems(form, error)
            return self._show(form)
        except TenantExists as error:
            form.add_error("slug", str(error))
            return self._show(form)
        messages.success(request, f"Onboarding of {tenant.name} has started.")
        return redirect("console:tenant", slug=tenant.slug)

    def _show(self, form: OnboardForm) -> HttpResponse:
        return self.render("onboard", status=422 if form.is_bound else 200, form=form)


def _clean(text: str) -> str:
    # PostgreSQL has no U+0000 in texts and answers it with an error.
    return text.replace("\0", "").strip()[:100]


def _is_moving(row: TenantSummary) -> bool:
    return row.done < row.total and not row.failed
