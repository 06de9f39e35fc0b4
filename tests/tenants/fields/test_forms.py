"""Forms show a mask, keep what is left empty, and validate as Django's do, in errors that show no value."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError

from tenants.fields import using_tenant
from tenants.fields.keys import current_keys
from tests.stack import Stack
from tests.tenants.fields.crm.models import Account, Everything, Person
from tests.tenants.fields.rows import kms_calls, raw


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]  # as a project would write it
    class Meta:
        model = Person
        fields = ["name", "email", "phone", "notes"]


class OpenForm(PersonForm):
    email = Person._meta.get_field("email").formfield(reveal=True)


@pytest.fixture
def ann(account: Account) -> Person:
    made = Person.objects.create(account=account, name="Ann", email="ann@example.com", phone="1")
    found: Person = Person.objects.get(pk=made.pk)
    return found


def test_a_form_shows_masks_and_opens_nothing(ann: Person, stack: Stack) -> None:
    current_keys().forget()
    with kms_calls(stack, ann.account.tenant_id) as calls:
        shown = str(PersonForm(instance=ann))
    assert calls == []
    assert "ann@example.com" not in shown
    assert shown.count('placeholder="••••••"') == 2  # notes are NULL
    assert 'type="email" name="email"' in shown
    assert 'name="email-clear"' in shown
    assert 'name="notes-clear"' not in shown


def test_what_is_left_empty_stays_and_what_is_typed_is_sealed(ann: Person) -> None:
    before = raw(ann, "email")
    form = PersonForm({"name": "Anne", "phone": "2", "notes": "n"}, instance=ann)
    assert form.is_valid(), form.errors
    assert form.changed_data == ["name", "phone", "notes"]
    form.save()
    found = Person.objects.get(pk=ann.pk)
    assert (found.name, found.phone, found.notes) == ("Anne", "2", "n")
    assert raw(ann, "email") == before


def test_a_box_clears_a_value_that_may_be_empty(ann: Person) -> None:
    form = PersonForm({"email-clear": "on", "phone-clear": "on"}, instance=ann)
    assert form.is_valid(), form.errors
    form.save()
    assert raw(ann, "email") is None
    assert Person.objects.get(pk=ann.pk).phone == ""


def test_a_new_row_needs_what_is_required(account: Account) -> None:
    class CardForm(forms.Form):
        number = Everything._meta.get_field("integer").formfield(required=True)

    assert CardForm({"number": ""}).errors == {"number": ["This field is required."]}
    assert CardForm({"number": "x"}).errors == {"number": ["Enter a whole number."]}
    assert CardForm({"number": "7"}).is_valid()


def test_a_wrong_value_is_not_shown_again(ann: Person) -> None:
    form = PersonForm({"email": "secret-typo"}, instance=ann)
    assert not form.is_valid()
    assert "secret-typo" not in str(form)
    assert form.errors["email"] == ["Enter a valid email address."]


def test_a_form_that_reveals_shows_and_edits_the_value(ann: Person) -> None:
    assert 'value="ann@example.com"' in str(OpenForm(instance=ann)["email"])
    same = OpenForm({"email": "ann@example.com"}, instance=ann)
    assert same.is_valid()
    assert "email" not in same.changed_data
    other = OpenForm({"email": "new@example.com"}, instance=ann)
    assert other.is_valid()
    other.save()
    assert Person.objects.get(pk=ann.pk).email == "new@example.com"


def test_yes_and_no_are_asked_with_a_third_answer(ann: Person) -> None:
    class Answers(forms.ModelForm):  # type: ignore[type-arg]  # as a project would write it
        class Meta:
            model = Everything
            fields = ["boolean"]

    with using_tenant(ann.account.tenant_id):
        row = Everything.objects.create(boolean=True)
        for typed, expected in (("", True), ("false", False), ("true", True)):
            form = Answers({"boolean": typed}, instance=Everything.objects.get(pk=row.pk))
            assert form.is_valid(), form.errors
            form.save()
            assert Everything.objects.get(pk=row.pk).boolean is expected

        class Others(forms.ModelForm):  # type: ignore[type-arg]  # as a project would write it
            class Meta:
                model = Everything
                fields = ["moment", "json", "decimal"]

        typed_all = {"moment": "2024-02-29 12:00", "json": '{"a": 1}', "decimal": "1.5"}
        others = Others(typed_all, instance=row)
        assert others.is_valid(), others.errors
        others.save()
        found = Everything.objects.get(pk=row.pk)
        assert (found.json, str(found.decimal), found.moment.hour) == ({"a": 1}, "1.50", 12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("email", "secret"),
        ("char", "secret" * 5),
        ("integer", "secret"),
        ("date", "secret"),
        ("moment", "secret"),
        ("boolean", "secret"),
        ("uuid", "secret"),
        ("decimal", "secret"),
    ],
)
def test_errors_of_validation_show_no_value(name: str, value: Any, account: Account) -> None:
    row = Everything(**{name: value})
    with using_tenant(account.tenant_id), pytest.raises(ValidationError) as caught:
        row.full_clean()
    [problem] = caught.value.error_dict[name]
    assert "secret" not in f"{problem} {problem.params}"
    assert caught.value.__cause__ is None


def test_choices_are_validated_and_shown(account: Account) -> None:
    from tenants.fields import EncryptedCharField

    field = EncryptedCharField(choices=[("a", "Alpha"), ("b", "Beta")])
    field.set_attributes_from_name("kind")
    assert field.clean("a", None) == "a"
    with pytest.raises(ValidationError) as caught:
        field.clean("secret", None)
    assert "secret" not in str(caught.value)
    plain = field.formfield(reveal=True)
    assert ("a", "Alpha") in plain.choices
    assert "Alpha" in str(field.formfield().widget.render("kind", None))


def test_the_mask_is_no_value(account: Account) -> None:
    row = Person(account=account, phone="••••••")
    with pytest.raises(ValidationError, match="mask"):
        row.full_clean()
