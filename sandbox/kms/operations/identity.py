"""GetCallerIdentity of STS: who the caller is, which needs no permission."""

from __future__ import annotations

from sandbox.kms.call import Call
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service


@operation("GetCallerIdentity", service="sts", read_only=True)
def get_caller_identity(service: Service, call: Call) -> Answer:
    """Account, ARN and an id of the caller."""
    del service
    caller = call.identity.caller
    return {
        "UserId": f"{call.identity.access_key}:{caller.name}",
        "Account": caller.account,
        "Arn": caller.arn,
    }
