"""The control plane: make, replicate, describe, police and end keys, with the admin role, which can use none of them.

Each method is one KMS call in one Region, or a page loop of one. Callers make them idempotent: they describe before
they change, and find again by tag what a killed call has left (CreateKey takes no idempotency token). Names and limits
are those of the AWS KMS API Reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from crypto.arn import KeyArn
from crypto.errors import KeyAlreadyExists, KeyNotFound
from crypto.kms.clients import KmsClients, Plane
from crypto.kms.translate import translated

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient
    from types_boto3_kms.type_defs import (
        KeyMetadataTypeDef,
        RotationsListEntryTypeDef,
        TagTypeDef,
    )

Tags: TypeAlias = Mapping[str, str]
_POLICY_NAME = "default"  # the only name that KMS takes


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """What KMS says of one key in one Region. `state` is KMS's KeyState: Enabled, Disabled, Creating and so on.

    `primary_region` is where the primary is, `replica_regions` where its replicas are; a key of a single Region has
    neither. `created_at` is when it was made there, `deletion_date` is set while it is pending deletion, and
    `key_material_id` names the current key material.
    """

    arn: KeyArn
    state: str
    is_primary: bool
    primary_region: str = ""
    replica_regions: tuple[str, ...] = ()
    deletion_date: datetime | None = None
    key_material_id: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rotation:
    """The automatic rotation of a key, which all its related keys share. `period_days` is 90 to 2560.

    `on_demand_since` is set while KMS works on a rotation on demand, which may take a moment.
    """

    enabled: bool
    period_days: int = 365
    next_at: datetime | None = None
    on_demand_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaggedKeys:
    """Keys with all their tags, and the token of the next page, empty on the last."""

    keys: Mapping[KeyArn, Mapping[str, str]]
    next_token: str


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """One key material of a key. `current` is the one that encrypts; the others only decrypt."""

    id: str
    current: bool
    on_demand: bool
    rotated_at: datetime | None


class KmsKeyAdmin:
    """Administration of keys. `clients` decide endpoint and credentials; each method names its Region.

    In the audit plane only what reads of a key is allowed."""

    def __init__(self, clients: KmsClients, plane: Plane = Plane.ADMIN) -> None:
        self._clients = clients
        self._plane = plane

    def create_primary_key(
        self, *, region: str, policy: str, tags: Tags, description: str
    ) -> KeyDescription:
        """CreateKey of a multi-Region primary, policy and tags in the same call.

        Without the policy in the call, KMS's default policy would let the whole account use the key until the next.
        """
        with translated("kms:CreateKey", region):
            answer = self._kms(region).create_key(
                MultiRegion=True, Policy=policy, Description=description, Tags=_tags(tags)
            )
        return described(answer["KeyMetadata"])

    def replicate_key(
        self, *, primary: KeyArn, region: str, policy: str, tags: Tags, description: str
    ) -> KeyDescription:
        """ReplicateKey into `region`, called where the primary is. The replica is `Creating` for some seconds.

        Raises `KeyAlreadyExists` when a related key is there already.
        """
        with translated("kms:ReplicateKey", primary.region):
            answer = self._kms(primary.region).replicate_key(
                KeyId=str(primary),
                ReplicaRegion=region,
                Policy=policy,
                Description=description,
                Tags=_tags(tags),
            )
        return described(answer["ReplicaKeyMetadata"])

    def describe_key(self, arn: KeyArn) -> KeyDescription:
        """State and role of the key in the Region of its ARN; raises `KeyNotFound`."""
        with translated("kms:DescribeKey", arn.region):
            answer = self._kms(arn.region).describe_key(KeyId=str(arn))
        return described(answer["KeyMetadata"])

    def list_keys_by_tag(self, *, region: str, tag: str, value: str) -> tuple[KeyArn, ...]:
        """All keys of that Region which carry the tag, from the Resource Groups Tagging API.

        That index lags behind KMS for a moment, so a key that was made just now may be missing.
        """
        with translated("tag:GetResources", region):
            paginator = self._clients.tagging(region).get_paginator("get_resources")
            pages = paginator.paginate(
                TagFilters=[{"Key": tag, "Values": [value]}], ResourceTypeFilters=["kms:key"]
            )
            items = [item for page in pages for item in page["ResourceTagMappingList"]]
        return tuple(KeyArn.parse(item["ResourceARN"]) for item in items)

    def get_tagged_keys(self, *, region: str, tag: str, value: str, token: str = "") -> TaggedKeys:
        """A page of the keys of that Region which carry the tag; `token` is that of the page before, good for some
        minutes. From the same index as `list_keys_by_tag`."""
        with translated("tag:GetResources", region):
            answer = self._clients.tagging(region).get_resources(
                TagFilters=[{"Key": tag, "Values": [value]}],
                ResourceTypeFilters=["kms:key"],
                PaginationToken=token,
            )
        found = answer["ResourceTagMappingList"]
        keys = {
            KeyArn.parse(each["ResourceARN"]): {tag["Key"]: tag["Value"] for tag in each["Tags"]}
            for each in found
        }
        return TaggedKeys(keys, answer.get("PaginationToken", ""))

    def find_key_by_tag(self, *, region: str, tag: str, value: str) -> KeyArn | None:
        """The one key with that tag, or None. Two are an orphan and its twin: `KeyAlreadyExists`, never a guess."""
        found = self.list_keys_by_tag(region=region, tag=tag, value=value)
        if len(found) > 1:
            raise KeyAlreadyExists(f"{len(found)} keys in {region} carry the tag {tag}={value}.")
        return found[0] if found else None

    def find_key_by_alias(self, *, region: str, alias: str) -> KeyArn | None:
        """The key to which the alias of that Region leads, or None."""
        try:
            with translated("kms:DescribeKey", region):
                answer = self._kms(region).describe_key(KeyId=alias)
        except KeyNotFound:
            return None
        return KeyArn.parse(answer["KeyMetadata"]["Arn"])

    def get_key_policy(self, arn: KeyArn) -> str:
        """The key policy document of that Region, as KMS renders it."""
        with translated("kms:GetKeyPolicy", arn.region):
            answer = self._kms(arn.region).get_key_policy(KeyId=str(arn), PolicyName=_POLICY_NAME)
        return answer["Policy"]

    def put_key_policy(self, *, arn: KeyArn, policy: str) -> None:
        """Replace the key policy of that Region; the other Regions keep theirs."""
        with translated("kms:PutKeyPolicy", arn.region):
            kms = self._kms(arn.region)
            kms.put_key_policy(KeyId=str(arn), PolicyName=_POLICY_NAME, Policy=policy)

    def put_alias(self, *, arn: KeyArn, alias: str) -> None:
        """Point `alias/...` of that Region at the key, whether the alias is new or not."""
        client = self._kms(arn.region)
        try:
            with translated("kms:CreateAlias", arn.region):
                client.create_alias(AliasName=alias, TargetKeyId=arn.key_id)
        except KeyAlreadyExists:
            with translated("kms:UpdateAlias", arn.region):
                client.update_alias(AliasName=alias, TargetKeyId=arn.key_id)

    def put_tags(self, *, arn: KeyArn, tags: Tags) -> None:
        """Set these tags; others stay."""
        with translated("kms:TagResource", arn.region):
            self._kms(arn.region).tag_resource(KeyId=str(arn), Tags=_tags(tags))

    def remove_tags(self, *, arn: KeyArn, names: Sequence[str]) -> None:
        """Take these tags off; those that are not there are no error."""
        with translated("kms:UntagResource", arn.region):
            self._kms(arn.region).untag_resource(KeyId=str(arn), TagKeys=list(names))

    def list_tags(self, arn: KeyArn) -> dict[str, str]:
        """All tags of the key in its Region."""
        with translated("kms:ListResourceTags", arn.region):
            pages = (
                self._kms(arn.region).get_paginator("list_resource_tags").paginate(KeyId=str(arn))
            )
            return {tag["TagKey"]: tag["TagValue"] for page in pages for tag in page["Tags"]}

    def list_aliases(self, arn: KeyArn) -> tuple[str, ...]:
        """The aliases of its Region that point at the key, sorted."""
        with translated("kms:ListAliases", arn.region):
            pages = self._kms(arn.region).get_paginator("list_aliases").paginate(KeyId=str(arn))
            return tuple(sorted(each["AliasName"] for page in pages for each in page["Aliases"]))

    def delete_alias(self, *, region: str, alias: str) -> None:
        """Take the alias away; one that is not there is no error."""
        with suppress(KeyNotFound), translated("kms:DeleteAlias", region):
            self._kms(region).delete_alias(AliasName=alias)

    def enable_key(self, arn: KeyArn) -> None:
        """Let the key of that Region be used again. Raises `KeyUnusable` where it is pending deletion."""
        with translated("kms:EnableKey", arn.region):
            self._kms(arn.region).enable_key(KeyId=str(arn))

    def disable_key(self, arn: KeyArn) -> None:
        """Stop every use of the key of that Region; related keys elsewhere go on."""
        with translated("kms:DisableKey", arn.region):
            self._kms(arn.region).disable_key(KeyId=str(arn))

    def schedule_deletion(self, *, arn: KeyArn, days: int) -> datetime | None:
        """Delete the key of that Region after 7 to 30 days; it cannot be used from now on.

        Returns the date, or None for a primary whose replicas are not gone yet: its days begin with the last of them
        (Developer Guide, "Delete multi-Region keys"). Raises `KeyUnusable` where it is pending deletion already.
        """
        with translated("kms:ScheduleKeyDeletion", arn.region):
            answer = self._kms(arn.region).schedule_key_deletion(
                KeyId=str(arn), PendingWindowInDays=days
            )
        return answer.get("DeletionDate")

    def cancel_deletion(self, arn: KeyArn) -> None:
        """Keep the key, which is `Disabled` then. Raises `KeyUnusable` where it is not pending deletion."""
        with translated("kms:CancelKeyDeletion", arn.region):
            self._kms(arn.region).cancel_key_deletion(KeyId=str(arn))

    def update_primary_region(self, *, primary: KeyArn, region: str) -> None:
        """Make the replica of `region` the primary; both must be Enabled, and are `Updating` for a moment."""
        with translated("kms:UpdatePrimaryRegion", primary.region):
            self._kms(primary.region).update_primary_region(
                KeyId=str(primary), PrimaryRegion=region
            )

    def enable_rotation(self, arn: KeyArn, *, period_days: int = 365) -> None:
        """Rotate each so many days, 90 to 2560: called on the primary, shared by all replicas (Developer Guide,
        "Rotate AWS KMS keys")."""
        with translated("kms:EnableKeyRotation", arn.region):
            self._kms(arn.region).enable_key_rotation(
                KeyId=str(arn), RotationPeriodInDays=period_days
            )

    def disable_rotation(self, arn: KeyArn) -> None:
        """Stop the automatic rotation; called on the primary."""
        with translated("kms:DisableKeyRotation", arn.region):
            self._kms(arn.region).disable_key_rotation(KeyId=str(arn))

    def get_rotation(self, arn: KeyArn) -> Rotation:
        """The automatic rotation of the key."""
        with translated("kms:GetKeyRotationStatus", arn.region):
            answer = self._kms(arn.region).get_key_rotation_status(KeyId=str(arn))
        return Rotation(
            answer["KeyRotationEnabled"],
            answer.get("RotationPeriodInDays", 365),
            answer.get("NextRotationDate"),
            answer.get("OnDemandRotationStartDate"),
        )

    def rotate_now(self, arn: KeyArn) -> None:
        """Give the key new material at once, at most 25 times in its life; called on the primary.

        Raises `KmsRequestInvalid` when none is left.
        """
        with translated("kms:RotateKeyOnDemand", arn.region):
            self._kms(arn.region).rotate_key_on_demand(KeyId=str(arn))

    def list_key_materials(self, arn: KeyArn) -> tuple[KeyMaterial, ...]:
        """Every key material that the key has had, the first one included."""
        with translated("kms:ListKeyRotations", arn.region):
            pages = (
                self._kms(arn.region)
                .get_paginator("list_key_rotations")
                .paginate(KeyId=str(arn), IncludeKeyMaterial="ALL_KEY_MATERIAL")
            )
            return tuple(_material(each) for page in pages for each in page["Rotations"])

    def _kms(self, region: str) -> KMSClient:
        return self._clients.kms(region, self._plane)


def _tags(tags: Tags) -> list[TagTypeDef]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


def described(metadata: KeyMetadataTypeDef) -> KeyDescription:
    """What an answer with the key's metadata says of it."""
    related = metadata.get("MultiRegionConfiguration", {})
    return KeyDescription(
        arn=KeyArn.parse(metadata["Arn"]),
        state=metadata["KeyState"],
        is_primary=related.get("MultiRegionKeyType", "PRIMARY") == "PRIMARY",
        primary_region=related.get("PrimaryKey", {}).get("Region", ""),
        replica_regions=tuple(sorted(each["Region"] for each in related.get("ReplicaKeys", []))),
        deletion_date=metadata.get("DeletionDate"),
        key_material_id=metadata.get("CurrentKeyMaterialId", ""),
        created_at=metadata.get("CreationDate"),
    )


def _material(answer: RotationsListEntryTypeDef) -> KeyMaterial:
    return KeyMaterial(
        id=answer.get("KeyMaterialId", ""),
        current=answer.get("KeyMaterialState") == "CURRENT",
        on_demand=answer.get("RotationType") == "ON_DEMAND",
        rotated_at=answer.get("RotationDate"),
    )
