"""Against what the tests of KMS run: our stand-in, or AWS itself.

    export KMS_CONFORMANCE=aws KMS_CONFORMANCE_ACCOUNT=123456789012
    pytest --confcutdir=tests/sandbox tests/sandbox/test_kms_*.py

On AWS the usual credential chain must name an administrator of that account, for IAM, STS, KMS, CloudTrail and the
tagging API in three Regions. The roles that the tests call with are made with a prefix of their own and deleted at the
end; every key is scheduled for deletion in 7 days. Tests that need the stand-in's administration port are skipped.
"""

from __future__ import annotations

import os

ON_AWS = os.environ.get("KMS_CONFORMANCE", "") == "aws"
# Seconds until AWS acts everywhere on a changed policy, alias, tag or grant ("eventual consistency").
SETTLE_SECONDS = float(os.environ.get("KMS_CONFORMANCE_SETTLE_SECONDS", "15")) if ON_AWS else 0.0

HOME, WEST, EUROPE = REGIONS = ("us-east-2", "us-west-1", "eu-west-1")
ACCOUNT = os.environ["KMS_CONFORMANCE_ACCOUNT"] if ON_AWS else "111122223333"
# A second account, by a profile of the AWS configuration; tests of cross-account use are skipped without.
OTHER_ACCOUNT = os.environ.get("KMS_CONFORMANCE_OTHER_ACCOUNT", "444455556666")
OTHER_PROFILE = os.environ.get("KMS_CONFORMANCE_OTHER_PROFILE", "")
PREFIX = "kms-conformance-" if ON_AWS else ""

ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def role(name: str, account: str = ACCOUNT) -> str:
    """The ARN of a role."""
    return f"arn:aws:iam::{account}:role/{PREFIX}{name}"


def session(name: str, account: str = ACCOUNT) -> str:
    """The ARN of the session in which the tests call as a role."""
    return f"arn:aws:sts::{account}:assumed-role/{PREFIX}{name}/test"
