"""The whole stand-in in one process: a listener a Region, one for administration, one state directory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.kms.database import Database
from sandbox.kms.delivery import Delivery
from sandbox.kms.directory import Directory
from sandbox.kms.endpoint import Endpoint
from sandbox.kms.faults import Fault, InvalidFault, Mode
from sandbox.kms.forwarding import Forwarding
from sandbox.kms.identities import read_identities
from sandbox.kms.listener import Listener
from sandbox.kms.quotas import Quotas
from sandbox.kms.registry import is_known
from sandbox.kms.service import MAX_KEYS, Service
from sandbox.kms.store import Store
from sandbox.kms.trail import Trail

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`ports`: Region -> port, 0 for any free one. `transition_seconds`: how long a replica is Creating.

    `delivery_seconds`: how often log files are delivered. `quotas`: whether AWS's request quotas are enforced.
    `max_keys`: of an account in a Region. `forward`: services that other processes serve, as `Forwarding` has it.
    """

    state: Path
    identities: Path
    ports: Mapping[str, int]
    transition_seconds: float = 2.0
    max_keys: int = MAX_KEYS
    delivery_seconds: float = 60.0
    quotas: bool = False
    forward: Mapping[str, str] = field(default_factory=dict)
    verify_signatures: bool = True


class Server:
    """Made once per process; `start` and `stop` once each."""

    def __init__(self, settings: Settings) -> None:
        """Read identities and state; raises `InvalidIdentities` and `StateInUse`. Nothing listens yet."""
        regions = tuple(settings.ports)
        preset = read_identities(settings.identities)
        self._settings = settings
        store = Store(Database(settings.state))
        self.service = Service(
            regions=regions,
            store=store,
            directory=Directory(store, preset),
            trail=Trail(settings.state / "trail", regions),
            quotas=Quotas(regions),
            transition_seconds=settings.transition_seconds,
            max_keys=settings.max_keys,
        )
        self._forwarding = Forwarding(settings.forward)
        self._endpoints = {
            region: Endpoint(
                region=region,
                service=self.service,
                verify_signatures=settings.verify_signatures,
                forwarding=self._forwarding,
            )
            for region in regions
        }
        self.service.quotas.switch(on=settings.quotas)
        self.delivery = Delivery(self.service.trail, settings.state / "bucket")
        self._delivering: asyncio.Task[None] | None = None
        self._healing: set[asyncio.Task[None]] = set()
        self._listeners = {
            region: Listener(self._endpoints[region].handle, port)
            for region, port in settings.ports.items()
        }

    @property
    def urls(self) -> dict[str, str]:
        """Region -> endpoint URL."""
        return {region: listener.url for region, listener in self._listeners.items()}

    def faults(self) -> dict[str, list[dict[str, Any]]]:
        """What is wrong with each Region now."""
        return {
            region: [fault.shown() for fault in endpoint.injection.faults]
            for region, endpoint in self._endpoints.items()
        }

    async def start(self) -> None:
        """Open every listener; raises OSError when a port is taken."""
        for listener in self._listeners.values():
            await listener.open()
        self._delivering = asyncio.create_task(self._deliver_regularly())

    async def stop(self) -> None:
        """Close every listener, deliver the last events, then close the state."""
        for task in (*self._healing, *([self._delivering] if self._delivering else [])):
            task.cancel()
        for listener in self._listeners.values():
            await listener.close()
        await self._forwarding.close()
        await self._deliver()
        self.service.trail.close()
        self.service.store.close()

    async def put_fault(self, region: str, fault: Fault) -> None:
        """Let it go wrong from now on; raises KeyError for a Region that is not served, and `InvalidFault`."""
        if fault.operation and not is_known(fault.operation, self._forwarding.services):
            raise InvalidFault(f"{fault.operation} is not an operation that is served here")
        self._endpoints[region].injection.faults.put(fault)
        await self._apply_faults(region)
        if fault.seconds is not None:
            healing = asyncio.create_task(self._heal_later(region, fault))
            self._healing.add(healing)
            healing.add_done_callback(self._healing.discard)

    async def heal(self, region: str, operation: str = "") -> None:
        """End the faults of that operation, or all of the Region; raises KeyError as above."""
        self._endpoints[region].injection.faults.heal(operation)
        await self._apply_faults(region)

    async def _heal_later(self, region: str, fault: Fault) -> None:
        await asyncio.sleep(fault.seconds or 0)
        self._endpoints[region].injection.faults.remove(fault)
        await self._apply_faults(region)

    async def _apply_faults(self, region: str) -> None:
        faults, listener = self._endpoints[region].injection.faults, self._listeners[region]
        if faults.is_dark:
            self.service.down.add(region)
        if faults.is_down:
            await listener.close()
        else:
            try:
                await listener.open()
            except OSError:  # somebody took the port meanwhile: it is down still, and says so
                faults.put(Fault(mode=Mode.DOWN))
                raise
        if not faults.is_dark:
            self.service.down.discard(region)

    async def _deliver_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._settings.delivery_seconds)
            await self._deliver()

    async def _deliver(self) -> None:
        try:
            await asyncio.to_thread(self.delivery.deliver)
        except OSError:  # a full disk: the events wait in the trail
            logger.exception("Log files were not delivered.")

    def advance_clock(self, seconds: float) -> None:
        """Move the time on; raises ValueError for a step back."""
        self.service.store.advance_clock(seconds)

    def reload_identities(self) -> None:
        """Read the identities file again; when it is wrong, `InvalidIdentities` is raised and nothing changes."""
        self.service.directory.reload(read_identities(self._settings.identities))
