"""Row-level security, the privileges of the application roles, and foreign keys that carry the tenant.

Roles (made with the cluster; docs/configuration.md has the statements):
- gateway_app: what processes connect as. Owns nothing, inherits nothing, may become gateway_fleet.
- gateway_fleet: sees the control tables of all tenants; has no privilege on what tenants store.
"""

from __future__ import annotations

from django.db import migrations

CONTROL = [
    "member",
    "apikey",
    "tenantkey",
    "regionalkey",
    "regionrule",
    "keyoperation",
    "auditevent",
]
STORED = ["collection", "record", "sealedpart", "blindindexentry", "datakey"]

# nullif: after the first transaction that set it, the setting goes back to '' and not to NULL.
# The scalar subquery is evaluated once a statement, so the plan stays an index condition.
CURRENT = "(select nullif(current_setting('app.tenant_id', true), '')::uuid)"


def isolate(table: str, column: str) -> str:
    """Force row-level security and show a tenant its own rows."""
    return f"""
        alter table tenants_{table} enable row level security;
        alter table tenants_{table} force row level security;
        create policy tenant_isolation on tenants_{table} to gateway_app
            using ({column} = {CURRENT}) with check ({column} = {CURRENT});
    """


def show_fleet(table: str, privileges: str = "select, insert, update") -> str:
    """Let the fleet role see all tenants' rows of a control table."""
    return f"""
        create policy fleet on tenants_{table} to gateway_fleet using (true) with check (true);
        grant {privileges} on tenants_{table} to gateway_fleet;
    """


def grant_app(table: str, privileges: str) -> str:
    """Exactly these privileges, whatever the defaults of the schema are."""
    return f"""
        revoke all on tenants_{table} from gateway_app;
        grant {privileges} on tenants_{table} to gateway_app;
    """


def tenant_key(table: str, column: str, target: str, *, cascade: bool = False) -> str:
    """A foreign key on (tenant, column): one on the column alone would accept another tenant's row."""
    return f"""
        alter table tenants_{table} add constraint {table}_{column}_same_tenant
            foreign key (tenant_id, {column}) references tenants_{target} (tenant_id, id)
            {"on delete cascade" if cascade else ""};
    """


PRIVILEGES = {
    "tenant": "select, update",
    "member": "select, insert, update, delete",
    "apikey": "select, insert, update",
    "tenantkey": "select, update",
    "regionalkey": "select, insert, update",
    "regionrule": "select, insert, update",
    "keyoperation": "select, insert, update",
    "auditevent": "select, insert",
    "datakey": "select, insert, update",
    "collection": "select, insert",
    "record": "select, insert, update, delete",
    "sealedpart": "select, insert, update, delete",
    "blindindexentry": "select, insert, update, delete",
}

STATEMENTS = [
    isolate("tenant", "id"),
    *[isolate(table, "tenant_id") for table in CONTROL + STORED],
    *[show_fleet(table) for table in ["tenant", *CONTROL] if table != "auditevent"],
    show_fleet("auditevent", "select, insert"),
    *[grant_app(table, privileges) for table, privileges in PRIVILEGES.items()],
    "revoke all on tenants_operatorkey from gateway_app;",
    "grant select, insert, update on tenants_operatorkey to gateway_fleet;",
    "grant select, insert, update on tenants_user to gateway_app, gateway_fleet;",
    # Processes compare the history of migrations with what they need; only the owner writes it.
    "revoke insert, update, delete on django_migrations from gateway_app;",
    tenant_key("regionalkey", "tenant_key_id", "tenantkey"),
    tenant_key("record", "collection_id", "collection"),
    tenant_key("sealedpart", "record", "record", cascade=True),
    tenant_key("sealedpart", "data_key", "datakey"),
    tenant_key("blindindexentry", "record", "record", cascade=True),
    tenant_key("blindindexentry", "collection_id", "collection"),
]


class Migration(migrations.Migration):
    """Irreversible on purpose: nobody should be one command away from taking the fences down."""

    dependencies = [("tenants", "0001_tables")]
    operations = [migrations.RunSQL(sql) for sql in STATEMENTS]
