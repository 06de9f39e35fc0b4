"""The people of a tenant: list, add, remove."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from gateway.console.access import Permission
from gateway.console.forms import MemberForm, add_problems
from gateway.console.page import Page
from gateway.console.words import MEMBER_ROLE
from tenants.errors import Conflict, InputInvalid
from tenants.selectors import list_members
from tenants.services.access import add_member, remove_member


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class Members(Page):
    """The members, and the form for a new one."""

    needs = {"GET": Permission.VIEW, "POST": Permission.MEMBERS}

    def get(self, request: HttpRequest) -> HttpResponse:
        """The list."""
        return self._show(MemberForm())

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Add a member."""
        form = MemberForm(request.POST)
        if not form.is_valid():
            return self._show(form)
        try:
            member = add_member(
                tenant_id=self.tenant.id, actor=self.visitor.actor, **form.cleaned_data
            )
        except InputInvalid as error:
            add_problems(form, error)
            return self._show(form)
        except Conflict as error:
            form.add_error("role", str(error))
            return self._show(form)
        messages.success(
            request, f"{member.email} is a member now: {MEMBER_ROLE[member.role].label}."
        )
        return redirect("console:members", slug=self.tenant.slug)

    def _show(self, form: MemberForm) -> HttpResponse:
        return self.render(
            "members",
            status=422 if form.is_bound else 200,
            form=form,
            members=list_members(self.tenant.id),
            tab="members",
        )


class RemoveMember(Page):
    """Ask, then remove."""

    needs = {"GET": Permission.MEMBERS, "POST": Permission.MEMBERS}

    def get(self, request: HttpRequest, member_id: UUID) -> HttpResponse:
        """Who loses what."""
        for member in list_members(self.tenant.id):
            if member.id == member_id:
                return self.render("remove_member", member=member, tab="members")
        raise Http404

    def post(self, request: HttpRequest, member_id: UUID) -> HttpResponseBase:
        """Remove them."""
        try:
            remove_member(tenant_id=self.tenant.id, member_id=member_id, actor=self.visitor.actor)
            messages.success(request, "The member is removed.")
        except Conflict as error:
            messages.error(request, str(error))
        return redirect("console:members", slug=self.tenant.slug)
