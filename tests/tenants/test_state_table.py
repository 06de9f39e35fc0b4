"""What becomes of each kind of step, by the state of its key and by how KMS misbehaves: each row of state_table.md.

To add a kind: an entry in SUBJECTS, and its rows. A row that is wrong is shown as it should be.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crypto.part import JsonValue
from tenants.kms.key_admin import KmsKeyAdmin
from tenants.models import RegionRule
from tenants.scope import tenant_scope
from tenants.selectors import TenantView
from tenants.services.handlers import HANDLERS
from tenants.services.plans import Step, write_plan
from tenants.services.publication import alias_of
from tenants.services.rotation import set_rotation
from tenants.services.rules import RegionRuleInput, change_region_rule
from tenants.states import OperationKind, PlanKind
from tests.cast import OPERATOR, Cast
from tests.tenants.aws import clients
from tests.tenants.key_states import (
    FAULTS,
    HOME,
    Kms,
    Start,
    Subject,
    bring_to,
    forget_tries,
    kms_of_its_own,
    outcome,
)
from tests.tenants.plans import row as row_of


def with_other_rules(cast: Cast, regions: tuple[str, ...]) -> TenantView:
    """An active tenant whose rules have just been changed, so that each Region's key policy is another."""
    tenant = cast.onboard("state", regions, HOME, {})
    rule = RegionRuleInput(HOME, may_decrypt=("pii",))
    change_region_rule(tenant_id=tenant.id, rule=rule, actor=OPERATOR)
    return tenant


def with_other_rotation(cast: Cast, regions: tuple[str, ...]) -> TenantView:
    """An active tenant that wishes its key to be rotated more often."""
    tenant = cast.onboard("state", regions, HOME, {})
    set_rotation(tenant_id=tenant.id, days=180, actor=OPERATOR)
    return tenant


def with_rules_to_restore(cast: Cast, regions: tuple[str, ...]) -> TenantView:
    """An active tenant whose rules were just restored, so that each Region's key policy is still another."""
    start = alone(OperationKind.ROLL_BACK_RULES, reason={"code": "not_verified"})
    tenant = start(cast, regions)
    with tenant_scope(tenant.id, "write"):
        RegionRule.objects.filter(tenant_id=tenant.id).update(may_decrypt=["pii"])
    return tenant


def without_aliases(cast: Cast, regions: tuple[str, ...]) -> TenantView:
    """An active tenant whose aliases somebody has taken away."""
    tenant = alone(OperationKind.REPAIR_KEY)(cast, regions)
    for region in regions:
        KmsKeyAdmin(clients()).delete_alias(region=region, alias=alias_of(tenant.slug))
    return tenant


def alone(kind: OperationKind, **arguments: JsonValue) -> Start:
    """An active tenant and a plan of that step alone, for each of its Regions."""

    def start(cast: Cast, regions: tuple[str, ...]) -> TenantView:
        tenant = cast.onboard("state", regions, HOME, {})
        steps = [Step(0, kind, region, HOME, arguments) for region in regions]
        with tenant_scope(tenant.id, "write"):
            write_plan(tenant_id=tenant.id, plan=PlanKind.REPAIR, steps=steps)
        return tenant

    return start


K = OperationKind
SUBJECTS = {
    K.CREATE_PRIMARY_KEY: Subject("CreateKey", primary=True),
    K.REPLICATE_KEY: Subject("ReplicateKey", primary=True),
    K.AWAIT_ENABLED: Subject("DescribeKey"),
    K.APPLY_KEY_POLICY: Subject("PutKeyPolicy", start=with_other_rules),
    K.PUBLISH_KEY: Subject("CreateAlias"),
    K.SEAL_CANARY: Subject("GenerateDataKey", primary=True),
    K.VERIFY_KEY: Subject("Decrypt"),
    K.ACTIVATE_TENANT: Subject("DescribeKey", primary=True),
    K.SET_ROTATION: Subject("EnableKeyRotation", primary=True, start=with_other_rotation),
    K.ROTATE_KEY: Subject("RotateKeyOnDemand", primary=True, start=alone(K.ROTATE_KEY)),
    K.ROLL_BACK_RULES: Subject("PutKeyPolicy", start=with_rules_to_restore),
    K.REPAIR_KEY: Subject("CreateAlias", start=without_aliases),
    K.DISABLE_KEY: Subject("DisableKey", start=alone(K.DISABLE_KEY)),
    K.ENABLE_KEY: Subject("EnableKey", start=alone(K.ENABLE_KEY)),
    K.SCHEDULE_DELETION: Subject(
        "ScheduleKeyDeletion", start=alone(K.SCHEDULE_DELETION, waiting_days=7)
    ),
    K.CANCEL_DELETION: Subject("CancelKeyDeletion", start=alone(K.CANCEL_DELETION)),
    K.AWAIT_DELETED: Subject("DescribeKey", start=alone(K.AWAIT_DELETED)),
    K.WITHDRAW_KEY: Subject("DeleteAlias", start=alone(K.WITHDRAW_KEY)),
    K.UPDATE_PRIMARY_REGION: Subject("UpdatePrimaryRegion", start=alone(K.UPDATE_PRIMARY_REGION)),
}

TABLE = Path(__file__).parent / "state_table.md"


@pytest.fixture(scope="module")
def kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kms]:
    """Its faults and its clock are this table's alone."""
    with kms_of_its_own(tmp_path_factory.mktemp("kms")) as found:
        yield found


def rows() -> list[list[str]]:
    """The cells of each line: kind, state, and the outcomes in the order of FAULTS."""
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("row", [pytest.param(row, id="-".join(row[:2])) for row in rows()])
def test_a_step_ends_as_the_table_says(kms: Kms, row: list[str]) -> None:
    kind, state = OperationKind(row[0]), row[1]
    seen = [kind, state, *outcomes(kms, kind, state)]
    assert seen == row, "\n| " + " | ".join(seen) + " |"


def outcomes(kms: Kms, kind: OperationKind, state: str) -> list[str]:
    """What becomes of the step, in the order of FAULTS."""
    subject, found = SUBJECTS[kind], {}
    tenant, one = bring_to(kms, subject, kind, state)
    noted = row_of(tenant, one.id).result
    for fault in (
        "throttled",
        "denied",
        "unreachable",
        "healthy",
    ):  # the first three change nothing
        with kms.misbehaving(fault, subject.changing):
            found[fault] = outcome(tenant, one)
        forget_tries(tenant, one, noted)
    if found["healthy"].startswith("done"):
        tenant, one = bring_to(kms, subject, kind, state)
    with kms.misbehaving("lost answer", subject.changing):
        found["lost answer"] = outcome(tenant, one)
    return [found[fault] for fault in FAULTS]


# Steps whose outcome depends on more than the state of one key: each has tests of its own.
ELSEWHERE = {
    K.JOIN_POOL: "test_pools.py",
    K.UPDATE_POOLED_TENANTS: "test_pools.py",
    K.PROBE_EXTERNAL_KEY: "test_external_keys.py",
    K.SWITCH_KEY: "test_key_moves.py",
    K.FORGET_PREVIOUS_KEY: "test_key_moves.py",
    K.PROVE_DISPENSABLE: "test_region_removal.py",
    K.FORGET_REGION: "test_region_removal.py",
    K.RETIRE_DATA_KEYS: "test_rotation.py",
    K.REWRAP_INDEX_KEYS: "test_index_keys.py",
    K.REENCRYPT_RECORDS: "test_reencryption.py",
    K.VERIFY_REENCRYPTION: "test_reencryption.py",
    K.PROVE_REVOKED: "test_revocation.py",
    K.RESTORE_TENANT: "test_revocation.py",
    K.CONFIRM_EXPORT: "test_offboarding.py",
    K.RETIRE_TENANT: "test_offboarding.py",
}


def test_every_kind_of_step_has_its_rows_or_its_own_tests() -> None:
    listed = {OperationKind(row[0]) for row in rows()}
    assert listed == SUBJECTS.keys()
    assert listed | ELSEWHERE.keys() == set(HANDLERS)
    assert not listed & ELSEWHERE.keys()
    assert all((TABLE.parent / name).exists() for name in ELSEWHERE.values())
