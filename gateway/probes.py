"""One short look at each thing that a gateway depends on; each raises when it is not well. Run in threads."""

from __future__ import annotations

import socket
from functools import cache
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from gateway.celery import app
from tenants.consistency import LOCAL, WRITER
from tenants.scope import give_back_connections
from tenants.selectors.lag import seconds_behind

_SECONDS = 1


class MigrationsMissing(RuntimeError):
    """The tables are older than this code."""


class ReaderBehind(RuntimeError):
    """What is read here may be older than is promised."""


class WriterReadOnly(RuntimeError):
    """What is reached as the writer takes no writes."""


def reader() -> None:
    """This Region's reader answers a query."""
    _ask(LOCAL, "select 1")


def writer() -> None:
    """The writer answers, and is one."""
    if _ask(WRITER, "select pg_is_in_recovery()"):
        raise WriterReadOnly


def migrations() -> None:
    """This Region's reader has every migration that this code has."""
    if _all_migrated():
        return
    _all_migrated.cache_clear()
    raise MigrationsMissing


@cache
def _all_migrated() -> bool:
    """Kept once it is true: migrations are not undone under a running process."""
    connection = connections[LOCAL]
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    finally:
        connection.close()


def broker() -> None:
    """The broker accepts a connection."""
    with app.connection_for_write(connect_timeout=_SECONDS) as connection:
        connection.ensure_connection(max_retries=1, timeout=_SECONDS)


def lag() -> None:
    """This Region's reader is not further behind the writer than GATEWAY_READER_BEHIND_SECONDS."""
    try:
        if seconds_behind() is not None:
            raise ReaderBehind
    finally:
        give_back_connections()


def kms() -> None:
    """KMS of this Region accepts connections. A call would cost quota, and prove little for any one tenant's key."""
    region = settings.GATEWAY_REGION
    suffix = "amazonaws.com.cn" if settings.AWS_PARTITION == "aws-cn" else "amazonaws.com"
    url = settings.CRYPTO.kms_endpoints.get(region, f"https://kms.{region}.{suffix}")
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    socket.create_connection((parts.hostname or "", port), timeout=_SECONDS).close()


def _ask(alias: str, query: str) -> object:
    connection = connections[alias]
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0]
    finally:
        connection.close()  # back to the pool: this thread holds none between looks
