"""ARN of a KMS key, and which keys are related: replicas of one multi-Region key.

Form: `arn:partition:kms:region:account:key/key-id` (AWS KMS Developer Guide, "Key identifiers"). The id of a
multi-Region key is `mrk-` and 32 hexadecimal digits, the same in each Region; other ids are UUIDs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from crypto.errors import InvalidKeyArn

_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):kms:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d{1,2}):(?P<account>\d{12})"
    r":key/(?P<key_id>mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)


@dataclass(frozen=True, slots=True)
class KeyArn:
    """One key in one Region."""

    partition: str
    region: str
    account: str
    key_id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an ARN, or raise `InvalidKeyArn`. Key ids and aliases alone are refused: they name no Region."""
        found = _ARN.fullmatch(text)
        if found is None:
            raise InvalidKeyArn("Expected arn:PARTITION:kms:REGION:ACCOUNT:key/KEY-ID.")
        return cls(**found.groupdict())

    def in_region(self, region: str) -> KeyArn:
        """ARN of the related key of that Region; only a multi-Region key has one."""
        if region != self.region and not self.key_id.startswith("mrk-"):
            raise InvalidKeyArn("A single-Region key has no related key in another Region.")
        return replace(self, region=region)

    def is_related_to(self, other: KeyArn) -> bool:
        """Whether both are the same key, or multi-Region keys whose ARNs differ in the Region alone.

        The rule of the Encryption SDK specification, "AWS KMS MRK match for decrypt".
        """
        anywhere = self.key_id.startswith("mrk-")
        return other in (self, replace(self, region=other.region) if anywhere else self)

    def __str__(self) -> str:
        return f"arn:{self.partition}:kms:{self.region}:{self.account}:key/{self.key_id}"
