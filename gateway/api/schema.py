"""The OpenAPI document, written from the declarations of the operations and from msgspec's JSON Schemas."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from crypto import errors as crypto
from gateway.api.headers import CONSISTENCY_TOKEN, MEANINGS
from gateway.api.operation import Operation, OperatorView
from gateway.api.renderers import to_json
from gateway.api.shapes import Answer, Nothing
from gateway.errors import (
    INTERNAL,
    MEDIA_TYPE,
    BodiesWaiting,
    ConsistencyTokenInvalid,
    CredentialKindWrong,
    CredentialMissing,
    LengthRequired,
    MalformedJson,
    MediaTypeUnsupported,
    meaning,
    status_of,
)
from tenants import errors as tenants

Json = dict[str, Any]
REFERENCE = "#/components/schemas/{name}"
EVERYWHERE: tuple[type[Exception], ...] = (
    tenants.CredentialInvalid,
    CredentialMissing,
    CredentialKindWrong,
    tenants.InputInvalid,
    tenants.WriterMoved,
)
OF_BODIES = (MalformedJson, LengthRequired, MediaTypeUnsupported, BodiesWaiting)
OF_TENANT_APPS = (
    ConsistencyTokenInvalid,
    tenants.TenantNotActive,
    tenants.RegionNotAllowed,
    tenants.RegionNotReady,
    crypto.KeyUnavailable,
    crypto.KeyAccessDenied,
    crypto.KeyUnusable,
)
SECURITY_SCHEMES = {
    "operator": {"type": "http", "scheme": "bearer", "description": "An operator key, `mrko_...`."},
    "tenant_app": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key of the tenant, `mrkg_...`.",
    },
}
# Every shape that an operation refers to, filled while the document is written.
_shapes: set[type] = set()


class ProblemItem(Answer):
    """One fault of an invalid input."""

    at: str
    rule: str


class ProblemDocument(Answer):
    """Problem details (RFC 9457). `code` is stable; `problems` stands there for an invalid input alone."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    retryable: bool
    problems: list[ProblemItem] | msgspec.UnsetType = msgspec.UNSET


class OperationSchema(AutoSchema):
    """Writes one operation from its declaration; nothing is guessed from serializers, since there are none."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> Json:
        """The Operation Object of this view's method."""
        handler = getattr(self.view, method.lower())
        declared: Operation = handler.operation
        for_operators = isinstance(self.view, OperatorView)
        summary, _, description = meaning_of_handler(handler)
        written: Json = {
            "operationId": declared.name,
            "summary": summary,
            "tags": ["Operators" if for_operators else "Tenant apps"],
            "security": [{"operator" if for_operators else "tenant_app": []}],
            "parameters": _parameters(path, declared, reads=not for_operators and method == "GET"),
            "responses": _answers(declared) | _refusals(declared, for_operators=for_operators),
        }
        if declared.scope:
            description = f"{description}\n\nNeeds the scope `{declared.scope.value}`.".strip()
        if description:
            written["description"] = description
        if declared.body:
            content = {"application/json": {"schema": _reference(declared.body)}}
            written["requestBody"] = {"required": True, "content": content}
        return written


def meaning_of_handler(handler: Any) -> tuple[str, str, str]:
    """First line, separator, rest of a handler's docstring."""
    lines = [line.strip() for line in (handler.__doc__ or "").strip().splitlines()]
    return "\n".join(lines).partition("\n\n")


def _reference(kind: type) -> Json:
    _shapes.add(kind)
    return {"$ref": REFERENCE.format(name=kind.__name__)}


def _parameters(path: str, declared: Operation, *, reads: bool) -> list[Json]:
    segments = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in segments
    ]
    if declared.query is not Nothing:
        _, components = msgspec.json.schema_components([declared.query])
        query = components[declared.query.__name__]
        found += [
            {"name": name, "in": "query", "required": name in query["required"], "schema": schema}
            for name, schema in query["properties"].items()
        ]
    names = [*declared.request_headers, *([CONSISTENCY_TOKEN] if reads else [])]
    return found + [{"name": name, "in": "header", **_header(name)} for name in names]


def _header(name: str) -> Json:
    return {"description": MEANINGS[name], "schema": {"type": "string"}}


def _answers(declared: Operation) -> Json:
    headers = {name: _header(name) for name in declared.answer_headers}
    return {str(status): _answer(kind, headers) for status, kind in declared.answers.items()}


def _answer(kind: type[Answer] | None, headers: Json) -> Json:
    if kind is None:
        return {"description": "No content.", "headers": headers}
    content = {"application/json": {"schema": _reference(kind)}}
    return {"description": meaning(kind), "headers": headers, "content": content}  # type: ignore[arg-type]


def _refusals(declared: Operation, *, for_operators: bool) -> Json:
    kinds = [*declared.errors, *EVERYWHERE]
    kinds += OF_BODIES if declared.body else ()
    kinds += () if for_operators else OF_TENANT_APPS
    kinds += [tenants.ScopeMissing] if declared.scope else []
    codes: dict[int, dict[str, str]] = {500: {INTERNAL: "A fault of ours."}}
    for kind in dict.fromkeys(kinds):
        code = str(getattr(kind, "code", INTERNAL))
        codes.setdefault(status_of(kind), {})[code] = meaning(kind)
    return {str(status): _refusal(found) for status, found in sorted(codes.items())}


def _refusal(codes: Mapping[str, str]) -> Json:
    lines = [f"`{code}`: {text}" for code, text in sorted(codes.items())]
    return {
        "description": "\n\n".join(lines),
        "content": {MEDIA_TYPE: {"schema": _reference(ProblemDocument)}},
    }


def add_components(result: Json, **unused: Any) -> Json:
    """drf-spectacular's last step: the schemas that the operations refer to, and the two kinds of credentials."""
    _, found = msgspec.json.schema_components(sorted(_shapes, key=repr), ref_template=REFERENCE)
    result["components"] = {"schemas": found, "securitySchemes": SECURITY_SCHEMES}
    return result


@cache
def openapi_document() -> bytes:
    """The document as JSON; it is the same for the life of the process."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    return to_json(generator.get_schema(request=None, public=True))  # type: ignore[no-untyped-call]
