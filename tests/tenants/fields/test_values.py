"""What goes in comes out, as ciphertext in between; NULL is NULL, and nothing else is."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from aws_encryption_sdk import EncryptionSDKClient
from aws_encryption_sdk.key_providers.kms import MRKAwareKMSMasterKey
from django.core.exceptions import FieldError
from django.db import DataError
from django.db.models import F, Value
from django.db.models.functions import Upper

from crypto.context import EncryptionContext, Purpose, encode_pairs
from crypto.kms.clients import Plane
from crypto.message import read_header
from tenants.fields import using_tenant
from tenants.fields.keys import current_keys
from tenants.selectors import list_regional_keys
from tests.tenants import aws
from tests.tenants.fields.crm.models import Account, Everything, Person
from tests.tenants.fields.rows import raw

VALUES: dict[str, list[Any]] = {
    "char": ["", "Zürich", "a\x00b", "x" * 10],
    "text": ["", "long " * 5_000],
    "email": ["", "ann@example.com"],
    "integer": [0, -1, 2**31 - 1, 2**63 - 1, -(2**63)],
    "decimal": [Decimal("0.00"), Decimal("1.50"), Decimal("-12345678.90")],
    "date": [date(1, 1, 1), date(2024, 2, 29)],
    "moment": [datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)],
    "boolean": [False, True],
    "json": [[], {}, "", 0, False, {"ä": [1, 2.5, None, True]}, 2**200, "\ud800"],
    "uuid": [UUID(int=0), uuid.uuid4()],
    "binary": [b"", b"\x00\xff" * 100],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in VALUES.items() for value in values]
)
def test_every_kind_of_value_comes_back_as_it_was(acme: UUID, name: str, value: Any) -> None:
    with using_tenant(acme):
        made = Everything.objects.create(**{name: value})
        found = getattr(Everything.objects.get(pk=made.pk), name)
    assert found == value
    assert type(found) is type(value)
    stored = raw(made, name)
    assert stored is not None
    context = EncryptionContext(acme.hex, "pii", Purpose.VALUE).as_dict()
    assert read_header(stored).context == encode_pairs(context)


def test_none_stays_null(acme: UUID) -> None:
    with using_tenant(acme):
        made = Everything.objects.create()
    found = Everything.objects.get(pk=made.pk)
    for name in VALUES:
        assert raw(made, name) is None
        assert getattr(found, name) is None


def test_the_plaintext_names_the_place_and_nothing_else(account: Account, acme: UUID) -> None:
    made = Person.objects.create(account=account, email="ann@example.com")
    opened = current_keys().open(raw(made, "email") or b"", acme, "pii")
    expected = {"c": "crm.person", "f": {"email": "ann@example.com"}, "r": "", "v": 0}
    assert json.loads(opened) == expected


def test_a_tenant_opens_a_stored_value_without_this_project_in_another_region(
    account: Account,
) -> None:
    """With AWS's own client, the tenant's replica key there, and a role that its key policy allows."""
    made = Person.objects.create(account=account, email="ann@example.com")
    replica = next(
        key.arn for key in list_regional_keys(account.tenant_id) if key.region == "eu-west-1"
    )
    there = aws.clients("eu-west-1").kms("eu-west-1", Plane.USE)
    plaintext, header = EncryptionSDKClient().decrypt(
        source=raw(made, "email"), key_provider=MRKAwareKMSMasterKey(key_id=replica, client=there)
    )
    assert json.loads(plaintext)["f"] == {"email": "ann@example.com"}
    assert header.encryption_context["tenant"] == account.tenant_id.hex


def test_each_value_has_a_message_of_its_own(account: Account) -> None:
    rows = [Person.objects.create(account=account, phone="030 1234") for _ in range(3)]
    assert len({raw(row, "phone") for row in rows}) == 3


def test_a_new_row_begins_with_the_defaults_of_django(account: Account) -> None:
    row = Person(account=account)
    assert (row.phone, row.email, row.notes) == ("", None, None)
    row.save()
    assert raw(row, "phone") is not None
    assert Person.objects.get(pk=row.pk).phone == ""


def test_other_forms_of_a_value_are_taken_as_django_takes_them(acme: UUID) -> None:
    noon = datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    with using_tenant(acme):
        row = Everything.objects.create(
            integer="7", decimal=1.5, date="2024-02-29", moment=noon, boolean="True",
            uuid="00000000-0000-0000-0000-000000000001", binary=memoryview(b"abc"), char=5,
        )  # fmt: skip
        found = Everything.objects.get(pk=row.pk)
        assert found.integer == 7
        assert str(found.decimal) == "1.50"
        assert found.date == date(2024, 2, 29)
        assert found.moment == noon
        assert found.boolean is True
        assert found.uuid == UUID(int=1)
        assert found.binary == b"abc"
        assert found.char == "5"


def test_auto_now_is_sealed_as_well(acme: UUID) -> None:
    with using_tenant(acme):
        row = Everything.objects.create()
        first = Everything.objects.get(pk=row.pk).touched
        row.save()
        assert Everything.objects.get(pk=row.pk).touched > first


def test_a_naive_moment_is_warned_of_without_showing_it(acme: UUID) -> None:
    with (
        using_tenant(acme),
        pytest.warns(RuntimeWarning, match=r"crm\.Everything\.moment") as caught,
    ):
        Everything.objects.create(moment=datetime(1987, 6, 5))  # noqa: DTZ001 - the case
    assert "1987" not in str(caught[0].message)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("char", "secret" * 10),
        ("integer", "secret"),
        ("integer", 2**64),
        ("decimal", Decimal("123456789012.00")),
        ("decimal", "secret"),
        ("decimal", float("nan")),
        ("date", "secret"),
        ("boolean", "secret"),
        ("uuid", "secret"),
        ("json", {1, 2}),
        ("binary", "secret"),
        ("text", "secret \ud800"),
    ],
)
def test_a_value_of_a_wrong_type_or_size_is_refused_and_not_shown(
    acme: UUID, name: str, value: Any
) -> None:
    with using_tenant(acme), pytest.raises(DataError) as caught:
        Everything.objects.create(**{name: value})
    text = repr(caught.value)
    assert f"crm.Everything.{name}: " in text
    assert "secret" not in text
    assert "123456789012" not in text
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("value", [F("name"), Upper("name"), Value("x")])
def test_an_expression_is_refused_where_it_is_assigned(account: Account, value: Any) -> None:
    with pytest.raises(FieldError, match=r"crm\.Person\.email is encrypted"):
        Person(account=account, email=value)
