"""Reads what the search index of a collection tells whoever reads the database, from the tokens that are there."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from django.db import connections

from tenants.models import BlindIndexEntry
from tenants.schema.leakage import Leakage, leakage
from tenants.scope import scope_alias, tenant_scope
from tenants.selectors.collections import load_collection

if TYPE_CHECKING:
    from tenants.selectors import Caller

# Grouped twice in the database, so that no token and no more than one row a field and size leaves it.
_SHARING = """
    SELECT field, records, count(*) FROM (
        SELECT field, token, count(*) AS records FROM {table}
        WHERE tenant_id = %s AND collection_id = %s GROUP BY field, token
    ) AS shared GROUP BY field, records
"""


def list_leakage(caller: Caller, collection: str) -> dict[str, Leakage]:
    """By name, the leakage of each searchable sealed field of the collection. Raises `CollectionNotFound`.

    It counts all entries of the collection, so it is meant for a person's question, not for each request.
    """
    sharing: dict[str, dict[int, int]] = defaultdict(dict)
    with tenant_scope(caller.tenant_id, "read"):
        found = load_collection(caller.tenant_id, collection)
        table = BlindIndexEntry._meta.db_table
        with connections[scope_alias()].cursor() as cursor:
            cursor.execute(_SHARING.format(table=table), [caller.tenant_id, found.id])
            for field, records, tokens in cursor.fetchall():
                sharing[field][records] = tokens
    fields = found.schema.fields.values()
    return {
        field.name: leakage(sharing[field.name])
        for field in fields
        if field.sealed and field.searchable
    }
