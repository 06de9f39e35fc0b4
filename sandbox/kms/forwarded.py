"""Which resources a request for a service elsewhere is about, as identity policies name them.

Source: Service Authorization Reference, "Actions, resources, and condition keys" of AWS Systems Manager and Amazon RDS.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal
from sandbox.kms.query import form_of


def resources_of(service: str, operation: str, call: Call, body: bytes) -> list[str]:
    """Their ARNs, each of which must be allowed; `*` for a request about nothing in particular."""
    if service == "ssm":
        return [_parameter_arn(call, name) for name in _parameter_names(body)] or ["*"]
    if service == "rds":
        return list(_clusters(operation, call, form_of(body)))
    return ["*"]


def _parameter_names(body: bytes) -> list[str]:
    """The names, or the path, of a request of Parameter Store."""
    try:
        wanted = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        wanted = None
    if not isinstance(wanted, dict):
        raise Refusal("SerializationException", "The body is not a JSON object.")
    names: list[Any] = [wanted[member] for member in ("Name", "Path") if member in wanted]
    many = wanted.get("Names", [])
    names += many if isinstance(many, list) else [many]
    if not all(isinstance(name, str) for name in names):
        raise Refusal("SerializationException", "A name is a string.")
    return names


def _parameter_arn(call: Call, name: str) -> str:
    if name.startswith("arn:"):
        return name
    # What follows a colon selects a version or a label; a path may end with a slash.
    path = name.partition(":")[0].strip("/")
    return f"arn:aws:ssm:{call.region}:{call.account}:parameter/{path}"


def _clusters(operation: str, call: Call, form: dict[str, str]) -> Iterator[str]:
    if "GlobalCluster" in operation:
        name = form.get("GlobalClusterIdentifier", "*")
        yield f"arn:aws:rds::{call.account}:global-cluster:{name}"
    target = form.get("TargetDbClusterIdentifier", form.get("DBClusterIdentifier"))
    if target is not None or "GlobalCluster" not in operation:
        target = target or "*"
        own = f"arn:aws:rds:{call.region}:{call.account}:cluster:{target}"
        yield target if target.startswith("arn:") else own
