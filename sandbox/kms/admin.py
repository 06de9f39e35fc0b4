"""Administration over HTTP, on a port of its own: how each Region behaves, the time, the identities.

    GET  /status                      {"regions": {"us-east-2": {"endpoint": ..., "faults": [...]}},
                                       "quotas": ..., "now": seconds, "ahead_seconds": of the machine's clock}
    POST /regions/us-east-2           {"mode": "down"}, {"mode": "slow", "operation": "Decrypt", "p99": 3}, ...: `Fault`
                                      {"mode": "up"} heals all, with "operation" what ails that one
    POST /quotas                      {"on": true, "scale": 1.0}
    POST /delivery                    {}   deliver the log files now
    POST /clock                       {"advance_seconds": 604800}
    POST /identities                  {}   read the file again

A body must be sent as application/json, which no page of another origin can make a browser do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox.kms.faults import Fault
from sandbox.kms.identities import InvalidIdentities
from sandbox.kms.server import Server

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
            body = await request.json()
            if not isinstance(body, dict):
                raise TypeError("Send an object.")
            await action(self._server, name, body)
        except (ValueError, KeyError, TypeError, OSError, InvalidIdentities) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return self._status()

    def _status(self) -> web.Response:
        faults, urls = self._server.faults(), self._server.urls
        regions = {region: {"endpoint": urls[region], "faults": faults[region]} for region in urls}
        service = self._server.service
        status = {
            "regions": regions,
            "quotas": service.quotas.shown(),
            "now": service.store.clock.now(),
            "ahead_seconds": service.store.clock.offset,
        }
        return web.json_response(status)


async def _set_fault(server: Server, region: str, body: dict[str, Any]) -> None:
    if body["mode"] == "up":
        await server.heal(region, body.get("operation", ""))
    else:
        await server.put_fault(region, Fault.parse(body))


async def _switch_quotas(server: Server, _name: str, body: dict[str, Any]) -> None:
    if not isinstance(body["on"], bool):
        raise TypeError("on is true or false")
    server.service.quotas.switch(on=body["on"], scale=float(body.get("scale", 1)))


async def _deliver(server: Server, _name: str, _body: dict[str, Any]) -> None:
    await asyncio.to_thread(server.delivery.deliver)


async def _advance_clock(server: Server, _name: str, body: dict[str, Any]) -> None:
    server.advance_clock(float(body["advance_seconds"]))


async def _reload_identities(server: Server, _name: str, _body: dict[str, Any]) -> None:
    server.reload_identities()


_ACTIONS: dict[str, Action] = {
    "regions": _set_fault,
    "quotas": _switch_quotas,
    "delivery": _deliver,
    "clock": _advance_clock,
    "identities": _reload_identities,
}
