"""How many sealed parts a tenant has of each classification, counted a page at a time. Inside of a scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connections

from tenants.scope import scope_alias

# Walks the primary key (tenant, record, classification), so that the place to go on from is a place in an index.
_PAGE = """
    with page as (
        select record, classification from tenants_sealedpart
        where tenant_id = %(tenant)s
            and (%(record)s::uuid is null or (record, classification) > (%(record)s::uuid, %(classification)s))
        order by record, classification limit %(limit)s
    )
    select p.classification, count(*),
        (select array[l.record::text, l.classification]
            from page l order by l.record desc, l.classification desc limit 1)
    from page p group by p.classification
"""


@dataclass(frozen=True, slots=True)
class PartPage:
    """The parts of one page by class, and the place of the last of them: None where the page is the last one."""

    counts: Mapping[str, int]
    last: tuple[str, str] | None


def count_parts(tenant_id: UUID, *, after: Sequence[str] | None, limit: int) -> PartPage:
    """Count at most `limit` parts behind the place `after`, or from the first on."""
    record, classification = after or (None, "")
    values = {
        "tenant": tenant_id,
        "record": record,
        "classification": classification,
        "limit": limit,
    }
    with connections[scope_alias()].cursor() as cursor:
        cursor.execute(_PAGE, values)
        rows = cursor.fetchall()
    counts = {name: int(count) for name, count, _ in rows}
    last = tuple(rows[0][2]) if sum(counts.values()) == limit else None
    return PartPage(counts, last)
