"""The AWS CLI against the sandbox: the lines of docs/sandbox.md, as a person would type them.

It is not among the project's requirements: these tests run where `aws` is on the path, and say so elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest

from sandbox.layout import ACCOUNT, ROOT
from sandbox.ports import Ports
from sandbox.rds.description import cluster_arn
from tests.stack import Stack

PAGE = ROOT / "docs" / "sandbox.md"
DEFAULT = Ports(18000)


def documented(stack: Stack) -> str:
    """The lines of the page, for the ports and the home of this stack."""
    section = PAGE.read_text().partition("## With the AWS CLI")[2]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found
    lines = found[1].replace(".sandbox/", f"{stack.home.path}/")
    for region in ("us-east-2", "eu-west-1"):
        assert f"http://127.0.0.1:{DEFAULT.kms(region)}" in lines
        lines = lines.replace(f"http://127.0.0.1:{DEFAULT.kms(region)}", stack.kms_endpoint(region))
    return lines


@pytest.mark.skipif(shutil.which("aws") is None, reason="The AWS CLI is not installed.")
def test_what_the_page_says_to_type_does_what_it_says(stack: Stack) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run(
        ["bash", "-u", "-c", documented(stack)],
        env=environment | {"AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert re.findall(r"An error occurred \((\w+)\)", done.stderr) == [
        *("InvalidCiphertextException", "DisabledException", "DryRunOperationException"),
    ], done.stderr
    user = f"arn:aws:iam::{ACCOUNT}:user"
    before, secret, after = done.stdout.partition("hello, Europe")
    assert secret
    assert _values(before) == [
        *(f"{user}/administrator", f"{user}/alice", f"{user}/alice"),
        *("Creating", ["alias/by-hand"]),
    ]
    assert cluster_arn("us-east-2") in after
    assert _values(after.replace(cluster_arn("us-east-2"), "")) == [
        *("eu-west-1", 1, f"arn:aws:ssm:us-east-2:{ACCOUNT}:parameter/by-hand/key"),
        "PendingDeletion",
    ]


def test_the_page_names_the_ports_of_the_sandbox(stack: Stack) -> None:
    assert stack.kms_endpoint("us-east-2") in documented(stack)


def _values(text: str) -> list[object]:
    """The JSON values that stand one behind the other."""
    decoder, values, text = json.JSONDecoder(), [], text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:].strip()
    return values
