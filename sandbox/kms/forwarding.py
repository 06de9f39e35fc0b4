"""Services that other processes serve behind the same endpoints, such as RDS: after authentication, before an answer.

They find the Region in the credential scope of the Authorization header, and the caller's account in the place of the
access key: whose key it is they cannot know, and the account is what they keep things apart by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import unescape

import aiohttp
import orjson

from sandbox.kms.authorization import authorize_resource
from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal
from sandbox.kms.events import Action
from sandbox.kms.forwarded import resources_of
from sandbox.kms.signature import parse_signature

_PASSED_ON = ("Content-Type", "User-Agent", "X-Amz-Date", "X-Amz-Target")
_ACCESS_KEY = re.compile(r"(?<=Credential=)[^/]+")
_PATIENCE = aiohttp.ClientTimeout(total=30)
_UNIX = "unix:"


class Forwarding:
    """`places`: name of a service in the credential scope -> URL, or `unix:` and the path of a socket."""

    def __init__(self, places: Mapping[str, str]) -> None:
        """No connection yet."""
        self._places = dict(places)
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    @property
    def services(self) -> tuple[str, ...]:
        """Those that are served elsewhere."""
        return tuple(self._places)

    def find(self, headers: Mapping[str, str]) -> str | None:
        """The service for which the request is signed, if it is served elsewhere."""
        if not self._places:
            return None
        service = parse_signature(headers).service
        return service if service in self._places else None

    async def send(
        self, service: str, call: Call, action: Action, headers: Mapping[str, str], body: bytes
    ) -> bytes:
        """What the other process answers, if the caller's identity policy admits the request: it has no policies."""
        for resource in resources_of(service, action.name, call, body):
            authorize_resource(call, f"{service}:{action.name}", resource)
        given = {name: headers[name] for name in _PASSED_ON if name in headers}
        given["Authorization"] = _ACCESS_KEY.sub(call.account, headers["Authorization"], count=1)
        try:
            async with self._session(service).post("/", data=body, headers=given) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Refusal("ServiceUnavailable", f"{service} does not answer.", 503) from error
        if answer.status >= 400:
            raise _refusal(content, answer.status)
        return content

    async def close(self) -> None:
        """Close the connections."""
        for session in self._sessions.values():
            await session.close()

    def _session(self, service: str) -> aiohttp.ClientSession:
        if service not in self._sessions:
            place = self._places[service]
            local = place.startswith(_UNIX)
            options: dict[str, Any] = (
                {"connector": aiohttp.UnixConnector(place.removeprefix(_UNIX))} if local else {}
            )
            self._sessions[service] = aiohttp.ClientSession(
                "http://localhost" if local else place, timeout=_PATIENCE, **options
            )
        return self._sessions[service]


def _refusal(content: bytes, status: int) -> Refusal:
    """An error of the other process, in JSON or XML."""
    if content.startswith(b"{"):
        error = orjson.loads(content)
        code = str(error.get("__type", "")).rpartition("#")[2]
        message = str(error.get("message") or error.get("Message") or "")
    else:
        code, message = (_element(name, content) for name in ("Code", "Message"))
    return Refusal(code or "InternalFailure", message, status)


def _element(name: str, content: bytes) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>", content.decode(errors="replace"), re.DOTALL)
    return unescape(found[1]) if found else ""


def forwarded_action(service: str, operation: str) -> Action:
    """What is known of an operation that is carried out elsewhere; of its parameters, nothing is recorded."""
    read_only = operation.startswith(("Describe", "Get", "List"))
    return Action(name=operation, source=f"{service}.amazonaws.com", read_only=read_only)
