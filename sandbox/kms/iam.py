"""What the calls of IAM have in common: the principal that a request names, the permission, the refusals."""

from __future__ import annotations

from sandbox.kms.accounts import Principal
from sandbox.kms.authorization import authorize_resource
from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal
from sandbox.kms.service import Service


def authorize(call: Call, action: str, arn: str) -> None:
    """Refuse unless the caller's policies admit the action on that user or role of its account."""
    authorize_resource(call, action, arn)


def find_named(service: Service, call: Call, kind: str, name: str) -> Principal:
    """The user or role of that name in the caller's account."""
    found = service.directory.find_by_name(call.account, kind, name)
    if found is None:
        raise no_such_entity(f"The {kind} with name {name} cannot be found.")
    return found


def no_such_entity(message: str) -> Refusal:
    """What the request names is not there."""
    return Refusal("NoSuchEntity", message, status=404)


def malformed(message: str) -> Refusal:
    """The policy is not one that IAM would attach."""
    return Refusal("MalformedPolicyDocument", message)


def delete_conflict(why: str) -> Refusal:
    """Something still hangs on what is to be deleted."""
    return Refusal("DeleteConflict", f"Cannot delete entity, {why}", status=409)
