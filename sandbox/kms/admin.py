"""Administration over HTTP, on a port of its own: how each Region behaves, the time, the identities.

    GET  /status                      {"regions": {"us-east-2": {"endpoint": ..., "mode": "up"}}, "now": ...}
    POST /regions/us-east-2           {"mode": "up" | "down" | "throttled"}
    POST /clock                       {"advance_seconds": 604800}
    POST /identities                  {}   read the file again

A body must be sent as application/json, which no page of another origin can make a browser do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox.kms.identities import InvalidIdentities
from sandbox.kms.server import Mode, Server

Action = Callable[[Server, str, dict[str, Any]], Awaitable[None]]


class Admin:
    """The handler of the administration port."""

    def __init__(self, server: Server) -> None:
        """`server` is what it administers."""
        self._server = server

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request: 200 with the status, 400 and why, 404, or 415."""
        first, _, name = request.path.strip("/").partition("/")
        if request.method == "GET" and first == "status":
            return self._status()
        action = _ACTIONS.get(first)
        if request.method != "POST" or action is None:
            return web.json_response({"error": "There is no such thing here."}, status=404)
        if request.content_type != "application/json":
            return web.json_response({"error": "Send application/json."}, status=415)
        try:
            await action(self._server, name, await request.json())
        except (ValueError, KeyError, TypeError, OSError, InvalidIdentities) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return self._status()

    def _status(self) -> web.Response:
        modes, urls = self._server.modes(), self._server.urls
        regions = {region: {"endpoint": urls[region], "mode": modes[region]} for region in urls}
        now = self._server.service.store.clock.now()
        return web.json_response({"regions": regions, "now": now})


async def _set_mode(server: Server, region: str, body: dict[str, Any]) -> None:
    await server.set_mode(region, Mode(body["mode"]))


async def _advance_clock(server: Server, _name: str, body: dict[str, Any]) -> None:
    server.advance_clock(float(body["advance_seconds"]))


async def _reload_identities(server: Server, _name: str, _body: dict[str, Any]) -> None:
    server.reload_identities()


_ACTIONS: dict[str, Action] = {
    "regions": _set_mode,
    "clock": _advance_clock,
    "identities": _reload_identities,
}
