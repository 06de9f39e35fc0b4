"""Somebody else in our account: a person who may do everything with KMS that key policies let them do."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config

from sandbox.identities import ADMINISTRATOR, access_key
from tests.stack import Stack

_NAME = "outsider"
_EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["kms:*", "ssm:*"], "Resource": "*"}],
}


def outsider(region: str) -> Any:
    """KMS of that Region, as they reach it."""
    key_id, secret = _credentials()
    return _client("kms", region, key_id, secret)


@lru_cache(maxsize=1)
def _credentials() -> tuple[str, str]:
    stack = Stack.inherited()
    iam = _client("iam", "us-east-2", *access_key(stack.home, ADMINISTRATOR))
    if _NAME not in [user["UserName"] for user in iam.list_users()["Users"]]:
        iam.create_user(UserName=_NAME)
    iam.put_user_policy(
        UserName=_NAME, PolicyName="everything", PolicyDocument=json.dumps(_EVERYTHING)
    )
    made = iam.create_access_key(UserName=_NAME)["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


@lru_cache(maxsize=8)
def _client(service: str, region: str, key_id: str, secret: str) -> Any:
    session: Any = boto3.Session(aws_access_key_id=key_id, aws_secret_access_key=secret)
    endpoint = Stack.inherited().kms_endpoint(region)
    config = Config(retries={"total_max_attempts": 1})
    return session.client(service, region, endpoint_url=endpoint, config=config)
