"""GetCallerIdentity of STS: who the caller is, which needs no permission."""

from __future__ import annotations

from sandbox.kms.call import Call
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service


@operation("GetCallerIdentity", service="sts", read_only=True)
def get_caller_identity(service: Service, call: Call) -> Answer:
    """Account, ARN and unique id of the caller: of a session, the role's id and the session's name."""
    del service
    caller = call.identity.caller
    return {
        "UserId": call.identity.principal_id,
        "Account": caller.account,
        "Arn": caller.arn,
    }
