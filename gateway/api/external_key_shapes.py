"""A key in a tenant's own AWS account, as bodies name it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from gateway.api.shapes import Body
from tenants.services.external_keys import ExternalKeyInput

Arn = Annotated[str, Meta(max_length=200, pattern=r"^[\x20-\x7e]*$")]
Account = Annotated[str, Meta(pattern=r"^[0-9]{12}$", examples=["444455556666"])]
Accounts = Annotated[list[Account], Meta(max_length=8)]


class ExternalKey(Body):
    """A multi-Region key in the tenant's own account: the ARN of any related one. `accounts` are those from which the
    operator accepts keys of this tenant; `tenant_id` is what was given out with the statements to paste, if it was."""

    arn: Arn
    accounts: Accounts = []
    tenant_id: UUID | None = None


def external_key(key: ExternalKey | None) -> ExternalKeyInput | None:
    """The key of a body, as services take it."""
    return ExternalKeyInput(key.arn, tuple(key.accounts), key.tenant_id) if key else None
