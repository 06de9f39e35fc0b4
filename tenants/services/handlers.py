"""Which handler does which kind of operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tenants.services.activation import ActivateTenant
from tenants.services.claims import Plan
from tenants.services.data_keys import RetireDataKeys
from tenants.services.deletion import AwaitDeleted, CancelDeletion, ScheduleDeletion, WithdrawKey
from tenants.services.disabling import DisableKey, EnableKey
from tenants.services.dispensability import ProveDispensable
from tenants.services.ending import ConfirmExport
from tenants.services.external_keys import ProbeExternalKey
from tenants.services.index_keys import RewrapIndexKeys
from tenants.services.key_switch import SwitchKey
from tenants.services.keys import AwaitEnabled, CreatePrimaryKey, ReplicateKey
from tenants.services.policies import ApplyKeyPolicy
from tenants.services.pool_tenants import JoinPool, UpdatePooledTenants
from tenants.services.previous_keys import ForgetPreviousKey
from tenants.services.promotion import UpdatePrimaryRegion
from tenants.services.proof import ProveRevoked
from tenants.services.publication import PublishKey
from tenants.services.reconciliation import RepairKey
from tenants.services.reencryption import ReencryptRecords, VerifyReencryption
from tenants.services.region_removal import ForgetRegion
from tenants.services.restoration import RestoreTenant
from tenants.services.retirement import RetireTenant
from tenants.services.rollout import RollBackRules, after_failure
from tenants.services.rotation import RotateKey, SetRotation
from tenants.services.verification import SealCanary, VerifyKey
from tenants.services.work import Handler, Work
from tenants.states import OperationKind, PlanKind

HANDLERS: Final[Mapping[OperationKind, Handler]] = {
    OperationKind.CREATE_PRIMARY_KEY: CreatePrimaryKey(),
    OperationKind.REPLICATE_KEY: ReplicateKey(),
    OperationKind.AWAIT_ENABLED: AwaitEnabled(),
    OperationKind.APPLY_KEY_POLICY: ApplyKeyPolicy(),
    OperationKind.PUBLISH_KEY: PublishKey(),
    OperationKind.SEAL_CANARY: SealCanary(),
    OperationKind.VERIFY_KEY: VerifyKey(),
    OperationKind.ACTIVATE_TENANT: ActivateTenant(),
    OperationKind.ROLL_BACK_RULES: RollBackRules(),
    OperationKind.REPAIR_KEY: RepairKey(),
    OperationKind.JOIN_POOL: JoinPool(),
    OperationKind.UPDATE_POOLED_TENANTS: UpdatePooledTenants(),
    OperationKind.PROBE_EXTERNAL_KEY: ProbeExternalKey(),
    OperationKind.SWITCH_KEY: SwitchKey(),
    OperationKind.FORGET_PREVIOUS_KEY: ForgetPreviousKey(),
    OperationKind.PROVE_DISPENSABLE: ProveDispensable(),
    OperationKind.WITHDRAW_KEY: WithdrawKey(),
    OperationKind.SCHEDULE_DELETION: ScheduleDeletion(),
    OperationKind.CANCEL_DELETION: CancelDeletion(),
    OperationKind.ENABLE_KEY: EnableKey(),
    OperationKind.AWAIT_DELETED: AwaitDeleted(),
    OperationKind.FORGET_REGION: ForgetRegion(),
    OperationKind.UPDATE_PRIMARY_REGION: UpdatePrimaryRegion(),
    OperationKind.SET_ROTATION: SetRotation(),
    OperationKind.ROTATE_KEY: RotateKey(),
    OperationKind.RETIRE_DATA_KEYS: RetireDataKeys(),
    OperationKind.REWRAP_INDEX_KEYS: RewrapIndexKeys(),
    OperationKind.REENCRYPT_RECORDS: ReencryptRecords(),
    OperationKind.VERIFY_REENCRYPTION: VerifyReencryption(),
    OperationKind.DISABLE_KEY: DisableKey(),
    OperationKind.PROVE_REVOKED: ProveRevoked(),
    OperationKind.RESTORE_TENANT: RestoreTenant(),
    OperationKind.CONFIRM_EXPORT: ConfirmExport(),
    OperationKind.RETIRE_TENANT: RetireTenant(),
}

# What follows when a step of such a plan has failed for good, in the transaction that writes the failure.
ON_FAILURE: Final[Mapping[PlanKind, Callable[[Work, Plan], None]]] = {
    PlanKind.RULE_CHANGE: after_failure,
}
