"""Whether this process lives, and whether it can serve.

Ready means that it can serve reads: the tables are those that this code needs, and this Region's reader answers or, in
its place, the writer. Broker, KMS and how far the reader is behind are reported and decide nothing, nor does the writer
alone: were readiness to follow it, its loss would take every Region's gateway out of service, reads included.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass, field
from typing import Final

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from gateway import probes

log = structlog.get_logger("gateway.health")
DEADLINE_SECONDS: Final = 1.5
KEPT_SECONDS: Final = 2.0


@dataclass(slots=True)
class Part:
    """One thing that is looked at: at most one look at a time, and the answer is kept for two seconds, so that many
    load balancers ask no more than one does."""

    look: Callable[[], None]
    running: Future[None] | None = None
    answer: str = "unknown"
    at: float = field(default=-KEPT_SECONDS)


PARTS: Final = {
    "reader": Part(probes.reader),
    "migrations": Part(probes.migrations),
    "writer": Part(probes.writer),
    "lag": Part(probes.lag),
    "broker": Part(probes.broker),
    "kms": Part(probes.kms),
}
_threads = ThreadPoolExecutor(max_workers=len(PARTS), thread_name_prefix="health")


class HealthMiddleware:
    """Answers /healthz and /readyz before the Host header is looked at: a load balancer names a gateway by its address,
    which is in no list of allowed hosts."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """`get_response` is the rest of the stack."""
        self._rest = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or pass on."""
        answer = {"/healthz": alive, "/readyz": ready}.get(request.path_info, self._rest)
        return answer(request)


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is looked at, since a restart would mend nothing else."""
    return JsonResponse({"status": "alive"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when reads can be served, 503 otherwise; each part is `ok`, or says the class of its error."""
    for part in PARTS.values():
        _begin(part)
    deadline = time.monotonic() + DEADLINE_SECONDS
    parts = {name: _answer(name, part, deadline) for name, part in PARTS.items()}
    is_ready = parts["migrations"] == "ok" and "ok" in (parts["reader"], parts["writer"])
    is_whole = all(answer == "ok" for answer in parts.values())
    status = "ready" if is_whole else "degraded" if is_ready else "not_ready"
    return JsonResponse(
        {"status": status, "region": settings.GATEWAY_REGION, "parts": parts},
        status=200 if is_ready else 503,
        headers={"Cache-Control": "no-store"},
    )


def _begin(part: Part) -> None:
    if part.running is None and time.monotonic() - part.at >= KEPT_SECONDS:
        part.running = _threads.submit(part.look)


def _answer(name: str, part: Part, deadline: float) -> str:
    running = part.running
    if running is None:
        return part.answer
    try:
        running.result(max(0.0, deadline - time.monotonic()))
        answer = "ok"
    except NotInTime:
        if not running.done():
            return "no answer in time"
        answer = NotInTime.__name__
    except Exception as error:  # whatever it is, the part is not well
        log.warning("part is not well", part=name, exc_info=error)
        answer = type(error).__name__
    part.answer, part.at, part.running = answer, time.monotonic(), None
    return answer
