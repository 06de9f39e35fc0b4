"""The table of key states: which operation succeeds in which state, and the error where it does not.

Source: AWS KMS Developer Guide, "Key states of AWS KMS keys".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.kms_cast import EUROPE, HOME, WEST, Cast, role, standing_in
from tests.sandbox.test_kms_key_material import put_material

LASTING = 10**6  # seconds in which a transition of this stand-in does not end by itself

OK = ""
DISABLED = "DisabledException"
INVALID = "KMSInvalidStateException"
UNSUPPORTED = "UnsupportedOperationException"


@dataclass(frozen=True)
class Subject:
    """A key in some state, a grant of it, and ciphertext that it had made before."""

    cast: Cast
    arn: str
    grant: str
    blob: bytes

    @property
    def kms(self) -> Any:
        return self.cast.kms("operator", self.arn.split(":")[3])


def new_alias(kms: Any, key: str) -> str:
    """Another name for the key."""
    name = f"alias/{os.urandom(8).hex()}"
    kms.create_alias(AliasName=name, TargetKeyId=key)
    return name


Call = Callable[[Subject], Any]
CALLS: dict[str, Call] = {
    "CancelKeyDeletion": lambda s: s.kms.cancel_key_deletion(KeyId=s.arn),
    "CreateAlias": lambda s: new_alias(s.kms, s.arn),
    "DeleteAlias": lambda s: s.kms.delete_alias(
        AliasName=s.kms.list_aliases(KeyId=s.arn)["Aliases"][0]["AliasName"]
    ),
    "UpdateAlias": lambda s: s.kms.update_alias(
        AliasName=new_alias(s.kms, s.kms.create_key()["KeyMetadata"]["KeyId"]), TargetKeyId=s.arn
    ),
    "CreateGrant": lambda s: s.kms.create_grant(
        KeyId=s.arn, GranteePrincipal=role("nobody"), Operations=["DescribeKey"]
    ),
    "Decrypt": lambda s: s.kms.decrypt(KeyId=s.arn, CiphertextBlob=s.blob),
    "DescribeKey": lambda s: s.kms.describe_key(KeyId=s.arn),
    "DisableKeyRotation": lambda s: s.kms.disable_key_rotation(KeyId=s.arn),
    "DisableKey": lambda s: s.kms.disable_key(KeyId=s.arn),
    "EnableKey": lambda s: s.kms.enable_key(KeyId=s.arn),
    "EnableKeyRotation": lambda s: s.kms.enable_key_rotation(KeyId=s.arn),
    "Encrypt": lambda s: s.kms.encrypt(KeyId=s.arn, Plaintext=b"x"),
    "GenerateDataKey": lambda s: s.kms.generate_data_key(KeyId=s.arn, KeySpec="AES_256"),
    "GenerateDataKeyPair": lambda s: s.kms.generate_data_key_pair(
        KeyId=s.arn, KeyPairSpec="ECC_NIST_P256"
    ),
    "GenerateDataKeyWithoutPlaintext": lambda s: s.kms.generate_data_key_without_plaintext(
        KeyId=s.arn, KeySpec="AES_256"
    ),
    "GetKeyPolicy": lambda s: s.kms.get_key_policy(KeyId=s.arn),
    "GetKeyRotationStatus": lambda s: s.kms.get_key_rotation_status(KeyId=s.arn),
    "ListAliases": lambda s: s.kms.list_aliases(KeyId=s.arn),
    "ListGrants": lambda s: s.kms.list_grants(KeyId=s.arn),
    "ListKeyRotations": lambda s: s.kms.list_key_rotations(KeyId=s.arn),
    "ListKeyPolicies": lambda s: s.kms.list_key_policies(KeyId=s.arn),
    "ListResourceTags": lambda s: s.kms.list_resource_tags(KeyId=s.arn),
    "PutKeyPolicy": lambda s: s.kms.put_key_policy(
        KeyId=s.arn, Policy=s.kms.get_key_policy(KeyId=s.arn)["Policy"]
    ),
    "ReEncrypt": lambda s: s.kms.re_encrypt(CiphertextBlob=s.blob, DestinationKeyId=s.arn),
    "ReplicateKey": lambda s: s.kms.replicate_key(KeyId=s.arn, ReplicaRegion=EUROPE),
    "RevokeGrant": lambda s: s.kms.revoke_grant(KeyId=s.arn, GrantId=s.grant),
    "RetireGrant": lambda s: s.kms.retire_grant(KeyId=s.arn, GrantId=s.grant),
    "RotateKeyOnDemand": lambda s: s.kms.rotate_key_on_demand(KeyId=s.arn),
    "ScheduleKeyDeletion": lambda s: s.kms.schedule_key_deletion(KeyId=s.arn),
    "TagResource": lambda s: s.kms.tag_resource(
        KeyId=s.arn, Tags=[{"TagKey": "a", "TagValue": "b"}]
    ),
    "UntagResource": lambda s: s.kms.untag_resource(KeyId=s.arn, TagKeys=["a"]),
    "UpdateKeyDescription": lambda s: s.kms.update_key_description(KeyId=s.arn, Description="x"),
}
VIEWS = (
    *("DescribeKey", "GetKeyPolicy", "ListAliases", "ListGrants", "ListKeyPolicies"),
    *(
        "DeleteAlias",
        "ListKeyRotations",
        "ListResourceTags",
        "PutKeyPolicy",
        "GetKeyRotationStatus",
        "RevokeGrant",
        "RetireGrant",
    ),
)
USES = (
    *("Decrypt", "Encrypt", "ReEncrypt", "GenerateDataKey"),
    *("GenerateDataKeyPair", "GenerateDataKeyWithoutPlaintext"),
)
MANAGES = (
    "CreateAlias",
    "UpdateAlias",
    "ScheduleKeyDeletion",
    "TagResource",
    "UntagResource",
    "UpdateKeyDescription",
)


def row(
    *, uses: str, manages: str, turns: str, switches: str, cancels: str = INVALID
) -> dict[str, str]:
    """What each operation answers; `turns`: rotation, replication and grants, `switches`: enabling and disabling."""
    return {
        **dict.fromkeys(VIEWS, OK),
        **dict.fromkeys(USES, uses),
        **dict.fromkeys(MANAGES, manages),
        **dict.fromkeys(("CreateGrant", "EnableKeyRotation", "ReplicateKey"), turns),
        **dict.fromkeys(("DisableKeyRotation", "RotateKeyOnDemand"), turns),
        **dict.fromkeys(("EnableKey", "DisableKey"), switches),
        "CancelKeyDeletion": cancels,
    }


TABLE = {
    "Enabled": row(uses=OK, manages=OK, turns=OK, switches=OK),
    "Disabled": row(uses=DISABLED, manages=OK, turns=DISABLED, switches=OK),
    "PendingDeletion": row(
        uses=INVALID, manages=INVALID, turns=INVALID, switches=INVALID, cancels=OK
    ),
    "PendingReplicaDeletion": row(
        uses=INVALID, manages=INVALID, turns=INVALID, switches=INVALID, cancels=OK
    ),
    "PendingImport": row(uses=INVALID, manages=OK, turns=INVALID, switches=INVALID)
    | dict.fromkeys(("DisableKeyRotation", "EnableKeyRotation"), UNSUPPORTED),
    "Creating": row(uses=INVALID, manages=OK, turns=INVALID, switches=INVALID)
    | dict.fromkeys(("DisableKeyRotation", "EnableKeyRotation"), UNSUPPORTED)
    | dict.fromkeys(("RotateKeyOnDemand", "ReplicateKey"), UNSUPPORTED),
    "Updating": row(uses=OK, manages=OK, turns=INVALID, switches=INVALID),
}


def _enabled(cast: Cast) -> Subject:
    arn = cast.key()
    return _subject(cast, arn)


def _subject(cast: Cast, arn: str) -> Subject:
    client = cast.kms("operator", arn.split(":")[3])
    made = client.create_grant(
        KeyId=arn, GranteePrincipal=role("nobody"), Operations=["DescribeKey"]
    )
    blob = client.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    new_alias(client, arn)
    return Subject(cast, arn, made["GrantId"], blob)


def _disabled(cast: Cast) -> Subject:
    subject = _enabled(cast)
    subject.kms.disable_key(KeyId=subject.arn)
    return subject


def _pending_deletion(cast: Cast) -> Subject:
    subject = _enabled(cast)
    subject.kms.schedule_key_deletion(KeyId=subject.arn)
    return subject


def _pending_replica_deletion(cast: Cast) -> Subject:
    subject = _enabled(cast)
    cast.replica(subject.arn, WEST)
    subject.kms.schedule_key_deletion(KeyId=subject.arn)
    return subject


def _pending_import(cast: Cast) -> Subject:
    arn = cast.key(Origin="EXTERNAL")
    put_material(cast, arn, os.urandom(32))
    subject = _subject(cast, arn)
    subject.kms.delete_imported_key_material(KeyId=arn)
    return subject


def _creating(cast: Cast) -> Subject:
    subject = _enabled(cast)
    replica = cast.replica(subject.arn, WEST)
    new_alias(cast.kms("operator", WEST), replica)
    return Subject(cast, replica, "", subject.blob)


def _updating(cast: Cast) -> Subject:
    subject = _enabled(cast)
    cast.replica(subject.arn, WEST)
    cast.stand_in.advance_clock(LASTING)
    subject.kms.update_primary_region(KeyId=subject.arn, PrimaryRegion=WEST)
    replica = subject.arn.replace(HOME, WEST)
    there = cast.kms("operator", WEST)
    # A grant of a key that is Updating is not made, so this key has none.
    assert there.describe_key(KeyId=replica)["KeyMetadata"]["KeyState"] == "Updating"
    new_alias(there, replica)
    return Subject(cast, replica, "", subject.blob)


MAKERS = {
    "Enabled": _enabled,
    "Disabled": _disabled,
    "PendingDeletion": _pending_deletion,
    "PendingReplicaDeletion": _pending_replica_deletion,
    "PendingImport": _pending_import,
    "Creating": _creating,
    "Updating": _updating,
}


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """A stand-in whose transitions last until a test moves the clock."""
    with standing_in(tmp_path_factory.mktemp("kms"), transition_seconds=LASTING) as cast:
        yield cast


@pytest.mark.parametrize("state", TABLE)
def test_every_operation_heeds_the_key_state(state: str, lasting: Cast) -> None:
    made: dict[str, str] = {}
    for operation, expected in TABLE[state].items():
        subject = MAKERS[state](lasting)
        if not subject.grant and operation in ("RevokeGrant", "RetireGrant"):
            made[operation] = expected
            continue
        assert lasting.state(subject.arn) == state
        try:
            CALLS[operation](subject)
            made[operation] = OK
        except ClientError as error:
            made[operation] = error.response["Error"]["Code"]
    assert made == TABLE[state]
