"""Orders to the administration port of a running stand-in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_PATIENCE = 30.0


class Refused(RuntimeError):
    """The stand-in did not do it; says why."""


@dataclass(frozen=True, slots=True)
class Remote:
    """`url` is that of the administration port. Raises OSError when nothing answers there."""

    url: str

    def status(self) -> dict[str, Any]:
        """Faults of each Region, quotas, the time."""
        return self._send(Request(f"{self.url}/status"))  # noqa: S310 - our own server on loopback

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Give an order; returns the status after it. Raises `Refused`."""
        request = Request(  # noqa: S310 - as above
            f"{self.url}/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        return self._send(request)

    def _send(self, request: Request) -> dict[str, Any]:
        try:
            with urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 - as above
                answered: dict[str, Any] = json.load(answer)
                return answered
        except HTTPError as error:
            with error:
                raise Refused(json.load(error)["error"]) from None
