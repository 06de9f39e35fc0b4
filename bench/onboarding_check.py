"""What stands in KMS and Parameter Store after tenants were onboarded, against what was planned."""

from __future__ import annotations

from collections import Counter
from typing import Any

import boto3
import botocore.session

from sandbox.identities import AUDIT, credentials_path
from sandbox.layout import ACCOUNT, PRIMARY, REGIONS, Home
from sandbox.ports import Ports
from sandbox.postgres.roles import connect


def check(home: Home, ports: Ports, slugs: list[str]) -> list[str]:
    """Every difference, as a sentence; none when each tenant has one key, alias and parameter in each Region."""
    with connect(home, ports, PRIMARY, database="gateway") as connection:
        rows = connection.execute(
            "select t.slug, t.state, k.key_id from tenants_tenant t join tenants_tenantkey k on k.tenant_id = t.id"
        ).fetchall()
    ids = {slug: key_id for slug, _, key_id in rows}
    faults = [f"{slug} is {state}" for slug, state, _ in rows if state != "active"]
    if sorted(ids) != sorted(slugs):
        faults.append(f"{len(ids)} tenants instead of {len(slugs)}")
    for region in REGIONS:
        faults += [f"{region}: {fault}" for fault in _check_region(home, ports, region, ids)]
    return faults


def _check_region(home: Home, ports: Ports, region: str, ids: dict[str, str]) -> list[str]:
    kms, ssm = _auditor(home, ports, "kms", region), _parameter_store(ports, region)
    # Every key of the gateway is tagged in the call that makes it, so that one of nobody shows as well.
    tagged = _auditor(home, ports, "resourcegroupstaggingapi", region).get_paginator(
        "get_resources"
    )
    keys = [
        each["ResourceARN"].rpartition("/")[2]
        for page in tagged.paginate(ResourceTypeFilters=["kms:key"])
        for each in page["ResourceTagMappingList"]
    ]
    aliases = {
        each["AliasName"].removeprefix("alias/tenants/"): each["TargetKeyId"]
        for page in kms.get_paginator("list_aliases").paginate()
        for each in page["Aliases"]
        if "TargetKeyId" in each
    }
    pages = ssm.get_paginator("get_parameters_by_path").paginate(
        Path="/mrk-gateway/sandbox/tenants", Recursive=True
    )
    parameters = {
        each["Name"].split("/")[4]: each["Value"].rpartition("/")[2]
        for page in pages
        for each in page["Parameters"]
    }
    faults = []
    if Counter(keys) != Counter(ids.values()):
        more = len(set(keys) - set(ids.values()))
        faults.append(f"{len(keys)} keys instead of {len(ids)}, {more} of nobody")
    if aliases != ids:
        faults.append(f"{len(aliases)} aliases, not one a tenant to its key")
    if parameters != ids:
        faults.append(f"{len(parameters)} parameters, not one a tenant with its key")
    states = Counter(
        kms.describe_key(KeyId=f"arn:aws:kms:{region}:{ACCOUNT}:key/{key}")["KeyMetadata"][
            "KeyState"
        ]
        for key in keys
    )
    if set(states) - {"Enabled"}:
        faults.append(f"states {dict(states)}")
    return faults


def _auditor(home: Home, ports: Ports, service: str, region: str) -> Any:
    """A client with the audit role's credentials, which may read everything."""
    core = botocore.session.Session()
    core.set_config_variable("credentials_file", credentials_path(home, "operator"))
    session: Any = boto3.Session(botocore_session=core, profile_name=AUDIT)
    endpoint = f"http://127.0.0.1:{ports.kms(region)}"
    return session.client(service, region_name=region, endpoint_url=endpoint)


def _parameter_store(ports: Ports, region: str) -> Any:
    """The emulator itself, which takes the id of the access key for the account."""
    return boto3.client(
        "ssm",
        region_name=region,
        endpoint_url=f"http://127.0.0.1:{ports.parameters}",
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="none",  # noqa: S106 - it checks no signature
    )
