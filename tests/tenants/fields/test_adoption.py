"""encrypt_field: a plain column goes into an encrypted one, row by row, stopped and started again without loss."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from crypto.errors import KeyUnavailable
from tenants.fields import using_tenant
from tenants.fields.adoption import Adoption
from tenants.fields.batches import Rows, encrypted_field
from tenants.fields.keys import current_keys
from tests.stack import Stack
from tests.tenants.fields.crm.models import Account, Contact, Searchable
from tests.tenants.fields.rows import kms_calls, put, raw


def run(*arguments: str, field: str = "crm.Contact.plain", into: str = "sealed") -> tuple[int, str]:
    """Exit code and standard output."""
    out = io.StringIO()
    try:
        call_command("encrypt_field", field, "--into", into, *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def contacts(account: Account, count: int) -> Any:
    return Contact.objects.bulk_create(
        Contact(account=account, plain=f"plain {n}") for n in range(count)
    )


@pytest.fixture(autouse=True)
def empty() -> None:
    """Commands look at whole tables."""
    Contact.objects.all().delete()


def test_a_column_is_filled_and_each_value_can_be_found(
    account: Account, other_account: Account, stack: Stack
) -> None:
    rows = contacts(account, 7) + contacts(other_account, 3)
    Contact.objects.create(account=account, plain=None)
    Contact.objects.create(account=account, plain="")
    current_keys().forget()
    with kms_calls(stack, account.tenant_id, other_account.tenant_id) as calls:
        code, out = run("--batch", "4")
    assert len(calls) <= 4  # for each tenant a data key and an index key
    assert code == 0
    assert "11 sealed, 0 had changed meanwhile." in out
    assert "Coverage: 11 of 11 (100 %), 0 left." in out
    assert "in three steps" in out
    assert [row.sealed for row in Contact.objects.filter(plain__startswith="plain")] == [
        row.plain for row in rows
    ]
    assert Contact.objects.get(plain="").sealed == ""
    assert Contact.objects.get(plain=None).sealed is None
    with using_tenant(account.tenant_id):
        assert Contact.objects.get(sealed="plain 3", account=account).plain == "plain 3"


def test_a_dry_run_writes_nothing_and_tells_what_would_be(account: Account) -> None:
    contacts(account, 3)
    Contact.objects.create(account=None, plain="nobody's")
    code, out = run("--dry-run")
    assert code == 0
    assert "3 would be sealed" in out
    assert "1 passed over: TenantMissing, for example row" in out
    assert "Coverage: 0 of 4 (0 %), 4 left." in out


def test_a_run_that_was_stopped_goes_on_with_resume(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    contacts(account, 5)
    seal = current_keys().seal
    sealed: list[Any] = []

    def dying(*arguments: Any) -> bytes:
        if len(sealed) == 3:
            raise KeyUnavailable("KMS is away.")
        sealed.append(arguments)
        return seal(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(current_keys(), "seal", dying)
        with pytest.raises(KeyUnavailable):
            run("--batch", "2")
    assert Contact.objects.filter(sealed__isnull=False).count() == 2
    with pytest.raises(CommandError, match="has 2 values already: pass --resume"):
        run()
    code, out = run("--resume")
    assert (code, "3 sealed" in out, "Coverage: 5 of 5" in out) == (0, True, True)
    assert run("--resume")[1].count("0 sealed") == 1


def test_a_row_that_changes_meanwhile_is_left_to_the_next_run(account: Account) -> None:
    [first, second] = contacts(account, 2)
    adoption = Adoption(
        Rows(Contact), Contact._meta.get_field("plain"), encrypted_field(Contact, "sealed")
    )
    sealed = adoption._sealed

    def racing(row: Any, outcome: Any) -> Any:
        found = sealed(row, outcome)
        if row.pk == first.pk:
            Contact.objects.filter(pk=first.pk).update(plain="newer")
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Adoption, "_sealed", lambda _, row, outcome: racing(row, outcome))
        outcome = adoption.run(10)
    assert (outcome.written, outcome.changed) == (1, 1)
    assert raw(first, "sealed") is None
    assert adoption.run(10).written == 1
    assert Contact.objects.get(pk=first.pk).sealed == "newer"
    assert Contact.objects.get(pk=second.pk).sealed == "plain 1"


def test_what_the_application_wrote_itself_is_kept(account: Account) -> None:
    [row] = contacts(account, 1)
    row.sealed = "written by new code"
    row.save()
    assert run("--resume")[0] == 0
    assert Contact.objects.get(pk=row.pk).sealed == "written by new code"


def test_verifying_finds_rows_that_differ_or_do_not_open(account: Account) -> None:
    rows = contacts(account, 4)
    run()
    code, out = run("--verify")
    assert (code, "4 rows are equal, 0 differ." in out) == (0, True)
    Contact.objects.filter(pk=rows[0].pk).update(plain="other")
    put(rows[1], "sealed", raw(rows[2], "sealed")[:-1])  # type: ignore[index]
    code, out = run("--verify")
    assert code == 3
    assert "2 rows are equal, 1 differ." in out
    assert "1 passed over: DecryptionFailed" in out
    assert "other" not in out


def test_an_encrypted_column_goes_into_one_of_another_classification(account: Account) -> None:
    row = Contact.objects.create(account=account, sealed="s")
    assert run(field="crm.Contact.sealed", into="other")[0] == 0
    assert Contact.objects.get(pk=row.pk).other == "s"
    assert run("--verify", field="crm.Contact.sealed", into="other")[0] == 0


def test_rows_without_a_path_are_taken_for_the_tenant_that_is_named(
    account: Account, acme: Any
) -> None:
    with using_tenant(acme):
        rows = Searchable.objects.bulk_create(Searchable(integer=n) for n in (1, 2, 3))
    here = ("--where", f"pk__in={[rows[0].pk, rows[1].pk]}")
    code, out = run(*here, field="crm.Searchable.id", into="char")
    assert (code, "2 passed over: TenantMissing" in out) == (3, True)
    code, out = run(*here, "--tenant", str(acme), field="crm.Searchable.id", into="char")
    assert (code, "2 sealed" in out) == (0, True)
    with using_tenant(acme):
        assert Searchable.objects.get(pk=rows[0].pk).char == str(rows[0].pk)
        assert Searchable.objects.get(pk=rows[2].pk).char is None


@pytest.mark.parametrize(
    ("arguments", "field", "into", "reason"),
    [
        ((), "crm.Contact.nothing", "sealed", "is no field"),
        ((), "crm.Nothing.plain", "sealed", "is no field"),
        ((), "nonsense", "sealed", "is no field"),
        ((), "crm.Contact.sealed", "plain", "is no encrypted field"),
        ((), "crm.Contact.plain", "nothing", "has no field"),
        (("--tenant", "nobody"), "crm.Contact.plain", "sealed", "no tenant nobody"),
        (("--where", "x"), "crm.Contact.plain", "sealed", "NAME=VALUE"),
        (("--batch", "0"), "crm.Contact.plain", "sealed", "number of rows"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: tuple[str, ...], field: str, into: str, reason: str
) -> None:
    with pytest.raises(CommandError, match=reason):
        run(*arguments, field=field, into=into)


def test_a_run_inside_of_a_transaction_is_refused(account: Account) -> None:
    contacts(account, 1)
    current_keys().prepare(account.tenant_id, ["pii"], search=True)
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        run()
