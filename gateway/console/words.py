"""The words that the console shows for states and roles: label, tone, icon and meaning of each.

A tone is one of ok, busy, warn, bad, idle; it colours the badge, and the icon says the same without colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the console."""

    label: str
    tone: str
    icon: str
    meaning: str


TENANT: Mapping[str, Word] = {
    "onboarding": Word(
        "Onboarding", "busy", "clock", "Its key is being made and replicated; requests are refused."
    ),
    "active": Word(
        "Active", "ok", "check", "Its key is verified in every Region; requests are served."
    ),
    "revoked": Word(
        "Revoked", "bad", "lock", "Every use of its keys is stopped until it is restored."
    ),
    "offboarding": Word(
        "Leaving", "bad", "trash", "Its end is approved: its keys wait to be deleted for good."
    ),
    "retired": Word("Retired", "idle", "minus", "The tenant has left; its keys and rows are gone."),
}

# KMS's own names; https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
KEY: Mapping[str, Word] = {
    "": Word("Not made yet", "idle", "minus", "No key exists in this Region so far."),
    "Creating": Word("Creating", "busy", "clock", "KMS is replicating the key to this Region."),
    "Enabled": Word(
        "Enabled", "ok", "check", "The key can encrypt and decrypt, as its policy allows."
    ),
    "Disabled": Word("Disabled", "bad", "pause", "The key refuses every use until it is enabled."),
    "PendingDeletion": Word(
        "Pending deletion", "bad", "trash", "The key will be deleted; it refuses use."
    ),
    "PendingReplicaDeletion": Word(
        "Pending replica deletion",
        "bad",
        "trash",
        "The primary waits until its replicas are deleted.",
    ),
    "PendingImport": Word("Pending import", "warn", "clock", "The key has no key material yet."),
    "Updating": Word("Updating", "busy", "clock", "The primary Region is being changed."),
    "Unavailable": Word(
        "Unavailable", "bad", "alert", "The key store behind the key is not connected."
    ),
}

POLICY: Mapping[str, Word] = {
    "in_force": Word(
        "In force",
        "ok",
        "shield",
        "The key policy in KMS is the one that the Region rule asks for.",
    ),
    "pending": Word(
        "Not in force",
        "warn",
        "alert",
        "The key policy in KMS is not yet the one that the Region rule asks for.",
    ),
    "none": Word("None yet", "idle", "minus", "No key policy has been applied in this Region."),
}

OPERATION: Mapping[str, Word] = {
    "planned": Word("Planned", "idle", "dash", "Starts when all earlier steps are done."),
    "due": Word(
        "Due", "busy", "clock", "Waits for a worker of its Region, or for its next attempt."
    ),
    "running": Word("Running", "busy", "cycle", "A worker is on it."),
    "paused": Word("Paused", "warn", "pause", "Waits until its revoked tenant is restored."),
    "done": Word("Done", "ok", "check", "Finished; running it again would change nothing."),
    "failed": Word("Failed", "bad", "alert", "Stopped the plan; needs a person, then Retry."),
    "cancelled": Word("Cancelled", "idle", "minus", "Not needed any more."),
}

PLAN: Mapping[str, Word] = {
    "running": Word("Under way", "busy", "cycle", "Workers are at its steps."),
    "waiting": Word("Waiting", "idle", "clock", "Its next step waits for its time."),
    "failed": Word("Stopped", "bad", "alert", "A step failed and needs a retry."),
    "paused": Word("Paused", "warn", "pause", "Goes on when the tenant is restored."),
    "done": Word("Done", "ok", "check", "Every step is done."),
    "cancelled": Word("Cancelled", "idle", "minus", "What was left of it was cancelled."),
    "rolled_back": Word(
        "Taken back", "warn", "cycle", "A step failed, and what the plan had changed is restored."
    ),
}

REFUSAL: Mapping[str, Word] = {
    "planned": Word("Not reached yet", "busy", "clock", "Nothing is known of this Region yet."),
    "disabled": Word("Key disabled", "busy", "pause", "KMS took the order; not proven yet."),
    "proven": Word(
        "Proven", "ok", "check", "The gateways refuse, and KMS refuses the gateway's role."
    ),
    "gateways_only": Word(
        "Gateways refuse",
        "warn",
        "alert",
        "The gateways refuse; the key is the tenant's own to disable.",
    ),
    "failed": Word("Failed", "bad", "alert", "A step stopped here: somebody must look."),
}

OFFBOARDING: Mapping[str, Word] = {
    "requested": Word("Requested", "warn", "clock", "Waits for the approval of a second person."),
    "approved": Word("Approved", "bad", "trash", "Under way; it can be called off until the end."),
    "cancelled": Word("Called off", "idle", "minus", "Somebody has called it off."),
    "done": Word("Done", "idle", "check", "The keys are gone, and the certificate is signed."),
}

SEVERITY: Mapping[str, Word] = {
    "critical": Word(
        "Critical", "bad", "alert", "Somebody may do more than they should, or the key is at risk."
    ),
    "high": Word(
        "High", "warn", "alert", "Somebody may do less, or is led to another key than the tenant's."
    ),
    "low": Word("Low", "idle", "info", "Nothing works differently."),
}

DECISION: Mapping[str, Word] = {
    "": Word("Open", "warn", "clock", "Nobody has decided yet what becomes of this key."),
    "adopted": Word("Adopted", "ok", "check", "The step that had lost it goes on with it."),
    "scheduled": Word("To be deleted", "bad", "trash", "KMS deletes it after 30 days."),
    "gone": Word("Gone", "idle", "minus", "It found its owner, or KMS has deleted it."),
}

LAG: Mapping[str, Word] = {
    "current": Word("Current", "ok", "check", "Its reader shows what the writer wrote."),
    "behind": Word("Behind", "warn", "clock", "Its reader shows an older state than the writer's."),
    "silent": Word("Silent", "bad", "alert", "Its worker has not reported for too long."),
    "unknown": Word("Not measured", "idle", "dash", "No worker of this Region has reported yet."),
}

API_KEY: Mapping[str, Word] = {
    "active": Word("Active", "ok", "check", "Accepted until it expires or is revoked."),
    "expired": Word("Expired", "idle", "clock", "Past its expiry; refused."),
    "revoked": Word("Revoked", "bad", "lock", "Refused for ever, in every Region."),
}

KEY_ROLE: Mapping[str, Word] = {
    "primary": Word(
        "Primary", "idle", "key", "The multi-Region key that its replicas were made from."
    ),
    "replica": Word(
        "Replica", "idle", "key", "Same key material, own ARN, own key policy, own state."
    ),
}

MEMBER_ROLE: Mapping[str, Word] = {
    "owner": Word(
        "Owner", "idle", "user", "Everything that a key admin may, API keys and members."
    ),
    "key_admin": Word(
        "Key admin",
        "idle",
        "key",
        "Region rules, rotation and repair, revoking and ending the tenant.",
    ),
    "developer": Word("Developer", "idle", "user", "API keys."),
    "auditor": Word("Auditor", "idle", "list", "Reads everything, changes nothing."),
}

WORDS: Mapping[str, Mapping[str, Word]] = {
    "tenant": TENANT,
    "key": KEY,
    "policy": POLICY,
    "plan": PLAN,
    "operation": OPERATION,
    "refusal": REFUSAL,
    "offboarding": OFFBOARDING,
    "severity": SEVERITY,
    "decision": DECISION,
    "lag": LAG,
    "api-key": API_KEY,
    "key-role": KEY_ROLE,
    "role": MEMBER_ROLE,
}

TITLES: Mapping[str, str] = {
    "tenant": "Tenant",
    "key": "KMS key state",
    "policy": "Key policy",
    "plan": "Plan",
    "operation": "Step of a plan",
    "refusal": "Revocation in a Region",
    "offboarding": "End of a tenant",
    "severity": "Drift of a key",
    "decision": "Key without an owner",
    "lag": "Database of a Region",
    "api-key": "API key",
    "key-role": "Role of a regional key",
    "role": "Role of a member",
}

_ACRONYMS = frozenset({"api", "arn", "kms"})


def word_for(kind: str, value: str) -> Word:
    """The word of a state; one that the console does not know is shown as it is, never hidden."""
    return WORDS[kind].get(value) or Word(
        value, "warn", "info", "A state that this console does not know."
    )


def plain(value: str) -> str:
    """`api_key.issued` -> `API key issued`: an identifier as a person reads it."""
    words = value.replace("_", " ").replace(".", " ").replace("-", " ").split()
    text = " ".join(word.upper() if word in _ACRONYMS else word for word in words)
    return text[:1].upper() + text[1:]
