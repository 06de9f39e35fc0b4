"""What other code makes of rows by itself shows masks: dumpdata, Django REST framework, templates, JSON."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core import serializers
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from django.core.serializers.json import DjangoJSONEncoder
from django.forms.models import model_to_dict
from django.template import Context, Engine
from rest_framework import serializers as rest

from tenants.fields import TenantMissing, using_tenant
from tenants.fields.keys import current_keys
from tests.stack import Stack
from tests.tenants.fields.crm.models import Account, Everything, Person
from tests.tenants.fields.rows import kms_calls

SECRET: dict[str, Any] = {
    "char": "sec-char",
    "text": "sec-text",
    "email": "sec@example.com",
    "integer": 87654321,
    "decimal": Decimal("98765.43"),
    "date": date(1987, 6, 5),
    "moment": datetime(1987, 6, 5, 4, 3, tzinfo=UTC),
    "boolean": True,
    "json": {"sec": "json"},
    "binary": b"sec-binary",
}
SHOWN = ("sec-", "sec@", "87654321", "98765", "1987", "sec&quot;", '"sec"', "true", "True")


@pytest.fixture
def row(account: Account) -> Everything:
    with using_tenant(account.tenant_id):
        made: Everything = Everything.objects.create(**SECRET)
    found: Everything = Everything.objects.get(pk=made.pk)
    return found


@pytest.mark.parametrize("form", ["json", "jsonl", "python", "yaml"])
def test_a_dump_shows_masks_and_needs_no_keys(row: Everything, stack: Stack, form: str) -> None:
    if form == "yaml":
        pytest.importorskip("yaml")
    current_keys().forget()
    with kms_calls(stack, current_tenant()) as calls:
        text = str(serializers.serialize(form, [row]))
    assert calls == []
    assert not [value for value in SHOWN if value in text]
    assert text.count("••••••") + text.count("\\u2022" * 6) == len(SECRET) + 1


def test_a_dump_in_xml_shows_masks_and_reads_values(row: Everything) -> None:
    """Django's own serialiser reads the attribute to see whether it is None."""
    with using_tenant(current_tenant()):
        text = str(serializers.serialize("xml", [row]))
    assert not [value for value in SHOWN if value in text]
    with pytest.raises(TenantMissing):
        serializers.serialize("xml", [Everything.objects.get(pk=row.pk)])


def current_tenant() -> Any:
    from tests.callers import shared_acme

    return shared_acme().id


def test_a_dump_is_not_loaded_as_if_its_masks_were_values(row: Everything) -> None:
    text = serializers.serialize("json", [row])
    with pytest.raises(DeserializationError, match="mask"):
        list(serializers.deserialize("json", text))


def test_dumpdata_leaves_tokens_out(account: Account) -> None:
    Person.objects.create(account=account, email="ann@example.com")
    out = io.StringIO()
    call_command("dumpdata", "crm.person", database="migrator", stdout=out)
    assert "email_bidx" not in out.getvalue()
    assert "ann@example" not in out.getvalue()
    assert json.loads(out.getvalue())[-1]["fields"]["notes"] is None


def test_a_fixture_with_plain_values_is_refused_with_a_reason(account: Account) -> None:
    text = json.dumps(
        [{"model": "crm.person", "fields": {"account": account.pk, "phone": "sec-phone"}}]
    )
    [loaded] = serializers.deserialize("json", text)
    with pytest.raises(FieldError, match="save an instance") as caught:
        loaded.save()
    assert "sec-" not in str(caught.value)


class EverythingSerializer(rest.ModelSerializer):  # type: ignore[type-arg]  # as a project would write it
    class Meta:
        model = Everything
        fields = "__all__"


class PersonSerializer(rest.ModelSerializer):  # type: ignore[type-arg]  # as a project would write it
    class Meta:
        model = Person
        fields = "__all__"
        read_only_fields = ("phone",)


class OpenSerializer(PersonSerializer):
    email = rest.EmailField()


def test_a_model_serializer_shows_masks_and_opens_nothing(row: Everything, stack: Stack) -> None:
    current_keys().forget()
    with kms_calls(stack, current_tenant()) as calls:
        shown = EverythingSerializer(row).data
    assert calls == []
    assert {name for name, value in shown.items() if value == "••••••"} == {*SECRET, "touched"}
    assert shown["uuid"] is None


def test_a_model_serializer_takes_plain_values_and_refuses_masks(account: Account) -> None:
    made = PersonSerializer(data={"account": account.pk, "email": "ann@example.com", "phone": "1"})
    assert made.is_valid(), made.errors
    ann = made.save()
    assert (ann.email, ann.phone) == ("ann@example.com", "")
    assert made.data["email"] == "••••••"
    assert "email_bidx" not in made.data
    back = PersonSerializer(ann, data={"email": "••••••"}, partial=True)
    assert not back.is_valid()
    assert "mask" in str(back.errors["email"])
    wrong = PersonSerializer(ann, data={"email": "nonsense"}, partial=True)
    assert not wrong.is_valid()
    changed = PersonSerializer(ann, data={"email": "new@example.com"}, partial=True)
    assert changed.is_valid()
    assert changed.save().email == "new@example.com"


def test_a_serializer_that_declares_the_field_shows_the_value(account: Account) -> None:
    ann = Person.objects.create(account=account, email="ann@example.com", phone="1")
    shown = OpenSerializer(ann).data
    assert (shown["email"], shown["phone"]) == ("ann@example.com", "••••••")


def test_values_are_not_taken_for_text(account: Account) -> None:
    Person.objects.create(account=account, phone="sec-phone")
    [values] = Person.objects.filter(account=account).values("phone")
    with pytest.raises(TypeError):
        json.dumps(values, cls=DjangoJSONEncoder)
    template = Engine().from_string("{{ values.phone }} {{ values.phone|upper }}")
    assert template.render(Context({"values": values})) == "•••••• ••••••"
    assert "sec-" not in f"{model_to_dict(Person.objects.filter(account=account).get())}"
