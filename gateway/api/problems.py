"""Every error of an API path becomes a problem document, here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpResponse
from rest_framework.response import Response

from gateway.api.renderers import to_json
from gateway.errors import INTERNAL, MEDIA_TYPE, Problem, explain
from tenants.request import request_id
from tenants.selectors import Caller

log = structlog.get_logger("gateway.api")
_MOST_CAUSES = 5


def problem_answer(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler: nothing escapes it, so no page of Django's is ever an answer of the API."""
    problem = problem_of(error, getattr(context["view"], "caller", None))
    response = Response(
        problem.document(request_id.get()), status=problem.status, content_type=MEDIA_TYPE
    )
    for name, value in problem.headers().items():
        response[name] = value
    return response


def problem_of(error: Exception, caller: Caller | None) -> Problem:
    """The problem of an error that this caller met. A fault of ours is logged with all that is known of it; an outage,
    which each request meets, with its class alone: the cause has been logged by whoever noticed it."""
    rule = caller.rules.get(settings.GATEWAY_REGION) if caller else None
    problem = explain(error, rule, has_rules=caller is not None)
    if problem.retryable and problem.status >= 500:
        log.warning(
            "problem",
            code=problem.code,
            status=problem.status,
            detail=problem.detail,
            error=_classes(error),
        )
    elif problem.status >= 500:
        level = log.error if problem.code == INTERNAL else log.warning
        level("problem", code=problem.code, status=problem.status, exc_info=error)
    return problem


def _classes(error: BaseException) -> str:
    """The error and its causes by class: `WriterMoved < OperationalError < PoolTimeout`."""
    names = [type(error).__name__]
    while (cause := error.__cause__) and len(names) < _MOST_CAUSES:
        error = cause
        names.append(type(error).__name__)
    return " < ".join(names)


def problem_page(problem: Problem) -> HttpResponse:
    """The same document for what fails outside of DRF: middleware, and paths that do not exist."""
    return HttpResponse(
        to_json(problem.document(request_id.get())),
        status=problem.status,
        content_type=MEDIA_TYPE,
        headers=problem.headers(),
    )
