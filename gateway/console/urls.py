"""URLs under /console/. The names that allauth looks up stand bare; the pages are in the namespace `console`."""

from __future__ import annotations

from allauth.account import views as accounts
from django.urls import URLPattern, include, path

from gateway.console.views.api_keys import ApiKeys, RevokeApiKey
from gateway.console.views.audit import AuditLog
from gateway.console.views.danger import (
    ApproveEnd,
    CancelEnd,
    Certificate,
    DangerZone,
    RefreshRevocation,
    RequestEnd,
    Restore,
    Revoke,
)
from gateway.console.views.fleet import AdoptOrphan, Fleet, FleetDrift, ScheduleOrphan
from gateway.console.views.glossary import Glossary
from gateway.console.views.keys import (
    Keys,
    Reencrypt,
    Repair,
    RetireDataKeys,
    RotateNow,
    RotationPeriod,
)
from gateway.console.views.members import Members, RemoveMember
from gateway.console.views.overview import RetryOperation, TenantOverview, VerifyNow
from gateway.console.views.plans import CancelPlan, OnePlan, Plans
from gateway.console.views.regions import AddRegion, KeepRegion, MakePrimary, RemoveRegion
from gateway.console.views.rules import RegionRulePage
from gateway.console.views.tenants import Onboard, TenantList

_keys = [
    path("", Keys.as_view(), name="keys"),
    path("rotate/", RotateNow.as_view(), name="rotate"),
    path("rotation/", RotationPeriod.as_view(), name="rotation"),
    path("data-keys/", RetireDataKeys.as_view(), name="retire-data-keys"),
    path("reencrypt/", Reencrypt.as_view(), name="reencrypt"),
    path("add-region/", AddRegion.as_view(), name="add-region"),
    path("<slug:region>/repair/", Repair.as_view(), name="repair"),
    path("<slug:region>/remove/", RemoveRegion.as_view(), name="remove-region"),
    path("<slug:region>/keep/", KeepRegion.as_view(), name="keep-region"),
    path("<slug:region>/primary/", MakePrimary.as_view(), name="make-primary"),
]
_plans = [
    path("", Plans.as_view(), name="plans"),
    path("<uuid:plan_id>/", OnePlan.as_view(), name="plan"),
    path("<uuid:plan_id>/cancel/", CancelPlan.as_view(), name="cancel-plan"),
]
_danger = [
    path("", DangerZone.as_view(), name="danger"),
    path("revoke/", Revoke.as_view(), name="revoke"),
    path("refresh/", RefreshRevocation.as_view(), name="refresh-revocation"),
    path("restore/", Restore.as_view(), name="restore"),
    path("end/", RequestEnd.as_view(), name="request-end"),
    path("end/approve/", ApproveEnd.as_view(), name="approve-end"),
    path("end/cancel/", CancelEnd.as_view(), name="cancel-end"),
    path("certificate/", Certificate.as_view(), name="certificate"),
]
_fleet = [
    path("", Fleet.as_view(), name="fleet"),
    path("drift/", FleetDrift.as_view(), name="fleet-drift"),
    path("orphans/<uuid:orphan_id>/adopt/", AdoptOrphan.as_view(), name="adopt-orphan"),
    path("orphans/<uuid:orphan_id>/schedule/", ScheduleOrphan.as_view(), name="schedule-orphan"),
]


def _under(start: str, patterns: list[URLPattern]) -> list[URLPattern]:
    """The same patterns under that start, in one flat list."""
    return [path(f"{start}{each.pattern}", each.callback, name=each.name) for each in patterns]


pages = [
    path("", TenantList.as_view(), name="home"),
    path("onboard/", Onboard.as_view(), name="onboard"),
    path("glossary/", Glossary.as_view(), name="glossary"),
    path("tenants/<slug:slug>/", TenantOverview.as_view(), name="tenant"),
    path("tenants/<slug:slug>/verify/", VerifyNow.as_view(), name="verify"),
    path(
        "tenants/<slug:slug>/operations/<uuid:operation_id>/retry/",
        RetryOperation.as_view(),
        name="retry",
    ),
    path("tenants/<slug:slug>/regions/<slug:region>/", RegionRulePage.as_view(), name="rule"),
    path("tenants/<slug:slug>/api-keys/", ApiKeys.as_view(), name="api-keys"),
    path(
        "tenants/<slug:slug>/api-keys/<uuid:api_key_id>/revoke/",
        RevokeApiKey.as_view(),
        name="revoke-api-key",
    ),
    path("tenants/<slug:slug>/members/", Members.as_view(), name="members"),
    path(
        "tenants/<slug:slug>/members/<uuid:member_id>/remove/",
        RemoveMember.as_view(),
        name="remove-member",
    ),
    path("tenants/<slug:slug>/audit/", AuditLog.as_view(), name="audit"),
    *_under("tenants/<slug:slug>/keys/", _keys),
    *_under("tenants/<slug:slug>/plans/", _plans),
    *_under("tenants/<slug:slug>/danger/", _danger),
    *_under("fleet/", _fleet),
]

urlpatterns = [
    path("sign-in/", accounts.login, name="account_login"),
    path("sign-out/", accounts.logout, name="account_logout"),
    path("sign-up/", accounts.signup, name="account_signup"),  # answers that it is closed
    path("inactive/", accounts.account_inactive, name="account_inactive"),
    path("password/", accounts.password_change, name="account_change_password"),
    path("", include((pages, "console"))),
]
