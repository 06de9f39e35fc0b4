"""reencrypt_field: values move to the present data key; what was moved is not moved again."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from crypto.message import read_header
from tenants.fields import using_tenant
from tenants.fields.keys import current_keys
from tenants.fields.rotation import Rotation
from tenants.models import DataKey
from tenants.scope import tenant_scope
from tests.tenants.fields.crm.models import Account, Contact
from tests.tenants.fields.rows import put, raw


def run(*arguments: str, field: str = "crm.Contact.sealed") -> tuple[int, str]:
    """Exit code and standard output."""
    out = io.StringIO()
    try:
        call_command("reencrypt_field", field, *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.fixture(autouse=True)
def empty() -> None:
    """Commands look at whole tables."""
    Contact.objects.all().delete()


@pytest.fixture
def rows(account: Account) -> Any:
    return Contact.objects.bulk_create(Contact(account=account, sealed=f"s{n}") for n in range(5))


def data_key(row: Any) -> bytes:
    """Under which data key the row's value is sealed."""
    return read_header(raw(row, "sealed") or b"").data_keys[0].ciphertext


def age(tenant: UUID, **columns: Any) -> None:
    """Change what the registry says of the tenant's data keys."""
    with tenant_scope(tenant, "write"):
        DataKey.objects.filter(tenant_id=tenant, purpose="value").update(**columns)


def test_values_move_from_data_keys_that_were_made_before(rows: list[Contact]) -> None:
    before = {data_key(row) for row in rows}
    code, out = run("--before", "now", "--batch", "2")
    assert code == 0
    assert "5 moved, 0 had changed meanwhile." in out
    assert "0 left of 5." in out
    after = {data_key(row) for row in rows}
    assert len(before) == len(after) == 1
    assert before != after
    assert [Contact.objects.get(pk=row.pk).sealed for row in rows] == [f"s{n}" for n in range(5)]


def test_a_second_run_moves_nothing(rows: list[Contact]) -> None:
    moment = timezone.now().isoformat()
    assert "5 moved" in run("--before", moment)[1]
    messages = [raw(row, "sealed") for row in rows]
    code, out = run("--before", moment)
    assert (code, "0 moved" in out) == (0, True)
    assert [raw(row, "sealed") for row in rows] == messages


def test_without_a_moment_the_key_material_counts(rows: list[Contact], acme: UUID) -> None:
    assert "0 moved" in run()[1]
    # What a rotation by KMS leads to within a day: data keys of new material beside those of the old.
    age(acme, key_material_id="old", state="retired", created_at=timezone.now() - timedelta(days=9))
    current_keys().forget()
    Contact.objects.create(account=rows[0].account, sealed="new")
    code, out = run("--dry-run")
    assert (code, "5 would be moved" in out, "5 left of 6." in out) == (0, True, True)
    assert re.search(r"5  tenant \S+  key material old .* left", out)
    code, out = run()
    assert (code, "5 moved" in out, "0 left of 6." in out) == (0, True, True)


def test_tokens_that_are_missing_are_made(rows: list[Contact], acme: UUID) -> None:
    put(rows[0], "sealed_bidx", None)
    assert "1 would be moved" in run("--dry-run")[1]
    assert "1 moved" in run()[1]
    with using_tenant(acme):
        assert Contact.objects.get(sealed="s0", account=rows[0].account) == rows[0]


def test_rows_that_do_not_open_are_passed_over_and_counted(rows: list[Contact]) -> None:
    put(rows[0], "sealed", (raw(rows[0], "sealed") or b"")[:-1])
    put(rows[1], "sealed", b"nonsense")
    put(rows[2], "account_id", None)
    code, out = run("--before", "now")
    assert code == 3
    assert "2 moved" in out
    assert "2 passed over: DecryptionFailed" in out
    assert "1 passed over: TenantMissing" in out
    assert "3 left of 5." in out
    assert "nonsense" not in out


def test_a_row_that_changes_meanwhile_is_left_to_the_next_run(
    rows: list[Contact], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Rotation._moved

    def racing(self: Rotation, row: Any, outcome: Any) -> Any:
        found = moved(self, row, outcome)
        if row.pk == rows[0].pk and found is not None:
            newer = Contact.objects.get(pk=row.pk)
            newer.sealed = "newer"
            newer.save()
        return found

    monkeypatch.setattr(Rotation, "_moved", racing)
    _, out = run("--before", "now")
    assert "4 moved, 1 had changed meanwhile." in out
    assert Contact.objects.get(pk=rows[0].pk).sealed == "newer"


@pytest.mark.parametrize(
    ("arguments", "field", "reason"),
    [
        (("--before", "yesterday"), "crm.Contact.sealed", "ISO 8601"),
        (("--before", "2024-13-01"), "crm.Contact.sealed", "ISO 8601"),
        ((), "crm.Contact.plain", "is no encrypted field"),
    ],
)
def test_wrong_arguments_are_refused(arguments: tuple[str, ...], field: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        run(*arguments, field=field)


def test_a_date_is_the_beginning_of_its_day(rows: list[Contact]) -> None:
    assert "0 moved" in run("--before", "2020-02-29")[1]
    assert "5 moved" in run("--before", f"{timezone.now() + timedelta(days=1):%Y-%m-%d}")[1]
