"""JSON lines on standard error, from our own loggers and from every library's, through the same processors."""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson
import structlog
from django.conf import settings

from gateway.scrubbing import scrub

_OURS = ("gateway", "tenants", "crypto", "sandbox")
# Said by our own line of the request, without the path; and which file holds the credentials, at every client.
_SILENT = {
    "django.request": logging.ERROR,
    "django.security.DisallowedHost": logging.CRITICAL,
    "django.server": logging.CRITICAL,
    "granian.access": logging.CRITICAL,
    "botocore.credentials": logging.WARNING,
}


class _StandardError(logging.StreamHandler[Any]):
    """Writes to what `sys.stderr` is at that moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr


def configure_logs() -> None:
    """Set up structlog and the root logger; safe to call again."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = _StandardError()
    handler.setFormatter(formatter())
    root = logging.getLogger()
    root.handlers = [handler]
    level = logging.getLevelNamesMapping()[settings.GATEWAY_LOG_LEVEL.upper()]
    # Libraries' debug lines hold SQL parameters and what KMS answered: only our own loggers go that low.
    root.setLevel(max(level, logging.INFO))
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    # Granian has given its loggers handlers of their own by the time that it loads us.
    for name in ("_granian", "granian.access"):
        logging.getLogger(name).handlers, logging.getLogger(name).propagate = [], True
    # Django logs each answer of 5xx. The API's have a line of ours; what nobody handled comes with its exception.
    logging.getLogger("django.request").addFilter(_has_exception)
    for name, silent in _SILENT.items():
        logging.getLogger(name).setLevel(silent)


def _has_exception(record: logging.LogRecord) -> bool:
    return record.exc_info is not None


def formatter() -> structlog.stdlib.ProcessorFormatter:
    """Turns any log record into one line of JSON."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        use_get_message=False,
        pass_foreign_args=True,
        processors=[
            scrub,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _render,
        ],
    )


def _shared() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_region,
    ]


def _add_region(_: Any, __: str, event: Any) -> Any:
    event["region"] = settings.GATEWAY_REGION
    return event


def _render(_: Any, __: str, event: Any) -> str:
    """One line; a value without a JSON form is named by its type, never by a `repr` that may show more."""
    return orjson.dumps(event, default=lambda value: f"<{type(value).__name__}>").decode()
