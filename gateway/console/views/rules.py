"""The rule of one Region: what it may do with the tenant's key."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from gateway.console.access import Permission
from gateway.console.forms import RegionRuleForm, add_problems
from gateway.console.page import Page
from tenants.errors import Conflict, InputInvalid, TenantNotActive
from tenants.selectors import RuleView, list_region_rules
from tenants.services.rules import change_region_rule


class RegionRulePage(Page):
    """The form for one Region's rule."""

    needs = {"GET": Permission.KEYS, "POST": Permission.KEYS}

    def get(self, request: HttpRequest, region: str) -> HttpResponse:
        """The rule in force."""
        rule = self._rule(region)
        return self._show(RegionRuleForm(initial=RegionRuleForm.initial_of(rule)), rule)

    def post(self, request: HttpRequest, region: str) -> HttpResponseBase:
        """Plan the change, and show it running."""
        rule = self._rule(region)
        form = RegionRuleForm(request.POST)
        if not form.is_valid():
            return self._show(form, rule)
        try:
            change_region_rule(
                tenant_id=self.tenant.id, rule=form.rule(region), actor=self.visitor.actor
            )
        except InputInvalid as error:
            add_problems(form, error)
            return self._show(form, rule)
        except (Conflict, TenantNotActive) as error:
            form.add_error(None, str(error))
            return self._show(form, rule)
        messages.success(request, f"The rule of {region} is being applied.")
        return redirect("console:tenant", slug=self.tenant.slug)

    def _rule(self, region: str) -> RuleView:
        for rule in list_region_rules(self.tenant.id):
            if rule.region == region:
                return rule
        raise Http404

    def _show(self, form: RegionRuleForm, rule: RuleView) -> HttpResponse:
        status = 422 if form.is_bound else 200
        return self.render("rule", status=status, form=form, rule=rule, tab="overview")
