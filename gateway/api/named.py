"""Things that an operator's path names: the tenant by slug, and ids."""

from __future__ import annotations

from uuid import UUID

from structlog.contextvars import bind_contextvars

from tenants.errors import NotFound
from tenants.selectors import TenantView, get_tenant


def named_tenant(slug: str) -> TenantView:
    """The tenant of this slug, which stands in the request's log line from here on. Raises `NotFound`."""
    tenant = get_tenant(slug)
    bind_contextvars(tenant=tenant.slug)
    return tenant


def named_id(text: str) -> UUID:
    """The id in its usual form; what is none names nothing: raises `NotFound`."""
    try:
        found = UUID(text)
    except ValueError:
        raise NotFound("There is nothing of that id.") from None
    if str(found) != text.lower():
        raise NotFound("There is nothing of that id.")
    return found
