"""The commands about key policies, drift and keys without an owner."""

from __future__ import annotations

import json
import secrets
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError

from crypto.kms.clients import Plane
from tenants.management import terminal
from tenants.models import OrphanKey
from tenants.scope import fleet_scope
from tenants.selectors import TenantView, get_progress
from tenants.services.publication import alias_of
from tenants.services.reconciliation import check_key
from tests.cast import Cast, as_region, run_plan
from tests.tenants.aws import clients
from tests.tenants.test_commands import run
from tests.tenants.test_reconciliation import BACKDOOR, change_policy, drop

EU = "eu-west-1"
ROOT = "AccountRootMayRepairThisPolicy"


@pytest.fixture
def globex(cast: Cast) -> TenantView:
    return cast.globex()


def compare(tenant: TenantView) -> None:
    with as_region(EU):
        check_key(tenant_id=tenant.id, region=EU)


def test_a_key_policy_is_read_statement_by_statement(globex: TenantView) -> None:
    code, out = run("key_policy", globex.slug, EU)
    assert code == 0
    assert "  DecryptEuWest1\n    mrk-gateway-use-eu-west-1 decrypts data of this tenant" in out
    assert "  NobodyReplicatesElsewhere\n    Nobody makes a replica outside of eu-west-1" in out


def test_the_applied_policy_is_read_from_kms_and_not_believed_by_its_names(
    globex: TenantView,
) -> None:
    """Whoever changes a statement keeps its name: what is shown is what it says."""

    def widen(statements: list[dict[str, Any]]) -> None:
        root = next(one for one in statements if one["Sid"] == ROOT)
        root["Action"] = "kms:Decrypt"

    change_policy(globex, EU, widen)
    code, out = run("key_policy", globex.slug, EU, "--applied")
    assert code == 0
    assert f"  {ROOT}\n    Allows arn:aws:iam::111122223333:root: kms:Decrypt, if" in out
    assert "mrk-gateway-use-eu-west-1 decrypts data of this tenant" in out
    document = json.loads(run("key_policy", globex.slug, EU, "--applied", "--json")[1])
    assert {"kms:Decrypt"} == {one["Action"] for one in document["Statement"] if one["Sid"] == ROOT}


def test_the_difference_ends_with_4_and_shows_what_was_added_and_what_is_missing(
    globex: TenantView,
) -> None:
    assert run("key_policy", globex.slug, EU, "--diff") == (
        0,
        "eu-west-1: KMS holds the key policy that the rules ask for.\n",
    )
    change_policy(globex, EU, lambda statements: statements.append(BACKDOOR))
    drop("DecryptEuWest1")(globex)
    code, out = run("key_policy", globex.slug, EU, "--diff")
    assert code == terminal.FAILED
    assert "  Backdoor: surplus, allows more\n    Allows everybody: kms:Decrypt.\n" in out
    assert "  DecryptEuWest1: missing, allows less" in out
    code, out = run("key_policy", globex.slug, EU, "--diff", "--json")
    found = json.loads(out)
    assert (code, found["is_equal"]) == (terminal.FAILED, False)
    assert {one["sid"]: one["allows_more"] for one in found["statements"]} == {
        "Backdoor": True,
        "DecryptEuWest1": False,
    }


def test_a_changed_element_is_shown_by_its_values(globex: TenantView) -> None:
    def widen(statements: list[dict[str, Any]]) -> None:
        audit = next(one for one in statements if one["Sid"] == "AuditRoleReads")
        audit["Action"] = [*audit["Action"][1:], "kms:Decrypt"]

    change_policy(globex, EU, widen)
    _, out = run("key_policy", globex.slug, EU, "--diff")
    assert "  AuditRoleReads: changed, allows more and allows less" in out
    assert "    - Action kms:DescribeKey\n    + Action kms:Decrypt\n" in out


@pytest.mark.parametrize("arguments", [("nobody", EU), ("globex", "us-east-2")])
def test_what_is_not_there_is_refused(globex: TenantView, arguments: tuple[str, str]) -> None:
    slug = globex.slug if arguments[0] == "globex" else arguments[0]
    with pytest.raises(CommandError, match="not_found"):
        run("key_policy", slug, arguments[1])


def test_drift_ends_with_4_and_names_what_and_how_bad(globex: TenantView) -> None:
    compare(globex)
    code, out = run("key_drift", globex.slug)
    assert code == 0
    assert out.endswith("as desired\n")
    change_policy(globex, EU, lambda statements: statements.append(BACKDOOR))
    clients().kms(EU, Plane.ADMIN).delete_alias(AliasName=alias_of(globex.slug))
    compare(globex)
    code, out = run("key_drift", globex.slug)
    assert code == terminal.FAILED
    assert "policy (critical, a machine may repair it)" in out
    assert "    Backdoor should not be there: Allows everybody: kms:Decrypt." in out
    assert f"    desired: {alias_of(globex.slug)} of arn:aws:kms:{EU}" in out
    [key] = json.loads(run("key_drift", globex.slug, "--json")[1])
    assert [one["what"] for one in key["drift"]] == ["policy", "alias"]


def test_a_repair_is_planned_and_with_dry_run_only_told(globex: TenantView) -> None:
    clients().kms(EU, Plane.ADMIN).delete_alias(AliasName=alias_of(globex.slug))
    compare(globex)
    code, out = run("repair_key", globex.slug, "--dry-run")
    assert (code, "last seen to drift: alias in eu-west-1" in out) == (0, True)
    assert get_progress(globex.id).plan == "onboarding"
    code, out = run("repair_key", globex.slug, "--json", "--wait", "--timeout", "0")
    assert code == terminal.UNFINISHED
    assert json.loads(out)["plan"]["plan"] == "repair"
    run_plan(globex)
    assert run("key_drift", globex.slug)[0] == 0
    with pytest.raises(CommandError, match="not_found"):
        run("repair_key", globex.slug, "--region", "us-east-2")


def test_orphans_are_listed_decided_on_and_with_dry_run_left(globex: TenantView) -> None:
    with fleet_scope("write"):
        OrphanKey.objects.filter(resolution="").update(resolution="gone")
    assert run("orphans")[0] == 0
    with fleet_scope("write"):
        orphan = OrphanKey.objects.create(
            region=EU,
            arn=f"arn:aws:kms:{EU}:111122223333:key/mrk-{secrets.token_hex(16)}",
            key_state="Enabled",
            tags={"mrk-gateway:tenant": "initech"},
        )
    code, out = run("orphans")
    assert code == terminal.FAILED
    assert f"{orphan.id}  eu-west-1  Enabled  tenant initech  to be decided on" in out
    code, out = run("orphans", "--schedule", str(orphan.id), "--dry-run")
    assert (code, "to be decided on" in out) == (0, True)
    with pytest.raises(CommandError, match="orphan_not_free"):
        run("orphans", "--adopt", str(orphan.id))
    code, out = run("orphans", "--schedule", str(orphan.id), "--json")
    assert code == 0
    assert [one["resolution"] for one in json.loads(out)] == ["scheduled"]
    for known in (orphan.id, uuid4()):
        with pytest.raises(CommandError, match="not_found"):
            run("orphans", "--schedule", str(known))
