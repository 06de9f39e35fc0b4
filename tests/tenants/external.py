"""A tenant with an AWS account of its own: makes keys there with its own hands, and decides what their policies say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import uuid4

import boto3

from crypto.arn import KeyArn
from sandbox.identities import TENANT_ACCOUNT
from sandbox.outages import kms_admin
from tests.cast import EVERYWHERE, advance_kms_clock
from tests.stack import Stack

HOME = EVERYWHERE[0]
Document = Mapping[str, Any]


@lru_cache(maxsize=4)
def key_owner(account: str = TENANT_ACCOUNT) -> KeyOwner:
    """The one who manages keys in that account, once a run."""
    return KeyOwner(account)


class KeyOwner:
    """Manages the keys of one account."""

    def __init__(self, account: str) -> None:
        """Give the account a user who may do anything there."""
        self.account = account
        self._stack = Stack.inherited()
        access_key, secret = f"AKIAOWNER{uuid4().hex[:11].upper()}", uuid4().hex
        path = self._stack.home.secrets / "identities.json"
        identities = json.loads(path.read_text())
        allow = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
        identities[access_key] = {
            "secret": secret,
            "arn": f"arn:aws:iam::{account}:user/{access_key.lower()}",
            "policy": {"Version": "2012-10-17", "Statement": [allow]},
        }
        path.write_text(json.dumps(identities))
        kms_admin(self._stack.ports).post("identities", {})
        self._session: Any = boto3.Session(access_key, secret)

    def kms(self, region: str) -> Any:
        """KMS of that Region, with the owner's own hands."""
        return self._session.client("kms", region, endpoint_url=self._stack.kms_endpoint(region))

    def make_key(
        self, policies: Mapping[str, Document] | None = None, regions: Sequence[str] = EVERYWHERE
    ) -> KeyArn:
        """A multi-Region key with a replica in each of the other Regions, the first one's primary; ready for use.

        What `policies` has for a Region stands in the key policy there, beside what the owner needs."""
        given = policies or {}
        made = self.kms(regions[0]).create_key(
            MultiRegion=True, Policy=self.policy(given.get(regions[0]))
        )
        arn = KeyArn.parse(made["KeyMetadata"]["Arn"])
        for region in regions[1:]:
            self.kms(regions[0]).replicate_key(
                KeyId=str(arn), ReplicaRegion=region, Policy=self.policy(given.get(region))
            )
        advance_kms_clock(60)
        return arn

    def paste(self, arn: KeyArn, document: Document | None) -> None:
        """Replace the key policy of the Region of that ARN."""
        self.kms(arn.region).put_key_policy(
            KeyId=str(arn), PolicyName="default", Policy=self.policy(document)
        )

    def policy(self, document: Document | None) -> str:
        """The owner's own statement, and those of the template."""
        own = {
            "Sid": "OwnersManage",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{self.account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
        pasted = document["Statement"] if document else []
        return json.dumps({"Version": "2012-10-17", "Statement": [own, *pasted]})
