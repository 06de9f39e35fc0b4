"""Paths of the API. Whatever is under /api/ and is no path gets a problem document, never a page."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path

from gateway.api import (
    api_keys,
    audit_events,
    batches,
    collections,
    docs,
    me,
    members,
    operations,
    records,
    region_rules,
    search,
    tenants,
    values,
    verification,
)

app_name = "api"

_tenant = [
    path("operations", operations.Operations.as_view(), name="operations"),
    path("operations/<str:operation_id>/retry", operations.Retry.as_view(), name="retry"),
    path("region-rules/<str:region>", region_rules.OneRegionRule.as_view(), name="region-rule"),
    path("verification", verification.Verification.as_view(), name="verification"),
    path("api-keys", api_keys.ApiKeys.as_view(), name="api-keys"),
    path("api-keys/<str:api_key_id>", api_keys.OneApiKey.as_view(), name="api-key"),
    path("members", members.Members.as_view(), name="members"),
    path("audit-events", audit_events.AuditEvents.as_view(), name="audit-events"),
]
_collection = [
    path("records", records.Records.as_view(), name="records"),
    path("batch-create", batches.BatchCreate.as_view(), name="batch-create"),
    path("batch-read", batches.BatchRead.as_view(), name="batch-read"),
    path("search", search.Search.as_view(), name="search"),
    path("records/<str:record_id>", records.OneRecord.as_view(), name="record"),
]
v1: list[URLPattern | URLResolver] = [
    path("tenants", tenants.TenantList.as_view(), name="tenants"),
    path("tenants/<str:slug>", tenants.OneTenant.as_view(), name="tenant"),
    path("tenants/<str:slug>/", include(_tenant)),
    path("me", me.MeView.as_view(), name="me"),
    path("values/encrypt", values.Encrypt.as_view(), name="encrypt"),
    path("values/decrypt", values.Decrypt.as_view(), name="decrypt"),
    path("values/reencrypt", values.Reencrypt.as_view(), name="reencrypt"),
    path("collections", collections.Collections.as_view(), name="collections"),
    path("collections/<str:collection>", collections.OneCollection.as_view(), name="collection"),
    path("collections/<str:collection>/", include(_collection)),
]
urlpatterns = [
    path("v1/", include(v1)),
    path("", docs.index, name="index"),
    path("schema/", docs.schema, name="schema"),
    path("docs/", docs.page, name="docs"),
    path("errors/", docs.errors, name="errors"),
    path("errors/<str:code>", docs.one_error, name="error"),
    re_path(r"^", docs.no_path),
]
