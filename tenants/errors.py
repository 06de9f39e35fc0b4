"""What can go wrong in a use case: a stable code, a sentence, and whether a retry may help.

These classes know nothing of HTTP: `gateway/errors.py` holds the one table from class to status. No message carries
plaintext, key material or a credential.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class TenantError(Exception):
    """Base of all errors of a use case."""

    code: ClassVar[str] = "tenant_error"
    retryable: ClassVar[bool] = False
    retry_after_seconds: ClassVar[int | None] = None


class NotFound(TenantError):
    """The thing is absent, or it is another tenant's, which is the same to the caller."""

    code = "not_found"


class CollectionNotFound(NotFound):
    """No such collection in this tenant."""

    code = "collection_not_found"


class RecordNotFound(NotFound):
    """No such record in this collection."""

    code = "record_not_found"


class Conflict(TenantError):
    """The request contradicts what is there."""

    code = "conflict"


class RecordExists(Conflict):
    """A record of this id is there already."""

    code = "record_exists"


class CollectionExists(Conflict):
    """A collection of this name is there already, with another schema."""

    code = "collection_exists"


class TenantExists(Conflict):
    """A tenant of this slug is there already, with other Regions or another name."""

    code = "tenant_exists"


class ValueNotUnique(Conflict):
    """Another record holds the same value in a field that must be unique."""

    code = "value_not_unique"


class LimitReached(Conflict):
    """There are as many of these as there may be."""

    code = "limit_reached"


class AnswerFull(TenantError):
    """The answer would be too large for one request: ask for the rest in another."""

    code = "answer_full"


class VersionConflict(TenantError):
    """The record has changed since the version that the caller named."""

    code = "version_conflict"


class TenantNotActive(TenantError):
    """The tenant is still being onboarded, is revoked, or has left."""

    code = "tenant_not_active"


class RegionNotAllowed(TenantError):
    """A Region rule of the tenant forbids this here."""

    code = "region_not_allowed"


class CredentialInvalid(TenantError):
    """The credential is unknown, malformed, expired or revoked: never said which."""

    code = "credential_invalid"


class ScopeMissing(TenantError):
    """The credential is good, but not for this."""

    code = "scope_missing"


class InputInvalid(TenantError):
    """The input breaks a rule. `problems` holds (place, rule) pairs and never the offending value."""

    code = "input_invalid"

    def __init__(self, message: str, problems: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class RegionNotReady(TenantError):
    """The tenant's key of this Region is still being made and proven: nothing of the tenant is served here before."""

    code = "region_not_ready"
    retryable = True
    retry_after_seconds = 10


class RegionLeaving(Conflict):
    """The tenant's key of this Region is being deleted: cancel that first."""

    code = "region_leaving"


class RegionNotDispensable(Conflict):
    """Without this Region the tenant could not go on: it has the primary, or alone may encrypt or open a class."""

    code = "region_not_dispensable"


class KeyShared(Conflict):
    """The tenant's key is not its own to change: it is its pool's, or stands in the tenant's own AWS account."""

    code = "key_shared"


class PrimaryUnreachable(Conflict):
    """KMS does not answer where the primary is, and only there can it be moved away."""

    code = "primary_unreachable"


class ActorNotAllowed(TenantError):
    """Somebody else must do this: an operator, a member with another role, or a second person."""

    code = "actor_not_allowed"


class OffboardingUnderWay(Conflict):
    """The tenant's end has been requested already."""

    code = "offboarding_under_way"


class OffboardingFinal(Conflict):
    """The tenant's key is destroyed, or its rows are being deleted: nothing brings them back."""

    code = "offboarding_final"


class ExportMissing(Conflict):
    """Something was written since the last export, or there is none: export again, or waive it."""

    code = "export_missing"


class SigningKeyMissing(TenantError):
    """This process has no key to sign documents with, or one that is not an Ed25519 private key."""

    code = "signing_key_missing"


class SignatureInvalid(TenantError):
    """The document was changed, was signed with another key, or is no signed document."""

    code = "signature_invalid"


class OrphanNotFree(Conflict):
    """The key is not free: it is a tenant's, something is sealed with it, or no tenant waits for one."""

    code = "orphan_not_free"


class OperationNotRetryable(Conflict):
    """Only a failed operation can be retried."""

    code = "operation_not_retryable"


class PlanUnderWay(Conflict):
    """Another plan of the tenant is not finished: two at a time could undo each other's steps."""

    code = "plan_under_way"


class PlanFinished(Conflict):
    """Nothing is left of the plan to cancel."""

    code = "plan_finished"


class PlanNotCancellable(Conflict):
    """Half of such a plan must not stand: it has a way back of its own."""

    code = "plan_not_cancellable"


class RotationsUsedUp(LimitReached):
    """The key has been rotated on demand as often as KMS lets it be: 25 times. Automatic rotation goes on."""

    code = "rotations_used_up"


class ReencryptionIncomplete(TenantError):
    """Some sealed parts could not be re-encrypted: they do not open, or no Region may both open and seal their class.
    All others were."""

    code = "reencryption_incomplete"


class NeedsDedicatedKey(Conflict):
    """The tenant shares its pool's key, and with it the pool's Region rules: move it to a dedicated key first."""

    code = "needs_dedicated_key"


class PreviousKeyInUse(Conflict):
    """A key that the tenant had before still opens some of its data, under the rules of that time."""

    code = "previous_key_in_use"


class TenantIsPool(Conflict):
    """A pool owns a key that others share. It has no members, API keys, collections or records of its own."""

    code = "tenant_is_pool"


class PolicyTooLarge(Conflict):
    """KMS has no room for this key policy: it takes 32 KiB."""

    code = "policy_too_large"


class ExternalKeyRefused(Conflict):
    """This key is not accepted for this tenant: its account is not one of those agreed upon, or it is in use."""

    code = "external_key_refused"


class ExternalKeyNotProven(Conflict):
    """The external key does not behave as it must. The message says which statement its key policy lacks."""

    code = "external_key_not_proven"


class CallQuotaReached(TenantError):
    """AWS admits so many calls of this kind a second, and they are spoken for: try again later."""

    code = "call_quota_reached"
    retryable = True
    retry_after_seconds = 10


class WriterMoved(TenantError):
    """This connection is to a database that takes no writes, or is gone: connect again and retry."""

    code = "writer_moved"
    retryable = True
    retry_after_seconds = 2


class WriterMoveRefused(Conflict):
    """The writer cannot be moved there, or not now. The message says why."""

    code = "writer_move_refused"


class WriterMoveUnreachable(TenantError):
    """RDS of a Region does not answer."""

    code = "writer_move_unreachable"
    retryable = True
    retry_after_seconds = 10


class WriterMoveUnfinished(TenantError):
    """The writer was told to move and has not arrived in time. RDS goes on by itself: look before you try again."""

    code = "writer_move_unfinished"


class ScopeMisused(RuntimeError):
    """A programming mistake: a query outside a scope, a nested scope, or a write in a read scope."""
