"""Reading what a client sends: one place, strict, and no message that repeats a value.

A body is one JSON document in UTF-8 with no member named twice, no NaN and no infinity; types are as declared, so that
nothing is changed on its way in. msgspec decodes. It keeps the last of two equal members, so a second pass looks for
those: which of two values a reader takes must never be a question.
"""

from __future__ import annotations

import io
import json
import re
from email.message import Message
from typing import TypeVar

import msgspec
from django.http import HttpRequest
from rest_framework.request import Request

from gateway.api.shapes import Body, Nothing
from gateway.errors import LengthRequired, MalformedJson, MediaTypeUnsupported
from gateway.places import content_length, places
from tenants.errors import InputInvalid, NotFound
from tenants.scope import give_back_connections
from tenants.selectors import Caller

B = TypeVar("B", bound=Body)
_PLACE = re.compile(r"^(?P<rule>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)


def read_body(request: Request, kind: type[B]) -> B:
    """The body as `kind`. Raises `MediaTypeUnsupported`, `MalformedJson`, `InputInvalid`, `RequestDataTooBig`."""
    raw = _raw(request)
    if not raw:
        raise MalformedJson("The body is missing.")
    return _read(raw, request, kind)


def refuse_body(request: Request) -> None:
    """For operations that take none: no bytes, or an object without members."""
    if raw := _raw(request):
        _read(raw, request, Nothing)


def _read(raw: bytes, request: Request, kind: type[B]) -> B:
    _check_media_type(request)
    try:
        document = msgspec.json.decode(raw)
        json.loads(raw, object_pairs_hook=_refuse_twice)
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise InputInvalid("The body breaks a rule.", [_problem(str(error))]) from None
    except MalformedJson:
        raise
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise MalformedJson(_fault(error)) from None


def read_query(request: Request, kind: type[B]) -> B:
    """The query parameters as `kind`; each may be given once."""
    given = request.query_params
    twice = [name for name, values in given.lists() if len(values) > 1]
    if twice:
        raise InputInvalid(
            "The query breaks a rule.", [(f"query/{name}", "is given twice") for name in twice]
        )
    try:
        return msgspec.convert(given.dict(), kind, strict=False)
    except msgspec.ValidationError as error:
        at, rule = _problem(str(error))
        raise InputInvalid("The query breaks a rule.", [(f"query{at}", rule)]) from None


def check_path(values: dict[str, object]) -> None:
    """Refuse path segments that name nothing: control characters reach no query."""
    if not all(value.isprintable() for value in values.values() if isinstance(value, str)):
        raise NotFound("There is nothing of that name.")


def _check_media_type(request: Request) -> None:
    message = Message()
    message["Content-Type"] = request.headers.get("Content-Type", "")
    charset = message.get_content_charset("utf-8")
    if message.get_content_type() != "application/json" or charset != "utf-8":
        raise MediaTypeUnsupported("Send Content-Type: application/json, in UTF-8.")


def _raw(request: Request) -> bytes:
    if length := content_length(request._request):
        # However slowly the client sends, it holds neither a place nor a connection to the database meanwhile.
        give_back_connections()
        with places.wait(_client(request)):
            raw = _taken(request._request)
        if len(raw) != length:
            raise MalformedJson("The body ended early.")
        return raw
    if "Transfer-Encoding" in request.headers:
        # WSGI gives no way to see the end of such a body.
        raise LengthRequired("Send Content-Length, not a chunked body.")
    return b""


def _taken(request: HttpRequest) -> bytes:
    """The body, which the request forgets: other parts of Django may keep requests for longer than they are served."""
    raw = request.body
    request._body, request._stream = b"", io.BytesIO()  # where `body` keeps it
    return raw


def _client(request: Request) -> str:
    """Whose request it is: a tenant's keys count together, so that more keys get no more."""
    user = request.user
    return str(user.tenant_id if isinstance(user, Caller) else user)


def _refuse_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedJson("An object names a member twice.")
    return found


def _fault(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "The body is not UTF-8."
    if isinstance(error, RecursionError):
        return "The body is nested too deeply."
    return "The body is not one JSON document."


def _problem(text: str) -> tuple[str, str]:
    """msgspec's message as (JSON pointer, rule); without the value that its messages on enumerations repeat."""
    found = _PLACE.match(text)
    rule, path = (found["rule"], found["path"] or "$") if found else (text, "$")
    at = path.removeprefix("$").replace("[", "/").replace("]", "").replace(".", "/")
    if unknown := _UNKNOWN.match(rule):
        name = unknown["name"][:64].replace("~", "~0").replace("/", "~1")
        return f"{at}/{name}", "is not a known member"
    if rule.startswith("Invalid enum value"):
        return at, "is not one of the allowed values"
    return at, rule.replace("`", "")
