"""Credentials: who may not, on every endpoint of the URL list."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.test import Client

from tenants import consistency
from tenants.credential import OPERATOR_PREFIX, TENANT_PREFIX, new_token
from tenants.selectors import TenantView
from tenants.services.access import issue_api_key, revoke_api_key
from tenants.states import ApiScope
from tests.callers import OPERATOR, as_superuser, token_of
from tests.cast import Cast
from tests.gateway.api import Api, operator, problem
from tests.gateway.endpoints import Endpoint, endpoints
from tests.stack import Stack

EVERY = pytest.mark.parametrize(
    "endpoint", endpoints(), ids=lambda endpoint: endpoint.operation.name
)


@pytest.fixture(scope="module")
def acme() -> TenantView:
    return Cast().acme()


def path_of(endpoint: Endpoint, tenant: TenantView) -> str:
    return endpoint.path(
        slug=tenant.slug,
        operation_id=str(uuid4()),
        orphan_key_id=str(uuid4()),
        plan_id=str(uuid4()),
        api_key_id=str(uuid4()),
        region="us-east-2",
        collection="people",
        record_id="ann",
    )


def test_a_key_that_is_revoked_while_the_body_is_sent_reads_nothing(
    acme: TenantView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever holds a stolen key could begin requests, and end them after it was revoked."""
    issued = issue_api_key(tenant_id=acme.id, name="stolen", scopes=ApiScope.values, actor=OPERATOR)
    consistency.written.set(None)

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            revoke_api_key(tenant_id=acme.id, api_key_id=issued.view.id, actor=OPERATOR)
            return super().read(size)

    raw = b'{"ids": ["ann"]}'
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/api/v1/collections/people/batch-read",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(raw)),
        "HTTP_AUTHORIZATION": f"Bearer {issued.token}",
    }
    monkeypatch.setattr("gateway.api.operation.FRESH_SECONDS", -1.0)
    answer = Client().request(**environ, **{"wsgi.input": Slow(raw)})
    problem(answer, 401, "credential_invalid")  # type: ignore[arg-type]  # an HttpResponse


@EVERY
def test_every_endpoint_refuses_whoever_is_not_known(acme: TenantView, endpoint: Endpoint) -> None:
    prefix = OPERATOR_PREFIX if endpoint.for_operators else TENANT_PREFIX
    path = path_of(endpoint, acme)
    good = new_token(prefix)
    wrong = [
        ("", "credential_missing"),
        ("Bearer", "credential_missing"),
        ("Basic dXNlcjpwYXNz", "credential_missing"),
        (good, "credential_missing"),
        (f"Bearer {good}", "credential_invalid"),
        (f"Bearer {good[:-1]}", "credential_invalid"),
        (f"Bearer {good} {good}", "credential_invalid"),
        (f"Bearer {prefix}_", "credential_invalid"),
        ("Bearer x" + "y" * 5000, "credential_invalid"),
        ("Bearer ünï\x00", "credential_invalid"),
    ]
    for header, code in wrong:
        answer = Api("").send(endpoint.method, path, raw=b"{not json", Authorization=header)
        problem(answer, 401, code)
        assert answer["WWW-Authenticate"] == "Bearer"
        assert good.encode() not in answer.content


@EVERY
def test_every_endpoint_refuses_the_other_kind_of_credential(
    acme: TenantView, endpoint: Endpoint
) -> None:
    api = Api(token_of(acme)) if endpoint.for_operators else operator()
    answer = api.send(endpoint.method, path_of(endpoint, acme), endpoint.body)
    document = problem(answer, 401, "credential_kind_wrong")
    assert ("mrko_" if endpoint.for_operators else "mrkg_") in document["detail"]


@pytest.mark.parametrize(
    "endpoint",
    [one for one in endpoints() if one.operation.scope],
    ids=lambda endpoint: endpoint.operation.name,
)
def test_a_key_without_the_scope_may_not(acme: TenantView, endpoint: Endpoint) -> None:
    others = [scope for scope in ApiScope.values if scope != endpoint.operation.scope]
    answer = Api(token_of(acme, *others)).send(
        endpoint.method, path_of(endpoint, acme), endpoint.body
    )
    document = problem(answer, 403, "scope_missing")
    assert endpoint.operation.scope
    assert endpoint.operation.scope.value in document["detail"]


def test_every_write_of_a_tenant_app_needs_a_scope() -> None:
    for endpoint in endpoints():
        if not endpoint.for_operators and endpoint.method != "GET":
            assert endpoint.operation.scope, endpoint


def test_a_revoked_and_an_expired_key_are_refused_like_an_unknown_one(
    acme: TenantView, stack: Stack
) -> None:
    issued = issue_api_key(
        tenant_id=acme.id,
        name="short",
        scopes=ApiScope.values,
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        actor=OPERATOR,
    )
    other = issue_api_key(tenant_id=acme.id, name="b", scopes=ApiScope.values, actor=OPERATOR)
    assert Api(issued.token).send("GET", "/me").status_code == 200
    as_superuser(
        stack,
        "update tenants_apikey set expires_at = now() - interval '1 second' where id = %s",
        issued.view.id,
    )
    revoke_api_key(tenant_id=acme.id, api_key_id=other.view.id, actor=OPERATOR)
    answers = []
    for token in (issued.token, other.token, new_token(TENANT_PREFIX)):
        api = Api(token)
        api.seen = "FFFFFFFF/FFFFFFFF"  # ask the writer, whose news this test has just made
        document = problem(api.send("GET", "/me"), 401, "credential_invalid")
        answers.append({**document, "request_id": ""})
    assert answers[0] == answers[1] == answers[2]


def test_a_credential_elsewhere_than_in_its_header_counts_for_nothing(acme: TenantView) -> None:
    token = token_of(acme)
    api = Api("")
    problem(api.send("GET", f"/me?token={token}"), 401, "credential_missing")
    problem(
        api.send("GET", "/me", X_API_Key=token, Cookie=f"token={token}"), 401, "credential_missing"
    )
