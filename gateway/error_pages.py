"""What fails outside of a view: a problem document under /api/, a page elsewhere."""

from __future__ import annotations

import sys
from http import HTTPStatus

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults

from gateway.api.problems import problem_page
from gateway.errors import Problem, explain


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, and 413: also for a Host header that is not allowed."""
    if _is_api(request):
        return problem_page(explain(exception))
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    if _is_api(request):
        return problem_page(explain(PermissionDenied()))
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    if _is_api(request):
        return problem_page(explain(Http404()))
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: Django has logged the exception, and it is not told here. 503 where the database is away."""
    error = sys.exc_info()[1]  # Django calls this while it handles the exception
    problem = explain(error if isinstance(error, Exception) else RuntimeError())
    is_away = problem.status == HTTPStatus.SERVICE_UNAVAILABLE
    if _is_api(request):
        return problem_page(problem if is_away else explain(RuntimeError()))
    return busy(request, problem) if is_away else defaults.server_error(request)


def busy(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Try again in a moment: a page that asks nothing of the database, not even who is signed in."""
    page = render(request, "busy.html", {"problem": problem}, status=problem.status)
    for name, value in problem.headers().items():
        page[name] = value
    return page


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its token; paths of the API take no cookies and are never refused for this."""
    return render(request, "403_csrf.html", status=403)
