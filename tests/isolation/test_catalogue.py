"""What PostgreSQL itself says about the fences: read from its catalogue, so a new table cannot be forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections

# Tables of people, sessions and Django itself: they hold nothing of a tenant. A new table is a tenant table until it
# is named here with a reason.
WITHOUT_TENANT = {
    "tenants_user": "a person may be a member of several tenants",
    "tenants_user_groups": "Django's own, unused",
    "tenants_user_user_permissions": "Django's own, unused",
    "tenants_operatorkey": "the SaaS company's own credentials; only the fleet role reads them",
    "tenants_callbudget": "quotas of AWS, which all tenants share; only the fleet role reads them",
    "tenants_orphankey": "keys that no tenant owns; only the fleet role reads them",
    "tenants_regionstatus": "about Regions, not tenants; only the fleet role reads it",
    "tenants_writerepoch": "one row, about the database itself",
    "tenants_writermove": "reports about the database itself; only the fleet role reads them",
    "tenants_tenant": "its own id is the tenant",
}


def rows(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connections["migrator"].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def tenant_tables() -> list[str]:
    found = [
        name
        for (name,) in rows(
            "select relname from pg_class where relkind in ('r', 'p')"
            " and relnamespace = 'public'::regnamespace and relname like 'tenants\\_%%' order by 1"
        )
    ]
    assert len(found) > 10
    return [name for name in found if name not in WITHOUT_TENANT]


def test_every_tenant_table_forces_row_level_security() -> None:
    for table in [*tenant_tables(), "tenants_tenant"]:
        [(enabled, forced)] = rows(
            "select relrowsecurity, relforcerowsecurity from pg_class where relname = %s", table
        )
        assert (enabled, forced) == (True, True), table


def test_every_tenant_table_has_a_tenant_that_cannot_be_null() -> None:
    for table in tenant_tables():
        assert rows(
            "select 1 from information_schema.columns where table_name = %s"
            " and column_name = 'tenant_id' and is_nullable = 'NO'",
            table,
        ), table


def test_policies_are_the_two_that_the_design_names() -> None:
    for table in tenant_tables():
        policies = dict(
            rows(
                "select policyname, array_to_string(roles, ',') from pg_policies where tablename = %s",
                table,
            )
        )
        assert policies.pop("tenant_isolation") == "gateway_app", table
        assert policies in ({}, {"fleet": "gateway_fleet"}), table


@pytest.mark.parametrize(
    "table", ["collection", "record", "sealedpart", "blindindexentry", "datakey"]
)
def test_the_fleet_role_has_no_privilege_on_what_tenants_store(table: str) -> None:
    for privilege in ("select", "insert", "update", "delete", "truncate", "references"):
        [(has,)] = rows(
            "select has_table_privilege('gateway_fleet', %s, %s)", f"tenants_{table}", privilege
        )
        assert not has, f"{privilege} on {table}"


def test_no_application_role_owns_a_table_or_bypasses_row_level_security() -> None:
    names = ["gateway_app", "gateway_fleet"]
    assert rows("select tablename from pg_tables where tableowner = any(%s)", names) == []
    found = rows(
        "select rolname from pg_roles where rolname = any(%s)"
        " and (rolbypassrls or rolsuper or rolcreaterole or rolcreatedb)",
        names,
    )
    assert found == []


def test_the_application_role_inherits_nothing_from_the_fleet_role() -> None:
    assert rows("select pg_has_role('gateway_app', 'gateway_fleet', 'usage')") == [(False,)]
    assert rows("select pg_has_role('gateway_app', 'gateway_fleet', 'member')") == [(True,)]


def test_unique_keys_start_with_the_tenant() -> None:
    """Else a duplicate tells one tenant what another has. A primary key that is a random UUID of ours tells nothing."""
    for table in tenant_tables():
        for name, columns in rows(
            "select i.relname, array_agg(a.attname::text order by k.n) from pg_index x"
            " join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid"
            " cross join lateral unnest(x.indkey) with ordinality k(attnum, n)"
            " join pg_attribute a on a.attrelid = t.oid and a.attnum = k.attnum"
            " where t.relname = %s and x.indisunique group by 1",
            table,
        ):
            assert columns == ["id"] or columns[0] == "tenant_id", f"{name}: {columns}"


def test_foreign_keys_between_tenant_tables_carry_the_tenant() -> None:
    """PostgreSQL checks foreign keys without row-level security: on the id alone, another tenant's row would do."""
    inside = tenant_tables()
    found = 0
    for name, target, columns in rows(
        "select c.conname, t.relname, array_agg(a.attname::text order by k.n) from pg_constraint c"
        " join pg_class s on s.oid = c.conrelid join pg_class t on t.oid = c.confrelid"
        " cross join lateral unnest(c.conkey) with ordinality k(attnum, n)"
        " join pg_attribute a on a.attrelid = s.oid and a.attnum = k.attnum"
        " where c.contype = 'f' and s.relname = any(%s) group by 1, 2",
        inside,
    ):
        if target in inside:
            found += 1
            assert columns[0] == "tenant_id", f"{name}: {columns}"
    assert found >= 5


def test_nothing_looks_at_tenant_tables_with_the_rights_of_its_owner() -> None:
    """Views without security_invoker, materialised views and definer functions would all walk around the fences."""
    assert (
        rows(
            "select relname from pg_class where relkind in ('v', 'm') and relnamespace = 'public'::regnamespace"
            " and (relkind = 'm' or not coalesce('security_invoker=true' = any(reloptions), false))"
        )
        == []
    )
    assert (
        rows(
            "select proname from pg_proc where prosecdef and pronamespace = 'public'::regnamespace"
        )
        == []
    )


def test_the_audit_log_can_only_grow() -> None:
    for role in ("gateway_app", "gateway_fleet"):
        for privilege in ("update", "delete", "truncate"):
            [(has,)] = rows(
                "select has_table_privilege(%s, 'tenants_auditevent', %s)", role, privilege
            )
            assert not has, f"{role}: {privilege}"


@pytest.mark.parametrize("alias", ["default", "local"])
def test_outside_of_a_scope_the_application_sees_no_row(alias: str) -> None:
    for table in [*tenant_tables(), "tenants_tenant"]:
        with connections[alias].cursor() as cursor:
            cursor.execute(f"select count(*) from {table}")  # noqa: S608 - a name from the catalogue
            assert cursor.fetchone() == (0,), table
