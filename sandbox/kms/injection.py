"""What the faults of a Region do to a request: before anything, before and after it is carried out."""

from __future__ import annotations

import asyncio

from aiohttp import web

from sandbox.kms.errors import Refusal, server_error, throttled
from sandbox.kms.events import Action
from sandbox.kms.faults import LONGEST_WAIT, Fault, Faults, Mode

_SILENT_AT_ONCE = 1000  # connections; the next one is cut instead of held
_LOOK = 0.1  # seconds


class Silence(Exception):
    """The request is not answered."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.mode)
        self.fault = fault


class Injection:
    """The faults of one Region at work."""

    def __init__(self) -> None:
        """No faults yet."""
        self.faults = Faults()
        self._silent = 0

    def on_arrival(self) -> None:
        """Raise `Silence` where the network swallows the request."""
        for fault in self.faults:
            if fault.of_the_network and fault.strikes():
                raise Silence(fault)

    async def before(self, action: Action) -> None:
        """Wait, raise the refusal that stands in for an answer, or `Silence`; nothing has been done then."""
        for fault in self.faults:
            if fault.late or fault.of_the_network:
                continue  # its turn comes later, or was on arrival
            if not fault.concerns(action) or not fault.strikes():
                continue
            if fault.mode is Mode.SLOW:
                await asyncio.sleep(fault.delay())
            elif fault.mode in (Mode.THROTTLED, Mode.ERRORS, Mode.BLACKHOLE):
                raise _loss(fault, action)

    def is_material_out(self, action: Action) -> bool:
        """Whether the key material that the action needs is out of reach.

        Asked at the end, so that who may not use a key is refused as ever. Such actions leave nothing behind.
        """
        return any(
            fault.mode is Mode.MATERIAL_OUTAGE and fault.concerns(action) and fault.strikes()
            for fault in self.faults
        )

    def after(self, action: Action) -> None:
        """Lose the answer of what has been done."""
        for fault in self.faults:
            if fault.late and fault.concerns(action) and fault.strikes():
                raise _loss(fault, action)

    async def keep_silent(self, request: web.BaseRequest, fault: Fault) -> web.Response:
        """Hold the connection until the caller gives up, the fault is healed or time is over; then cut it."""
        transport = request.transport
        deadline = asyncio.get_running_loop().time() + LONGEST_WAIT
        self._silent += 1
        try:
            while (
                self._silent <= _SILENT_AT_ONCE
                and fault in self.faults
                and transport is not None
                and not transport.is_closing()
                and asyncio.get_running_loop().time() < deadline
            ):
                await asyncio.sleep(_LOOK)
        finally:
            self._silent -= 1
        if transport is not None:
            transport.abort()
        return web.Response()  # for the server's own books: nobody is there to read it


def _loss(fault: Fault, action: Action) -> Refusal | Silence:
    if fault.mode is Mode.BLACKHOLE:
        return Silence(fault)
    if fault.mode is Mode.THROTTLED:
        return throttled(action.source)
    return server_error(fault.code, action.source)
