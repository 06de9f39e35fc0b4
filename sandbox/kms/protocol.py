"""How requests and answers look on the wire: AWS JSON 1.1, Smithy RPC v2 with CBOR, and the query protocol of STS.

boto3 chooses: JSON for KMS and CloudTrail, CBOR for the Resource Groups Tagging API, queries for STS and IAM.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from botocore.model import OperationModel

from sandbox.kms import cbor, query
from sandbox.kms.errors import Refusal

_RPC_PATH_PARTS = 5  # "", service, <service>, operation, <operation>


@dataclass(frozen=True, slots=True)
class Dialect:
    """One protocol: the answer of an operation or a refusal to bytes, a request's body to parameters."""

    content_type: str
    decode: Callable[[bytes, OperationModel], Any]
    encode: Callable[[OperationModel, dict[str, Any] | None], bytes]
    encode_refusal: Callable[[Refusal], bytes]


@dataclass(frozen=True, slots=True)
class Route:
    """Which service and operation a request wants, and in which dialect.

    The service is named as on the wire: the prefix of X-Amz-Target, a part of the path, or the version of a query API.
    """

    dialect: Dialect
    service: str
    operation: str


def route(path: str, headers: Mapping[str, str], body: bytes) -> Route:
    """Where the request goes; empty names when it names no operation."""
    if target := headers.get("X-Amz-Target"):
        service, _, operation = target.rpartition(".")
        return Route(JSON, service.rpartition(".")[2], operation)
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        parts = path.split("/")
        names = (parts[2], parts[4]) if len(parts) == _RPC_PATH_PARTS else ("", "")
        return Route(CBOR, *names)
    if headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        form = query.form_of(body)
        return Route(QUERY, form.get("Version", ""), form.get("Action", ""))
    return Route(JSON, "", "")


def _decode_json(body: bytes, _model: OperationModel) -> Any:
    try:
        return orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        raise Refusal("SerializationException", "The body is not JSON.") from None


def _encode_json(_model: OperationModel, answer: dict[str, Any] | None) -> bytes:
    return b"" if answer is None else orjson.dumps(answer, default=_base64)


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError


def _json_refusal(refusal: Refusal) -> bytes:
    return orjson.dumps({"__type": refusal.code, "message": refusal.message})


def _decode_cbor(body: bytes, _model: OperationModel) -> Any:
    try:
        return cbor.loads(body) if body else {}
    except cbor.InvalidCbor:
        raise Refusal("SerializationException", "The body is not CBOR.") from None


def _encode_cbor(_model: OperationModel, answer: dict[str, Any] | None) -> bytes:
    return cbor.dumps(answer or {})


def _cbor_refusal(refusal: Refusal) -> bytes:
    return cbor.dumps({"__type": refusal.code, "message": refusal.message})


JSON = Dialect("application/x-amz-json-1.1", _decode_json, _encode_json, _json_refusal)
CBOR = Dialect("application/cbor", _decode_cbor, _encode_cbor, _cbor_refusal)
QUERY = Dialect("text/xml", query.decode, query.encode, query.encode_refusal)
