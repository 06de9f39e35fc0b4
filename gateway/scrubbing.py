"""What of an exception or of a library's log record may be written down.

Messages of foreign exceptions are not: PostgreSQL's name the values of the row that broke a rule, and a KeyError may
name anything. Their class, their SQLSTATE and the lines of code they came through say enough to find a fault. Errors of
our own packages carry no values by their contract, so their messages stay.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, MutableMapping
from types import TracebackType
from typing import Any

_OURS = ("gateway.", "tenants.", "crypto.", "sandbox.")
_MAX_FRAMES = 30
_MAX_CAUSES = 5


def describe_exception(error: BaseException, depth: int = 0) -> dict[str, Any]:
    """Class, safe message, SQLSTATE, code lines (no local variables) and causes, as JSON values."""
    kind = type(error)
    found: dict[str, Any] = {"class": f"{kind.__module__}.{kind.__qualname__}"}
    if kind.__module__.startswith(_OURS):
        found["message"] = str(error)
    if isinstance(state := getattr(error, "sqlstate", None), str):
        found["sqlstate"] = state
    found["frames"] = list(_frames(error.__traceback__))[-_MAX_FRAMES:]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth < _MAX_CAUSES:
        found["cause"] = describe_exception(cause, depth + 1)
    return found


def _frames(traceback: TracebackType | None) -> Iterator[str]:
    while traceback:
        code = traceback.tb_frame.f_code
        module = traceback.tb_frame.f_globals.get("__name__", "?")
        yield f"{module}:{traceback.tb_lineno} {code.co_name}"
        traceback = traceback.tb_next


def scrub(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: replaces `exc_info` by its description, and a library's text by what is safe of it."""
    arguments = event.pop("positional_args", ())
    if not event["_from_structlog"]:
        event.update(describe_record(event["_record"], None if "exc_info" in event else arguments))
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = describe_exception(error)
    return event


def describe_record(record: logging.LogRecord, arguments: Any) -> dict[str, Any]:
    """The `event` of a library's log record, with what else of it is safe and useful.

    `arguments` are None where an exception is logged: they tend to hold it, so that the template stands alone.
    """
    if record.name == "celery.app.trace":
        return _task(record)
    if record.name in {"django.request", "django.server"}:
        # "Internal Server Error: /path": the path may hold a record's id.
        return {"event": "response", "status": getattr(record, "status_code", None)}
    if record.name.startswith("django.security"):
        return {"event": record.name}
    return {"event": _message(record, arguments)}


def _task(record: logging.LogRecord) -> dict[str, Any]:
    """Celery's own text holds the exception's text and traceback; its `data` has the names."""
    data = getattr(record, "data", None) or {}
    outcome = {"outcome": str(data["description"])} if "description" in data else {}
    return {"event": "task", "task": data.get("name"), "task_id": data.get("id"), **outcome}


def _message(record: logging.LogRecord, arguments: Any) -> str:
    template = str(record.msg)
    if not arguments:
        return template
    if isinstance(arguments, tuple):
        arguments = tuple(
            type(item).__name__ if isinstance(item, BaseException) else item for item in arguments
        )
    try:
        return str(template % arguments)
    except (TypeError, ValueError):
        return template
