"""Metrics in the text format of Prometheus, at /metrics, for whoever has an operator key.

Of this process: requests, the cache of data keys. Of the fleet, read from the database when asked: operations by state,
the lag of each Region's reader. Labels are names of operations and Regions, never of tenants: a fleet has a hundred
thousand of them. Where more than one process serves a port, PROMETHEUS_MULTIPROC_DIR names a directory, empty at their
start, through which each answers for all (prometheus_client, "Multiprocess Mode").
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from gateway.api.authentication import OperatorAuthentication
from gateway.api.problems import problem_page
from gateway.errors import RequestRefused, explain
from tenants.errors import TenantError, WriterMoved
from tenants.selectors.fleet import count_operations
from tenants.selectors.lag import list_region_lag
from tenants.services.serving import cache_counters

_OWN = CollectorRegistry()
_BUCKETS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_requests = Counter(
    "gateway_requests", "Requests served.", ("method", "route", "status"), registry=_OWN
)
_seconds = Histogram(
    "gateway_request_seconds",
    "Time to serve.",
    ("method", "route"),
    buckets=_BUCKETS,
    registry=_OWN,
)
_cache = Gauge(
    "gateway_data_key_cache",
    "Look-ups of data keys in this gateway's cache since it started: each miss is a call of KMS.",
    ("outcome",),
    registry=_OWN,
    multiprocess_mode="livesum",
)


def observe(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """Count one request. Its route is the path's pattern: paths hold ids, which are without end."""
    match = request.resolver_match
    route = f"/{match.route}" if match else "none"
    method = request.method if match and request.method else "OTHER"
    _requests.labels(method, route, str(response.status_code)).inc()
    _seconds.labels(method, route).observe(seconds)


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """All metrics, for an operator key."""
    try:
        OperatorAuthentication().authenticate(request)
    except (RequestRefused, TenantError) as error:
        return problem_page(explain(error))
    return HttpResponse(
        generate_latest(_registry()),
        content_type=CONTENT_TYPE_LATEST,
        headers={"Cache-Control": "no-store"},
    )


def _registry() -> CollectorRegistry:
    for outcome, count in cache_counters().items():
        _cache.labels(outcome).set(count)
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # of the package
    else:
        registry.register(_OWN)
    registry.register(_Fleet())
    return registry


class _Fleet(Collector):
    """What the database knows; nothing of it while the database is away."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            lag, operations = list_region_lag(), count_operations()
        except WriterMoved:
            return
        behind = GaugeMetricFamily(
            "gateway_reader_behind_seconds",
            "How old what a Region's reader shows may be.",
            labels=("region",),
        )
        for region in lag:
            behind.add_metric([region.region], region.behind_seconds)
        yield behind
        waiting = GaugeMetricFamily(
            "gateway_operations",
            "Key operations that are due, run, are paused or have failed.",
            labels=("kind", "region", "state"),
        )
        for one in operations:
            waiting.add_metric([one.kind, one.region, one.state], one.count)
        yield waiting
