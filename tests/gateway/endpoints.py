"""Every endpoint of the API, taken from the URL list itself: a new one is in every test that walks them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLResolver, get_resolver

from gateway.api.operation import Operation, OperatorView
from gateway.api.shapes import Body
from tests.callers import PEOPLE

METHODS = ("get", "post", "put", "patch", "delete")

# A good body for each operation that takes one.
BODIES: dict[str, Any] = {
    "onboardTenant": {
        "slug": "nobody", "name": "N", "home_region": "us-east-2", "region_rules": [{"region": "us-east-2"}],
    },
    "createPool": {
        "slug": "nobodys", "name": "N", "home_region": "us-east-2", "region_rules": [{"region": "us-east-2"}],
    },
    "moveKey": {"tier": "dedicated"},
    "forgetPreviousKeys": {"values_are_encrypted_anew": True},
    "testExternalKey": {"arn": "arn:aws:kms:us-east-2:444455556666:key/mrk-0123456789abcdef0123456789abcdef"},
    "getNewExternalKeyPolicy": {"region_rules": [{"region": "us-east-2"}]},
    "testNewExternalKey": {
        "tenant_id": "0198c0de-0000-7000-8000-000000000001",
        "arn": "arn:aws:kms:us-east-2:444455556666:key/mrk-0123456789abcdef0123456789abcdef",
        "accounts": ["444455556666"],
        "region_rules": [{"region": "us-east-2"}],
    },
    "changeRegionRule": {"may_encrypt": True, "may_decrypt": []},
    "addRegion": {"region": "us-west-1"},
    "movePrimary": {"region": "us-west-1"},
    "setKeyRotation": {"days": 180},
    "rotateKey": {"reencrypt": True},
    "rotateDataKeys": {},
    "startRepair": {},
    "issueApiKey": {"name": "x", "scopes": ["records:read"]},
    "addMember": {"email": "new@example.org", "role": "auditor", "password": "correct horse battery"},
    "revokeTenant": {"reason": "A key was leaked."},
    "requestOffboarding": {"reason": "They leave.", "waiting_days": 7},
    "approveOffboarding": {"offboarding_id": "0198c0de-0000-7000-8000-000000000001"},
    "defineCollection": {"schema": PEOPLE},
    "createRecord": {"id": "theirs", "fields": {"name": "Mallory"}},
    "updateRecord": {"fields": {"name": "Mallory"}},
    "createRecords": {"records": [{"id": "theirs", "fields": {"name": "Mallory"}}]},
    "putRecord": {"fields": {"name": "Mallory"}},
    "putRecords": {"records": [{"id": "theirs", "fields": {"name": "Mallory"}}]},
    "readRecords": {"ids": ["ann"]},
    "encryptValues": {"values": [{"classification": "pii", "text": "Mallory"}]},
    "decryptValues": {"values": [{"classification": "pii", "ciphertext": "AgR4"}]},
    "reencryptValues": {"values": [{"classification": "pii", "ciphertext": "AgR4"}]},
    "searchRecords": {"where": [{"field": "email", "value": "ann@example.org"}]},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path below /api/v1; parameters stand in braces."""

    method: str
    template: str
    view: type[Any]
    operation: Operation

    @property
    def for_operators(self) -> bool:
        """Else it is for tenant apps."""
        return issubclass(self.view, OperatorView)

    @property
    def body(self) -> Any:
        """A good one, or None."""
        takes: type[Body] | None = self.operation.body
        return BODIES[self.operation.name] if takes else None

    def path(self, **values: str) -> str:
        """The path with these values."""
        return self.template.format(**values)


def endpoints() -> list[Endpoint]:
    """All of them."""
    return [
        Endpoint(
            method.upper(),
            "/" + path.removeprefix("api/v1/").replace("<str:", "{").replace(">", "}"),
            view,
            getattr(view, method).operation,
        )
        for path, view in _views(get_resolver())
        if path.startswith("api/v1/")
        for method in METHODS
        if hasattr(view, method)
    ]


def _views(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, type[Any]]]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _views(entry, path)
        else:
            yield path, getattr(entry.callback, "cls", object)
