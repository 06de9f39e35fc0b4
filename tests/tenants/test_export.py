"""Export: every record once, in plaintext, and no more than one file of it."""

from __future__ import annotations

import hashlib
import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from crypto.errors import DecryptionFailed
from tenants.errors import RegionNotAllowed, TenantNotActive
from tenants.management import terminal
from tenants.selectors import list_audit_events
from tenants.selectors.exports import get_records_mark
from tenants.services import export
from tenants.services.export import export_records
from tenants.services.onboarding import RegionRuleInput
from tenants.services.revocation import revoke_tenant
from tests.callers import as_superuser
from tests.cast import OPERATOR, Cast
from tests.stack import Stack
from tests.tenants.endings import Leaving, leaving
from tests.tenants.test_commands import run


@pytest.fixture
def globex(cast: Cast) -> Leaving:
    """In the Region of this process alone."""
    return leaving(cast.onboard("globex", ("us-east-2",), "us-east-2", {}), records=5)


def lines(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in raw.splitlines()]


def test_every_record_is_in_it_once_whatever_the_pages(
    globex: Leaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_PAGE", 2)
    out, shown = io.BytesIO(), []
    found = export_records(
        tenant_id=globex.id, out=out, actor=OPERATOR, show=lambda *counts: shown.append(counts)
    )
    rows = lines(out.getvalue())
    assert [row["id"] for row in rows] == [f"record-{number}" for number in range(5)]
    assert {row["fields"]["card"] for row in rows} == {"4111"}
    assert {row["collection"] for row in rows} == {globex.collection}
    assert found.digest == hashlib.sha256(out.getvalue()).hexdigest()
    assert (found.records, found.bytes, found.is_whole) == (5, len(out.getvalue()), True)
    assert shown[-1] == (5, 5)
    [event] = [
        one
        for one in list_audit_events(globex.id, before=None, limit=50)
        if one.action == "records.exported"
    ]
    assert event.detail["sha256"] == found.digest
    assert "4111" not in json.dumps(event.detail)


def test_an_export_during_which_something_is_written_is_no_whole_one(globex: Leaving) -> None:
    found = export_records(
        tenant_id=globex.id,
        out=io.BytesIO(),
        actor=OPERATOR,
        show=lambda done, _: globex.write("meanwhile") if done == 5 else None,
    )
    assert found.is_whole is False


def test_a_region_that_may_not_decrypt_everything_exports_nothing(cast: Cast) -> None:
    rule = RegionRuleInput("us-east-2", may_encrypt=True, may_decrypt=("pci",))
    tenant = cast.onboard("hooli", ("us-east-2", "eu-west-1"), "us-east-2", {"us_east_2": rule})
    from tenants.services.records import RecordInput, create_record
    from tests.callers import caller_of, people

    caller = caller_of(tenant)
    collection = people(caller)
    create_record(
        caller=caller, collection=collection, record=RecordInput("a", {"name": "A", "notes": 1})
    )
    with pytest.raises(RegionNotAllowed):
        export_records(tenant_id=tenant.id, out=io.BytesIO(), actor=OPERATOR, show=lambda *_: None)


def test_a_revoked_tenant_is_not_exported(globex: Leaving) -> None:
    revoke_tenant(tenant_id=globex.id, reason="A leak.", actor=OPERATOR)
    with pytest.raises(TenantNotActive):
        globex.export()


def test_the_command_writes_a_file_for_its_owner_alone_and_a_manifest(
    globex: Leaving, tmp_path: Path
) -> None:
    out = tmp_path / "globex.ndjson"
    code, said = run("export_records", globex.tenant.slug, "--out", str(out))
    assert code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    manifest = json.loads((tmp_path / "globex.ndjson.manifest.json").read_text())
    assert manifest["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert manifest["sha256"] in said
    assert (manifest["records"], manifest["whole"]) == (5, True)
    assert len(lines(out.read_bytes())) == 5
    assert "4111" not in said
    # Neither over an older file, nor through a link that somebody has put there.
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for taken in (out, tmp_path / "link"):
        with pytest.raises(CommandError):
            run("export_records", globex.tenant.slug, "--out", str(taken))
    assert len(lines(out.read_bytes())) == 5
    assert not (tmp_path / "elsewhere").exists()


def test_a_command_that_fails_leaves_no_plaintext(
    globex: Leaving, tmp_path: Path, stack: Stack
) -> None:
    as_superuser(
        stack,
        "update tenants_sealedpart set message = overlay(message placing '\\x00' from 200 for 1)"
        " where tenant_id = %s and record = (select id from tenants_record"
        " where tenant_id = %s and record_id = 'record-3')",
        globex.id,
        globex.id,
    )
    out = tmp_path / "globex.ndjson"
    with pytest.raises(CommandError, match=DecryptionFailed.code):
        run("export_records", globex.tenant.slug, "--out", str(out))
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_when_something_was_written_meanwhile(
    globex: Leaving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = iter([globex.export().mark])
    monkeypatch.setattr(
        export,
        "get_records_mark",
        lambda tenant: next(marks, None) or changed(get_records_mark(tenant)),
    )

    def changed(mark: Any) -> Any:
        return type(mark)(mark.records, mark.versions + 1, mark.last_write)

    code, said = run("export_records", globex.tenant.slug, "--out", str(tmp_path / "x"))
    assert code == terminal.UNFINISHED
    assert "written meanwhile" in said
