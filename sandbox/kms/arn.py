"""Names of keys and aliases: ids, ARNs and the forms that a request may use."""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass

_ARN = re.compile(
    r"arn:aws:kms:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):(?P<kind>key|alias)/(?P<name>.+)"
)
_KEY_ID = re.compile(r"mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Arn:
    """A parsed ARN of KMS; `kind` is `key` or `alias`, and the name of an alias has no `alias/`."""

    region: str
    account: str
    kind: str
    name: str


def find_arn(text: str) -> Arn | None:
    """The parsed ARN, or None when the text is not one of KMS."""
    found = _ARN.fullmatch(text)
    return Arn(found["region"], found["account"], found["kind"], found["name"]) if found else None


def key_arn(region: str, account: str, key_id: str) -> str:
    """The ARN of a key."""
    return f"arn:aws:kms:{region}:{account}:key/{key_id}"


def alias_arn(region: str, account: str, alias_name: str) -> str:
    """The ARN of an alias whose name begins with `alias/`."""
    return f"arn:aws:kms:{region}:{account}:{alias_name}"


def is_key_id(text: str) -> bool:
    """Whether the text has the form of a key id."""
    return _KEY_ID.fullmatch(text) is not None


def new_key_id(*, multi_region: bool) -> str:
    """`mrk-` and 32 hexadecimal digits for a multi-Region key, a UUID for another."""
    return f"mrk-{secrets.token_hex(16)}" if multi_region else str(uuid.uuid4())


_PRINCIPAL = re.compile(
    r"arn:aws:iam::(?P<account>\d{12}):(?P<kind>user|role)(?P<path>/(?:[!-~]+/)?)(?P<name>[\w+=,.@-]+)"
)


def find_principal(arn: str) -> tuple[str, str, str, str] | None:
    """Account, kind (`user` or `role`), path and name of a principal's ARN; None for another ARN."""
    found = _PRINCIPAL.fullmatch(arn)
    return (found["account"], found["kind"], found["path"], found["name"]) if found else None
