"""Attaching a key policy: the default one, the checks of one that was sent, and the lockout safety check."""

from __future__ import annotations

import json
from typing import Any

from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal, malformed_policy
from sandbox.kms.policy.decision import Decision, Request, decide_on_key
from sandbox.kms.policy.document import MalformedPolicy, Policy, parse_key_policy
from sandbox.kms.service import Service

_MAX_BYTES = 32_768


def default_policy(account: str) -> str:
    """What KMS attaches when no policy is sent: all of KMS for whom the account's IAM policies allow it."""
    document = {
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [
            {
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }
    return json.dumps(document, indent=2)


def checked_policy(service: Service, call: Call, arn: str) -> str:
    """The policy in the call's parameters, or the default one.

    Refused when it is malformed or too long, when it names principals that do not exist, and when the caller could
    not put another policy after it (unless the request bypasses this safety check).
    """
    parameters: dict[str, Any] = call.parameters
    if "Policy" not in parameters:
        return default_policy(call.account)
    text = parameters["Policy"]
    if len(text.encode()) > _MAX_BYTES:
        raise Refusal(
            "LimitExceededException", f"The key policy is longer than {_MAX_BYTES} bytes."
        )
    try:
        policy = parse_key_policy(text)
    except MalformedPolicy as error:
        raise malformed_policy(f"Policy is malformed: {error}.") from error
    _check_principals(service, policy)
    if not parameters.get("BypassPolicyLockoutSafetyCheck", False):
        _check_lockout(call, policy, arn)
    return str(text)


def _check_principals(service: Service, policy: Policy) -> None:
    """AWS keeps the unique id of each principal in the policy, so each must exist."""
    named = {
        principal
        for statement in policy
        if statement.principals is not None
        for principal in statement.principals.aws
    }
    if not all(service.directory.exists(principal) for principal in named):
        raise malformed_policy("Policy contains a statement with one or more invalid principals.")


def _check_lockout(call: Call, policy: Policy, arn: str) -> None:
    identity = call.identity
    decision = decide_on_key(
        identity.caller,
        Request(
            "kms:PutKeyPolicy",
            arn,
            {**identity.context, "aws:requestedregion": (arn.split(":")[3],)},
        ),
        key_policy=policy,
        key_account=call.account,
        identity=identity.policy,
        session=identity.session_policy,
    )
    if decision is not Decision.ALLOWED:
        raise malformed_policy(
            "The new key policy will not allow you to update the key policy in the future."
        )
