"""The tables of `crm`, made by their owner, while this package's tests run; and who acts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from django.test import modify_settings

if TYPE_CHECKING:
    from tests.tenants.fields.crm.models import Account

CRM = "tests.tenants.fields.crm"


@pytest.fixture(scope="package", autouse=True)
def crm(database: None) -> Iterator[None]:
    """A team's project: its app is installed, and its tables are there."""
    from django.db import connections

    from tests.tenants.fields.crm.models import MODELS

    with modify_settings(INSTALLED_APPS={"append": CRM}):
        connection = connections["migrator"]
        there = connection.introspection.table_names()
        with connection.schema_editor() as editor:
            for model in MODELS:
                if model._meta.db_table not in there:
                    editor.create_model(model)
        yield  # the tables go with the servers


@pytest.fixture(autouse=True)
def cold_keys() -> Iterator[None]:
    """Every test begins without a data key in memory, as a new process does."""
    from tenants.fields.keys import current_keys

    current_keys().forget()
    yield
    current_keys().forget()


@pytest.fixture
def acme() -> UUID:  # here a tenant's id, elsewhere its caller
    from tests.callers import shared_acme

    return shared_acme().id


@pytest.fixture
def globex() -> UUID:
    """Active in eu-west-1 alone; for one that this Region serves too see `other`."""
    from tests.callers import shared_globex

    return shared_globex().id


@pytest.fixture(scope="session")
def other_tenant(database: None) -> Any:
    """A second tenant in all Regions."""
    from tests.cast import EVERYWHERE, Cast

    return Cast().onboard("umbrella", EVERYWHERE, "us-east-2", {})


@pytest.fixture
def umbrella(other_tenant: Any) -> UUID:
    found: UUID = other_tenant.id
    return found


@pytest.fixture
def account(acme: UUID) -> Account:
    """An account of Acme."""
    from tests.tenants.fields.crm.models import Account

    made: Account = Account.objects.create(name="Acme", tenant_id=acme)
    return made


@pytest.fixture
def other_account(umbrella: UUID) -> Account:
    """An account of another tenant."""
    from tests.tenants.fields.crm.models import Account

    made: Account = Account.objects.create(name="Umbrella", tenant_id=umbrella)
    return made
