"""Keys and aliases as values that never change: an operation makes new ones and hands them to the store.

AWS shares of related multi-Region keys the key id, the material, the spec, the usage, the origin and the rotation
(`KeySet`); all else is each Region's own (`RegionalKey`), copies of imported material among it.
Source: AWS KMS Developer Guide, "Multi-Region keys".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sandbox.kms.arn import alias_arn, key_arn
from sandbox.kms.specs import SPECS, SYMMETRIC_DEFAULT, Spec

AWS_KMS = "AWS_KMS"
EXTERNAL = "EXTERNAL"


class KeyState(StrEnum):
    """KeyState of the API."""

    CREATING = "Creating"
    ENABLED = "Enabled"
    DISABLED = "Disabled"
    UPDATING = "Updating"
    PENDING_IMPORT = "PendingImport"
    PENDING_DELETION = "PendingDeletion"
    PENDING_REPLICA_DELETION = "PendingReplicaDeletion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One generation of key material, never shown.

    Imported material whose last copy was deleted, or has expired, is known by its id alone: its secret is empty.
    """

    id: str
    secret: bytes = field(repr=False)
    created_at: float
    rotation: str = ""  # how it came to be: AUTOMATIC or ON_DEMAND; empty for the first


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """What related keys share. A single-Region key has one too, with one member. The last material is the current.

    A key of origin EXTERNAL has no material before the first import; `pending` is imported for the next rotation.
    """

    key_id: str
    account: str
    multi_region: bool
    primary_region: str
    materials: tuple[Material, ...]
    rotation_days: int | None
    created_at: float
    next_rotation_at: float | None = None  # set while rotation_days is
    spec_name: str = SYMMETRIC_DEFAULT
    origin: str = AWS_KMS
    pending: Material | None = None

    @property
    def current(self) -> Material:
        """What new ciphertexts are made with."""
        return self.materials[-1]

    @property
    def spec(self) -> Spec:
        """What kind of key it is."""
        return SPECS[self.spec_name]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedMaterial:
    """A copy of imported material in one Region."""

    description: str = ""
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionalKey:
    """One key in one Region. Times are seconds since the epoch."""

    key_id: str
    account: str
    region: str
    policy: str  # the document as it was put
    description: str
    tags: Mapping[str, str]
    created_at: float
    ready_at: float
    enabled: bool = True
    updating_until: float = 0.0
    pending_days: int | None = None  # the waiting period, once deletion is scheduled
    deletion_at: float | None = None  # unset while a primary key waits for its replicas to go
    imported: Mapping[str, ImportedMaterial] = field(default_factory=dict)  # by material id
    usable_until: float | None = (
        None  # when imported material will be missing; in the past if it is
    )

    @property
    def arn(self) -> str:
        """Its ARN."""
        return key_arn(self.region, self.account, self.key_id)

    def state(self, now: float) -> KeyState:
        """Its key state at that time."""
        if self.pending_days is not None:
            waiting = self.deletion_at is None
            return KeyState.PENDING_REPLICA_DELETION if waiting else KeyState.PENDING_DELETION
        if now < self.ready_at:
            return KeyState.CREATING
        if self.usable_until is not None and now >= self.usable_until:
            return KeyState.PENDING_IMPORT
        if now < self.updating_until:
            return KeyState.UPDATING
        return KeyState.ENABLED if self.enabled else KeyState.DISABLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name for a key in one account and Region; `name` begins with `alias/`."""

    name: str
    account: str
    region: str
    key_id: str
    created_at: float
    updated_at: float

    @property
    def arn(self) -> str:
        """Its ARN."""
        return alias_arn(self.region, self.account, self.name)
