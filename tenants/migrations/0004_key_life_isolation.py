"""The fences around the tables of 0003, and what the life of a key needs to delete."""

from __future__ import annotations

from importlib import import_module

from django.db import migrations

fences = import_module("tenants.migrations.0002_isolation")

STATEMENTS = [
    *[
        statement
        for table in ("previouskey", "offboarding")
        for statement in (fences.isolate(table, "tenant_id"), fences.show_fleet(table))
    ],
    fences.grant_app("previouskey", "select, insert, delete"),
    fences.grant_app("offboarding", "select, insert, update"),
    # A Region that a tenant leaves; a pool's key is known to many.
    "grant delete on tenants_regionalkey, tenants_regionrule to gateway_app;",
    # No tenant's rows: for the fleet role alone.
    "revoke all on tenants_callbudget, tenants_orphankey from gateway_app;",
    "grant select, insert, update on tenants_callbudget, tenants_orphankey to gateway_fleet;",
]


class Migration(migrations.Migration):
    """Irreversible, as 0002 is."""

    dependencies = [("tenants", "0003_key_life")]
    operations = [migrations.RunSQL(sql) for sql in STATEMENTS]
