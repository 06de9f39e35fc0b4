"""One boto3 client for each service, Region and plane, made when first needed and shared by all threads.

boto3 clients are thread safe, sessions and the making of clients are not (boto3 guide, "Clients"), hence the lock.
Every client names its Region: nothing here follows a default Region, so no call leaves the Region that was meant.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import boto3
from botocore.config import Config

from crypto.conf import CryptoSettings

if TYPE_CHECKING:
    from types_boto3_cloudtrail import CloudTrailClient
    from types_boto3_kms import KMSClient
    from types_boto3_resourcegroupstaggingapi import ResourceGroupsTaggingAPIClient
    from types_boto3_ssm import SSMClient

_TAGGING = "resourcegroupstaggingapi"
# Asked before each call of the admin plane is sent, with its Region, operation and parameters. It may wait or raise.
BeforeCall: TypeAlias = Callable[[str, str, Mapping[str, Any]], None]


class Plane(StrEnum):
    """Which role signs the request: use makes and opens data keys, admin makes and changes keys, audit
    reads what they are."""

    USE = "use"
    ADMIN = "admin"
    AUDIT = "audit"


class KmsClients:
    """Clients of KMS and of what stands beside it. Bounded: services x Regions x planes, never a client a tenant."""

    def __init__(
        self, settings: CryptoSettings, before_admin_call: BeforeCall | None = None
    ) -> None:
        """Nothing is connected and no credential is looked up until a client is asked for."""
        self._settings = settings
        self._before_admin_call = before_admin_call
        self._profiles = {
            Plane.USE: settings.use_profile,
            Plane.ADMIN: settings.admin_profile,
            Plane.AUDIT: settings.audit_profile,
        }
        self._sessions: dict[Plane, Any] = {}
        self._clients: dict[tuple[str, str, Plane], Any] = {}
        self._lock = threading.Lock()

    def kms(self, region: str, plane: Plane) -> KMSClient:
        """KMS of that Region."""
        return cast("KMSClient", self._client("kms", region, plane))

    def tagging(self, region: str) -> ResourceGroupsTaggingAPIClient:
        """Resource Groups Tagging API of that Region, which finds keys by tag."""
        return cast("ResourceGroupsTaggingAPIClient", self._client(_TAGGING, region, Plane.ADMIN))

    def ssm(self, region: str) -> SSMClient:
        """Parameter Store of that Region."""
        return cast("SSMClient", self._client("ssm", region, Plane.ADMIN))

    def trail(self, region: str) -> CloudTrailClient:
        """CloudTrail of that Region, which says who used a key."""
        return cast("CloudTrailClient", self._client("cloudtrail", region, Plane.ADMIN))

    def _client(self, service: str, region: str, plane: Plane) -> Any:
        place = (service, region, plane)
        with self._lock:
            if place not in self._clients:
                given = self._settings
                endpoints = given.ssm_endpoints if service == "ssm" else given.kms_endpoints
                make = self._session(plane).client
                client = self._clients[place] = make(
                    service, region, endpoint_url=endpoints.get(region), config=self._config(plane)
                )
                if plane is Plane.ADMIN and (before := self._before_admin_call):
                    client.meta.events.register(
                        "provide-client-params",
                        lambda params, model, **_: before(region, model.name, params),
                    )
            return self._clients[place]

    def _session(self, plane: Plane) -> Any:  # the stubs know each service by a literal name only
        if plane not in self._sessions:
            self._sessions[plane] = boto3.Session(profile_name=self._profiles[plane] or None)
        return self._sessions[plane]

    def _config(self, plane: Plane) -> Config:
        given, administers = self._settings, plane is Plane.ADMIN
        # Never `adaptive`: its token bucket is shared by all tenants, so that one tenant's throttling slows others.
        # The admin plane repeats no call: CreateKey, repeated after a lost answer, would make a second key.
        attempts = 1 if administers else given.total_max_attempts
        return Config(
            connect_timeout=given.connect_timeout_seconds,
            # Making and replicating a key takes KMS longer than using one.
            read_timeout=given.read_timeout_seconds * (4 if administers else 1),
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=given.max_pool_connections,
            tcp_keepalive=True,
        )
