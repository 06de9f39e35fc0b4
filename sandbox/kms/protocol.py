"""How requests and answers look on the wire: AWS JSON 1.1, Smithy RPC v2 with CBOR, and the query protocol of STS.

boto3 chooses: JSON for KMS and CloudTrail, CBOR for the Resource Groups Tagging API, the query protocol for STS.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import orjson

from sandbox.kms import cbor
from sandbox.kms.errors import Refusal

_RPC_PATH_PARTS = 5  # "", service, <service>, operation, <operation>


@dataclass(frozen=True, slots=True)
class Dialect:
    """One protocol: the answer of an operation or a refusal to bytes, a request's body to parameters."""

    content_type: str
    decode: Callable[[bytes], Any]
    encode: Callable[[str, dict[str, Any] | None], bytes]  # operation name, answer
    encode_refusal: Callable[[Refusal], bytes]


@dataclass(frozen=True, slots=True)
class Route:
    """Which service and operation a request wants, as named on the wire, and in which dialect."""

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
        return Route(QUERY, _STS, _form(body).get("Action", ""))
    return Route(JSON, "", "")


def _decode_json(body: bytes) -> Any:
    try:
        return orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        raise Refusal("SerializationException", "The body is not JSON.") from None


def _encode_json(_name: str, answer: dict[str, Any] | None) -> bytes:
    return b"" if answer is None else orjson.dumps(answer, default=_base64)


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError


def _json_refusal(refusal: Refusal) -> bytes:
    return orjson.dumps({"__type": refusal.code, "message": refusal.message})


def _decode_cbor(body: bytes) -> Any:
    try:
        return cbor.loads(body) if body else {}
    except cbor.InvalidCbor:
        raise Refusal("SerializationException", "The body is not CBOR.") from None


def _encode_cbor(_name: str, answer: dict[str, Any] | None) -> bytes:
    return cbor.dumps(answer or {})


def _cbor_refusal(refusal: Refusal) -> bytes:
    return cbor.dumps({"__type": refusal.code, "message": refusal.message})


def _form(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode("latin-1")))


def _decode_query(body: bytes) -> Any:
    return {name: value for name, value in _form(body).items() if name not in ("Action", "Version")}


def _encode_query(name: str, answer: dict[str, Any] | None) -> bytes:
    members = "".join(f"<{key}>{escape(str(v))}</{key}>" for key, v in (answer or {}).items())
    return (
        f'<{name}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<{name}Result>{members}</{name}Result></{name}Response>"
    ).encode()


def _query_refusal(refusal: Refusal) -> bytes:
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(refusal.code)}</Code>"
        f"<Message>{escape(refusal.message)}</Message></Error></ErrorResponse>"
    ).encode()


_STS = "AWSSecurityTokenServiceV20110615"

JSON = Dialect("application/x-amz-json-1.1", _decode_json, _encode_json, _json_refusal)
CBOR = Dialect("application/cbor", _decode_cbor, _encode_cbor, _cbor_refusal)
QUERY = Dialect("text/xml", _decode_query, _encode_query, _query_refusal)
