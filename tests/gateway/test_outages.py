"""What a client is told when something is gone or has been tampered with, and what goes on working."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import override_settings

from tenants import consistency
from tenants.selectors import TenantView
from tenants.services.onboarding import RegionRuleInput
from tenants.services.serving import get_envelope
from tests.callers import PEOPLE, as_superuser
from tests.cast import EVERYWHERE, Cast
from tests.gateway.api import Api, app_of, problem
from tests.stack import Stack

RECORDS = "/collections/people/records"
DEAD = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def acme() -> tuple[TenantView, Api]:
    tenant = Cast().acme()
    api = app_of(tenant)
    assert api.send("PUT", "/collections/people", {"schema": PEOPLE}).status_code == 201
    for name in ("ann", "bob", "cho"):
        fields = {"name": name, "ssn": "078-05-1120"}
        api.post(RECORDS, {"id": name, "fields": fields}, expect=201)
    return tenant, api


@contextmanager
def unreachable(alias: str) -> Iterator[None]:
    """Nobody listens where that database was."""
    connection: Any = connections[alias]
    before = (connection.settings_dict["HOST"], connection.settings_dict["PORT"])

    def point(host: str, port: str) -> None:
        connection.close()
        connection.close_pool()
        connection.settings_dict["HOST"], connection.settings_dict["PORT"] = host, port

    try:
        point("127.0.0.1", "9")
        yield
    finally:
        point(*before)
        consistency.writer.answered()
        consistency.reader.answered()


@contextmanager
def kms_at(**endpoints: str) -> Iterator[None]:
    """A process that has no data key in its cache, and reaches KMS of each Region there."""
    given = {name.replace("_", "-"): url for name, url in endpoints.items()}
    crypto = replace(settings.CRYPTO, kms_endpoints={**settings.CRYPTO.kms_endpoints, **given})
    with override_settings(CRYPTO=crypto):
        get_envelope.cache_clear()
        try:
            yield
        finally:
            get_envelope.cache_clear()


def test_without_the_writer_reads_go_on_and_writes_say_when_to_come_back(
    acme: tuple[TenantView, Api], stack: Stack
) -> None:
    api = Api(acme[1].token)
    with unreachable("default"):
        assert api.get(f"{RECORDS}/ann")["fields"]["ssn"] == "078-05-1120"
        answer = api.send("POST", RECORDS, {"id": "lost", "fields": {"name": "L"}})
        document = problem(answer, 503, "writer_moved")
        assert document["retryable"] is True
        assert answer["Retry-After"] == "2"
        again = api.send("POST", RECORDS, {"id": "lost", "fields": {"name": "L"}})
        assert again["Retry-After"] == "2"  # and at once: nobody waits for it a second time
        assert not consistency.writer.may_be_tried()
        assert api.get(f"{RECORDS}/ann")
    problem(api.send("GET", f"{RECORDS}/lost"), 404, "record_not_found")
    api.post(RECORDS, {"id": "lost", "fields": {"name": "L"}}, expect=201)


def test_an_outage_is_one_short_line_a_request(
    acme: tuple[TenantView, Api], lines: io.StringIO
) -> None:
    api = Api(acme[1].token)
    with unreachable("default"):
        api.send("POST", RECORDS, {"id": "lost", "fields": {"name": "L"}})
        lines.truncate(0)
        lines.seek(0)
        api.send("POST", RECORDS, {"id": "lost", "fields": {"name": "L"}})
        found = [json.loads(line) for line in lines.getvalue().splitlines()]
    found = [line for line in found if line["logger"].startswith(("gateway", "django"))]
    assert [line["event"] for line in found] == ["problem", "request"]
    assert found[0]["error"] == "WriterMoved < OperationalError < PoolTimeout"
    assert "exception" not in found[0]


def test_without_kms_of_this_region_another_region_answers(acme: tuple[TenantView, Api]) -> None:
    with kms_at(us_east_2=DEAD):
        assert acme[1].get(f"{RECORDS}/ann")["fields"]["ssn"] == "078-05-1120"


def test_a_region_that_must_refuse_does_not_stand_in_for_the_own_and_another_does(
    cast: Cast,
) -> None:
    """eu-west-1 comes before us-west-1 in every list of Regions, and its key policy lets nobody open anything."""
    tenant = cast.acme(eu_west_1=RegionRuleInput("eu-west-1", may_encrypt=True, may_decrypt=()))
    api = app_of(tenant)
    api.send("PUT", "/collections/people", {"schema": PEOPLE})
    record = {"id": "ann", "fields": {"name": "ann", "ssn": "078-05-1120"}}
    with kms_at(us_east_2=DEAD):
        api.post(RECORDS, record, expect=201)
    with kms_at(us_east_2=DEAD):
        assert api.get(f"{RECORDS}/ann")["fields"]["ssn"] == "078-05-1120"
        term = {"where": [{"field": "ssn", "value": "078051120"}]}
        assert api.post("/collections/people/search", term)["records"]


def test_without_kms_anywhere_a_read_says_when_to_come_back(acme: tuple[TenantView, Api]) -> None:
    with kms_at(**{region.replace("-", "_"): DEAD for region in EVERYWHERE}):
        answer = acme[1].send("GET", f"{RECORDS}/ann")
        document = problem(answer, 503, "key_unavailable")
        assert document["retryable"] is True
        assert "127.0.0.1" not in document["detail"]
    assert acme[1].get(f"{RECORDS}/ann")


def test_a_message_that_was_tampered_with_has_one_answer_and_hurts_no_other_record(
    acme: tuple[TenantView, Api], stack: Stack
) -> None:
    as_superuser(
        stack,
        "update tenants_sealedpart s set message = set_byte(message, length(message) - 20,"
        " get_byte(message, length(message) - 20) # 1) from tenants_record r"
        " where r.id = s.record and r.tenant_id = %s and r.record_id = 'bob'",
        acme[0].id,
    )
    api = Api(acme[1].token)
    api.seen = "FFFFFFFF/FFFFFFFF"  # the writer, whose news this is
    document = problem(api.send("GET", f"{RECORDS}/bob"), 422, "decryption_failed")
    assert document["detail"] == "The value could not be decrypted."
    results = api.post("/collections/people/batch-read", {"ids": ["ann", "bob", "cho"]})["results"]
    assert [result["status"] for result in results] == [200, 422, 200]
    problem(api.send("GET", RECORDS), 422, "decryption_failed")
