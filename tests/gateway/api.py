"""A client of the REST API on the real stack: JSON in and out, and the last write's consistency token brought along."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from tenants.services.access import issue_operator_key
from tests.callers import HasId, token_of

ROOT = "/api/v1"


class Api:
    """Speaks with one credential."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.seen = ""
        self._client = Client(raise_request_exception=False)

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        media_type: str = "application/json",
        **headers: str,
    ) -> HttpResponse:
        """`path` is below /api/v1; headers are keywords with underscores."""
        if raw is None:
            raw = b"" if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if self.seen:
            sent["Consistency-Token"] = self.seen
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._client.generic(
            method, ROOT + path if path.startswith("/") else path, raw, media_type, headers=sent
        )
        self.seen = answer.headers.get("Consistency-Token", self.seen)
        return answer  # type: ignore[return-value]  # Django's own class, with more on it

    def get(self, path: str) -> Any:
        """The JSON of a 200."""
        answer = self.send("GET", path)
        assert answer.status_code == 200, answer.content
        return json.loads(answer.content)

    def post(self, path: str, body: object = None, *, expect: int = 200) -> Any:
        """The JSON of the expected status."""
        answer = self.send("POST", path, body)
        assert answer.status_code == expect, answer.content
        return json.loads(answer.content)


def problem(answer: HttpResponse, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer that must be one."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(answer.content)
    assert document["status"] == status
    assert document["code"] == code, document
    assert document["type"] == f"/api/errors/{code}"
    assert document["request_id"] == answer["X-Request-ID"]
    assert isinstance(document["retryable"], bool)
    assert document["title"]
    assert document["detail"]
    assert ("Retry-After" in answer) == document["retryable"]
    return document


def operator() -> Api:
    """A client with a fresh operator key."""
    return Api(issue_operator_key(name="test"))


def app_of(tenant: HasId, *scopes: str) -> Api:
    """A client with a fresh API key of the tenant."""
    return Api(token_of(tenant, *scopes))
