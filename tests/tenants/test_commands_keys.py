"""The commands about whose key it is: pools, external keys, moves."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from django.core.management import CommandError

from tenants.errors import NotFound
from tenants.management import terminal
from tenants.models.base import new_id
from tenants.selectors import TenantView, get_progress, get_tenant
from tenants.selectors.key_tiers import get_key_tier
from tenants.services.external_keys import external_key_policy
from tests.cast import Cast, run_plan
from tests.tenants.external import key_owner
from tests.tenants.test_commands import run

OWNER = "444455556666"
PLACES = ("--home", "us-east-2", "--regions", "us-east-2,eu-west-1")


def fresh(stem: str = "hooli") -> str:
    return f"{stem}-{new_id().hex[-12:]}"


@pytest.fixture(scope="module")
def pool() -> TenantView:
    slug = fresh("pool")
    code, out = run("create_pool", slug, *PLACES)
    assert code == 0
    assert f"{slug} ({slug}): onboarding, 0 of 10 steps" in out
    run_plan(get_tenant(slug))
    return get_tenant(slug)


def test_create_pool_is_idempotent_and_says_how_far_it_is(pool: TenantView) -> None:
    code, out = run("create_pool", pool.slug, *PLACES, "--wait", "--json")
    assert code == 0
    assert json.loads(out)["tenant"]["kind"] == "pool"
    with pytest.raises(CommandError, match=r"^tenant_exists: "):
        run("create_pool", pool.slug, *PLACES, "--name", "Other")


def test_dry_runs_show_the_steps_and_make_nothing(pool: TenantView) -> None:
    slug = fresh()
    code, out = run("create_pool", slug, *PLACES, "--dry-run")
    assert (code, "create_primary_key us-east-2" in out) == (0, True)
    pooled = ("--name", "Hooli", *PLACES, "--tier", "pooled", "--pool", pool.slug)
    code, out = run("onboard_tenant", slug, *pooled, "--dry-run", "--json")
    kinds = [one["kind"] for one in json.loads(out)["steps"]]
    assert (code, kinds[0], "create_primary_key" in kinds) == (0, "join_pool", False)
    with pytest.raises(NotFound):
        get_tenant(slug)
    code, out = run("create_pool", pool.slug, *PLACES, "--dry-run")
    assert (code, out) == (0, f"{pool.slug} is there already.\n")


def test_a_tenant_is_onboarded_into_a_pool_and_moved_out_of_it(pool: TenantView) -> None:
    slug = fresh()
    pooled = ("--tier", "pooled", "--pool", pool.slug)
    assert run("onboard_tenant", slug, "--name", "H", *PLACES, *pooled)[0] == 0
    run_plan(get_tenant(slug))
    tenant = get_tenant(slug)
    assert get_key_tier(tenant.id).pool == pool.slug
    before = get_progress(tenant.id).plan_id
    code, out = run("move_key", slug, "--to", "dedicated", "--dry-run")
    assert code == 0
    assert "switch_key us-east-2" in out
    assert get_progress(tenant.id).plan_id == before
    code, out = run("move_key", slug, "--to", "dedicated", "--wait", "--timeout", "0")
    assert code == terminal.UNFINISHED
    run_plan(tenant)
    assert get_key_tier(tenant.id).tier == "dedicated"
    with pytest.raises(CommandError, match=r"^not_found: "):
        run("move_key", slug, "--forget-previous")


@pytest.mark.parametrize("arguments", [(), ("--to", "dedicated", "--forget-previous")])
def test_move_key_wants_one_thing(pool: TenantView, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=r"^Say --to"):
        run("move_key", pool.slug, *arguments)


def test_a_new_tenant_gets_its_id_and_statements_tries_its_key_and_is_onboarded() -> None:
    regions = ("--regions", "us-east-2,eu-west-1")
    code, out = run("external_key_policy", *regions, "--json")
    assert code == 0
    given = json.loads(out)
    arn = key_owner().make_key(given["policies"], ("us-east-2", "eu-west-1"))
    key = ("--external-arn", str(arn), "--accounts", OWNER, "--tenant-id", given["tenant_id"])
    code, out = run("test_external_key", *key, *regions)
    assert code == 0
    assert "us-east-2" in out
    assert "  as it must be  kms:GenerateDataKey: allowed" in out
    slug = fresh("soylent")
    assert run("onboard_tenant", slug, "--name", "S", *PLACES, "--tier", "external", *key)[0] == 0
    run_plan(get_tenant(slug))
    tenant = get_tenant(slug)
    assert tenant.id == UUID(given["tenant_id"])
    code, out = run("external_key_policy", slug)
    assert f"Tenant id: {tenant.id}" in out
    assert "Into the key policy in eu-west-1" in out
    key_owner().paste(arn, None)
    code, out = run("test_external_key", slug, "--external-arn", str(arn), "--json")
    assert code == terminal.FAILED
    shown = json.loads(out)
    assert not shown["is_proven"]
    assert "MrkGatewayEncryptUsEast2" in shown["advice"][0]
    code, out = run("test_external_key", slug, "--external-arn", str(arn))
    assert "NOT PROVEN" in out
    assert "WRONG  kms:GenerateDataKey: refused" in out


def test_a_dedicated_tenant_is_moved_to_its_own_key() -> None:
    globex = Cast().globex()
    arn = key_owner().make_key(external_key_policy(tenant_id=globex.id), ("eu-west-1",))
    key = ("--external-arn", str(arn), "--accounts", OWNER)
    assert run("move_key", globex.slug, "--to", "external", *key)[0] == 0
    run_plan(globex)
    assert get_key_tier(globex.id).tier == "external"
    assert get_key_tier(globex.id).key_accounts == (OWNER,)


def test_what_makes_no_sense_is_refused(pool: TenantView) -> None:
    for name, arguments, text in (
        ("external_key_policy", (), "Name a tenant, or"),
        ("external_key_policy", (pool.slug, "--regions", "us-east-2"), "Name a tenant, or"),
        ("external_key_policy", ("--regions", "mars-1"), "input_invalid: "),
        ("external_key_policy", ("--regions", "us-east-2", "--tenant-id", "x"), "x is no tenant"),
        ("external_key_policy", ("nobody",), "not_found: "),
        ("test_external_key", (pool.slug,), "Say --external-arn"),
        ("test_external_key", ("--external-arn", "x"), "Say --external-arn"),
        ("test_external_key", (pool.slug, "--external-arn", "x"), "input_invalid: "),
        ("move_key", (pool.slug, "--to", "dedicated"), "tenant_is_pool: "),
    ):
        with pytest.raises(CommandError) as caught:
            run(name, *arguments)
        assert str(caught.value).startswith(text), name
