"""Deed: one thing that a form asks a service to do. What came of it is said on the page that the visitor returns to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from gateway.console.forms import add_problems
from gateway.console.page import Page
from gateway.errors import explain
from tenants.errors import InputInvalid, TenantError


class Deed(Page):
    """A POST without a form of its own. Subclasses say what is done (`do`) and where to go then (`back`)."""

    def do(self, data: dict[str, Any]) -> str:
        """Ask the service; returns the sentence that says it was done. Errors of the service are shown as messages."""
        raise NotImplementedError

    def back(self) -> str:
        """The URL of the page to return to."""
        raise NotImplementedError

    def post(self, request: HttpRequest, **path: Any) -> HttpResponseBase:
        """Do it."""
        return self._done({})

    def _done(self, data: dict[str, Any]) -> HttpResponseBase:
        try:
            messages.success(self.request, self.do(data))
        except InputInvalid:
            raise
        except TenantError as error:
            say_error(self.request, error)
        return redirect(self.back())


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a visitor is asked before a deed is done: the question, what follows, and the button."""

    ask: str
    consequence: str
    deed: str
    details: tuple[str, ...] = ()
    is_danger: bool = True


class AskedDeed(Deed):
    """A deed that is asked about first; with a form, what it needs to know is filled in there."""

    form_class: ClassVar[type[forms.Form]] = forms.Form
    tab: ClassVar[str] = ""

    def question(self) -> Question:
        """The question; may raise Http404 where there is nothing to ask about."""
        raise NotImplementedError

    def form(self, data: Any = None) -> forms.Form:
        """The form, empty or filled in."""
        return self.form_class(data)

    def get(self, request: HttpRequest, **path: Any) -> HttpResponse:
        """Ask."""
        return self._ask(self.form())

    def post(self, request: HttpRequest, **path: Any) -> HttpResponseBase:
        """Do it, or ask again where the form has faults."""
        form = self.form(request.POST)
        if not form.is_valid():
            return self._ask(form)
        try:
            return self._done(form.cleaned_data)
        except InputInvalid as error:
            add_problems(form, error)
            return self._ask(form)

    def context(self) -> dict[str, Any]:
        """What else the page shows beside the question."""
        return {}

    def _ask(self, form: forms.Form) -> HttpResponse:
        faulty = form.is_bound and bool(form.errors)
        return self.render(
            "ask",
            status=422 if faulty else 200,
            layout="console/tenant.html" if self.visitor.tenant else "console/base.html",
            question=self.question(),
            form=form,
            back=self.back(),
            tab=self.tab,
            **self.context(),
        )


def say_error(request: HttpRequest, error: TenantError) -> None:
    """An error of a service as a message: its words, and its code beside them."""
    problem = explain(error)
    messages.error(request, problem.detail, extra_tags=problem.code)
