"""GetCallerIdentity of STS: who the caller is, which needs no permission."""

from __future__ import annotations

from sandbox.kms.call import Call
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service


@operation("GetCallerIdentity", service="sts", read_only=True)
def get_caller_identity(service: Service, call: Call) -> Answer:
    """Account, ARN and unique id of the caller: of a session, the role's id and the session's name."""
    caller = call.identity.caller
    principal = service.directory.find(caller.issuer)
    unique = principal.unique_id if principal else caller.account
    return {
        "UserId": f"{unique}:{caller.name}" if caller.kind == "AssumedRole" else unique,
        "Account": caller.account,
        "Arn": caller.arn,
    }
