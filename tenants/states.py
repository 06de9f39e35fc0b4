"""The lives of a tenant, a regional key, an operation and a data key: their states and what may follow what."""

from __future__ import annotations

from django.db import models


class TenantState(models.TextChoices):
    """A tenant serves requests only while ACTIVE. REVOKED may be restored; OFFBOARDING waits for its keys to be
    deleted, and may be cancelled until then; RETIRED is final."""

    ONBOARDING = "onboarding"
    ACTIVE = "active"
    REVOKED = "revoked"
    OFFBOARDING = "offboarding"
    RETIRED = "retired"


class TenantKind(models.TextChoices):
    """A CUSTOMER has members, API keys and records. A POOL has none: it owns the key that pooled tenants share."""

    CUSTOMER = "customer"
    POOL = "pool"


class KeyTier(models.TextChoices):
    """Whose multi-Region key it is (DESIGN §4)."""

    DEDICATED = "dedicated"
    POOLED = "pooled"
    EXTERNAL = "external"


class KeyRole(models.TextChoices):
    """What a related key is in its Region; KMS says PRIMARY and REPLICA."""

    PRIMARY = "primary"
    REPLICA = "replica"


class PlanKind(models.TextChoices):
    """Why a set of operations was planned."""

    ONBOARDING = "onboarding"
    RULE_CHANGE = "rule_change"
    VERIFICATION = "verification"
    REPAIR = "repair"
    REGION_ADDED = "region_added"
    REGION_REMOVED = "region_removed"
    PROMOTION = "promotion"
    KEY_MOVE = "key_move"
    ROTATION = "rotation"
    REENCRYPTION = "reencryption"
    REVOCATION = "revocation"
    RESTORATION = "restoration"
    OFFBOARDING = "offboarding"


class OperationKind(models.TextChoices):
    """One small step of key work; each is safe to run twice."""

    CREATE_PRIMARY_KEY = "create_primary_key"
    REPLICATE_KEY = "replicate_key"
    AWAIT_ENABLED = "await_enabled"
    APPLY_KEY_POLICY = "apply_key_policy"
    PUBLISH_KEY = "publish_key"
    SEAL_CANARY = "seal_canary"
    VERIFY_KEY = "verify_key"
    ACTIVATE_TENANT = "activate_tenant"
    # A change of rules that does not prove itself in its first Region.
    ROLL_BACK_RULES = "roll_back_rules"
    # Drift.
    REPAIR_KEY = "repair_key"
    # Regions.
    PROVE_DISPENSABLE = "prove_dispensable"
    WITHDRAW_KEY = "withdraw_key"
    SCHEDULE_DELETION = "schedule_deletion"
    CANCEL_DELETION = "cancel_deletion"
    AWAIT_DELETED = "await_deleted"
    FORGET_REGION = "forget_region"
    UPDATE_PRIMARY_REGION = "update_primary_region"
    # Tiers.
    JOIN_POOL = "join_pool"
    UPDATE_POOLED_TENANTS = "update_pooled_tenants"
    PROBE_EXTERNAL_KEY = "probe_external_key"
    SWITCH_KEY = "switch_key"
    FORGET_PREVIOUS_KEY = "forget_previous_key"
    # Rotation.
    SET_ROTATION = "set_rotation"
    ROTATE_KEY = "rotate_key"
    RETIRE_DATA_KEYS = "retire_data_keys"
    REWRAP_INDEX_KEYS = "rewrap_index_keys"
    REENCRYPT_RECORDS = "reencrypt_records"
    VERIFY_REENCRYPTION = "verify_reencryption"
    # Revocation.
    DISABLE_KEY = "disable_key"
    PROVE_REVOKED = "prove_revoked"
    ENABLE_KEY = "enable_key"
    RESTORE_TENANT = "restore_tenant"
    # The end.
    CONFIRM_EXPORT = "confirm_export"
    RETIRE_TENANT = "retire_tenant"


class OperationState(models.TextChoices):
    """PLANNED waits for earlier positions; DUE may be claimed; RUNNING is leased to a worker; PAUSED waits until its
    revoked tenant is restored; the rest are final."""

    PLANNED = "planned"
    DUE = "due"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DataKeyState(models.TextChoices):
    """ACTIVE seals new parts (one a slot); PRIVATE serves one process alone; RETIRED only opens old ones."""

    ACTIVE = "active"
    PRIVATE = "private"
    RETIRED = "retired"


class OffboardingState(models.TextChoices):
    """REQUESTED waits for the second person; APPROVED runs; CANCELLED and DONE are final."""

    REQUESTED = "requested"
    APPROVED = "approved"
    CANCELLED = "cancelled"
    DONE = "done"


class MemberRole(models.TextChoices):
    """What a member may do in the console of their tenant."""

    OWNER = "owner"
    KEY_ADMIN = "key_admin"
    DEVELOPER = "developer"
    AUDITOR = "auditor"


class ApiScope(models.TextChoices):
    """What an API key may do."""

    COLLECTIONS_WRITE = "collections:write"
    RECORDS_READ = "records:read"
    RECORDS_WRITE = "records:write"
    RECORDS_SEARCH = "records:search"
    VALUES_ENCRYPT = "values:encrypt"
    VALUES_DECRYPT = "values:decrypt"
