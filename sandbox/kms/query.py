"""The query protocol of STS and IAM: a form with dotted names in, XML out, both by the shapes of the API's model.

Tags.member.1.Key=tenant&Tags.member.1.Value=acme      <->      {"Tags": [{"Key": "tenant", "Value": "acme"}]}
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from sandbox.kms.errors import Refusal

_BOOLEANS = {"true": True, "false": False}


def form_of(body: bytes) -> dict[str, str]:
    """The fields of a form; of two of one name the later one."""
    return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True, encoding="utf-8"))


def decode(body: bytes, model: OperationModel) -> Any:
    """The request's parameters, for the checker of the operation."""
    shape = model.input_shape
    return _structure(_tree(form_of(body)), shape) if shape is not None else {}


def encode(model: OperationModel, answer: dict[str, Any] | None) -> bytes:
    """The answer of the operation."""
    name, shape = model.name, model.output_shape
    result = ""
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{name}Result")
        result = f"<{wrapper}>{_members(answer or {}, shape)}</{wrapper}>"
    namespace = model.service_model.metadata.get("xmlNamespace", "")
    return f'<{name}Response xmlns="{namespace}">{result}</{name}Response>'.encode()


# What STS and IAM call a refusal that the services of JSON call otherwise.
_CODES = {
    "AccessDeniedException": "AccessDenied",
    "ExpiredTokenException": "ExpiredToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "ThrottlingException": "Throttling",
    "UnknownOperationException": "InvalidAction",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ValidationException": "ValidationError",
}


def encode_refusal(refusal: Refusal) -> bytes:
    """The answer to a request that is refused."""
    kind = "Sender" if refusal.status < 500 else "Receiver"
    code = _CODES.get(refusal.code, refusal.code)
    return (
        f"<ErrorResponse><Error><Type>{kind}</Type><Code>{escape(code)}</Code>"
        f"<Message>{escape(refusal.message)}</Message></Error></ErrorResponse>"
    ).encode()


def _tree(form: dict[str, str]) -> dict[str, Any]:
    """Dotted names as nested dictionaries."""
    tree: dict[str, Any] = {}
    for name, value in form.items():
        *path, last = name.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise Refusal("MalformedQueryString", "A field is both a value and a structure.")
        node[last] = value
    return tree


def _value(node: Any, shape: Shape) -> Any:
    """A node of the tree by its shape. What does not fit is left as it is, for the checker to refuse."""
    match shape:
        case StructureShape():
            return _structure(node, shape)
        case ListShape():
            return [_value(item, shape.member) for item in _numbered(node, _list_part(shape))]
        case MapShape():
            entries = _numbered(node, "entry")
            return {
                str(item.get("key")): _value(item.get("value"), shape.value) for item in entries
            }
    return _scalar(node, shape.type_name) if isinstance(node, str) else node


def _structure(node: Any, shape: StructureShape) -> Any:
    if not isinstance(node, dict):
        return node
    wires = {name: member.serialization.get("name", name) for name, member in shape.members.items()}
    return {
        name: _value(node[wire], shape.members[name])
        for name, wire in wires.items()
        if wire in node
    }


def _list_part(shape: ListShape) -> str:
    return "" if shape.serialization.get("flattened") else _wire_name(shape.member)


def _wire_name(member: Shape) -> str:
    return str(member.serialization.get("name", "member"))


def _numbered(node: Any, part: str) -> list[Any]:
    entries = node.get(part, {}) if part and isinstance(node, dict) else node
    if not isinstance(entries, dict):  # an empty list is sent as an empty field
        return []
    return [entries[number] for number in sorted(filter(str.isdecimal, entries), key=int)]


def _scalar(text: str, kind: str) -> Any:
    if kind == "boolean":
        return _BOOLEANS.get(text.lower(), text)
    if kind in ("integer", "long"):
        return int(text) if text.lstrip("-").isdecimal() and len(text) < 20 else text
    if kind == "timestamp":
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError:
            return text
    return text


def _members(value: dict[str, Any], shape: StructureShape) -> str:
    return "".join(
        _element(shape.members[name].serialization.get("name", name), item, shape.members[name])
        for name, item in value.items()
        if item is not None
    )


def _element(name: str, value: Any, shape: Shape) -> str:
    match shape:
        case StructureShape():
            content = _members(value, shape)
        case ListShape():
            content = "".join(
                _element(_wire_name(shape.member), one, shape.member) for one in value
            )
        case _:
            content = escape(_text(value, shape.type_name))
    return f"<{name}>{content}</{name}>"


def _text(value: Any, kind: str) -> str:
    if kind == "boolean":
        return str(value).lower()
    if kind == "timestamp":
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return b64encode(value).decode() if isinstance(value, bytes) else str(value)
