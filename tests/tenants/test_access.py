"""Credentials and people: what is issued works at once, what is taken away stops, and nobody reaches another tenant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tenants import consistency
from tenants.actor import Actor
from tenants.credential import OPERATOR_PREFIX, TENANT_PREFIX, new_token
from tenants.errors import (
    Conflict,
    CredentialInvalid,
    InputInvalid,
    NotFound,
    ScopeMissing,
    TenantNotActive,
)
from tenants.models import ApiKey, OperatorKey, User
from tenants.models.base import new_id
from tenants.scope import fleet_scope, tenant_scope
from tenants.selectors import (
    TenantView,
    check_operator,
    get_caller,
    list_api_keys,
    list_audit_events,
    list_members,
    list_memberships,
)
from tenants.services.access import (
    IssuedKey,
    add_member,
    create_operator,
    issue_api_key,
    issue_operator_key,
    remove_member,
    revoke_api_key,
)
from tenants.services.onboarding import RegionRuleInput
from tenants.states import ApiScope, MemberRole
from tests.cast import OPERATOR, Cast
from tests.stack import Stack

PASSWORD = "correct horse battery staple"


@pytest.fixture
def initech(cast: Cast) -> TenantView:
    return cast.initech()


def issue(tenant: TenantView, *scopes: str, expires_at: datetime | None = None) -> IssuedKey:
    return issue_api_key(
        tenant_id=tenant.id,
        name="importer",
        scopes=scopes or ("records:read",),
        expires_at=expires_at,
        actor=OPERATOR,
    )


def is_valid(token: str) -> bool:
    try:
        get_caller(token)
    except CredentialInvalid as error:
        return str(error) != "The credential is not valid."
    return True


def test_an_issued_key_names_its_tenant_and_scopes(initech: TenantView) -> None:
    issued = issue(initech, "records:write", "records:read")
    caller = get_caller(issued.token)
    assert (caller.tenant_id, caller.slug, caller.api_key_id) == (
        initech.id,
        initech.slug,
        issued.view.id,
    )
    assert caller.scopes == {"records:read", "records:write"}
    assert issued.token.startswith(issued.view.shown)


def test_the_token_is_stored_nowhere_and_shows_in_no_repr(
    initech: TenantView, stack: Stack
) -> None:
    issued = issue(initech)
    assert issued.token not in repr(issued)
    secret = issued.token[12:]
    with stack.connect() as connection, connection.cursor() as cursor:
        for table in (
            "tenants_apikey",
            "tenants_auditevent",
            "tenants_tenant",
            "tenants_keyoperation",
        ):
            like = f"select count(*) from {table} t where t::text like %s"  # noqa: S608 - names from above
            cursor.execute(like, [f"%{secret}%"])
            assert cursor.fetchone() == (0,), table


def test_no_forged_credential_reaches_the_database(initech: TenantView) -> None:
    token = issue(initech).token
    forged = [
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        token[:-1],
        token + "x",
        "",
        OPERATOR_PREFIX + token[4:],
    ]
    with (
        CaptureQueriesContext(connections["default"]) as writer,
        CaptureQueriesContext(connections["local"]) as reader,
    ):
        assert not any(is_valid(one) for one in forged)
    assert len(writer) == len(reader) == 0


def test_a_well_formed_credential_that_nobody_issued_is_refused() -> None:
    assert not is_valid(new_token(TENANT_PREFIX))


def test_a_caller_costs_one_query(cast: Cast) -> None:
    """Beside the three that a scope costs: begin, become the fleet role, commit."""
    token = issue(cast.globex()).token
    consistency.required.set(None)
    with CaptureQueriesContext(connections["local"]) as found:
        get_caller(token)
    assert [query["sql"] for query in found if "tenants_" in query["sql"]] == [
        query["sql"] for query in found if "tenants_apikey" in query["sql"]
    ]
    assert len([query for query in found if "tenants_" in query["sql"]]) == 1


def test_a_revoked_key_is_refused_from_the_next_request_on(initech: TenantView) -> None:
    issued, other = issue(initech), issue(initech)
    revoke_api_key(tenant_id=initech.id, api_key_id=issued.view.id, actor=OPERATOR)
    assert not is_valid(issued.token)
    assert is_valid(other.token)


def test_revoking_twice_changes_nothing_and_is_one_event(initech: TenantView) -> None:
    issued = issue(initech)
    for _ in range(2):
        revoke_api_key(tenant_id=initech.id, api_key_id=issued.view.id, actor=OPERATOR)
    events = [event.action for event in list_audit_events(initech.id, before=None, limit=20)]
    assert events.count("api_key.revoked") == 1
    assert events.count("api_key.issued") == 1


def test_another_tenants_key_is_not_found_and_goes_on_working(
    initech: TenantView, cast: Cast
) -> None:
    issued = issue(initech)
    for tenant_id, key_id in ((cast.initech().id, issued.view.id), (initech.id, new_id())):
        with pytest.raises(NotFound):
            revoke_api_key(tenant_id=tenant_id, api_key_id=key_id, actor=OPERATOR)
    assert is_valid(issued.token)


def test_an_expired_key_is_refused(initech: TenantView) -> None:
    issued = issue(initech, expires_at=timezone.now() + timedelta(hours=1))
    assert is_valid(issued.token)
    with tenant_scope(initech.id, "write"):
        ApiKey.objects.filter(id=issued.view.id).update(
            expires_at=timezone.now() - timedelta(seconds=1)
        )
    assert not is_valid(issued.token)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"scopes": []}, "/scopes"),
    ({"scopes": ["records:read", "records:everything"]}, "/scopes/1"),
    ({"name": ""}, "/name"),
    ({"name": "x" * 101}, "/name"),
    ({"name": "a\x00b"}, "/name"),
    ({"expires_at": datetime(2020, 1, 1, tzinfo=timezone.get_current_timezone())}, "/expires_at"),
    ({"expires_at": datetime(2999, 1, 1)}, "/expires_at"),  # noqa: DTZ001 - that is what is wrong with it
]


@pytest.mark.parametrize(("changed", "place"), BAD)
def test_a_bad_request_for_a_key_names_its_place(
    initech: TenantView, changed: dict[str, Any], place: str
) -> None:
    asked: dict[str, Any] = {"name": "importer", "scopes": ["records:read"], "expires_at": None}
    with pytest.raises(InputInvalid) as caught:
        issue_api_key(tenant_id=initech.id, actor=OPERATOR, **asked | changed)
    assert [where for where, _ in caught.value.problems] == [place]
    assert list_api_keys(initech.id) == []


def test_a_caller_knows_its_rules_and_its_keys(cast: Cast) -> None:
    acme = cast.acme(
        eu_west_1=RegionRuleInput("eu-west-1", may_encrypt=False, may_decrypt=("pii",))
    )
    caller = get_caller(issue(acme).token)
    assert caller.key
    assert caller.key.tenant == acme.id.hex
    assert caller.key.epoch == acme.key_epoch
    assert caller.key.key.region == "us-east-2"
    assert caller.key.regions == ("us-east-2", "eu-west-1", "us-west-1")
    assert caller.may_encrypt("us-east-2")
    assert not caller.may_encrypt("eu-west-1")
    assert not caller.may_encrypt("ap-south-1")
    assert caller.may_decrypt("us-west-1", "phi")
    assert caller.may_decrypt("eu-west-1", "pii")
    assert not caller.may_decrypt("eu-west-1", "phi")
    assert not caller.may_decrypt("ap-south-1", "pii")
    caller.need_active()


def test_a_half_onboarded_tenants_caller_has_no_key_and_is_not_served(initech: TenantView) -> None:
    caller = get_caller(issue(initech).token)
    assert caller.key is None
    with pytest.raises(TenantNotActive):
        caller.need_active()
    with pytest.raises(ScopeMissing):
        caller.need(ApiScope.RECORDS_WRITE)
    caller.need(ApiScope.RECORDS_READ)


def test_an_operator_key_is_an_operators_and_no_tenants(initech: TenantView) -> None:
    token = issue_operator_key(name="deploys")
    assert check_operator(token).kind == "operator"
    assert not is_valid(token)
    for wrong in (issue(initech).token, new_token(OPERATOR_PREFIX), "", token[:-1] + "-"):
        with pytest.raises(CredentialInvalid):
            check_operator(wrong)


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
def test_an_operator_key_that_has_ended_is_refused(column: str) -> None:
    token = issue_operator_key(name="deploys")
    key_id = check_operator(token).id
    with fleet_scope("write"):
        OperatorKey.objects.filter(id=key_id).update(
            **{column: timezone.now() - timedelta(seconds=1)}
        )
    with pytest.raises(CredentialInvalid):
        check_operator(token)


def email() -> str:
    return f"olga-{new_id().hex}@example.com"


def join(
    tenant: TenantView, address: str, role: str = MemberRole.OWNER, password: str | None = PASSWORD
) -> Any:
    return add_member(
        tenant_id=tenant.id, email=address, password=password, role=role, actor=OPERATOR
    )


def test_a_member_signs_in_and_sees_their_tenant(initech: TenantView) -> None:
    address = email()
    member = join(initech, address.upper())
    assert authenticate(None, username=address, password=PASSWORD)
    assert list_members(initech.id) == [member]
    assert [(tenant.slug, role) for tenant, role in list_memberships(member.user_id)] == [
        (initech.slug, "owner")
    ]


def test_one_person_may_be_a_member_of_two_tenants_and_keeps_the_password(
    initech: TenantView, cast: Cast
) -> None:
    address, other = email(), cast.initech()
    first = join(initech, address)
    second = join(other, address, MemberRole.AUDITOR, password=None)
    assert first.user_id == second.user_id
    assert join(cast.initech(), address).user_id == first.user_id  # its password is known here too
    assert authenticate(None, username=address, password=PASSWORD)
    assert {role for _, role in list_memberships(first.user_id)} == {"owner", "auditor"}


def test_an_account_that_another_tenant_made_is_taken_in_by_an_operator_alone(
    initech: TenantView, cast: Cast
) -> None:
    """Else the owner of Initech could make an account for somebody of Globex, and wait until Globex adds it."""
    address, globex = email(), cast.initech()
    join(initech, address, MemberRole.AUDITOR)
    owner = Actor(kind="member", id="owner-of-globex")
    for actor, password in ((owner, None), (owner, PASSWORD), (OPERATOR, "not the account's own")):
        with pytest.raises(Conflict):
            add_member(
                tenant_id=globex.id, email=address, password=password, role="owner", actor=actor
            )
    assert list_members(globex.id) == []
    assert [event.action for event in list_audit_events(globex.id, before=None, limit=9)] == [
        "tenant.onboarding_started"
    ]


def test_an_owner_adds_people_who_have_no_account_and_sets_the_roles_of_members(
    initech: TenantView,
) -> None:
    address, owner = email(), Actor(kind="member", id="owner")
    for role in ("developer", "auditor"):
        member = add_member(
            tenant_id=initech.id, email=address, password=PASSWORD, role=role, actor=owner
        )
        assert member.role == role


def test_a_member_without_a_password_cannot_sign_in_yet(initech: TenantView) -> None:
    address = email()
    join(initech, address, password=None)
    assert authenticate(None, username=address, password="") is None


def test_adding_again_sets_the_role(initech: TenantView) -> None:
    address = email()
    join(initech, email())
    join(initech, address, MemberRole.DEVELOPER)
    assert join(initech, address, MemberRole.KEY_ADMIN).role == "key_admin"
    assert len(list_members(initech.id)) == 2


def test_the_last_owner_stays(initech: TenantView) -> None:
    address = email()
    owner = join(initech, address)
    with pytest.raises(Conflict):
        remove_member(tenant_id=initech.id, member_id=owner.id, actor=OPERATOR)
    with pytest.raises(Conflict):
        join(initech, address, MemberRole.AUDITOR)
    second = join(initech, email())
    remove_member(tenant_id=initech.id, member_id=owner.id, actor=OPERATOR)
    assert list_members(initech.id) == [second]
    assert list_memberships(owner.user_id) == []


def test_a_member_of_another_tenant_is_not_found(initech: TenantView, cast: Cast) -> None:
    member = join(initech, email())
    with pytest.raises(NotFound):
        remove_member(tenant_id=cast.initech().id, member_id=member.id, actor=OPERATOR)
    assert list_members(initech.id) == [member]


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"email": "nobody"}, "/email"),
        ({"email": ""}, "/email"),
        ({"email": f"{'x' * 60}@{'y' * 60}.{'z' * 60}.{'a' * 60}.{'b' * 60}.example"}, "/email"),
        ({"role": "god"}, "/role"),
        ({"password": "short"}, "/password"),
        ({"password": "password1234"}, "/password"),
    ],
)
def test_bad_members_are_refused(initech: TenantView, changed: dict[str, str], place: str) -> None:
    asked = {"email": email(), "role": "owner", "password": PASSWORD} | changed
    with pytest.raises(InputInvalid) as caught:
        add_member(tenant_id=initech.id, actor=OPERATOR, **asked)
    assert {where for where, _ in caught.value.problems} == {place}


def test_an_operator_is_made_once_and_gets_the_password_given_last() -> None:
    address = email()
    create_operator(email=address, password=PASSWORD)
    user = User.objects.get(email=address)
    create_operator(email=address, password=PASSWORD)
    assert User.objects.get(email=address).password == user.password
    create_operator(email=address, password="another good password")
    assert authenticate(None, username=address, password="another good password") == user
    assert User.objects.get(email=address).is_operator


def test_a_member_becomes_an_operator_by_the_command_alone(initech: TenantView) -> None:
    address = email()
    join(initech, address)
    assert not User.objects.get(email=address).is_operator
    create_operator(email=address, password=PASSWORD)
    assert User.objects.get(email=address).is_operator
