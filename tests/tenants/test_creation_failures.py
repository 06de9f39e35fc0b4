"""Creating records while something fails: what can be stored is, and nothing is half-written."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections

from crypto.envelope import Envelope
from crypto.errors import KeyAccessDenied, KeyUnavailable
from tenants.errors import WriterMoved
from tenants.selectors import Caller
from tenants.services.records import RecordInput, create_record, create_records, creation
from tests.callers import as_superuser
from tests.stack import Stack
from tests.tenants.stored import ANN, errors, stored


def test_where_a_key_fails_the_other_records_are_stored_and_it_is_asked_once(
    acme: Caller, collection: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal, asked = Envelope.seal, []

    def seal_without_pci(self: Envelope, plaintext: bytes, *, key: Any, context: Any) -> Any:
        if context.classification == "pci":
            asked.append(context)
            raise KeyUnavailable("kms:GenerateDataKey in us-east-2: throttled.")
        return seal(self, plaintext, key=key, context=context)

    monkeypatch.setattr(Envelope, "seal", seal_without_pci)
    batch = [
        RecordInput(f"r{n}", {"name": "A", **({"card": "1"} if n % 2 else {"ssn": "1"})})
        for n in range(6)
    ]
    results = create_records(caller=acme, collection=collection, records=batch)
    assert errors(results) == ["", "key_unavailable"] * 3
    assert len(asked) == 1
    assert stored(stack, acme, collection) == {"records": 3, "parts": 3, "tokens": 3}


def test_where_the_writer_is_gone_a_batch_fails_at_once(
    acme: Caller, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def gone(self: Envelope, plaintext: bytes, *, key: Any, context: Any) -> Any:
        asked.append(context)
        raise WriterMoved("The database connection was lost.")

    monkeypatch.setattr(Envelope, "seal", gone)
    with pytest.raises(WriterMoved):
        create_records(
            caller=acme,
            collection=collection,
            records=[RecordInput(None, ANN), RecordInput(None, ANN)],
        )
    assert len(asked) == 1


def test_a_key_that_is_refused_leaves_nothing(
    acme: Caller, collection: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Envelope, plaintext: bytes, *, key: Any, context: Any) -> Any:
        raise KeyAccessDenied("kms:GenerateDataKey in us-east-2 was refused.")

    monkeypatch.setattr(Envelope, "seal", refuse)
    with pytest.raises(KeyAccessDenied):
        create_record(caller=acme, collection=collection, record=RecordInput("a", ANN))
    assert stored(stack, acme, collection) == {"records": 0, "parts": 0, "tokens": 0}


def test_a_connection_lost_before_the_commit_leaves_nothing_half_written(
    acme: Caller, collection: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: Any) -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            as_superuser(stack, "select pg_terminate_backend(%s, 2000)", cursor.fetchone()[0])
            cursor.execute("select 1")

    monkeypatch.setattr(creation, "put_parts", die)
    with pytest.raises(WriterMoved):
        create_record(caller=acme, collection=collection, record=RecordInput("a", ANN))
    assert stored(stack, acme, collection) == {"records": 0, "parts": 0, "tokens": 0}
    monkeypatch.undo()
    create_record(caller=acme, collection=collection, record=RecordInput("a", ANN))
