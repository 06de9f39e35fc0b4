"""The words that the console shows for states, roles, steps and Regions: label, tone, icon and meaning of each.

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
    "revoked": Word("Revoked", "bad", "lock", "Decryption is stopped in every Region."),
    "retired": Word("Retired", "idle", "minus", "The tenant has left; its key is gone or going."),
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
    "done": Word("Done", "ok", "check", "Finished; running it again would change nothing."),
    "failed": Word("Failed", "bad", "alert", "Stopped the plan; needs a person, then Retry."),
    "cancelled": Word("Cancelled", "idle", "minus", "Not needed any more."),
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
    "owner": Word("Owner", "idle", "user", "Region rules, verification, API keys and members."),
    "key_admin": Word("Key admin", "idle", "key", "Region rules and verification."),
    "developer": Word("Developer", "idle", "user", "API keys."),
    "auditor": Word("Auditor", "idle", "list", "Reads everything, changes nothing."),
}

WORDS: Mapping[str, Mapping[str, Word]] = {
    "tenant": TENANT,
    "key": KEY,
    "policy": POLICY,
    "operation": OPERATION,
    "api-key": API_KEY,
    "key-role": KEY_ROLE,
    "role": MEMBER_ROLE,
}

TITLES: Mapping[str, str] = {
    "tenant": "Tenant",
    "key": "KMS key state",
    "policy": "Key policy",
    "operation": "Step of a plan",
    "api-key": "API key",
    "key-role": "Role of a regional key",
    "role": "Role of a member",
}

STEPS: Mapping[str, str] = {
    "create_primary_key": "Create the multi-Region key",
    "replicate_key": "Replicate it",
    "await_enabled": "Wait until KMS has enabled it",
    "apply_key_policy": "Apply the key policy",
    "publish_key": "Publish alias and ARN",
    "seal_canary": "Seal a canary",
    "verify_key": "Prove the key with the canary",
    "activate_tenant": "Activate the tenant",
}

PLANS: Mapping[str, str] = {
    "onboarding": "Onboarding",
    "rule_change": "Rule change",
    "verification": "Verification",
}

SCOPES: Mapping[str, str] = {
    "collections:write": "Define collections and their fields",
    "records:read": "Read records, which decrypts",
    "records:write": "Create, update and delete records",
    "records:search": "Find records by a searchable field",
    "values:encrypt": "Encrypt values that the app keeps itself",
    "values:decrypt": "Decrypt values that the app keeps itself",
}

PLACES: Mapping[str, str] = {
    "us-east-1": "N. Virginia",
    "us-east-2": "Ohio",
    "us-west-1": "N. California",
    "us-west-2": "Oregon",
    "ca-central-1": "Canada",
    "sa-east-1": "São Paulo",
    "eu-west-1": "Ireland",
    "eu-west-2": "London",
    "eu-west-3": "Paris",
    "eu-central-1": "Frankfurt",
    "eu-central-2": "Zurich",
    "eu-north-1": "Stockholm",
    "eu-south-1": "Milan",
    "ap-south-1": "Mumbai",
    "ap-southeast-1": "Singapore",
    "ap-southeast-2": "Sydney",
    "ap-northeast-1": "Tokyo",
    "ap-northeast-2": "Seoul",
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
