"""All policy documents that the gateway makes, read by tools that know what AWS takes, without a network."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.identities import DEPLOYMENT, TENANT_ACCOUNT
from tenants import external_policy, pool_policy
from tenants.iam_policy import role_policies, trust_template
from tenants.key_policy import Document
from tests.judges.clients import ROOT
from tests.tenants.policy_documents import PRINCIPALS, TENANTS, documents

JUDGES = ROOT / ".venv-judges" / "bin"
US, WEST, EU = DEPLOYMENT.regions
ACME = TENANTS["Acme"][1]
OWNER = {
    "Sid": "Owner",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{TENANT_ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}

pytestmark = pytest.mark.skipif(
    not (JUDGES / "cfn-lint").exists() or not (JUDGES / "policy_sentry").exists(),
    reason="cfn-lint and policy_sentry are not installed: run `make judges`.",
)


def key_policies() -> dict[str, Document]:
    """Two tenants in three Regions with several rules, a pool with a revoked tenant, an external key."""
    found = {
        f"{name}{region}": document
        for name, by_region in documents().items()
        for region, document in by_region.items()
    }
    for rule in ACME:
        found[f"Pool{rule.region}"] = pool_policy.build(
            region=rule.region, rules=ACME, principals=PRINCIPALS, denied=["0" * 32]
        )
        pasted = external_policy.template(
            region=rule.region, rules=ACME, tenant="0" * 32, use_role=PRINCIPALS.use_role
        )
        statements = [OWNER, *pasted["Statement"]]
        found[f"External{rule.region}"] = pasted | {"Statement": statements}
    return {name.replace("-", ""): document for name, document in found.items()}


def template() -> dict[str, Any]:
    """A CloudFormation template that holds them all. Nobody deploys it: it is how cfn-lint takes policies."""
    resources: dict[str, Any] = {}
    for name, document in key_policies().items():
        kind = "Key" if name.endswith(US.replace("-", "")) else "ReplicaKey"
        properties: dict[str, Any] = {"KeyPolicy": document}
        if kind == "Key":
            properties |= {"MultiRegion": True, "EnableKeyRotation": True}
        else:
            properties["PrimaryKeyArn"] = f"arn:aws:kms:{US}:111122223333:key/mrk-{'0' * 32}"
        resources[name] = {"Type": f"AWS::KMS::{kind}", "Properties": properties}
    for name, document in role_policies(DEPLOYMENT).items():
        resources["Policy" + name.replace("-", "")] = {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": document},
        }
    resources["Role"] = {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": trust_template(DEPLOYMENT)},
    }
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


def lint(given: dict[str, Any], directory: Path) -> subprocess.CompletedProcess[str]:
    """cfn-lint of all of it, in every Region of the deployment."""
    file = directory / "template.json"
    file.write_text(json.dumps(given))
    return subprocess.run(
        [str(JUDGES / "cfn-lint"), "--regions", *DEPLOYMENT.regions, "--template", str(file)],
        timeout=150,
        check=False,
        capture_output=True,
        text=True,
    )


def unknown(documents: dict[str, Document]) -> list[str]:
    """What policy_sentry's tables do not have."""
    script = ROOT / "tests" / "judges" / "policy_actions.py"
    run = subprocess.run(
        [str(JUDGES / "python"), str(script)],
        input=json.dumps(documents),
        timeout=150,
        check=True,
        capture_output=True,
        text=True,
    )
    found: list[str] = json.loads(run.stdout)
    return found


def test_cfn_lint_has_nothing_to_say(tmp_path: Path) -> None:
    run = lint(template(), tmp_path)
    assert (run.returncode, run.stdout) == (0, ""), run.stdout + run.stderr


def test_aws_knows_every_action_and_condition_key_and_which_go_together() -> None:
    documents = key_policies() | role_policies(DEPLOYMENT) | {"Trust": trust_template(DEPLOYMENT)}
    assert len(documents) > 15
    assert unknown(documents) == []


def misspelt() -> Iterator[Document]:
    """What the two would let pass if they looked at nothing."""
    for change in (
        {"Action": "kms:Decypt"},
        {
            "Action": "kms:Decrypt",
            "Condition": {"StringEquals": {"kms:EncryptionContex:tenant": "x"}},
        },
        {"Action": "kms:Decrypt", "Condition": {"StringEquals": {"kms:ReplicaRegion": "x"}}},
    ):
        yield {"Version": "2012-10-17", "Statement": [OWNER | change]}


@pytest.mark.parametrize("document", [*misspelt()])
def test_a_misspelling_is_noticed(document: Document) -> None:
    assert len(unknown({"Misspelt": document})) == 1


def test_cfn_lint_notices_a_misspelt_action(tmp_path: Path) -> None:
    given = json.loads(json.dumps(template()))
    statement = given["Resources"]["Acmeuseast2"]["Properties"]["KeyPolicy"]["Statement"][0]
    statement["Action"] = "kms:Decypt"
    run = lint(given, tmp_path)
    assert run.returncode != 0
    assert "decypt" in run.stdout.lower()
