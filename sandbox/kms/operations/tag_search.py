"""GetResources of the Resource Groups Tagging API: keys of this Region by their tags."""

from __future__ import annotations

from typing import Any

from sandbox.kms.authorization import authorize_account
from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal
from sandbox.kms.keys import RegionalKey
from sandbox.kms.pages import page_after
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service

_PAGE = 100


@operation("GetResources", service="tagging", read_only=True)
def get_resources(service: Service, call: Call) -> Answer:
    """The account's tagged keys that match every filter, by id."""
    authorize_account(call, "tag:GetResources")
    wanted = call.parameters
    keys = service.store.keys(call.region, call.account) if _wants_keys(wanted) else []
    found = [key for key in keys if key.tags and _matches(key, wanted)]
    size = wanted.get("ResourcesPerPage", _PAGE)
    if not 1 <= size <= _PAGE:
        raise Refusal("InvalidParameterException", f"ResourcesPerPage must be from 1 to {_PAGE}.")
    page, token = page_after(found, lambda key: key.key_id, wanted.get("PaginationToken"), size)
    return {
        "PaginationToken": token or "",
        "ResourceTagMappingList": [
            {
                "ResourceARN": key.arn,
                "Tags": [{"Key": name, "Value": value} for name, value in key.tags.items()],
            }
            for key in page
        ],
    }


def _wants_keys(wanted: dict[str, Any]) -> bool:
    types = wanted.get("ResourceTypeFilters") or ["kms"]
    return any(kind in ("kms", "kms:key") for kind in types)


def _matches(key: RegionalKey, wanted: dict[str, Any]) -> bool:
    arns = wanted.get("ResourceARNList")
    if arns and key.arn not in arns:
        return False
    return all(
        item.get("Key") in key.tags
        and (not item.get("Values") or key.tags[item["Key"]] in item["Values"])
        for item in wanted.get("TagFilters", [])
    )
