"""Region rules, enforced by KMS itself: with the roles of the gateways and none of the gateway's own checks between."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crypto.context import Purpose
from crypto.errors import CryptoError, KeyAccessDenied
from crypto.kms.clients import Plane
from crypto.kms.translate import translated
from tenants.errors import InputInvalid, NotFound, TenantNotActive
from tenants.kms.key_admin import KmsKeyAdmin
from tenants.selectors import (
    TenantView,
    get_progress,
    get_tenant,
    list_audit_events,
    list_region_rules,
    list_regional_keys,
)
from tenants.services import policies
from tenants.services.onboarding import RegionRuleInput
from tenants.services.rules import change_region_rule
from tenants.states import OperationKind, PlanKind
from tests.cast import EVERYWHERE, OPERATOR, Cast, run_due, run_plan
from tests.tenants.aws import arn_of, clients, context, policy_of, unwrap, wrap

US, WEST, EU = EVERYWHERE


def change(
    tenant: TenantView, region: str, *, encrypt: bool = True, decrypt: tuple[str, ...] = ("*",)
) -> None:
    change_region_rule(
        tenant_id=tenant.id, rule=RegionRuleInput(region, encrypt, decrypt), actor=OPERATOR
    )


def refused(action: Any, *arguments: Any, **named: Any) -> bool:
    """Whether KMS refuses, and for no other reason than a policy."""
    try:
        action(*arguments, **named)
    except CryptoError as error:
        if type(error) is KeyAccessDenied:
            return True
        raise
    return False


def test_every_region_opens_with_its_own_replica_what_another_has_sealed(cast: Cast) -> None:
    acme = cast.acme()
    wrapped = wrap(acme, "pii", role=US, key=US)
    opened = {unwrap(acme, "pii", wrapped, role=region, key=region) for region in EVERYWHERE}
    assert len(opened) == 1


def test_regions_stand_in_for_each_others_outage(cast: Cast) -> None:
    acme = cast.acme()
    wrapped = wrap(acme, "pii", role=US, key=WEST)
    assert unwrap(acme, "pii", wrapped, role=US, key=EU) == unwrap(
        acme, "pii", wrapped, role=EU, key=US
    )


def test_a_region_that_may_decrypt_nothing_is_refused_by_kms_at_every_key_of_the_tenant(
    cast: Cast,
) -> None:
    acme = cast.acme(eu_west_1=RegionRuleInput(EU, may_decrypt=()))
    wrapped = wrap(acme, "pii", role=EU, key=EU)
    for key in EVERYWHERE:
        assert refused(unwrap, acme, "pii", wrapped, role=EU, key=key), key
    assert not refused(unwrap, acme, "pii", wrapped, role=US, key=US)


def test_no_other_role_opens_anything_with_the_key_of_a_region_that_may_decrypt_nothing(
    cast: Cast,
) -> None:
    acme = cast.acme(eu_west_1=RegionRuleInput(EU, may_decrypt=()))
    wrapped = wrap(acme, "pii", role=US, key=US)
    assert refused(unwrap, acme, "pii", wrapped, role=US, key=EU)


def test_a_region_decrypts_the_classes_that_its_rule_lists_and_no_other(cast: Cast) -> None:
    acme = cast.acme(eu_west_1=RegionRuleInput(EU, may_decrypt=("pii", "secret")))
    for name, allowed in (("pii", True), ("secret", True), ("pci", False), ("canary", False)):
        wrapped = wrap(acme, name, role=US, key=US)
        assert refused(unwrap, acme, name, wrapped, role=EU, key=EU) is not allowed, name


def test_a_region_that_may_not_encrypt_makes_no_data_key_anywhere(cast: Cast) -> None:
    acme = cast.acme(eu_west_1=RegionRuleInput(EU, may_encrypt=False))
    assert all(refused(wrap, acme, "pii", role=EU, key=key) for key in EVERYWHERE)
    assert refused(wrap, acme, "pii", role=US, key=EU)
    assert not refused(unwrap, acme, "pii", wrap(acme, "pii", role=US, key=US), role=EU, key=EU)


def test_a_region_that_only_writes_opens_nothing_not_even_an_index_key(cast: Cast) -> None:
    """With an index key it could test guesses against the search tokens that are replicated to it."""
    acme = cast.acme(eu_west_1=RegionRuleInput(EU, may_decrypt=()))
    for purpose in Purpose:
        wrapped = wrap(acme, "pii", role=US, key=US, purpose=purpose)
        assert refused(unwrap, acme, "pii", wrapped, role=EU, key=EU, purpose=purpose)


def test_the_role_of_a_region_that_the_tenant_has_left_out_is_refused(cast: Cast) -> None:
    globex = cast.globex()
    assert refused(wrap, globex, "pii", role=US, key=EU)
    assert refused(unwrap, globex, "pii", wrap(globex, "pii", role=EU, key=EU), role=US, key=EU)


def test_the_context_of_another_tenant_is_refused_before_the_ciphertext_is_looked_at(
    cast: Cast,
) -> None:
    acme, globex = cast.acme(), cast.globex()
    kms, arn = clients(EU).kms(EU, Plane.USE), str(arn_of(globex, EU))
    with pytest.raises(KeyAccessDenied), translated("kms:GenerateDataKey", EU):
        kms.generate_data_key(KeyId=arn, EncryptionContext=context(acme, "pii"), NumberOfBytes=32)
    with pytest.raises(KeyAccessDenied), translated("kms:GenerateDataKey", EU):
        kms.generate_data_key(KeyId=arn, NumberOfBytes=32)


def test_neither_admin_nor_audit_can_use_a_key(cast: Cast) -> None:
    acme = cast.acme()
    kms, arn = clients().kms(US, Plane.ADMIN), str(arn_of(acme, US))
    wrapped = wrap(acme, "pii", role=US, key=US)
    with pytest.raises(KeyAccessDenied), translated("kms:Decrypt", US):
        kms.decrypt(KeyId=arn, CiphertextBlob=wrapped, EncryptionContext=context(acme, "pii"))
    with pytest.raises(KeyAccessDenied), translated("kms:GenerateDataKey", US):
        kms.generate_data_key(KeyId=arn, NumberOfBytes=32, EncryptionContext=context(acme, "pii"))


def test_the_use_role_can_neither_describe_nor_change_a_key(cast: Cast) -> None:
    acme = cast.acme()
    kms, arn = clients(US).kms(US, Plane.USE), str(arn_of(acme, US))
    with pytest.raises(KeyAccessDenied), translated("kms:PutKeyPolicy", US):
        kms.put_key_policy(KeyId=arn, PolicyName="default", Policy="{}")
    with pytest.raises(KeyAccessDenied), translated("kms:ScheduleKeyDeletion", US):
        kms.schedule_key_deletion(KeyId=arn)


def test_no_replica_can_be_made_outside_of_the_tenants_regions(cast: Cast) -> None:
    globex = cast.globex()
    with pytest.raises(KeyAccessDenied):
        KmsKeyAdmin(clients()).replicate_key(
            primary=arn_of(globex, EU), region=US, policy="{}", tags={}, description=""
        )


def test_a_changed_rule_reaches_kms_in_every_region_and_is_proven_there(cast: Cast) -> None:
    acme = cast.acme()
    wrapped = wrap(acme, "pii", role=US, key=US)
    change(acme, EU, encrypt=False, decrypt=())
    assert not all(key.policy_in_force for key in list_regional_keys(acme.id))
    assert run_plan(acme).plan == PlanKind.RULE_CHANGE
    assert all(key.policy_in_force for key in list_regional_keys(acme.id))
    assert all(refused(unwrap, acme, "pii", wrapped, role=EU, key=key) for key in EVERYWHERE)
    change(acme, EU)
    run_plan(acme)
    assert not refused(unwrap, acme, "pii", wrapped, role=EU, key=EU)


def test_the_region_concerned_comes_first(cast: Cast) -> None:
    acme = cast.acme()
    change(acme, EU, decrypt=())
    applied = [
        (one.position, one.region)
        for one in get_progress(acme.id).operations
        if one.kind == OperationKind.APPLY_KEY_POLICY
    ]
    assert applied[0] == (0, EU)
    assert sorted(applied[1:]) == [(3, US), (3, WEST)]


def test_a_change_counts_the_key_epoch_up_at_once_and_is_audited(cast: Cast) -> None:
    acme = cast.acme()
    change(acme, EU, decrypt=("pii",))
    assert get_tenant(acme.slug).key_epoch == acme.key_epoch + 1
    assert [rule.may_decrypt for rule in list_region_rules(acme.id) if rule.region == EU] == [
        ("pii",)
    ]
    [event, *_] = list_audit_events(acme.id, before=None, limit=1)
    assert (event.action, event.subject, event.actor_kind) == ("rule.changed", EU, "operator")
    assert event.detail == {"may_encrypt": True, "may_decrypt": ["pii"]}


def test_of_two_changes_at_the_same_time_the_last_one_stays(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker of the first has read the rules, and puts its policy only after the second change was made."""
    acme = cast.acme()
    change(acme, EU, decrypt=("pii",))
    put = policies.put_policy
    changed: list[bool] = []

    def slow(work: Any) -> str:
        if not changed:
            changed.append(True)
            change(acme, EU, decrypt=("pci",))
        return put(work)

    monkeypatch.setattr(policies, "put_policy", slow)
    first = get_progress(acme.id)
    while get_progress(acme.id).plan_id == first.plan_id:
        run_due(acme)
    run_plan(acme)
    assert all(key.policy_in_force for key in list_regional_keys(acme.id))
    assert refused(unwrap, acme, "pii", wrap(acme, "pii", role=US, key=US), role=EU, key=EU)
    assert not refused(unwrap, acme, "pci", wrap(acme, "pci", role=US, key=US), role=EU, key=EU)


def test_what_was_put_by_hand_is_put_right_by_the_next_change(cast: Cast) -> None:
    acme = cast.acme()
    document = policy_of(acme, EU)
    document["Statement"] = [one for one in document["Statement"] if one["Sid"] != "AuditRoleReads"]
    KmsKeyAdmin(clients()).put_key_policy(arn=arn_of(acme, EU), policy=json.dumps(document))
    change(acme, EU)
    run_plan(acme)
    assert "AuditRoleReads" in [one["Sid"] for one in policy_of(acme, EU)["Statement"]]


def test_a_rule_for_a_region_without_a_key_is_not_found(cast: Cast) -> None:
    with pytest.raises(NotFound):
        change(cast.globex(), US)


def test_a_tenant_that_is_not_active_has_no_rules_to_change(cast: Cast) -> None:
    with pytest.raises(TenantNotActive):
        change(cast.initech(), US)


@pytest.mark.parametrize("decrypt", [("*", "pii"), ("PII",), ("pii", "pii"), ("",), ("a" * 41,)])
def test_a_bad_rule_is_refused_and_changes_nothing(cast: Cast, decrypt: tuple[str, ...]) -> None:
    globex = cast.globex()
    with pytest.raises(InputInvalid) as caught:
        change(globex, EU, decrypt=decrypt)
    assert caught.value.problems[0][0] == "/may_decrypt"
    assert list_region_rules(globex.id)[0].may_decrypt == ("*",)


def test_one_region_must_stay_able_to_encrypt(cast: Cast) -> None:
    with pytest.raises(InputInvalid):
        change(cast.globex(), EU, encrypt=False)
