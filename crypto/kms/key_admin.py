"""The control plane: make, replicate, describe and police keys, with the admin role, which can use none of them.

Each method is one KMS call in one Region, or a page loop of one. Callers make them idempotent: they describe before
they create, and find again by tag what a killed call has left (CreateKey takes no idempotency token).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from crypto.arn import KeyArn
from crypto.errors import KeyAlreadyExists
from crypto.kms.clients import KmsClients, Plane
from crypto.kms.translate import translated

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient
    from types_boto3_kms.type_defs import KeyMetadataTypeDef, TagTypeDef

Tags: TypeAlias = Mapping[str, str]
_POLICY_NAME = "default"  # the only name that KMS takes


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """What KMS says of one key in one Region. `state` is KMS's KeyState: Enabled, Disabled, Creating and so on."""

    arn: KeyArn
    state: str
    is_primary: bool


class KmsKeyAdmin:
    """Administration of keys. `clients` decide endpoint and credentials; each method names its Region."""

    def __init__(self, clients: KmsClients) -> None:
        self._clients = clients

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
        return _description(answer["KeyMetadata"])

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
        return _description(answer["ReplicaKeyMetadata"])

    def describe_key(self, arn: KeyArn) -> KeyDescription:
        """State and role of the key in the Region of its ARN; raises `KeyNotFound`."""
        with translated("kms:DescribeKey", arn.region):
            answer = self._kms(arn.region).describe_key(KeyId=str(arn))
        return _description(answer["KeyMetadata"])

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

    def find_key_by_tag(self, *, region: str, tag: str, value: str) -> KeyArn | None:
        """The one key with that tag, or None. Two are an orphan and its twin: `KeyAlreadyExists`, never a guess."""
        found = self.list_keys_by_tag(region=region, tag=tag, value=value)
        if len(found) > 1:
            raise KeyAlreadyExists(f"{len(found)} keys in {region} carry the tag {tag}={value}.")
        return found[0] if found else None

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

    def enable_rotation(self, arn: KeyArn) -> None:
        """Rotate yearly: called on the primary, shared by all replicas (Developer Guide, "Rotate AWS KMS keys")."""
        with translated("kms:EnableKeyRotation", arn.region):
            self._kms(arn.region).enable_key_rotation(KeyId=str(arn))

    def _kms(self, region: str) -> KMSClient:
        return self._clients.kms(region, Plane.ADMIN)


def _tags(tags: Tags) -> list[TagTypeDef]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


def _description(metadata: KeyMetadataTypeDef) -> KeyDescription:
    kind = metadata.get("MultiRegionConfiguration", {}).get("MultiRegionKeyType", "PRIMARY")
    return KeyDescription(KeyArn.parse(metadata["Arn"]), metadata["KeyState"], kind == "PRIMARY")
