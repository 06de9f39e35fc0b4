"""What this project gives to the tests of others: keys without AWS, and a look into the column."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.test import override_settings

from crypto.errors import DecryptionFailed, KeyUnavailable
from tenants.errors import TenantNotActive
from tenants.fields import KeyNotPrepared, prepare, using_tenant
from tenants.fields.testing import FakeKeys, assert_encrypted, fake_keys
from tests.tenants.fields.crm.models import Account, Card, Person
from tests.tenants.fields.rows import put, raw


@pytest.fixture
def keys() -> Iterator[FakeKeys]:
    with fake_keys() as found:
        yield found


@pytest.fixture
def account(keys: FakeKeys) -> Account:
    made: Account = Account.objects.create(name="any", tenant_id=uuid4())
    return made


def test_any_tenant_is_served_without_aws(account: Account, keys: FakeKeys) -> None:
    row = Person.objects.create(account=account, email="ann@example.com", phone="030-1234")
    found = Person.objects.get(pk=row.pk)
    assert (found.email, found.phone) == ("ann@example.com", "030-1234")
    with using_tenant(account.tenant_id):
        assert Person.objects.get(email="ann@example.com") == row
    assert keys.calls == 3  # two data keys are made, and the one for values is unwrapped to open
    assert_encrypted(found, "email", "phone", "notes")


def test_what_was_sealed_in_one_run_opens_in_the_next(account: Account) -> None:
    row = Person.objects.create(account=account, phone="030-1234")
    with fake_keys():
        assert Person.objects.get(pk=row.pk).phone == "030-1234"


def test_other_tenants_stay_other_tenants(account: Account) -> None:
    ann = Person.objects.create(account=account, phone="030-1234")
    eve = Person.objects.create(account=Account.objects.create(tenant_id=uuid4()), phone="030-4321")
    put(eve, "phone", raw(ann, "phone"))
    with pytest.raises(DecryptionFailed):
        Person.objects.get(pk=eve.pk).phone  # noqa: B018 - reading it is the test


def test_an_outage_and_a_revocation_are_played(account: Account, keys: FakeKeys) -> None:
    row = Person.objects.create(account=account, phone="1")
    keys.revoke(account.tenant_id)
    with pytest.raises(TenantNotActive):
        Person.objects.get(pk=row.pk).phone  # noqa: B018 - reading it is the test
    keys.revoked.clear()
    keys.is_away = True
    keys.forget()
    with pytest.raises(KeyUnavailable):
        Person.objects.get(pk=row.pk).phone  # noqa: B018 - reading it is the test


def test_transactions_are_as_strict_as_in_production(account: Account, keys: FakeKeys) -> None:
    with transaction.atomic(), pytest.raises(KeyNotPrepared):
        Person.objects.create(account=account, phone="1")
    prepare(account.tenant_id, ["pii"])
    with transaction.atomic():
        Person.objects.create(account=account, phone="1")


def test_the_assertion_fails_for_what_is_not_encrypted(account: Account) -> None:
    other = Account.objects.create(tenant_id=uuid4())
    row = Person.objects.create(account=account, phone="030-1234", email="ann@example.com")
    foreign = Person.objects.create(account=other, phone="030-1234")
    with pytest.raises(AssertionError, match="name is no encrypted field"):
        assert_encrypted(row, "name")
    for stored, complaint in (
        (b"030-1234", "holds no message"),
        (raw(foreign, "phone"), "sealed for something else"),
        (raw(row, "notes"), "is not stored"),
    ):
        with using_tenant(account.tenant_id):
            seen = Person.objects.select_related("account").get(pk=row.pk)
            assert seen.phone == "030-1234"
        put(row, "phone", stored if stored else b"")
        with pytest.raises(AssertionError, match=complaint):
            assert_encrypted(seen, "phone")
        row.save(update_fields=["phone"])


def test_the_assertion_works_for_rows_in_two_tables_and_bound_ones(keys: FakeKeys) -> None:
    with using_tenant(UUID(int=7)):
        assert_encrypted(Card.objects.create(number="4111111111111111"), "number")


def test_production_refuses_fake_keys() -> None:
    with (
        override_settings(GATEWAY_ENVIRONMENT="production"),
        pytest.raises(RuntimeError, match="for tests"),
        fake_keys(),
    ):
        pass
