"""URLs under /console/. The names that allauth looks up stand bare; the pages are in the namespace `console`."""

from __future__ import annotations

from allauth.account import views as accounts
from django.urls import include, path

from gateway.console.views.api_keys import ApiKeys, RevokeApiKey
from gateway.console.views.audit import AuditLog
from gateway.console.views.glossary import Glossary
from gateway.console.views.members import Members, RemoveMember
from gateway.console.views.overview import RetryOperation, TenantOverview, VerifyNow
from gateway.console.views.rules import RegionRulePage
from gateway.console.views.tenants import Onboard, TenantList

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
]

urlpatterns = [
    path("sign-in/", accounts.login, name="account_login"),
    path("sign-out/", accounts.logout, name="account_logout"),
    path("sign-up/", accounts.signup, name="account_signup"),  # answers that it is closed
    path("inactive/", accounts.account_inactive, name="account_inactive"),
    path("password/", accounts.password_change, name="account_change_password"),
    path("", include((pages, "console"))),
]
