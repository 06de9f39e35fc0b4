"""Page: the base of every view of the console. Access is decided here alone, and what no line allows is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRefresh
from structlog.contextvars import bind_contextvars

from gateway.console.access import Permission, Visitor, get_visitor
from gateway.errors import explain
from tenants import consistency
from tenants.errors import NotFound, TenantError
from tenants.selectors import TenantView

SEEN_COOKIE = "gateway_seen"


@method_decorator(never_cache, name="dispatch")
class Page(View):
    """What every request goes through, in this order:

    1. Signed in? Otherwise to the sign-in page.
    2. Is the tenant in the URL one that this person may see? Otherwise 404, as if there were none.
    3. Does `needs` name a permission for this method, and has this person it? Otherwise 403.
    4. The handler. An error of a use case that it does not expect becomes the page of that error.
    """

    needs: ClassVar[Mapping[str, Permission]] = {}
    visitor: Visitor

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Decide, then hand over to `get` or `post`."""
        user = request.user
        if not user.is_authenticated:
            return _to_sign_in(request)
        _see_own_writes(request)
        try:
            self.visitor = get_visitor(
                user_id=user.pk,
                email=user.email,
                is_operator=user.is_operator,
                slug=kwargs.pop("slug", None),
            )
            _say_who(self.visitor)
            self.visitor.need(
                self.needs.get("GET" if request.method == "HEAD" else request.method or "")
            )
            response = super().dispatch(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(str(error)) from error
        except (TenantError, OperationalError, InterfaceError) as error:
            response = _problem(request, error)
        return _remember_writes(response)

    @property
    def tenant(self) -> TenantView:
        """The tenant that this page is about; only for pages with a slug in their URL."""
        if self.visitor.tenant is None:
            raise Http404
        return self.visitor.tenant

    def render(self, template: str, status: int = 200, **context: Any) -> HttpResponse:
        """The page, with the visitor, what they may do, and the tenant."""
        frame = {
            "visitor": self.visitor,
            "can": self.visitor.permissions,
            "tenant": self.visitor.tenant,
        }
        return render(self.request, f"console/{template}.html", frame | context, status=status)


def _to_sign_in(request: HttpRequest) -> HttpResponseBase:
    # A fragment must not be replaced by the sign-in page: the whole page asks again, and is sent there.
    if request.headers.get("HX-Request"):
        return HttpResponseClientRefresh()
    return redirect_to_login(request.get_full_path())


def _say_who(visitor: Visitor) -> None:
    """In the log lines of this request, as for the API."""
    bind_contextvars(actor=f"{visitor.actor.kind}:{visitor.actor.id}")
    if visitor.tenant:
        bind_contextvars(tenant=visitor.tenant.slug)


def _problem(request: HttpRequest, error: Exception) -> HttpResponse:
    problem = explain(error)
    response = render(request, "console/problem.html", {"problem": problem}, status=problem.status)
    for name, value in problem.headers().items():
        response[name] = value
    return response


def _see_own_writes(request: HttpRequest) -> None:
    # The page after a redirect must show what was just written, even when the local reader is behind the writer.
    token = request.COOKIES.get(SEEN_COOKIE, "")
    if consistency.is_token(token):
        consistency.required.set(token)


def _remember_writes(response: HttpResponseBase) -> HttpResponseBase:
    written = consistency.written.get()
    if written and isinstance(response, HttpResponse):
        response.set_cookie(
            SEEN_COOKIE,
            written,
            max_age=60,
            httponly=True,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
    return response
