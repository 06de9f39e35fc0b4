"""Inline policies of IAM: Put, Get, List and Delete, of users and of roles. They count from the next request on."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from sandbox.kms.accounts import ROLE, USER, Principal
from sandbox.kms.call import Call
from sandbox.kms.iam import authorize, find_named, malformed, no_such_entity
from sandbox.kms.policy.document import MalformedPolicy, parse_identity_policy
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service

_NOUNS = {USER: "User", ROLE: "Role"}


def _enter(kind: str) -> None:
    noun = _NOUNS[kind]

    @operation(f"Put{noun}Policy", service="iam")
    def put_policy(service: Service, call: Call) -> Answer:
        principal = _principal(service, call, kind, f"iam:Put{noun}Policy")
        text = call.parameters["PolicyDocument"]
        try:
            parse_identity_policy(text)
        except MalformedPolicy as error:
            raise malformed(str(error)) from error
        policies = {**principal.policies, call.parameters["PolicyName"]: text}
        service.store.put(replace(principal, policies=policies))
        return None

    @operation(f"Get{noun}Policy", service="iam", read_only=True)
    def get_policy(service: Service, call: Call) -> Answer:
        principal = _principal(service, call, kind, f"iam:Get{noun}Policy")
        name = call.parameters["PolicyName"]
        return {
            f"{noun}Name": principal.name,
            "PolicyName": name,
            "PolicyDocument": quote(_policy(principal, name), safe=""),
        }

    @operation(f"List{noun}Policies", service="iam", read_only=True)
    def list_policies(service: Service, call: Call) -> Answer:
        principal = _principal(service, call, kind, f"iam:List{noun}Policies")
        return {"PolicyNames": sorted(principal.policies), "IsTruncated": False}

    @operation(f"Delete{noun}Policy", service="iam")
    def delete_policy(service: Service, call: Call) -> Answer:
        principal = _principal(service, call, kind, f"iam:Delete{noun}Policy")
        name = call.parameters["PolicyName"]
        _policy(principal, name)
        kept = {key: text for key, text in principal.policies.items() if key != name}
        service.store.put(replace(principal, policies=kept))
        return None


def _principal(service: Service, call: Call, kind: str, action: str) -> Principal:
    found = find_named(service, call, kind, call.parameters[f"{_NOUNS[kind]}Name"])
    authorize(call, action, found.arn)
    return found


def _policy(principal: Principal, name: str) -> str:
    text = principal.policies.get(name)
    if text is None:
        raise no_such_entity(f"The {principal.kind} policy with name {name} cannot be found.")
    return text


for _kind in (USER, ROLE):
    _enter(_kind)
