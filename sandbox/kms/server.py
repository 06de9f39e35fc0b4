"""The whole stand-in in one process: a listener a Region, one for administration, one state directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sandbox.kms.database import Database
from sandbox.kms.endpoint import Door, Endpoint
from sandbox.kms.identities import read_identities
from sandbox.kms.listener import Listener
from sandbox.kms.service import Service
from sandbox.kms.store import Store
from sandbox.kms.trail import Trail


class Mode(StrEnum):
    """How a Region behaves."""

    UP = "up"
    DOWN = "down"  # connections are refused
    THROTTLED = "throttled"  # every request is answered with ThrottlingException


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`ports`: Region -> port, 0 for any free one. `transition_seconds`: how long a replica is Creating."""

    state: Path
    identities: Path
    ports: Mapping[str, int]
    transition_seconds: float = 2.0
    verify_signatures: bool = True


class Server:
    """Made once per process; `start` and `stop` once each."""

    def __init__(self, settings: Settings) -> None:
        """Read identities and state; raises `InvalidIdentities` and `StateInUse`. Nothing listens yet."""
        regions = tuple(settings.ports)
        self._settings = settings
        self._door = Door(
            identities=read_identities(settings.identities),
            verify_signatures=settings.verify_signatures,
        )
        self.service = Service(
            regions=regions,
            store=Store(Database(settings.state)),
            trail=Trail(settings.state / "trail", regions),
            transition_seconds=settings.transition_seconds,
        )
        self._endpoints = {
            region: Endpoint(region=region, service=self.service, door=self._door)
            for region in regions
        }
        self._listeners = {
            region: Listener(self._endpoints[region].handle, port)
            for region, port in settings.ports.items()
        }

    @property
    def urls(self) -> dict[str, str]:
        """Region -> endpoint URL."""
        return {region: listener.url for region, listener in self._listeners.items()}

    def modes(self) -> dict[str, Mode]:
        """How each Region behaves now."""
        return {
            region: Mode.DOWN
            if region in self.service.down
            else Mode.THROTTLED
            if endpoint.throttled
            else Mode.UP
            for region, endpoint in self._endpoints.items()
        }

    async def start(self) -> None:
        """Open every listener; raises OSError when a port is taken."""
        for listener in self._listeners.values():
            await listener.open()

    async def stop(self) -> None:
        """Close every listener, then the state."""
        for listener in self._listeners.values():
            await listener.close()
        self.service.trail.close()
        self.service.store.close()

    async def set_mode(self, region: str, mode: Mode) -> None:
        """Let the Region behave so from now on; raises KeyError for a Region that is not served."""
        endpoint, listener = self._endpoints[region], self._listeners[region]
        endpoint.throttled = mode is Mode.THROTTLED
        if mode is Mode.DOWN:
            self.service.down.add(region)
            await listener.close()
        else:
            await listener.open()
            self.service.down.discard(region)

    def advance_clock(self, seconds: float) -> None:
        """Move the time on; raises ValueError for a step back."""
        self.service.store.advance_clock(seconds)

    def reload_identities(self) -> None:
        """Read the identities file again; when it is wrong, `InvalidIdentities` is raised and nothing changes."""
        self._door.identities = read_identities(self._settings.identities)
