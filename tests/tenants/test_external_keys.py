"""External keys: which ARNs are accepted, what the probes find, and the whole life with a key that is not ours."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from crypto.arn import KeyArn
from tenants.errors import ExternalKeyRefused, InputInvalid
from tenants.schema.conditions import SearchCondition
from tenants.selectors import (
    TenantView,
    get_progress,
    get_tenant,
    list_audit_events,
    list_regional_keys,
)
from tenants.services.external_keys import (
    ExternalKeyInput,
    external_key_policy,
    policy_templates,
    try_external_key,
    try_new_external_key,
)
from tenants.services.external_probe import Report
from tenants.services.key_choice import KeyInput
from tenants.services.onboarding import RegionRuleInput, start_onboarding
from tenants.services.records import RecordInput, create_record, read_record, search_records
from tenants.services.rules import change_region_rule
from tenants.services.verification import start_verification
from tenants.states import KeyTier, OperationKind, OperationState, TenantState
from tests.callers import caller_of, people
from tests.cast import EVERYWHERE, OPERATOR, as_region, run_due, run_plan
from tests.stack import ACCOUNT
from tests.tenants.aws import keys_of, parameter
from tests.tenants.external import key_owner
from tests.tenants.plans import step

TENANT = "kms:EncryptionContext:tenant"
OWNER = "444455556666"
RULES = [RegionRuleInput(region) for region in EVERYWHERE]
STRICT = [
    RegionRuleInput("us-east-2"),
    RegionRuleInput("us-west-1", True, ("pii",)),
    RegionRuleInput("eu-west-1", True, ()),
]


def begin(
    arn: KeyArn | str, tenant_id: Any = None, rules: Any = None, **changed: Any
) -> TenantView:
    key = ExternalKeyInput(str(arn), (OWNER,), tenant_id)
    asked: dict[str, Any] = {
        "slug": f"soylent-{uuid4().hex[:8]}",
        "name": "Soylent",
        "home_region": "us-east-2",
        "rules": rules or RULES,
        "key": KeyInput(tier=KeyTier.EXTERNAL, external=key),
        "actor": OPERATOR,
    }
    return start_onboarding(**asked | changed)


def onboarded(rules: Any = None) -> TenantView:
    """A tenant with a key of its own, made and opened to us in the order that the guide says."""
    tenant_id = uuid4()
    arn = key_owner().make_key(policy_templates(tenant=tenant_id.hex, rules=rules or RULES))
    tenant = begin(arn, tenant_id, rules)
    run_plan(tenant)
    return get_tenant(tenant.slug)


@pytest.mark.parametrize("rules", [RULES, STRICT], ids=["open", "strict"])
def test_a_tenant_brings_its_own_key_and_nothing_of_it_is_changed(rules: Any) -> None:
    tenant_id = uuid4()
    templates = policy_templates(tenant=tenant_id.hex, rules=rules)
    owner = key_owner()
    arn = owner.make_key(templates)
    tenant = begin(arn, tenant_id, rules)
    assert tenant.id == tenant_id
    run_plan(tenant)
    assert get_tenant(tenant.slug).state == TenantState.ACTIVE
    assert keys_of(tenant) == {}
    for region in EVERYWHERE:
        mine = arn.in_region(region)
        assert parameter(tenant, region)["value"] == str(mine)
        kept = owner.kms(region).get_key_policy(KeyId=str(mine), PolicyName="default")["Policy"]
        assert json.loads(kept) == json.loads(owner.policy(templates[region]))
        assert owner.kms(region).list_aliases(KeyId=str(mine))["Aliases"] == []
    keys = list_regional_keys(tenant.id)
    assert [(key.region, key.role) for key in keys if key.role == "primary"] == [
        ("us-east-2", "primary")
    ]
    assert all(key.verified_at and key.key_state == "Enabled" for key in keys)
    assert all(key.policy_in_force for key in keys)
    done = [event.action for event in list_audit_events(tenant.id, before=None, limit=50)]
    assert done.count("key.probed") == 3
    assert external_key_policy(tenant_id=tenant_id) == templates


def test_its_records_are_stored_searched_and_read_in_every_region() -> None:
    tenant = onboarded()
    caller = caller_of(tenant)
    where: Any = {"caller": caller, "collection": people(caller)}
    create_record(
        **where, record=RecordInput("ann", {"name": "Ann", "card": "4111", "email": "a@b.org"})
    )
    for region in EVERYWHERE:
        with as_region(region):
            assert read_record(**where, record_id="ann").fields["card"] == "4111"
            asked = [SearchCondition("email", "eq", "A@b.org")]
            [found] = search_records(**where, where=asked, limit=5).records
            assert found.id == "ann"


def test_it_is_verified_by_probes_again_and_a_policy_that_was_changed_since_shows() -> None:
    tenant = onboarded()
    start_verification(tenant_id=tenant.id, actor=OPERATOR)
    run_plan(tenant)
    arn = KeyArn.parse(list_regional_keys(tenant.id)[0].arn)
    key_owner().paste(arn, None)
    start_verification(tenant_id=tenant.id, actor=OPERATOR)
    with pytest.raises(AssertionError):
        run_plan(tenant)
    failed = step(tenant, OperationKind.PROBE_EXTERNAL_KEY, "us-east-2")
    assert (failed.state, failed.error["code"]) == (
        OperationState.FAILED,
        "external_key_not_proven",
    )
    assert "MrkGatewayEncryptUsEast2" in failed.error["message"]


def test_a_change_of_rules_waits_until_its_owner_has_changed_the_policy() -> None:
    tenant = onboarded()
    rule = RegionRuleInput("us-west-1", True, ("pii",))
    change_region_rule(tenant_id=tenant.id, rule=rule, actor=OPERATOR)
    for region, document in external_key_policy(tenant_id=tenant.id).items():
        key = next(key for key in list_regional_keys(tenant.id) if key.region == region)
        key_owner().paste(KeyArn.parse(key.arn), document)
    run_plan(tenant)


BAD = [
    "",
    "mrk-0123456789abcdef0123456789abcdef",
    f"arn:aws:kms:us-east-2:{OWNER}:alias/theirs",
    f"arn:aws:kms:us-east-2:{OWNER}:key/01234567-89ab-cdef-0123-456789abcdef",
    f"arn:aws-cn:kms:cn-north-1:{OWNER}:key/mrk-0123456789abcdef0123456789abcdef",
    f"arn:aws:s3:us-east-2:{OWNER}:key/mrk-0123456789abcdef0123456789abcdef",
    f" arn:aws:kms:us-east-2:{OWNER}:key/mrk-0123456789abcdef0123456789abcdef",
]


@pytest.mark.parametrize("arn", BAD)
def test_what_is_no_multi_region_key_of_our_partition_is_refused(arn: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        begin(arn)
    assert [place for place, _ in caught.value.problems] == ["/arn"]


def test_a_key_of_another_tenant_and_a_key_of_another_account_are_refused_in_the_same_words() -> (
    None
):
    tenant = onboarded()
    taken = list_regional_keys(tenant.id)[0].arn
    unknown = taken.replace(OWNER, "999988887777")
    ours = taken.replace(OWNER, ACCOUNT)
    said = set()
    for arn in (taken, taken.replace("us-east-2", "eu-west-1"), unknown, ours):
        with pytest.raises(ExternalKeyRefused) as caught:
            begin(arn)
        said.add(str(caught.value))
        with pytest.raises(ExternalKeyRefused) as caught:
            try_new_external_key(key=ExternalKeyInput(arn, (OWNER,), uuid4()), rules=RULES)
        said.add(str(caught.value))
    assert len(said) == 1


def test_the_same_again_is_the_same_tenant() -> None:
    tenant_id = uuid4()
    arn = key_owner().make_key(policy_templates(tenant=tenant_id.hex, rules=RULES))
    tenant = begin(arn, tenant_id)
    assert begin(arn, tenant_id, slug=tenant.slug) == tenant
    assert begin(arn.in_region("eu-west-1"), slug=tenant.slug) == tenant


def changed(document: Any, sid: str, **parts: Any) -> dict[str, Any]:
    """The template with one statement changed."""
    made: dict[str, Any] = deepcopy(document)
    for statement in made["Statement"]:
        if statement["Sid"] == sid:
            statement.update(parts)
    return made


def without(document: Any, *sids: str) -> dict[str, Any]:
    return {**document, "Statement": [s for s in document["Statement"] if s["Sid"] not in sids]}


def tried(rules: Any, edit: Any, region: str = "us-east-2") -> Report:
    """What the probes of that Region say of a template that was pasted with an edit."""
    tenant_id = uuid4()
    templates = policy_templates(tenant=tenant_id.hex, rules=rules)
    pasted = {name: edit(document) for name, document in templates.items()}
    arn = key_owner().make_key(pasted)
    key = ExternalKeyInput(str(arn), (OWNER,), tenant_id)
    with as_region(region):
        return try_new_external_key(key=key, rules=rules)


def named(report: Report) -> set[str]:
    """The statements that the report tells to paste."""
    return {json.loads(one.statement)["Sid"] for one in report.findings if one.statement}


@pytest.mark.parametrize("rules", [RULES, STRICT], ids=["open", "strict"])
@pytest.mark.parametrize("region", EVERYWHERE)
def test_the_template_as_it_is_passes_every_probe(rules: Any, region: str) -> None:
    report = tried(rules, lambda document: document, region)
    assert report.is_proven, report.advice
    assert report.key_state == "Enabled"
    assert report.is_primary == (region == "us-east-2")


@pytest.mark.parametrize(
    "sid", ["MrkGatewayEncryptUsEast2", "MrkGatewayDecryptUsEast2", "MrkGatewayRewrapUsEast2"]
)
def test_a_missing_statement_is_named_with_what_to_paste(sid: str) -> None:
    report = tried(RULES, lambda document: without(document, sid))
    assert named(report) == {sid}
    assert all("lacks this statement" in one for one in report.advice)
    pasted = json.loads(next(one.statement for one in report.findings if one.statement))
    assert pasted["Condition"]["StringEquals"][TENANT]


def test_a_key_that_cannot_be_described_is_proven_all_the_same() -> None:
    report = tried(RULES, lambda document: without(document, "MrkGatewayDescribe"))
    assert report.is_proven
    assert (report.key_state, report.is_primary) == ("", False)


@pytest.mark.parametrize(
    "sid", ["MrkGatewayEncryptUsEast2", "MrkGatewayDecryptUsEast2", "MrkGatewayRewrapUsEast2"]
)
@pytest.mark.parametrize("condition", [{}, {"StringLike": {TENANT: "*"}}])
def test_a_statement_without_the_condition_on_the_tenant_proves_nothing(
    sid: str, condition: dict[str, Any]
) -> None:
    """Anybody may find such a key: that it may be used says not that it is this tenant's."""
    report = tried(RULES, lambda document: changed(document, sid, Condition=condition))
    assert named(report) == {sid}
    assert all("for another tenant" in one for one in report.advice)


def test_the_statements_of_another_tenant_prove_nothing() -> None:
    text = json.dumps
    other = uuid4().hex

    def edit(document: Any) -> Any:
        mine = document["Statement"][1]["Condition"]["StringEquals"][TENANT]
        return json.loads(text(document).replace(mine, other))

    report = tried(RULES, edit)
    assert not report.is_proven
    assert "MrkGatewayEncryptUsEast2" in named(report)


def test_what_the_rule_forbids_kms_must_refuse() -> None:
    open_ = policy_templates(tenant="0" * 32, rules=RULES)
    sid = "MrkGatewayDecryptEuWest1"
    [decrypts] = [s for s in open_["eu-west-1"]["Statement"] if s["Sid"] == sid]

    def edit(document: Any) -> Any:
        tenant = document["Statement"][1]["Condition"]["StringEquals"][TENANT]
        more = json.loads(json.dumps(decrypts).replace("0" * 32, tenant))
        return {**document, "Statement": [*document["Statement"], more]}

    report = tried(STRICT, edit, "eu-west-1")
    assert not report.is_proven
    assert all("forbids" in one for one in report.advice)
    # Where some classes may be decrypted, the others must be refused.
    sid = "MrkGatewayDecryptUsWest1"
    widened = tried(
        STRICT,
        lambda document: json.loads(json.dumps(document).replace('["pii"]', '["pii", "canary"]')),
        "us-west-1",
    )
    assert named(widened) == {sid}
    assert all("of another class" in one for one in widened.advice)


def test_a_key_that_is_not_there_or_disabled_says_so() -> None:
    tenant_id = uuid4()
    templates = policy_templates(tenant=tenant_id.hex, rules=RULES)
    arn = key_owner().make_key(templates, ("us-east-2", "us-west-1"))
    key = ExternalKeyInput(str(arn), (OWNER,), tenant_id)
    with as_region("eu-west-1"):
        report = try_new_external_key(key=key, rules=RULES)
    assert "Replicate the key" in report.advice[0]
    key_owner().kms("us-east-2").disable_key(KeyId=str(arn))
    with as_region("us-east-2"):
        report = try_new_external_key(key=key, rules=RULES)
    assert "Disabled" in report.advice[0]
    key_owner().paste(arn, without(templates["us-east-2"], "MrkGatewayDescribe"))
    with as_region("us-east-2"):
        report = try_new_external_key(key=key, rules=RULES)
    assert "disabled" in report.advice[0]


def test_a_test_writes_nothing_and_needs_a_rule_for_the_region_it_runs_in() -> None:
    tenant = onboarded()
    before = list_audit_events(tenant.id, before=None, limit=100)
    arn = list_regional_keys(tenant.id)[0].arn
    assert try_external_key(tenant_id=tenant.id, arn=arn).is_proven
    assert list_audit_events(tenant.id, before=None, limit=100) == before
    assert get_progress(tenant.id).plan == "onboarding"
    key = ExternalKeyInput(arn, (OWNER,), tenant.id)
    with as_region("eu-west-1"), pytest.raises(InputInvalid):
        try_new_external_key(key=key, rules=[RegionRuleInput("us-east-2")])
    with pytest.raises(InputInvalid):
        try_new_external_key(key=replace(key, tenant_id=None), rules=RULES)


def test_an_onboarding_waits_for_the_policy_and_goes_on_when_it_is_there() -> None:
    arn = key_owner().make_key()
    tenant = begin(arn)
    run_due(tenant)
    waiting = step(tenant, OperationKind.PROBE_EXTERNAL_KEY, "us-east-2")
    assert waiting.error["code"] == "external_key_not_proven"
    assert get_tenant(tenant.slug).state == TenantState.ONBOARDING
    for region, document in external_key_policy(tenant_id=tenant.id).items():
        key_owner().paste(arn.in_region(region), document)
    run_plan(tenant)
    assert get_tenant(tenant.slug).state == TenantState.ACTIVE
