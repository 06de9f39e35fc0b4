"""Models with encrypted fields are migrated as others are; making a plain column encrypted in place is refused."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.core.management import CommandError
from django.db import connections, migrations, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.db.utils import IntegrityError

from tenants.fields import BlindIndexField, EncryptedCharField, Equality, family, using_tenant
from tenants.fields.base import EncryptedField
from tenants.fields.migration import refuse_alteration
from tests.callers import shared_acme
from tests.tenants.fields.crm.models import MODELS, Everything, Person

KINDS = [
    kind
    for kind in vars(family).values()
    if isinstance(kind, type) and issubclass(kind, EncryptedField) and kind.__name__[0] != "_"
]


def state(*fields: tuple[str, models.Field[Any, Any]]) -> ProjectState:
    """A project with one model of these fields."""
    made = ProjectState()
    own = [("id", models.BigAutoField(primary_key=True)), *fields]
    made.add_model(ModelState("crm", "Thing", [(name, field.clone()) for name, field in own]))
    return made


def changes(before: ProjectState, after: ProjectState) -> list[Any]:
    found = cast(Any, MigrationAutodetector(before, after))._detect_changes()
    return [one for migration in found.get("crm", []) for one in migration.operations]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not EncryptedField])
def test_every_field_is_made_again_from_what_a_migration_says(kind: Any) -> None:
    own = {"max_digits": 5, "decimal_places": 2} if "Decimal" in kind.__name__ else {}
    field = kind(
        "a name", tenant="a__b", classification="phi", bound_to="a.b.c", bind_row=True, null=True,
        default=None, **own,
    )  # fmt: skip
    field.set_attributes_from_name("field")
    _, path, args, kwargs = field.deconstruct()
    assert path == f"tenants.fields.{kind.__name__}"
    assert "default" not in kwargs
    again = kind(*args, **kwargs)
    assert again.deconstruct()[1:] == field.deconstruct()[1:]
    text, imports = MigrationWriter.serialize(field)
    assert f"tenants.fields.{kind.__name__}(" in text
    assert imports == {"import tenants.fields"}


def test_a_field_derived_from_one_keeps_its_own_path() -> None:
    class PhoneField(family.EncryptedCharField):
        pass

    field = PhoneField(max_length=5)
    field.set_attributes_from_name("phone")
    assert field.deconstruct()[1].startswith("tests.tenants.fields.test_migrations.")


def test_there_are_eleven_fields() -> None:
    assert len([kind for kind in KINDS if kind is not EncryptedField]) == 11


def test_a_model_and_its_tokens_are_in_the_migration_once() -> None:
    for model in MODELS:
        made = ModelState.from_model(model)
        columns = [field.column for field in model._meta.local_concrete_fields]
        assert len(columns) == len(set(columns))
        project = ProjectState()
        for other in MODELS:
            project.add_model(ModelState.from_model(other))
        rendered = project.apps.get_model("crm", made.name)
        assert [field.column for field in rendered._meta.local_concrete_fields] == columns
    text, _ = MigrationWriter.serialize(Person._meta.get_field("email_bidx"))
    assert text == "tenants.fields.BlindIndexField(source='email')"


def test_nothing_is_left_to_change_after_a_model_was_written_down() -> None:
    before, after = ProjectState(), ProjectState()
    for model in MODELS:
        before.add_model(ModelState.from_model(model))
        after.add_model(ModelState.from_model(model))
    before.apps  # noqa: B018 - rendering must add nothing
    assert changes(before, after) == []


def test_adding_search_adds_a_column_and_changing_options_alters_none() -> None:
    plain = ("name", EncryptedCharField(max_length=10))
    searched = ("name", EncryptedCharField(max_length=20, queries=Equality(), default="x"))
    tokens = ("name_bidx", BlindIndexField(source="name"))
    found = changes(state(plain), state(searched, tokens))
    assert [type(one).__name__ for one in found] == ["AddField", "AlterField"]
    with connections["migrator"].schema_editor(collect_sql=True) as editor:
        old, new = (one.apps.get_model("crm", "Thing") for one in (state(plain), state(searched)))
        editor.alter_field(old, old._meta.get_field("name"), new._meta.get_field("name"))
    assert editor.collected_sql == []


@pytest.fixture
def table() -> Iterator[Any]:
    """A table with one row and a plain column, as its owner sees it; it is dropped afterwards."""
    before = state(("name", models.CharField(max_length=10, default="")))
    model = before.apps.get_model("crm", "Thing")
    connection = connections["migrator"]
    with connection.schema_editor() as editor:
        editor.create_model(model)
    model.objects.using("migrator").create(name="Ann")
    yield before
    with connection.schema_editor() as editor:
        editor.delete_model(model)


def apply(operation: Any, before: ProjectState) -> ProjectState:
    after = before.clone()
    operation.state_forwards("crm", after)
    with connections["migrator"].schema_editor() as editor:
        operation.database_forwards("crm", editor, before, after)
    return after


def test_a_column_is_added_filled_and_made_not_null(table: ProjectState) -> None:
    nullable = EncryptedCharField(max_length=10, null=True, blank=True)
    added = apply(migrations.AddField("thing", "sealed", nullable), table)
    model = added.apps.get_model("crm", "Thing")
    with using_tenant(shared_acme().id):
        [row] = model.objects.all()
        row.sealed = row.name
        row.save()
    fixed = EncryptedCharField(max_length=10, blank=True, default="x")
    altered = apply(migrations.AlterField("thing", "sealed", fixed), added)
    with using_tenant(shared_acme().id):
        assert altered.apps.get_model("crm", "Thing").objects.get().sealed == "Ann"


def test_a_column_that_must_not_be_null_is_not_added_to_rows_that_would_be(
    table: ProjectState,
) -> None:
    """A default would have to stand in the database, in plain."""
    operation = migrations.AddField(
        "thing", "sealed", EncryptedCharField(max_length=10, default="secret", blank=True)
    )
    again: Any = EncryptedCharField(max_length=10, default="secret", blank=True).clone()
    operation.field = again  # as it comes out of a migration file
    with pytest.raises(IntegrityError, match="contains null values") as caught:
        apply(operation, table)
    assert "secret" not in str(caught.value)


def plan(operation: Any, name: str = "0002_change") -> list[tuple[Any, bool]]:
    migration: Any = migrations.Migration(name, "crm")
    migration.operations = [operation]
    return [(migration, False)]


def test_a_plain_column_is_not_made_encrypted_in_place(table: ProjectState) -> None:
    sender = SimpleNamespace(label="crm")
    to_sealed = plan(migrations.AlterField("thing", "name", EncryptedCharField(max_length=10)))
    with pytest.raises(CommandError, match="encrypt_field"):
        refuse_alteration(sender, apps=table.apps, plan=to_sealed)
    sealed = state(("name", EncryptedCharField(max_length=10)))
    with pytest.raises(CommandError, match="encrypt_field"):
        refuse_alteration(
            sender,
            apps=sealed.apps,
            plan=plan(migrations.AlterField("thing", "name", models.CharField(max_length=10))),
        )
    refuse_alteration(sender, apps=sealed.apps, plan=to_sealed)
    refuse_alteration(sender, apps=ProjectState().apps, plan=to_sealed)
    refuse_alteration(SimpleNamespace(label="other"), apps=table.apps, plan=to_sealed)


def test_columns_are_bytes_whatever_the_type() -> None:
    connection = connections["default"]
    for field in Everything._meta.concrete_fields:
        if isinstance(field, EncryptedField):
            assert field.db_type(connection) == "bytea"
            assert field.db_parameters(connection)["check"] is None
