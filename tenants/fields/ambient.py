"""The ambient tenant: for whom the code inside of a block acts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from tenants.fields.errors import TenantMissing, WrongTenant

_current: ContextVar[UUID | None] = ContextVar("encrypted_fields_tenant", default=None)


@contextmanager
def using_tenant(tenant: UUID | str) -> Iterator[UUID]:
    """Act for this tenant, by its id in the registry, until the block ends; a decorator as well.

    Rows of other tenants then raise `WrongTenant`. Blocks nest for the same tenant alone: code that serves one tenant
    must not find itself serving another. Generators and streaming answers run after the block: open one inside.
    """
    wanted = tenant_id(tenant)
    outer = _current.get()
    if outer is not None and outer != wanted:
        raise WrongTenant("This code acts for another tenant already.")
    token = _current.set(wanted)
    try:
        yield wanted
    finally:
        _current.reset(token)


def current_tenant() -> UUID | None:
    """The tenant of the innermost open block, if there is one."""
    return _current.get()


def tenant_id(value: object) -> UUID:
    """A tenant's id from what a column or a caller gives. Raises `TenantMissing` for what is no UUID."""
    if isinstance(value, UUID):
        return value
    try:
        return UUID(str(value))
    except ValueError:
        pass
    raise TenantMissing("The tenant must be given by its UUID in the registry.")


def required_tenant() -> UUID:
    """The ambient tenant. Raises `TenantMissing` outside of a block."""
    current = _current.get()
    if current is None:
        raise TenantMissing("No tenant: open `using_tenant(...)` around this code.")
    return current
