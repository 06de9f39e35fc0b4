"""INTERIM (lead replaces it by the sandbox's own data plane): where the servers of a test run are."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from pathlib import Path

REGIONS = ("us-east-2", "us-west-1", "eu-west-1")
ACCOUNT = "111122223333"


def start() -> dict[str, str]:
    home = Path(tempfile.mkdtemp(prefix="mrk-tests-"))
    from sandbox.kms import KmsStandIn  # noqa: PLC0415

    users = {}
    profiles = []
    iam = "arn:aws:sts::111122223333:assumed-role"

    def allow(*actions: str) -> dict:
        return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}

    def user(profile: str, role: str, policy: dict) -> None:
        key = f"AKIA{profile.upper().replace('-', '')}"[:20].ljust(20, "X")
        users[key] = {"secret": "s" * 40, "arn": f"{iam}/{role}/test", "account": ACCOUNT, "policy": policy}
        profiles.append(f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = {'s' * 40}\n")

    for region in REGIONS:
        user(f"gateway-use-{region}", f"mrk-gateway-use-{region}", allow("kms:GenerateDataKey", "kms:Decrypt", "kms:DescribeKey"))
    user("gateway-admin", "mrk-gateway-admin", allow("kms:CreateKey", "kms:ListKeys", "kms:ListAliases", "kms:TagResource", "kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:ReplicateKey", "kms:DescribeKey", "tag:GetResources"))
    user("gateway-audit", "mrk-gateway-audit", allow("cloudtrail:LookupEvents", "kms:DescribeKey", "kms:ListKeys"))
    (home / "identities.json").write_text(json.dumps(users))
    (home / "credentials").write_text("\n".join(profiles))
    (home / "config").write_text("")
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(home / "credentials")
    os.environ["AWS_CONFIG_FILE"] = str(home / "config")
    stand_in = KmsStandIn.running(home / "kms", home / "identities.json", REGIONS)
    stand_in.__enter__()
    start.keep = stand_in  # type: ignore[attr-defined]
    endpoints = ",".join(f"{r}={u}" for r, u in stand_in.endpoints.items())
    return {
        "GATEWAY_ENVIRONMENT": "test", "GATEWAY_REGION": "us-east-2", "GATEWAY_REGIONS": ",".join(REGIONS),
        "GATEWAY_SECRET_KEY": "x" * 50, "GATEWAY_ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
        "GATEWAY_COOKIES_NEED_HTTPS": "0",
        "GATEWAY_DATABASE_NAME": "gateway", "GATEWAY_DATABASE_PASSWORD": "-",
        "GATEWAY_WRITER_HOST": "127.0.0.1", "GATEWAY_WRITER_PORT": "17432",
        "GATEWAY_READER_HOST": "127.0.0.1", "GATEWAY_READER_PORT": "17432",
        "GATEWAY_DATABASE_SSLMODE": "disable", "GATEWAY_DATABASE_SSLROOTCERT": "-",
        "GATEWAY_MIGRATION_USER": "gateway_owner", "GATEWAY_MIGRATION_PASSWORD": "-",
        "GATEWAY_BROKER_URL": "memory://",
        "GATEWAY_AWS_ACCOUNT_ID": ACCOUNT, "GATEWAY_KMS_ENDPOINTS": endpoints,
        "GATEWAY_SSM_ENDPOINTS": ",".join(f"{r}=http://127.0.0.1:17430" for r in REGIONS),
        "GATEWAY_KMS_USE_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/mrk-gateway-use-{{region}}",
        "GATEWAY_KMS_ADMIN_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/mrk-gateway-admin",
        "GATEWAY_KMS_AUDIT_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/mrk-gateway-audit",
        "GATEWAY_KMS_USE_PROFILE": "gateway-use-us-east-2", "GATEWAY_KMS_ADMIN_PROFILE": "gateway-admin",
        "DJANGO_SETTINGS_MODULE": "gateway.settings",
    }
