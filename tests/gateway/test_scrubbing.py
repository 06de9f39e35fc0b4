"""Log lines: JSON, one a record, without what exceptions and libraries would let slip."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import psycopg
import pytest
import structlog
from django.db import DatabaseError, connections

from crypto.errors import KeyUnavailable
from gateway.logs import configure_logs

SECRET = "078-05-1120"


def written(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_our_own_lines_are_json_with_level_time_logger_and_region(lines: io.StringIO) -> None:
    structlog.get_logger("gateway.test").info("something", count=3)
    [line] = written(lines)
    assert line["event"] == "something"
    assert line["count"] == 3
    assert (line["level"], line["logger"], line["region"]) == ("info", "gateway.test", "us-east-2")
    assert line["timestamp"].endswith("Z")


def test_an_exception_of_the_database_is_written_without_the_values_in_its_message(
    lines: io.StringIO,
) -> None:
    with pytest.raises(DatabaseError) as caught, connections["default"].cursor() as cursor:
        cursor.execute("select %s::int", [SECRET])
    connections["default"].close()
    assert SECRET in str(caught.value)
    structlog.get_logger("gateway.test").error("failed", exc_info=caught.value)
    text = lines.getvalue()
    assert SECRET not in text
    [line] = written(lines)
    assert line["exception"]["class"] == "django.db.utils.DataError"
    assert (
        line["exception"]["cause"]["sqlstate"] == psycopg.errors.InvalidTextRepresentation.sqlstate
    )
    assert any("test_an_exception_of" in frame for frame in line["exception"]["frames"])


def test_local_variables_and_foreign_messages_are_never_written(lines: io.StringIO) -> None:
    def fail() -> None:
        plaintext = {"ssn": SECRET}
        raise KeyError(plaintext["ssn"])

    for write in (
        lambda: structlog.get_logger("gateway.test").exception("failed"),
        lambda: logging.getLogger("library").exception("failed on %s", SECRET),
        lambda: logging.getLogger("library").error("failed", exc_info=True),
    ):
        try:
            fail()
        except KeyError:
            write()
    assert SECRET not in lines.getvalue()
    assert all(line["exception"]["class"] == "builtins.KeyError" for line in written(lines))


def test_messages_of_our_own_errors_stay(lines: io.StringIO) -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise KeyUnavailable("kms:Decrypt in eu-west-1: no answer.") from error
    except KeyUnavailable:
        structlog.get_logger("gateway.test").exception("failed")
    [line] = written(lines)
    assert line["exception"]["message"] == "kms:Decrypt in eu-west-1: no answer."
    assert line["exception"]["cause"]["class"] == "builtins.KeyError"
    assert SECRET not in lines.getvalue()


def test_an_exception_that_is_an_argument_is_named_by_its_class(lines: io.StringIO) -> None:
    logging.getLogger("library").warning("could not: %s, %s", ValueError(SECRET), 3)
    [line] = written(lines)
    assert line["event"] == "could not: ValueError, 3"


def test_celerys_report_of_a_failed_task_holds_names_alone(lines: io.StringIO) -> None:
    try:
        raise ValueError(SECRET)
    except ValueError:
        data = {
            "id": "t-1", "name": "tenants.run_operation", "exc": f"ValueError('{SECRET}')",
            "traceback": SECRET, "args": SECRET, "description": "raised unexpected",
        }  # fmt: skip
        logging.getLogger("celery.app.trace").error(
            "Task %(name)s[%(id)s] %(description)s: %(exc)s\n%(traceback)s",
            data,
            exc_info=True,
            extra={"data": data},
        )
    [line] = written(lines)
    assert line["task"] == "tenants.run_operation"
    assert line["outcome"] == "raised unexpected"
    assert SECRET not in lines.getvalue()


def test_djangos_lines_of_a_request_lose_their_path(lines: io.StringIO) -> None:
    log = logging.getLogger("django.request")
    path, status = f"/records/{SECRET}", {"status_code": 500}
    log.error(
        "%s: %s", "Service Unavailable", path, extra={"status_code": 503}
    )  # has a line of ours
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.error("%s: %s", "Internal Server Error", path, extra=status, exc_info=True)
    logging.getLogger("django.security.DisallowedHost").error("Invalid HTTP_HOST: %s", SECRET)
    assert SECRET not in lines.getvalue()
    assert written(lines)[0]["status"] == 500


def test_debug_lines_of_libraries_are_never_written(settings: Any) -> None:
    settings.GATEWAY_LOG_LEVEL = "DEBUG"
    configure_logs()
    try:
        for name in ("botocore.endpoint", "django.db.backends", "urllib3.connectionpool"):
            assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
        assert logging.getLogger("gateway.test").isEnabledFor(logging.DEBUG)
    finally:
        settings.GATEWAY_LOG_LEVEL = "INFO"
        configure_logs()
