"""Paths of the whole project; those of health are answered before any of them (`gateway/health.py`)."""

from __future__ import annotations

from django.urls import include, path
from django.views.generic import RedirectView

from gateway import metrics

urlpatterns = [
    path("", RedirectView.as_view(url="/console/", permanent=False)),
    path("api/", include("gateway.api.urls")),
    path("metrics", metrics.page),
    path("console/", include("gateway.console.urls")),
]
handler400 = "gateway.error_pages.bad_request"
handler403 = "gateway.error_pages.permission_denied"
handler404 = "gateway.error_pages.page_not_found"
handler500 = "gateway.error_pages.server_error"
