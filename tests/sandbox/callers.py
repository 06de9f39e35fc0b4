"""Callers of the shared stack that a test makes for itself: one permission each, in an account of its choice."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config

from sandbox.layout import PRIMARY
from sandbox.outages import kms_admin
from tests.stack import Stack


def client_with(stack: Stack, service: str, account: str, action: str, resource: str) -> Any:
    """A client of a user of that account who may do that with that: put in the identities file of the stack."""
    access_key, secret = f"AKIATEST{uuid4().hex[:12].upper()}", uuid4().hex
    allow = {"Effect": "Allow", "Action": action, "Resource": resource}
    path = stack.home.secrets / "identities.json"
    identities = json.loads(path.read_text())
    identities[access_key] = {
        "secret": secret,
        "arn": f"arn:aws:iam::{account}:user/{access_key.lower()}",
        "policy": {"Version": "2012-10-17", "Statement": [allow]},
    }
    path.write_text(json.dumps(identities))
    kms_admin(stack.ports).post("identities", {})
    session: Any = boto3.Session(access_key, secret)
    return session.client(
        service,
        PRIMARY,
        endpoint_url=stack.kms_endpoint(PRIMARY),
        config=Config(retries={"total_max_attempts": 1}),
    )
