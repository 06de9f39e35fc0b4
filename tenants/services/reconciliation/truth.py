"""What one Region holds of a tenant's key: seven reads, with the admin role."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from crypto.arn import KeyArn
from crypto.errors import CredentialsRefused, KeyAccessDenied, KeyNotFound
from tenants.kms.key_admin import KeyDescription, Rotation
from tenants.services.clients import get_key_admin, get_key_directory
from tenants.services.reconciliation.expected import Expected


@dataclass(slots=True, kw_only=True)
class Truth:
    """What was found. `key` is None where KMS knows no such key, `denied` names the reads that were refused, whose
    fields then say nothing. `alias_of` is the key to which the alias leads, `parameter` the text of the parameter."""

    key: KeyDescription | None = None
    policy: Mapping[str, Any] | None = None
    aliases: tuple[str, ...] = ()
    alias_of: KeyArn | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    rotation: Rotation | None = None
    parameter: str | None = None
    denied: list[str] = field(default_factory=list)


def read_truth(expected: Expected) -> Truth:
    """Read it. Raises `KeyUnavailable` where KMS does not serve now, and `CredentialsRefused`."""
    truth, admin = Truth(), get_key_admin()
    directory = get_key_directory()
    with _noted(truth, "ssm:GetParameter"):
        truth.parameter = directory.find_text(region=expected.region, name=expected.parameter)
    try:
        with _noted(truth, "kms:DescribeKey"):
            truth.key = admin.describe_key(expected.arn)
    except KeyNotFound:
        return truth
    with _noted(truth, "kms:GetKeyPolicy"):
        truth.policy = json.loads(admin.get_key_policy(expected.arn))
    with _noted(truth, "kms:ListResourceTags"):
        truth.tags = admin.list_tags(expected.arn)
    with _noted(truth, "kms:ListAliases"):
        truth.aliases = admin.list_aliases(expected.arn)
    if expected.alias not in truth.aliases:
        with _noted(Truth(), ""):  # whether we may look at whatever key that is does not matter
            truth.alias_of = admin.find_key_by_alias(region=expected.region, alias=expected.alias)
    if expected.rotation_days is not None:
        with _noted(truth, "kms:GetKeyRotationStatus"):
            truth.rotation = admin.get_rotation(expected.arn)
    return truth


@contextmanager
def _noted(truth: Truth, action: str) -> Iterator[None]:
    """A read that a policy may refuse: that is a finding like any other. Refused credentials are none."""
    try:
        yield
    except CredentialsRefused:
        raise
    except KeyAccessDenied:
        truth.denied.append(action)
