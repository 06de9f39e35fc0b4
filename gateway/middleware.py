"""The outermost middleware: gives each request its identity, forgets the one before, and writes its one log line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from http import HTTPMethod

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars, clear_contextvars
from uuid_utils.compat import uuid7

from gateway import metrics
from gateway.api.headers import CONSISTENCY_TOKEN
from gateway.api.problems import problem_page
from gateway.errors import ConsistencyTokenInvalid, explain
from tenants import consistency
from tenants.request import request_id

log = structlog.get_logger("gateway.request")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}\Z")
_METHODS = frozenset(HTTPMethod)
# Asked every few seconds by load balancers and browsers; they say nothing of what the gateway is for.
_QUIET = ("/healthz", "/readyz", "/static/")


class RequestContextMiddleware:
    """Context variables outlive a request in a server's thread: all of them are set anew here."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """`get_response` is the rest of the stack, which turns every exception into a response."""
        self._rest = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve one request."""
        started = time.perf_counter()
        identity = _identity(request)
        clear_contextvars()
        bind_contextvars(request_id=identity)
        request_id.set(identity)
        consistency.written.set(None)
        consistency.required.set(None)
        response = _refusal(request) or self._rest(request)
        response["X-Request-ID"] = identity
        response["Gateway-Region"] = settings.GATEWAY_REGION
        if written := consistency.written.get():
            response[CONSISTENCY_TOKEN] = written
        seconds = time.perf_counter() - started
        _write_line(request, response, seconds)
        metrics.observe(request, response, seconds)
        return response


def _identity(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-ID", "")
    if settings.GATEWAY_TRUST_REQUEST_ID and _ID.match(given):
        return given
    return str(uuid7())


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """Take the consistency token of a read; the answer where it is none."""
    token = request.headers.get(CONSISTENCY_TOKEN)
    if token is None or not request.path_info.startswith("/api/"):
        return None
    if not consistency.is_token(token):
        detail = f"{CONSISTENCY_TOKEN} takes what a write has answered."
        return problem_page(explain(ConsistencyTokenInvalid(detail)))
    consistency.required.set(token)
    return None


def _write_line(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """Who asked for what, and how it went: never a query, header or body, and the path as its pattern alone, since ids
    in it may be personal. Tenant and actor stand in the context from authentication on."""
    write = log.debug if request.path_info.startswith(_QUIET) else log.info
    match = request.resolver_match
    write(
        "request",
        method=request.method if request.method in _METHODS else "OTHER",
        route=f"/{match.route}" if match else None,
        status=response.status_code,
        duration_ms=round(seconds * 1000, 1),
    )
