"""Which handler does which kind of operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tenants.services.activation import ActivateTenant
from tenants.services.keys import AwaitEnabled, CreatePrimaryKey, ReplicateKey
from tenants.services.policies import ApplyKeyPolicy
from tenants.services.publication import PublishKey
from tenants.services.verification import SealCanary, VerifyKey
from tenants.services.work import Handler
from tenants.states import OperationKind

HANDLERS: Final[Mapping[OperationKind, Handler]] = {
    OperationKind.CREATE_PRIMARY_KEY: CreatePrimaryKey(),
    OperationKind.REPLICATE_KEY: ReplicateKey(),
    OperationKind.AWAIT_ENABLED: AwaitEnabled(),
    OperationKind.APPLY_KEY_POLICY: ApplyKeyPolicy(),
    OperationKind.PUBLISH_KEY: PublishKey(),
    OperationKind.SEAL_CANARY: SealCanary(),
    OperationKind.VERIFY_KEY: VerifyKey(),
    OperationKind.ACTIVATE_TENANT: ActivateTenant(),
}
