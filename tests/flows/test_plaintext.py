"""No plaintext of a sealed field, no data key and no credential is in any table, file, log line or error.

Everything that a run leaves is searched: all tables of all Regions, and all files of all servers, write-ahead log
included. A clear field is the control: where it is not found, the search itself is broken.
"""

from __future__ import annotations

import base64
import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from crypto.errors import CryptoError, DecryptionFailed
from crypto.keyring import PlaintextDataKey
from tenants.errors import InputInvalid, RecordExists, RegionNotAllowed, TenantError, ValueNotUnique
from tenants.selectors import Caller, get_caller
from tenants.services.records import (
    RecordInput,
    RecordPut,
    SearchCondition,
    create_record,
    create_records,
    delete_record,
    list_records,
    put_record,
    put_records,
    read_record,
    search_records,
    update_record,
)
from tests.callers import as_superuser, people, shared_acme, token_of
from tests.stack import REGIONS, Stack


@dataclass(frozen=True)
class Traces:
    """What a run of everything left behind in memory: what must be found nowhere, and what must be found."""

    secrets: dict[str, bytes]
    control: bytes
    said: str


def spellings(secret: bytes) -> set[bytes]:
    """The secret as bytes, in hexadecimal, and in base64 at each of the three alignments."""
    coded = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + secret)
        start = -(-8 * shift // 6)  # characters that the padding in front has touched
        coded.add(whole[start : -4 if (shift + len(secret)) % 3 else None])
    return coded


@pytest.fixture(scope="module")
def traces() -> Traces:
    """Use every service with marked values, also wrongly, and note every data key that KMS handed out."""
    data_keys: list[bytes] = []
    init = PlaintextDataKey.__init__

    def noting(self: PlaintextDataKey, secret: bytes) -> None:
        data_keys.append(secret)
        init(self, secret)

    listener = Listener()
    logging.getLogger().addHandler(listener)
    from tenants.services.serving import get_envelope

    get_envelope.cache_clear()  # so that data keys are unwrapped while we look
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlaintextDataKey, "__init__", noting)
        token = token_of(shared_acme())
        marks = {
            name: f"mark-{name}-{secrets.token_hex(12)}" for name in ("email", "notes", "card")
        }
        marks["ssn"] = str(secrets.randbelow(10**18)).zfill(18)
        control = f"control-{secrets.token_hex(12)}"
        errors = use_everything(get_caller(token), marks, control)
    logging.getLogger().removeHandler(listener)
    assert len(set(data_keys)) >= 4
    hidden = {name: mark.encode() for name, mark in marks.items()}
    hidden |= {f"data key {number}": key for number, key in enumerate(set(data_keys))}
    hidden["credential"] = token.encode()
    return Traces(hidden, control.encode(), "\n".join([*listener.lines, *errors]))


class Listener(logging.Handler):
    """Keeps every log line of this process, whatever its level."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.__dict__}")


def use_everything(caller: Caller, marks: dict[str, str], control: str) -> list[str]:
    """Each service once as meant and a few times not; the errors as they would be shown or logged."""
    where: dict[str, Any] = {"caller": caller, "collection": people(caller)}
    fields: dict[str, Any] = {"name": control, **marks, "notes": {marks["notes"]: [marks["notes"]]}}
    create_record(**where, record=RecordInput("a", fields))
    create_records(
        **where,
        records=[RecordInput(None, {**fields, "email": f"{n}{marks['email']}"}) for n in range(20)],
    )
    read_record(**where, record_id="a")
    list_records(**where, after=None, limit=50)
    for name in ("ssn", "email"):
        assert search_records(
            **where, where=[SearchCondition(name, "eq", marks[name])], limit=50
        ).records
    update_record(**where, record_id="a", fields={**fields, "name": "Ann"})
    put_record(**where, record_id="a", fields={**fields, "name": "Anna"})
    put_records(**where, records=[RecordPut("a", {**fields, "name": "Anne"})])
    delete_record(**where, record_id="a")
    create_record(**where, record=RecordInput("b", fields))
    forbidden = replace(
        caller, rules={"us-east-2": replace(caller.rules["us-east-2"], may_decrypt=())}
    )
    wrong: list[tuple[type[Exception], Any, dict[str, Any]]] = [
        (RecordExists, create_record, {"record": RecordInput("b", fields)}),
        (ValueNotUnique, create_record, {"record": RecordInput("c", fields)}),
        (InputInvalid, create_record, {"record": RecordInput("d", {"name": "D", "ssn": [marks["ssn"]]})}),
        (InputInvalid, create_record, {"record": RecordInput("d", {"name": "D", "card": marks["card"] + "\0"})}),
        (InputInvalid, update_record, {"record_id": "b", "fields": {"notes": [1e999, marks["notes"]]}}),
        (InputInvalid, search_records, {"where": [SearchCondition("ssn", "eq", {"x": marks["ssn"]})], "limit": 5}),
        (RegionNotAllowed, read_record, {"record_id": "b", "caller": forbidden}),
        (DecryptionFailed, read_record, {"record_id": "b", "caller": with_wrong_key(caller)}),
    ]  # fmt: skip
    return [text for error, call, given in wrong for text in failure(error, call, where | given)]


def with_wrong_key(caller: Caller) -> Caller:
    assert caller.key is not None
    return replace(caller, key=replace(caller.key, tenant="0" * 32))


def failure(expected: type[Exception], call: Any, given: dict[str, Any]) -> list[str]:
    with pytest.raises((TenantError, CryptoError)) as caught:
        call(**given)
    assert type(caught.value) is expected
    return [
        repr(caught.value),
        repr(getattr(caught.value, "problems", "")),
        repr(caught.value.__cause__),
    ]


def test_no_error_and_no_log_line_tells_a_secret(traces: Traces) -> None:
    for name, secret in traces.secrets.items():
        assert not any(
            spelling.decode("latin-1") in traces.said for spelling in spellings(secret)
        ), name


def texts_of(stack: Stack, table: str) -> bytes:
    """All rows of a table as text; binary columns come in hexadecimal."""
    query = sql.SQL("select coalesce(string_agg(t::text, E'\\n'), '') from {} t").format(
        sql.Identifier(table)
    )
    connection: Any = stack.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        return str(cursor.fetchone()[0]).encode()


def test_no_table_holds_a_secret(stack: Stack, traces: Traces) -> None:
    tables = as_superuser(stack, "select tablename from pg_tables where schemaname = 'public'")
    content = b"\n".join(texts_of(stack, table) for (table,) in tables)
    assert traces.control in content
    for name, secret in traces.secrets.items():
        assert not any(spelling in content for spelling in spellings(secret)), name


def files_of(stack: Stack) -> Iterator[Path]:
    """Every file that a server of this run has written: data, write-ahead log, statistics, logs, broker, KMS."""
    for root in {stack.home.path, stack.home.postgres, stack.home.run}:
        yield from (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())


def write_everything_down(stack: Stack) -> None:
    """Have each server put what it holds in memory into its files: the writer first, then whoever follows it."""
    position = ""
    for region in REGIONS:
        connection: Any = stack.connect(region)
        with connection:
            if position:
                wait_for(connection, position)
            connection.execute("checkpoint")
            if not position:
                [position] = connection.execute(
                    "select pg_current_wal_flush_lsn()::text"
                ).fetchone()


def wait_for(connection: Any, position: str) -> None:
    """Until this replica has replayed the writer's log up to there."""
    for _ in range(1000):
        found = connection.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", [position])
        if found.fetchone() == (True,):
            return
        time.sleep(0.01)
    raise AssertionError("The replica does not catch up.")


def test_no_file_holds_a_secret(stack: Stack, traces: Traces) -> None:
    write_everything_down(stack)
    looked_for = {s: name for name, secret in traces.secrets.items() for s in spellings(secret)}
    found: list[str] = []
    with_control: list[Path] = []
    for path in files_of(stack):
        try:
            content = path.read_bytes().rstrip(b"\0")  # log segments are made at full length
        except FileNotFoundError:  # a server has just removed it
            continue
        found += [
            f"{name} in {path}" for spelling, name in looked_for.items() if spelling in content
        ]
        if traces.control in content:
            with_control.append(path)
    assert found == []
    # The control shows that we look where data is: in the write-ahead log and in a table of each Region.
    for region in REGIONS:
        inside = [path for path in with_control if region in path.parts]
        assert any("pg_wal" in path.parts for path in inside), region
        assert any("base" in path.parts for path in inside), region
