"""Users and roles of IAM: CreateUser, CreateRole, Get, List, Delete, UpdateAssumeRolePolicy, tags.

Source: IAM API Reference. As much as tests need: inline policies only, no groups, boundaries or paths to list by.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from sandbox.kms.accounts import ROLE, USER, Principal
from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal
from sandbox.kms.iam import authorize, delete_conflict, find_named, malformed
from sandbox.kms.identities import unique_id
from sandbox.kms.policy.document import MalformedPolicy, parse_trust_policy
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service


@operation("CreateUser", service="iam")
def create_user(service: Service, call: Call) -> Answer:
    """A user without permissions and access keys."""
    user = _new(service, call, USER)
    service.store.put(user)
    return {"User": shown_user(user)}


@operation("CreateRole", service="iam")
def create_role(service: Service, call: Call) -> Answer:
    """A role that those may assume whom its trust policy admits."""
    wanted = call.parameters
    role = replace(
        _new(service, call, ROLE),
        trust=_checked_trust(service, wanted["AssumeRolePolicyDocument"]),
        longest_session=wanted.get("MaxSessionDuration", 3600),
    )
    service.store.put(role)
    return {"Role": shown_role(role)}


@operation("GetUser", service="iam", read_only=True)
def get_user(service: Service, call: Call) -> Answer:
    """One user; without a name, the caller."""
    name = call.parameters.get("UserName", call.identity.caller.name)
    user = find_named(service, call, USER, name)
    authorize(call, "iam:GetUser", user.arn)
    return {"User": shown_user(user)}


@operation("GetRole", service="iam", read_only=True)
def get_role(service: Service, call: Call) -> Answer:
    """One role."""
    role = _role(service, call, "iam:GetRole")
    return {"Role": shown_role(role)}


@operation("ListUsers", service="iam", read_only=True)
def list_users(service: Service, call: Call) -> Answer:
    """All users of the account, in one page."""
    authorize(call, "iam:ListUsers", f"arn:aws:iam::{call.account}:user/")
    users = service.directory.of_account(call.account, USER)
    return {"Users": [shown_user(user) for user in users], "IsTruncated": False}


@operation("ListRoles", service="iam", read_only=True)
def list_roles(service: Service, call: Call) -> Answer:
    """All roles of the account, in one page."""
    authorize(call, "iam:ListRoles", f"arn:aws:iam::{call.account}:role/")
    roles = service.directory.of_account(call.account, ROLE)
    return {"Roles": [shown_role(role) for role in roles], "IsTruncated": False}


@operation("UpdateAssumeRolePolicy", service="iam")
def update_assume_role_policy(service: Service, call: Call) -> Answer:
    """Another trust policy."""
    role = _role(service, call, "iam:UpdateAssumeRolePolicy")
    service.store.put(
        replace(role, trust=_checked_trust(service, call.parameters["PolicyDocument"]))
    )
    return None


@operation("TagRole", service="iam")
def tag_role(service: Service, call: Call) -> Answer:
    """Add tags, or give present ones another value. Policies see them as aws:PrincipalTag of every session."""
    role = _role(service, call, "iam:TagRole")
    service.store.put(replace(role, tags={**role.tags, **_tags(call.parameters["Tags"])}))
    return None


@operation("UntagRole", service="iam")
def untag_role(service: Service, call: Call) -> Answer:
    """Take tags away."""
    role = _role(service, call, "iam:UntagRole")
    gone = call.parameters["TagKeys"]
    service.store.put(replace(role, tags={k: v for k, v in role.tags.items() if k not in gone}))
    return None


@operation("DeleteUser", service="iam")
def delete_user(service: Service, call: Call) -> Answer:
    """Delete a user who has neither policies nor access keys any more."""
    user = find_named(service, call, USER, call.parameters["UserName"])
    authorize(call, "iam:DeleteUser", user.arn)
    if service.store.accounts.access_keys_of(user):
        raise delete_conflict("must delete access keys first.")
    return _delete(service, user)


@operation("DeleteRole", service="iam")
def delete_role(service: Service, call: Call) -> Answer:
    """Delete a role that has no policies any more. Its sessions end with it."""
    return _delete(service, _role(service, call, "iam:DeleteRole"))


def _role(service: Service, call: Call, action: str) -> Principal:
    role = find_named(service, call, ROLE, call.parameters["RoleName"])
    authorize(call, action, role.arn)
    return role


def _new(service: Service, call: Call, kind: str) -> Principal:
    wanted = call.parameters
    name = wanted["UserName" if kind == USER else "RoleName"]
    made = Principal(
        kind=kind,
        name=name,
        account=call.account,
        unique_id=unique_id(kind, secrets.token_hex(16)),
        path=wanted.get("Path", "/"),
        tags=_tags(wanted.get("Tags", [])),
        created_at=call.now,
    )
    authorize(call, f"iam:Create{kind.capitalize()}", made.arn)
    if service.directory.find_by_name(call.account, kind, name) is not None:
        message = f"{kind.capitalize()} with name {name} already exists."
        raise Refusal("EntityAlreadyExists", message, status=409)
    return made


def _delete(service: Service, principal: Principal) -> Answer:
    if principal.policies:
        raise delete_conflict("must delete policies first.")
    if service.directory.is_preset(principal):
        raise delete_conflict("it is in the identities file.")
    service.store.delete(principal)
    return None


def _checked_trust(service: Service, text: str) -> str:
    try:
        policy = parse_trust_policy(text)
    except MalformedPolicy as error:
        raise malformed(str(error)) from error
    named = [
        name for statement in policy if statement.principals for name in statement.principals.aws
    ]
    if not all(service.directory.exists(name) for name in named):
        raise malformed("Invalid principal in policy")
    return text


def _tags(listed: Iterable[dict[str, str]]) -> dict[str, str]:
    return {item["Key"]: item["Value"] for item in listed}


def _shown(principal: Principal, noun: str) -> dict[str, Any]:
    return {
        "Path": principal.path,
        f"{noun}Name": principal.name,
        f"{noun}Id": principal.unique_id,
        "Arn": principal.arn,
        "CreateDate": principal.created_at,
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(principal.tags.items())],
    }


def shown_user(user: Principal) -> dict[str, Any]:
    """As IAM shows a user."""
    return _shown(user, "User")


def shown_role(role: Principal) -> dict[str, Any]:
    """As IAM shows a role: the policy is percent-encoded."""
    return {
        **_shown(role, "Role"),
        "AssumeRolePolicyDocument": quote(role.trust, safe=""),
        "MaxSessionDuration": role.longest_session,
    }
