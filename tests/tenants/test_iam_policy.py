"""The roles may do what the code calls and nothing else, in their account, in their Regions, with keys of ours."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from sandbox.identities import DEPLOYMENT, TENANT_ACCOUNT
from sandbox.kms.policy.caller import Caller
from sandbox.kms.policy.decision import Decision, Request, decide_without_key
from sandbox.kms.policy.document import parse_identity_policy
from tenants.iam_policy import Document, role_policies, trust_template
from tests.architecture.test_sizes import ROOT

POLICIES = role_policies(replace(DEPLOYMENT, global_cluster="mrk-gateway"))
USE, ADMIN, AUDIT = "mrk-gateway-use-eu-west-1", "mrk-gateway-admin", "mrk-gateway-audit"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/mrk-" + "0" * 32
SINGLE = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-0000-0000-000000000000"
ELSEWHERE = KEY.replace("eu-west-1", "ap-south-1")
THEIRS = KEY.replace("111122223333", TENANT_ACCOUNT)
STRANGERS = KEY.replace("111122223333", "999999999999")
OURS = {"aws:resourcetag/mrk-gateway:environment": ("sandbox",)}
STAGING = {"aws:resourcetag/mrk-gateway:environment": ("staging",)}
TENANT = {
    "kms:encryptioncontext:tenant": ("0192aaaa",),
    "kms:encryptioncontextkeys": ("class", "purpose", "tenant"),
}
BORN = {
    "aws:requesttag/mrk-gateway:environment": ("sandbox",),
    "aws:requesttag/mrk-gateway:tenant-id": ("0192aaaa",),
    "aws:requestedregion": ("eu-west-1",),
    "kms:multiregion": ("true",),
    "kms:keyspec": ("SYMMETRIC_DEFAULT",),
    "kms:keyorigin": ("AWS_KMS",),
}
HERE, FAR = {"aws:requestedregion": ("eu-west-1",)}, {"aws:requestedregion": ("ap-south-1",)}
NAMES = "arn:aws:kms:eu-west-1:111122223333:alias/"
PARAMETER = "arn:aws:ssm:eu-west-1:111122223333:parameter/"
GLOBAL = "arn:aws:rds::111122223333:global-cluster:"


def actions(role: str, effect: str = "Allow") -> set[str]:
    found = (one for one in POLICIES[role]["Statement"] if one["Effect"] == effect)
    return {action for one in found for action in one["Action"]}


def decide(role: str, action: str, resource: str, context: dict[str, Any]) -> Decision:
    """What IAM decides by the role's own policy alone."""
    caller = Caller.parse(f"arn:aws:sts::111122223333:assumed-role/{role}/session")
    policy = parse_identity_policy(json.dumps(POLICIES[role]))
    return decide_without_key(caller, Request(action, resource, context), identity=policy)


def called(*paths: str) -> set[str]:
    """The actions that the code under these paths names around its calls to AWS."""
    files = [file for path in paths for file in sorted(ROOT.glob(path))]
    assert files
    found = {name for file in files for name, _ in calls(file)}
    if "kms:ReEncrypt" in found:  # one call, which KMS judges as two actions
        found = found - {"kms:ReEncrypt"} | {"kms:ReEncryptFrom", "kms:ReEncryptTo"}
    return found


def calls(file: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Each action that is named around a call, and the function that it is in."""
    for function in ast.walk(ast.parse(file.read_text())):
        if isinstance(function, ast.FunctionDef):
            for name in re.findall(
                r'translated\(\s*"([a-z]+:[A-Za-z]+)"', ast.unparse(function).replace("'", '"')
            ):
                yield name, function


ADMINISTERS = ("tenants/kms/key_admin.py", "tenants/kms/key_directory.py", "tenants/kms/trail.py")
USES = ("crypto/keyring.py", "tenants/kms/rewrapping.py", "tenants/kms/key_probe.py")


def test_the_admin_role_may_call_what_the_code_calls_with_it_and_nothing_else() -> None:
    assert actions(ADMIN) == called(*ADMINISTERS)


def test_a_use_role_may_call_what_the_code_calls_with_it_and_nothing_else() -> None:
    assert actions(USE) == called(*USES)


def test_the_role_that_moves_databases_may_call_what_the_code_calls_and_nothing_else() -> None:
    source = (ROOT / "tenants/rds/global_cluster.py").read_text()
    methods = re.findall(r"self\._rds\([^)]*\)\.([a-z_]+)\(", source)
    assert {action.lower() for action in actions("mrk-database-admin")} == {
        f"rds:{method.replace('_', '')}" for method in methods
    }


def test_all_calls_of_aws_are_in_the_files_that_were_compared() -> None:
    """A call elsewhere would be in no policy. Each names its own action."""
    known = {ROOT / path for path in (*ADMINISTERS, *USES)}
    for package in ("crypto", "tenants", "gateway"):
        for file in (ROOT / package).rglob("*.py"):
            found = list(calls(file))
            assert not found or file in known, file
            for name, function in found:
                operation = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.partition(":")[2]).lower()
                assert operation in ast.unparse(function), f"{name} in {file.name}:{function.name}"


def test_use_and_administration_never_meet() -> None:
    assert not actions(ADMIN) & {*actions(USE)} - {"kms:DescribeKey"}
    assert {"kms:Decrypt", "kms:GenerateDataKey*", "kms:CreateGrant"} <= actions(ADMIN, "Deny")
    assert {"kms:Put*", "kms:Schedule*", "kms:Create*"} <= actions(USE, "Deny")
    assert not {one for one in actions(AUDIT) if not re.search(r":(Describe|Get|List|Lookup)", one)}


# Role, action, resource, condition keys -> what its own policy says.
ALLOWED = Decision.ALLOWED
DENIED = Decision.DENIED_BY_IDENTITY_POLICY
SILENT = Decision.NO_IDENTITY_POLICY_ALLOWS
TABLE: list[tuple[str, str, str, dict[str, Any], Decision]] = [
    (USE, "kms:Decrypt", KEY, OURS | TENANT, ALLOWED),
    (USE, "kms:Decrypt", KEY, STAGING | TENANT, SILENT),
    (USE, "kms:Decrypt", KEY, TENANT, SILENT),
    (USE, "kms:Decrypt", KEY, OURS, DENIED),
    (USE, "kms:Decrypt", SINGLE, OURS | TENANT, SILENT),
    (USE, "kms:Decrypt", ELSEWHERE, OURS | TENANT, SILENT),
    (USE, "kms:Decrypt", THEIRS, TENANT, ALLOWED),
    (USE, "kms:Decrypt", THEIRS, {}, DENIED),
    (USE, "kms:Decrypt", STRANGERS, TENANT, SILENT),
    (USE, "kms:DescribeKey", THEIRS, {}, ALLOWED),
    (USE, "kms:DescribeKey", KEY, OURS, SILENT),
    (USE, "kms:GenerateDataKey", KEY, OURS | TENANT, ALLOWED),
    (USE, "kms:GenerateDataKey", KEY,
     OURS | TENANT | {"kms:encryptioncontextkeys": ("tenant", "record")}, DENIED),
    (USE, "kms:Decrypt", KEY,
     OURS | TENANT | {"kms:encryptioncontextkeys": ("tenant", "aws-crypto-public-key")}, ALLOWED),
    (USE, "kms:Encrypt", KEY, OURS | TENANT, SILENT),
    (USE, "kms:Encrypt", KEY, OURS, DENIED),
    *((USE, f"kms:{name}", KEY, OURS, DENIED) for name in (
        "CreateKey", "CreateGrant", "PutKeyPolicy", "ScheduleKeyDeletion", "DisableKey", "EnableKey", "TagResource",
        "ReplicateKey", "UpdateAlias", "RotateKeyOnDemand", "ImportKeyMaterial", "CancelKeyDeletion", "RevokeGrant")),
    (ADMIN, "kms:CreateKey", "*", BORN, ALLOWED),
    (ADMIN, "kms:CreateKey", "*", BORN | {"kms:multiregion": ("false",)}, SILENT),
    (ADMIN, "kms:CreateKey", "*", BORN | {"kms:keyspec": ("RSA_4096",)}, SILENT),
    (ADMIN, "kms:CreateKey", "*", BORN | {"kms:keyorigin": ("EXTERNAL",)}, SILENT),
    (ADMIN, "kms:CreateKey", "*", BORN | FAR, SILENT),
    (ADMIN, "kms:CreateKey", "*", BORN | {"aws:requesttag/mrk-gateway:environment": ("x",)}, SILENT),
    (ADMIN, "kms:CreateKey", "*",
     {name: value for name, value in BORN.items() if "tenant-id" not in name}, SILENT),
    (ADMIN, "kms:CreateKey", "*", BORN | {"kms:bypasspolicylockoutsafetycheck": ("true",)}, DENIED),
    (ADMIN, "kms:PutKeyPolicy", KEY, OURS, ALLOWED),
    (ADMIN, "kms:PutKeyPolicy", KEY, OURS | {"kms:bypasspolicylockoutsafetycheck": ("true",)}, DENIED),
    (ADMIN, "kms:PutKeyPolicy", KEY, STAGING, SILENT),
    (ADMIN, "kms:ScheduleKeyDeletion", KEY, {}, SILENT),
    (ADMIN, "kms:ScheduleKeyDeletion", SINGLE, OURS, SILENT),
    (ADMIN, "kms:ScheduleKeyDeletion", ELSEWHERE, OURS, SILENT),
    (ADMIN, "kms:ReplicateKey", KEY, OURS | {"kms:replicaregion": ("us-west-1",)}, ALLOWED),
    (ADMIN, "kms:ReplicateKey", KEY, OURS | {"kms:replicaregion": ("ap-south-1",)}, DENIED),
    (ADMIN, "kms:UpdatePrimaryRegion", KEY, OURS | {"kms:primaryregion": ("us-west-1",)}, ALLOWED),
    (ADMIN, "kms:UpdatePrimaryRegion", KEY, OURS | {"kms:primaryregion": ("ap-south-1",)}, DENIED),
    (ADMIN, "kms:TagResource", SINGLE, BORN, ALLOWED),
    (ADMIN, "kms:TagResource", KEY, STAGING, SILENT),
    (ADMIN, "kms:UpdateAlias", NAMES + "tenants/acme", {}, ALLOWED),
    (ADMIN, "kms:UpdateAlias", NAMES + "payroll", {}, SILENT),
    (ADMIN, "kms:ListAliases", "*", HERE, ALLOWED),
    (ADMIN, "kms:ListAliases", "*", FAR, SILENT),
    (ADMIN, "ssm:PutParameter", PARAMETER + "mrk-gateway/sandbox/tenants/acme/key-arn", {}, ALLOWED),
    (ADMIN, "ssm:PutParameter", PARAMETER + "mrk-gateway/staging/tenants/acme/key-arn", {}, SILENT),
    (ADMIN, "ssm:GetParameter", PARAMETER + "database-password", {}, SILENT),
    *((ADMIN, f"kms:{name}", KEY, OURS | TENANT, DENIED) for name in (
        "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
        "CreateGrant", "Sign", "GenerateMac")),
    (ADMIN, "kms:DeleteImportedKeyMaterial", KEY, OURS, SILENT),
    (ADMIN, "iam:CreateUser", "*", {}, SILENT),
    (AUDIT, "kms:GetKeyPolicy", KEY, OURS, ALLOWED),
    (AUDIT, "kms:GetKeyPolicy", KEY, STAGING, SILENT),
    (AUDIT, "kms:PutKeyPolicy", KEY, OURS, DENIED),
    (AUDIT, "kms:Decrypt", KEY, OURS | TENANT, DENIED),
    (AUDIT, "cloudtrail:LookupEvents", "*", HERE, ALLOWED),
    ("mrk-gateway-database", "rds-db:connect",
     "arn:aws:rds-db:eu-west-1:111122223333:dbuser:cluster-ABC/gateway_app", {}, ALLOWED),
    ("mrk-gateway-database", "rds-db:connect",
     "arn:aws:rds-db:eu-west-1:111122223333:dbuser:cluster-ABC/gateway_owner", {}, SILENT),
    ("mrk-database-admin", "rds:FailoverGlobalCluster", GLOBAL + "mrk-gateway", {}, ALLOWED),
    ("mrk-database-admin", "rds:FailoverGlobalCluster", GLOBAL + "payroll", {}, SILENT),
    ("mrk-database-admin", "rds:DeleteGlobalCluster", GLOBAL + "mrk-gateway", {}, SILENT),
]  # fmt: skip


@pytest.mark.parametrize(
    "row", TABLE, ids=[f"{n}-{one[0]}-{one[1]}" for n, one in enumerate(TABLE)]
)
def test_the_decision_of_each_policy(row: tuple[str, str, str, dict[str, Any], Decision]) -> None:
    role, action, resource, context, expected = row
    assert decide(role, action, resource, context) is expected


def test_every_policy_fits_into_a_managed_policy_and_names_its_statements() -> None:
    """6,144 characters, white space not counted; Sids of letters and digits (IAM User Guide, "IAM quotas")."""
    for name, document in POLICIES.items():
        assert len(json.dumps(document, separators=(",", ":"))) < 6_144, name
        sids = [one["Sid"] for one in document["Statement"]]
        assert len(set(sids)) == len(sids)
        assert all(sid.isalnum() for sid in sids)


def test_nothing_is_allowed_on_every_resource_but_what_has_none() -> None:
    unscoped = {"kms:CreateKey", "kms:ListAliases", "tag:GetResources", "cloudtrail:LookupEvents"}
    for document in POLICIES.values():
        for one in document["Statement"]:
            assert not [
                action for action in one["Action"] if one["Effect"] == "Allow" and "*" in action
            ]
            if one["Effect"] == "Allow" and one["Resource"] == "*":
                assert set(one["Action"]) <= unscoped
                assert "aws:RequestedRegion" in one["Condition"]["StringEquals"]


def test_who_may_assume_a_role_is_a_template_for_one_account() -> None:
    [statement] = trust_template(DEPLOYMENT)["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == "111122223333"


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("iam_policies", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_shows_what_the_sandbox_runs_on() -> None:
    """So every test of the stack proves the generated policies."""
    shown: dict[str, Document] = json.loads(run("--json", "--external-account", TENANT_ACCOUNT))
    assert shown.pop("trust-template")
    assert {name: shown[name] for name in (USE, ADMIN, AUDIT)} == {
        name: POLICIES[name] for name in (USE, ADMIN, AUDIT)
    }
    assert "Deny   NeverUsesKeys" in run()


def test_the_command_writes_a_file_for_each_role(tmp_path: Path) -> None:
    run("--out", str(tmp_path / "policies"), "--database-resource", "cluster-ABC")
    written = {
        path.stem: json.loads(path.read_text()) for path in (tmp_path / "policies").iterdir()
    }
    assert written.keys() == {*POLICIES, "trust-template"}
    assert "dbuser:cluster-ABC/gateway_app" in json.dumps(written["mrk-gateway-database"])


def test_the_command_refuses_what_is_no_account() -> None:
    with pytest.raises(CommandError):
        run("--external-account", "acme")
