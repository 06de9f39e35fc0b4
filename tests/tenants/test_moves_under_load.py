"""A tenant moves to another key while apps write, read and search in all its Regions, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from crypto.arn import KeyArn
from tenants.models import DataKey, PreviousKey, SealedPart, TenantKey
from tenants.schema.conditions import SearchCondition
from tenants.scope import tenant_scope
from tenants.selectors import TenantView
from tenants.services.external_keys import ExternalKeyInput, external_key_policy
from tenants.services.key_moves import start_key_move
from tenants.services.records import read_record, search_records
from tenants.states import KeyTier
from tests.callers import caller_of, people, token_of
from tests.cast import EVERYWHERE, OPERATOR, Cast, as_region, run_plan
from tests.stack import Stack
from tests.tenants.external import key_owner

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(400)


class Apps:
    """A process in each Region, from the first write of each until `stop`."""

    def __init__(self, stack: Stack, tenant: TenantView, folder: Path) -> None:
        self.folder = folder
        self.collection = people(caller_of(tenant))
        token = token_of(tenant)
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.tenants.moving_load", token, self.collection, str(folder), region],
                env=dict(stack.env("web", region)),
                cwd=ROOT,
            )
            for region in EVERYWHERE
        ]  # fmt: skip

    def await_writes(self, each: int) -> None:
        """Until every process has written so many more."""
        goals = {region: len(self.written(region)) + each for region in EVERYWHERE}
        deadline = time.monotonic() + 90
        while any(len(self.written(region)) < goal for region, goal in goals.items()):
            assert time.monotonic() < deadline, self.errors()
            assert all(process.poll() is None for process in self._processes), self.errors()
            time.sleep(0.05)

    def stop(self) -> None:
        (self.folder / "stop").touch()
        assert [process.wait(60) for process in self._processes] == [0, 0, 0]

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait(10)

    def written(self, region: str) -> list[dict[str, str]]:
        path = self.folder / f"{region}.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def errors(self) -> list[str]:
        paths = self.folder.glob("*.errors")
        return [line for path in paths for line in path.read_text().splitlines()]


def moved_under_load(stack: Stack, tenant: TenantView, folder: Path, **target: Any) -> None:
    apps = Apps(stack, tenant, folder)
    try:
        apps.await_writes(3)
        start_key_move(tenant_id=tenant.id, actor=OPERATOR, **target)
        run_plan(tenant, passes=300)
        apps.await_writes(3)
        apps.stop()
    finally:
        apps.kill()
    assert apps.errors() == []
    check(tenant, apps)


def check(tenant: TenantView, apps: Apps) -> None:
    """Every acknowledged write is read and found, under the one key that the tenant has now."""
    caller = caller_of(tenant)
    where: dict[str, Any] = {"caller": caller, "collection": apps.collection}
    for region in EVERYWHERE:
        written = apps.written(region)
        assert len(written) >= 6
        with as_region(region):
            for one in written:
                assert read_record(**where, record_id=one["id"]).fields["card"] == one["card"]
                asked = [SearchCondition("email", "eq", f"{one['id']}@b.org")]
                found = search_records(**where, where=asked, limit=5).records
                assert [hit.id for hit in found] == [one["id"]]
    with tenant_scope(tenant.id, "latest"):
        key = TenantKey.objects.get(tenant_id=tenant.id)
        assert not PreviousKey.objects.filter(tenant_id=tenant.id).exists()
        arns = DataKey.objects.filter(tenant_id=tenant.id).values_list("key_arn", flat=True)
        assert {KeyArn.parse(arn).key_id for arn in arns} == {key.key_id}
        assert SealedPart.objects.filter(tenant_id=tenant.id).count() > 0


def test_from_a_pool_to_a_dedicated_key(cast: Cast, stack: Stack, tmp_path: Path) -> None:
    hooli = cast.pooled(cast.pool())
    moved_under_load(stack, hooli, tmp_path, tier=KeyTier.DEDICATED)


def test_from_a_dedicated_key_to_an_external_one(cast: Cast, stack: Stack, tmp_path: Path) -> None:
    acme = cast.acme()
    arn = key_owner().make_key(external_key_policy(tenant_id=acme.id))
    external = ExternalKeyInput(str(arn), ("444455556666",))
    moved_under_load(stack, acme, tmp_path, tier=KeyTier.EXTERNAL, external=external)
