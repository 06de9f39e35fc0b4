"""API keys of a tenant: list, issue (the token is shown once), revoke."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from gateway.console.access import Permission
from gateway.console.forms import IssueKeyForm, add_problems
from gateway.console.page import Page
from tenants.errors import InputInvalid
from tenants.selectors import ApiKeyView, list_api_keys
from tenants.services.access import IssuedKey, issue_api_key, revoke_api_key

_USED_FORMS = "issued_api_key_forms"


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """One key with the word for its state."""

    key: ApiKeyView
    state: str


class ApiKeys(Page):
    """The keys, and the form for a new one."""

    needs = {"GET": Permission.VIEW, "POST": Permission.API_KEYS}

    def get(self, request: HttpRequest) -> HttpResponse:
        """The list."""
        return self._show(_empty_form())

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Issue a key and show its token in this answer alone: it is kept nowhere, not even for a redirect."""
        form = IssueKeyForm(request.POST)
        if not form.is_valid():
            return self._show(form, status=422)
        form_id = str(form.cleaned_data["form_id"])
        if form_id in request.session.get(_USED_FORMS, []):
            messages.info(
                request,
                "That key has been issued already. Its token was shown once and is kept nowhere.",
            )
            return redirect("console:api-keys", slug=self.tenant.slug)
        try:
            issued = issue_api_key(
                tenant_id=self.tenant.id,
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                expires_at=form.expires_at(timezone.now()),
                actor=self.visitor.actor,
            )
        except InputInvalid as error:
            add_problems(form, error)
            return self._show(form, status=422)
        # A reload sends the same form again: it must not issue a second key.
        request.session[_USED_FORMS] = [*request.session.get(_USED_FORMS, []), form_id][-20:]
        return self._show(_empty_form(), issued=issued)

    def _show(
        self, form: IssueKeyForm, status: int = 200, issued: IssuedKey | None = None
    ) -> HttpResponse:
        now = timezone.now()
        rows = [ApiKeyRow(key, _state(key, now)) for key in list_api_keys(self.tenant.id)]
        rows.sort(key=lambda row: row.state != "active")
        return self.render(
            "api_keys", status=status, form=form, rows=rows, issued=issued, tab="api-keys"
        )


class RevokeApiKey(Page):
    """Ask, then revoke."""

    needs = {"GET": Permission.API_KEYS, "POST": Permission.API_KEYS}

    def get(self, request: HttpRequest, api_key_id: UUID) -> HttpResponse:
        """What will stop working."""
        for key in list_api_keys(self.tenant.id):
            if key.id == api_key_id:
                return self.render("revoke_api_key", key=key, tab="api-keys")
        raise Http404

    def post(self, request: HttpRequest, api_key_id: UUID) -> HttpResponseBase:
        """Revoke it."""
        revoke_api_key(tenant_id=self.tenant.id, api_key_id=api_key_id, actor=self.visitor.actor)
        messages.success(request, "The API key is revoked.")
        return redirect("console:api-keys", slug=self.tenant.slug)


def _empty_form() -> IssueKeyForm:
    return IssueKeyForm(initial={"form_id": uuid4()})


def _state(key: ApiKeyView, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"
