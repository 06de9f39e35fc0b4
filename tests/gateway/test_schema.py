"""The OpenAPI document is valid, complete, and says what the views do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.validation import validate_schema

from tests.gateway.endpoints import endpoints


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    answer = Client().get("/api/schema/")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    found: dict[str, Any] = json.loads(answer.content)
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate_schema(document)  # type: ignore[no-untyped-call]


def test_every_operation_of_every_path_is_in_it(document: dict[str, Any]) -> None:
    written = {(path.strip("/"), method) for path, method, _ in operations(document)}
    served = {(f"api/v1{endpoint.template}", endpoint.method.lower()) for endpoint in endpoints()}
    assert written == served
    assert len(served) > 25
    assert all(path.startswith("/api/v1/") for path in document["paths"])


def test_names_of_operations_are_unique(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    found = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert found <= set(schemas)
    assert {"ProblemDocument", "NewRecord", "Record", "TenantDetail"} <= found


def test_every_operation_says_what_it_answers_and_refuses(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        statuses = set(operation["responses"])
        assert {"401", "500", "503"} <= statuses, (path, method)
        assert any(status.startswith("2") for status in statuses)
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"]
                assert answer["description"]
        if method in ("post", "put", "patch") and "requestBody" in operation:
            assert operation["requestBody"]["required"] is True
            assert {"400", "415"} <= statuses


def test_every_operation_names_the_credential_it_takes(document: dict[str, Any]) -> None:
    for endpoint in endpoints():
        operation = document["paths"][f"/api/v1{endpoint.template}"][endpoint.method.lower()]
        expected = "operator" if endpoint.for_operators else "tenant_app"
        assert operation["security"] == [{expected: []}], endpoint


def test_bodies_take_no_unknown_member(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for _, _, operation in operations(document):
        if "requestBody" in operation:
            reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            assert schemas[reference.rpartition("/")[2]]["additionalProperties"] is False


def test_parameters_of_path_and_query_are_listed(document: dict[str, Any]) -> None:
    names = {
        (parameter["in"], parameter["name"])
        for parameter in document["paths"]["/api/v1/collections/{collection}/records"]["get"][
            "parameters"
        ]
    }
    assert {("path", "collection"), ("query", "after"), ("query", "limit")} <= names


def test_the_api_says_where_its_documents_are() -> None:
    index = json.loads(Client().get("/api/").content)
    assert index["schema"] == "/api/schema/"
    assert index["docs"] == "/api/docs/"
    errors = json.loads(Client().get(index["errors"]).content)["errors"]
    assert {"record_exists", "malformed_json", "decryption_failed"} <= {e["code"] for e in errors}
    one = json.loads(Client().get("/api/errors/record_exists").content)
    assert (one["status"], one["retryable"]) == (409, False)
    assert Client().get("/api/errors/nonsense").status_code == 404


def test_no_view_is_served_to_whoever_brings_no_credential() -> None:
    for endpoint in endpoints():
        assert endpoint.view.authentication_classes
        assert endpoint.view.permission_classes
