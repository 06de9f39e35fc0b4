"""Index keys are wrapped anew inside KMS, by whoever may open and encrypt their class, and put in place with a move."""

from __future__ import annotations

from uuid import UUID

import pytest

from crypto.arn import KeyArn
from crypto.context import Purpose
from crypto.errors import DecryptionFailed, KeyAccessDenied
from tenants.kms.rewrapping import WrappedDataKey, rewrap
from tenants.models import DataKey, KeyOperation, TenantKey
from tenants.scope import tenant_scope
from tenants.selectors import TenantView
from tenants.services.index_keys import RewrapIndexKeys, apply_rewrapped
from tenants.services.onboarding import RegionRuleInput
from tenants.services.plans import Step, write_plan
from tenants.services.renewal import region_for, regions_for, rewrap_steps
from tenants.services.work import NotVerified
from tenants.states import OperationKind, OperationState, PlanKind
from tests.callers import caller_of, people
from tests.cast import Cast, as_region, run_due
from tests.tenants.aws import arn_of, clients, context, unwrap, wrap
from tests.tenants.people import store

HOME, WEST, EU = "us-east-2", "us-west-1", "eu-west-1"


def rewrapped(
    tenant: TenantView,
    wrapped: bytes,
    name: str,
    *,
    role: str = HOME,
    key: str = HOME,
    purpose: Purpose = Purpose.INDEX,
    destination: KeyArn | None = None,
) -> WrappedDataKey:
    """ReEncrypt with the role of one Region in that of a key, by default to the same key."""
    arn = arn_of(tenant, key)
    return rewrap(
        clients(role),
        wrapped=wrapped,
        source=arn,
        destination=destination or arn,
        pairs=context(tenant, name, purpose),
    )


def test_the_same_data_key_is_wrapped_anew_and_opens_in_every_region(cast: Cast) -> None:
    acme = cast.acme()
    index = {"purpose": Purpose.INDEX}
    old = wrap(acme, "pii", role=HOME, key=HOME, **index)
    new = rewrapped(acme, old, "pii")
    assert new.encrypted_data_key != old
    assert new.key_arn == arn_of(acme, HOME)
    assert new.key_material_id
    for region in (HOME, EU):
        assert unwrap(
            acme, "pii", new.encrypted_data_key, role=region, key=region, **index
        ) == unwrap(acme, "pii", old, role=HOME, key=HOME, **index)


def test_kms_itself_refuses_to_rewrap_what_is_not_an_index_key_of_an_open_class(
    cast: Cast,
) -> None:
    """A Region may, with its own key: no data key of records, no class that is closed to it, none of another tenant."""
    acme = cast.acme(
        us_east_2=RegionRuleInput(HOME, True, ("pii",)),
        eu_west_1=RegionRuleInput(EU, False, ("*",)),
    )
    other = cast.acme()
    index = {"purpose": Purpose.INDEX}
    rewrapped(acme, wrap(acme, "pii", role=HOME, key=HOME, **index), "pii")
    record = wrap(acme, "pii", role=HOME, key=HOME, purpose=Purpose.RECORD)
    closed = wrap(acme, "phi", role=HOME, key=HOME, **index)
    theirs = wrap(other, "pii", role=HOME, key=HOME, **index)
    with pytest.raises(KeyAccessDenied):
        rewrapped(acme, record, "pii", purpose=Purpose.RECORD)
    with pytest.raises(KeyAccessDenied):
        rewrapped(acme, closed, "phi")
    with pytest.raises(KeyAccessDenied):  # eu-west-1 may not encrypt
        rewrapped(acme, closed, "phi", role=EU, key=EU)
    with pytest.raises(KeyAccessDenied):  # the key of a neighbour
        rewrapped(acme, closed, "phi", role=HOME, key=WEST)
    with pytest.raises((KeyAccessDenied, DecryptionFailed)):
        rewrapped(acme, theirs, "pii")
    with pytest.raises(KeyAccessDenied):  # the other tenant's key takes only that tenant's context
        rewrapped(acme, closed, "phi", destination=arn_of(other, HOME))


def index_rows(tenant: TenantView) -> dict[UUID, DataKey]:
    with tenant_scope(tenant.id, "latest"):
        rows = DataKey.objects.filter(tenant_id=tenant.id, purpose=Purpose.INDEX)
        return {row.id: row for row in rows}


def test_what_is_wrapped_for_another_key_waits_until_the_tenant_moves_there(cast: Cast) -> None:
    """Put in place earlier, nobody could open it; the move itself refuses to go without one of them."""
    acme = cast.acme()
    caller = caller_of(acme)
    store(caller, people(caller), range(1))
    before = index_rows(acme)
    destination = arn_of(acme, HOME)
    plan = _planned(
        acme,
        rewrap_steps(
            first=HOME,
            rules=[RegionRuleInput(HOME)],
            position=0,
            arguments={"destination": str(destination)},
        ),
    )
    with tenant_scope(acme.id, "write"):  # as if it were another key than the tenant's
        TenantKey.objects.filter(tenant_id=acme.id).update(key_id="mrk-" + "0" * 32)
    run_due(acme)
    assert {row.encrypted_data_key for row in index_rows(acme).values()} == {
        row.encrypted_data_key for row in before.values()
    }
    with tenant_scope(acme.id, "write"):
        apply_rewrapped(tenant_id=acme.id, plan_id=plan, destination=destination)
    after = index_rows(acme)
    assert after.keys() == before.keys()
    for key, row in after.items():
        assert bytes(row.encrypted_data_key) != bytes(before[key].encrypted_data_key)
    elsewhere = KeyArn.parse(str(destination).replace(destination.key_id, "mrk-" + "0" * 32))
    with pytest.raises(NotVerified, match="pii"), tenant_scope(acme.id, "write"):
        apply_rewrapped(tenant_id=acme.id, plan_id=plan, destination=elsewhere)


def _planned(tenant: TenantView, steps: list[Step]) -> UUID:
    with tenant_scope(tenant.id, "write"):
        return write_plan(tenant_id=tenant.id, plan=PlanKind.KEY_MOVE, steps=steps)


def test_an_index_key_that_no_region_may_wrap_anew_is_reported(cast: Cast) -> None:
    acme = cast.acme()
    caller = caller_of(acme)
    store(caller, people(caller), range(1))
    step = Step(0, OperationKind.REWRAP_INDEX_KEYS, HOME, HOME)
    _planned(acme, [step])
    rules = [RegionRuleInput(HOME, True, ("phi",))]
    with tenant_scope(acme.id, "latest"):
        operation = KeyOperation.objects.get(
            tenant_id=acme.id, kind=step.kind, state=OperationState.DUE
        )
    from dataclasses import replace

    from tenants.services.claims import claim

    with as_region(HOME):
        work = claim(tenant_id=acme.id, operation_id=operation.id)
        assert work
        result = RewrapIndexKeys().perform(replace(work, rules=tuple(rules)))  # type: ignore[arg-type]
    assert result["rewrapped"] == []
    assert result["no_region"] == ["pii"]


R = RegionRuleInput


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([R(EU), R(HOME), R(WEST)], (HOME,)),
        ([R(EU), R(HOME, False), R(WEST)], (EU,)),
        ([R(EU), R(HOME, True, ("pii",))], (HOME, EU)),
        ([R(EU, True, ("pii",)), R(HOME, True, ("pii", "phi"))], (HOME,)),
        ([R(EU, True, ("pci",)), R(HOME, True, ("pii",)), R(WEST, False)], (HOME, EU)),
        ([R(EU, False), R(HOME, True, ())], ()),
    ],
)
def test_as_few_regions_as_possible_do_it_the_primarys_first(
    rules: list[RegionRuleInput], expected: tuple[str, ...]
) -> None:
    assert regions_for(rules, HOME) == expected
    for name in ("pii", "pci", "phi"):
        assert region_for(rules, HOME, name) in (*expected, None)
