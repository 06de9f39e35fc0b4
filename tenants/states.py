"""The lives of a tenant, a regional key, an operation and a data key: their states and what may follow what."""

from __future__ import annotations

from django.db import models


class TenantState(models.TextChoices):
    """A tenant serves requests only while ACTIVE."""

    ONBOARDING = "onboarding"
    ACTIVE = "active"
    REVOKED = "revoked"
    RETIRED = "retired"


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


class OperationState(models.TextChoices):
    """PLANNED waits for earlier positions; DUE may be claimed; RUNNING is leased to a worker; the rest are final."""

    PLANNED = "planned"
    DUE = "due"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DataKeyState(models.TextChoices):
    """ACTIVE seals new parts (one a slot); PRIVATE serves one process alone; RETIRED only opens old ones."""

    ACTIVE = "active"
    PRIVATE = "private"
    RETIRED = "retired"


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
