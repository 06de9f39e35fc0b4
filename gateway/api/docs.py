"""What the API says of itself: where things are, the OpenAPI document, its page, and every error code."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from crypto.errors import CryptoError
from gateway.api.problems import problem_page
from gateway.api.renderers import to_json
from gateway.api.schema import openapi_document
from gateway.errors import FRAMEWORK, INTERNAL, RequestRefused, explain, is_told, meaning, status_of
from tenants.errors import TenantError


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Where things are."""
    names = {"schema": "api:schema", "docs": "api:docs", "errors": "api:errors", "v1": "api:me"}
    return _json({name: reverse(target) for name, target in names.items()})


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document."""
    return HttpResponse(openapi_document(), content_type="application/json")


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document to read and to try: Swagger UI, under the same Content-Security-Policy as all pages."""
    return render(request, "gateway/api_docs.html")


@require_safe
def errors(request: HttpRequest) -> HttpResponse:
    """Every error code."""
    return _json({"errors": list(catalogue().values())})


@require_safe
def one_error(request: HttpRequest, code: str) -> HttpResponse:
    """What a problem document's `type` leads to."""
    found = catalogue().get(code)
    return _json(found) if found else no_path(request)


@csrf_exempt
def no_path(request: HttpRequest) -> HttpResponse:
    """404 for every method."""
    return problem_page(explain(Http404()))


@cache
def catalogue() -> dict[str, dict[str, Any]]:
    """Each code with its status, meaning, and whether a retry may help."""
    found = {INTERNAL: _entry(INTERNAL, 500, "A fault of ours; quote the request id.", False)}
    for base in (TenantError, CryptoError, RequestRefused):
        for kind in filter(is_told, subclasses(base)):
            found.setdefault(
                kind.code, _entry(kind.code, status_of(kind), meaning(kind), kind.retryable)
            )
    for status, code, text in FRAMEWORK.values():
        found.setdefault(code, _entry(code, status, text, status == 503))
    return dict(sorted(found.items()))


def _entry(code: str, status: int, text: str, retryable: bool) -> dict[str, Any]:
    return {"code": code, "status": status, "retryable": retryable, "meaning": text}


def subclasses(base: type[Any]) -> Iterator[type[Any]]:
    """All classes below, at any depth."""
    for kind in base.__subclasses__():
        yield kind
        yield from subclasses(kind)


def _json(content: Any) -> HttpResponse:
    return HttpResponse(to_json(content), content_type="application/json")
