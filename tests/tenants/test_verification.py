"""Verification notices what is wrong with a key: its state, its policy, and what its Region's role may really do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings

from crypto.errors import CredentialsRefused
from crypto.kms.clients import KmsClients, Plane
from tenants.errors import NotFound, TenantNotActive
from tenants.kms.key_admin import KmsKeyAdmin
from tenants.models.base import new_id
from tenants.selectors import (
    OperationView,
    TenantView,
    get_progress,
    list_audit_events,
    list_regional_keys,
)
from tenants.services.canary import CANARY_CLASS, CanaryKey, canary_classes
from tenants.services.onboarding import RegionRuleInput
from tenants.services.verification import start_verification
from tenants.states import OperationKind, OperationState, PlanKind
from tests.cast import EVERYWHERE, OPERATOR, Cast, as_region, let_time_pass, run_due, run_plan
from tests.tenants.aws import arn_of, clients, policy_of
from tests.tenants.plans import row, step

US, WEST, EU = EVERYWHERE


def verify(tenant: TenantView) -> None:
    start_verification(tenant_id=tenant.id, actor=OPERATOR)


def failure(tenant: TenantView, region: str) -> OperationView:
    """Verify until it fails in that Region; a few tries are given to what may settle."""
    verify(tenant)
    for _ in range(40):
        found = step(tenant, OperationKind.VERIFY_KEY, region)
        if found.state == OperationState.FAILED:
            return found
        if not run_due(tenant):
            let_time_pass(tenant)
    raise AssertionError(f"It did not fail: {get_progress(tenant.id)}")


def proven(tenant: TenantView, region: str) -> dict[str, Any]:
    result: dict[str, Any] = row(tenant, step(tenant, OperationKind.VERIFY_KEY, region).id).result
    return result


def test_verify_now_proves_each_region_again(cast: Cast) -> None:
    acme = cast.acme()
    before = {key.region: key.verified_at for key in list_regional_keys(acme.id)}
    verify(acme)
    assert run_plan(acme).plan == PlanKind.VERIFICATION
    for key in list_regional_keys(acme.id):
        earlier = before[key.region]
        assert key.verified_at
        assert earlier
        assert key.verified_at > earlier


def test_a_region_proves_what_it_opens_and_that_kms_refuses_the_rest(cast: Cast) -> None:
    acme = cast.acme(
        us_west_1=RegionRuleInput(WEST, may_decrypt=("pci",)),
        eu_west_1=RegionRuleInput(EU, may_encrypt=False, may_decrypt=()),
    )
    verify(acme)
    run_plan(acme)
    assert [proven(acme, region)["opened"] for region in EVERYWHERE] == [
        ["canary", "pci"],
        ["pci"],
        [],
    ]
    assert [proven(acme, region)["refused"] for region in EVERYWHERE] == [
        [],
        ["canary"],
        ["canary", "pci"],
    ]
    assert [proven(acme, region)["encrypts"] for region in EVERYWHERE] == [True, True, False]
    event = next(
        one
        for one in list_audit_events(acme.id, before=None, limit=9)
        if one.action == "key.verified"
    )
    assert event.subject.startswith("arn:aws:kms:")


def test_where_home_may_not_encrypt_another_region_seals_the_canaries(cast: Cast) -> None:
    acme = cast.acme(us_east_2=RegionRuleInput(US, may_encrypt=False))
    assert step(acme, OperationKind.SEAL_CANARY).run_region != US
    assert all(key.verified_at for key in list_regional_keys(acme.id))


def test_canaries_are_standard_messages_of_random_values_and_no_plaintext_is_stored(
    cast: Cast,
) -> None:
    globex = cast.globex()
    result = row(globex, step(globex, OperationKind.SEAL_CANARY).id).result
    [canary] = result["canaries"]
    assert set(canary) == {"class", "message", "digest"}
    assert canary["message"].startswith("AgR4")  # message version 2, suite 0x0478


def test_a_disabled_key_fails(cast: Cast) -> None:
    acme = cast.acme()
    clients().kms(EU, Plane.ADMIN).disable_key(KeyId=str(arn_of(acme, EU)))
    failed = failure(acme, EU)
    assert failed.error == {"code": "not_verified", "message": "The key in eu-west-1 is Disabled."}


def test_a_policy_that_was_changed_behind_our_back_fails_and_says_where(cast: Cast) -> None:
    acme = cast.acme()
    document = policy_of(acme, EU)
    document["Statement"].append(
        {
            "Sid": "Backdoor",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": "kms:Decrypt",
            "Resource": "*",
        }
    )
    KmsKeyAdmin(clients()).put_key_policy(arn=arn_of(acme, EU), policy=json.dumps(document))
    assert failure(acme, EU).error["message"] == (
        "The key policy in eu-west-1 is not as desired:"
        " Backdoor should not be there: Allows everybody: kms:Decrypt."
    )


def test_a_policy_that_kms_renders_in_another_order_is_still_ours(cast: Cast) -> None:
    acme = cast.acme()
    document = policy_of(acme, EU)
    document["Statement"].reverse()
    KmsKeyAdmin(clients()).put_key_policy(
        arn=arn_of(acme, EU), policy=json.dumps(document, indent=4)
    )
    verify(acme)
    run_plan(acme)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            "may_open",
            "KMS refuses decrypting what is classified canary in eu-west-1, which the rule allows.",
        ),
        ("may_seal", "KMS refuses encrypting in eu-west-1, which the rule allows."),
    ],
)
def test_a_refusal_where_the_rule_allows_fails(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, broken: str, message: str
) -> None:
    acme = cast.acme()
    whole: Callable[..., bool] = getattr(CanaryKey, broken)

    def refuse(self: CanaryKey, *arguments: Any) -> bool:
        return whole(self, *arguments) and self._key.key.region != EU

    monkeypatch.setattr(CanaryKey, broken, refuse)
    assert failure(acme, EU).error["message"] == message


def test_an_opening_where_the_rule_forbids_fails(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = cast.acme(eu_west_1=RegionRuleInput(EU, may_decrypt=("pii",)))
    monkeypatch.setattr(CanaryKey, "may_open", lambda *_: True)
    assert failure(acme, EU).error["message"] == (
        "KMS allows decrypting what is classified canary in eu-west-1, which the rule forbids."
    )


def test_credentials_that_nobody_knows_prove_no_refusal(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker without its use role would otherwise `prove` that a forbidden Region is refused."""
    acme = cast.acme(eu_west_1=RegionRuleInput(EU, may_encrypt=False, may_decrypt=()))
    sealed = row(acme, step(acme, OperationKind.SEAL_CANARY).id).result["canaries"][0]
    with as_region(EU):
        monkeypatch.setattr("tenants.services.canary.get_clients", nobodys_clients)
        key = CanaryKey(acme.id.hex, arn_of(acme, EU))
        with pytest.raises(CredentialsRefused):
            key.may_seal()
        with pytest.raises(CredentialsRefused):
            key.may_open(sealed)


def nobodys_clients() -> KmsClients:
    return KmsClients(replace(settings.CRYPTO, use_profile="no-such-profile"))


def test_another_regions_key_never_stands_in_for_the_one_that_is_verified(cast: Cast) -> None:
    """The envelope of a canary knows one Region: were this one's KMS down, nothing would be proven by a neighbour."""
    acme = cast.acme()
    with as_region(EU):
        assert CanaryKey(acme.id.hex, arn_of(acme, EU))._key.regions == (EU,)


def test_canary_classes_cover_what_each_region_lists() -> None:
    rules = [
        RegionRuleInput(US),
        RegionRuleInput(WEST, may_decrypt=("pii", "pci")),
        RegionRuleInput(EU, may_decrypt=()),
    ]
    assert canary_classes(rules) == [CANARY_CLASS, "pci"]
    assert canary_classes([RegionRuleInput(US)]) == [CANARY_CLASS]
    assert canary_classes([RegionRuleInput(US, may_decrypt=("canary",))]) == [CANARY_CLASS]


def test_only_an_active_tenant_can_be_verified(cast: Cast) -> None:
    with pytest.raises(NotFound):
        start_verification(tenant_id=new_id(), actor=OPERATOR)
    initech = cast.initech()
    with pytest.raises(TenantNotActive):
        verify(initech)
    assert get_progress(initech.id).plan == PlanKind.ONBOARDING


def test_asking_twice_is_one_verification_until_it_has_ended(cast: Cast) -> None:
    globex = cast.globex()
    first = start_verification(tenant_id=globex.id, actor=OPERATOR)
    assert start_verification(tenant_id=globex.id, actor=OPERATOR) == first
    run_plan(globex)
    assert start_verification(tenant_id=globex.id, actor=OPERATOR) != first
