"""Whose value it is: by the row's path or by the open block, never by neither, and never by two that differ."""

from __future__ import annotations

import pickle
from uuid import UUID, uuid4

import pytest

from crypto.errors import DecryptionFailed
from tenants.errors import NotFound, RegionNotAllowed, TenantNotActive
from tenants.fields import TenantMissing, WrongRow, WrongTenant, current_tenant, using_tenant
from tenants.fields.keys import FRESH_SECONDS, current_keys
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tenants.services.onboarding import RegionRuleInput
from tests.cast import Cast
from tests.tenants.fields.crm.models import Account, Card, Contact, Everything, Person
from tests.tenants.fields.rows import put, raw


def test_no_tenant_means_no_write_and_no_read(acme: UUID) -> None:
    with pytest.raises(TenantMissing, match="using_tenant"):
        Everything.objects.create(char="a")
    with using_tenant(acme):
        made = Everything.objects.create(char="a")
    found = Everything.objects.get(pk=made.pk)
    with pytest.raises(TenantMissing):
        found.char  # noqa: B018 - reading it is the test
    with using_tenant(acme):
        assert found.char == "a"


def test_a_row_without_tenant_is_not_written() -> None:
    account = Account.objects.create(name="Nobody")
    for row in (Person(account=None, phone="1"), Person(account=account, phone="1")):
        with pytest.raises(TenantMissing, match=r"crm\.Person\.phone: the row has no tenant"):
            row.save()
    assert Person.objects.filter(account=account).count() == 0


def test_a_row_of_another_tenant_is_neither_written_nor_read(
    account: Account, other_account: Account, acme: UUID
) -> None:
    theirs = Person.objects.create(account=other_account, email="eve@example.com")
    with using_tenant(acme):
        Person.objects.create(account=account, email="ann@example.com")
        with pytest.raises(WrongTenant):
            Person.objects.create(account=other_account, email="x@example.com")
        with pytest.raises(WrongTenant):
            Person.objects.get(pk=theirs.pk).email  # noqa: B018 - reading it is the test


def test_blocks_nest_for_the_same_tenant_alone(acme: UUID, umbrella: UUID) -> None:
    assert current_tenant() is None
    with using_tenant(str(acme)), using_tenant(acme) as tenant:
        assert current_tenant() == tenant == acme
        with pytest.raises(WrongTenant), using_tenant(umbrella):
            pass
    assert current_tenant() is None
    with pytest.raises(TenantMissing), using_tenant("acme"):
        pass


def test_a_message_of_another_tenant_does_not_open(
    account: Account, other_account: Account
) -> None:
    ann = Person.objects.create(account=account, email="ann@example.com")
    eve = Person.objects.create(account=other_account, email="eve@example.com")
    put(eve, "email", raw(ann, "email"))
    with pytest.raises(DecryptionFailed):
        Person.objects.get(pk=eve.pk).email  # noqa: B018 - reading it is the test


@pytest.mark.parametrize(
    ("source", "target"), [("email", "phone"), ("phone", "email"), ("phone", "notes")]
)
def test_a_message_of_another_field_or_classification_does_not_open(
    account: Account, source: str, target: str
) -> None:
    row = Person.objects.create(account=account, email="a@example.com", phone="1", notes="n")
    put(row, target, raw(row, source))
    with pytest.raises(DecryptionFailed):
        getattr(Person.objects.get(pk=row.pk), target)


def test_a_message_of_another_model_does_not_open(account: Account) -> None:
    row = Person.objects.create(account=account, phone="1")
    contact = Contact.objects.create(account=account, sealed="1")
    put(contact, "sealed", raw(row, "phone"))
    with pytest.raises(DecryptionFailed):
        Contact.objects.get(pk=contact.pk).sealed  # noqa: B018 - reading it is the test


def test_a_message_of_another_row_opens_unless_it_is_bound(acme: UUID, account: Account) -> None:
    """What is not detected without `bind_row`: two rows of one tenant that swap their values."""
    ann, bob = (Person.objects.create(account=account, phone=text) for text in ("1", "2"))
    put(ann, "phone", raw(bob, "phone"))
    assert Person.objects.get(pk=ann.pk).phone == "2"
    with using_tenant(acme):
        first, second = (Card.objects.create(number=text) for text in ("4111", "4242"))
        put(first, "number", raw(second, "number"))
        with pytest.raises(DecryptionFailed):
            Card.objects.get(pk=first.pk).number  # noqa: B018 - reading it is the test


def test_a_bound_row_is_copied_only_with_its_value_assigned_anew(acme: UUID) -> None:
    with using_tenant(acme):
        card = Card.objects.create(number="4111")
        copy = Card.objects.get(pk=card.pk)
        copy.pk, copy._state.adding = uuid4(), True
        with pytest.raises(WrongRow, match=r"crm\.Card\.number"):
            copy.save()
        copy = Card(number=Card.objects.get(pk=card.pk).number)
        copy.save()
        assert Card.objects.get(pk=copy.pk).number == "4111"
        thawed = pickle.loads(pickle.dumps(copy))  # noqa: S301 - made here
        thawed.save(force_update=True)
        Card.objects.filter(pk=copy.pk).delete()
        thawed.save()  # the same row again
        assert Card.objects.get(pk=copy.pk).number == "4111"


def test_a_row_goes_to_another_tenant_only_with_its_values_assigned_anew(
    account: Account, other_account: Account
) -> None:
    made = Person.objects.create(account=account, phone="1", email="ann@example.com")
    row = Person.objects.get(pk=made.pk)
    phone, email = row.phone, row.email
    row.account = other_account
    with pytest.raises(WrongTenant, match="sealed for another tenant"):
        row.save()
    row.phone, row.email = None, None
    row.phone, row.email = phone, email
    row.save()
    assert Person.objects.get(pk=row.pk).email == "ann@example.com"
    with using_tenant(other_account.tenant_id):
        assert row in Person.objects.filter(email="ann@example.com")


def test_an_unknown_and_an_unfinished_tenant_are_not_served(cast: Cast) -> None:
    with using_tenant(uuid4()), pytest.raises(NotFound):
        Everything.objects.create(char="a")
    with using_tenant(cast.initech().id), pytest.raises(TenantNotActive):
        Everything.objects.create(char="a")


def test_a_revocation_counts_within_seconds(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = cast.onboard("acme", ("us-east-2", "eu-west-1"), "us-east-2", {}).id
    now = [0.0]
    monkeypatch.setattr(current_keys()._callers, "_monotonic", lambda: now[0])
    with using_tenant(tenant):
        row = Everything.objects.create(char="a")
        with tenant_scope(tenant, "write"):
            Tenant.objects.filter(id=tenant).update(state="revoked", key_epoch=2)
        now[0] += FRESH_SECONDS
        with pytest.raises(TenantNotActive):
            Everything.objects.get(pk=row.pk).char  # noqa: B018 - reading it is the test
        with pytest.raises(TenantNotActive):
            Everything.objects.create(char="a")


def test_region_rules_hold(cast: Cast) -> None:
    blind = RegionRuleInput(region="us-east-2", may_decrypt=("phi",))
    tenant = cast.onboard("acme", ("us-east-2", "eu-west-1"), "eu-west-1", {"us-east-2": blind})
    with using_tenant(tenant.id):
        row = Everything.objects.create(char="a")
        with pytest.raises(RegionNotAllowed):
            Everything.objects.get(pk=row.pk).char  # noqa: B018 - reading it is the test
    elsewhere = cast.globex()
    with using_tenant(elsewhere.id), pytest.raises(RegionNotAllowed):
        Everything.objects.create(char="a")


def test_a_renamed_field_opens_what_it_sealed_under_its_old_name(account: Account) -> None:
    row = Contact.objects.create(account=account, other="old")
    assert Contact._meta.get_field("other").place == ("crm.old", "name")
    assert Contact.objects.get(pk=row.pk).other == "old"
