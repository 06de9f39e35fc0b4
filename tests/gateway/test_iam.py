"""Signing in to the database with tokens of AWS IAM. The servers here take passwords: a token is one for the test."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from django.db import connections
from django.test import override_settings

from gateway.postgresql import iam
from gateway.postgresql.iam import IamConnection
from tenants.consistency import WRITER
from tenants.rds.tokens import Tokens, region_of
from tests.cast import Cast
from tests.stack import Stack

CLUSTER = "gateway.cluster-abc123.eu-west-1.rds.amazonaws.com"


class Passwords:
    """Gives the role's password for a token, and counts."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, str]] = []
        self.wrong: set[int] = set()

    def token(self, *, host: str, port: int, user: str) -> str:
        self.asked.append((host, port, user))
        return "wrong" if port in self.wrong else str(connections[WRITER].settings_dict["PASSWORD"])


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[Passwords]:
    given = Passwords()
    monkeypatch.setattr(iam, "get_tokens", lambda: given)
    with override_settings(GATEWAY_DATABASE_AUTHENTICATION="iam"):
        yield given


@pytest.fixture
def writer(tokens: Passwords) -> Iterator[Any]:
    """The writer's connections, as settings make them for tokens."""
    writer: Any = connections[WRITER]
    pool = writer.settings_dict["OPTIONS"]["pool"]
    writer.close()
    writer.close_pool()
    pool["connection_class"] = IamConnection
    try:
        yield writer
    finally:
        writer.close()
        writer.close_pool()
        del pool["connection_class"]


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (CLUSTER, "eu-west-1"),
        ("i.abc.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("i.abc.cn-north-1.rds.amazonaws.com.cn", "cn-north-1"),
        ("gateway.global-abc.global.rds.amazonaws.com", ""),
        ("db.example.com", ""),
        ("eu-west-1.rds.amazonaws.com.example.com", ""),
    ],
)
def test_the_region_of_a_token_is_that_of_the_endpoint(host: str, region: str) -> None:
    assert region_of(host) == region


def test_a_token_names_host_port_user_and_region_and_ends_after_15_minutes() -> None:
    token = Tokens("gateway-use-us-east-2").token(host=CLUSTER, port=5432, user="gateway_app")
    parts = urlsplit(f"https://{token}")
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert parts.netloc == f"{CLUSTER}:5432"
    assert (query["Action"], query["DBUser"]) == ("connect", "gateway_app")
    assert query["X-Amz-Expires"] == "900"
    day = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d")
    assert query["X-Amz-Credential"].endswith(f"/{day}/eu-west-1/rds-db/aws4_request")
    assert query["X-Amz-Signature"]


def test_there_is_no_token_for_a_host_of_no_region() -> None:
    with pytest.raises(ValueError, match="endpoint"):
        Tokens("").token(host="db.example.com", port=5432, user="gateway_app")


def test_each_connection_of_a_pool_has_a_token_of_its_own(
    writer: Any, tokens: Passwords, stack: Stack
) -> None:
    for _ in range(2):
        with writer.cursor() as cursor:
            cursor.execute("select current_user, pg_is_in_recovery()")
            assert cursor.fetchone() == ("gateway_app", False)
        asked = len(tokens.asked)
        assert asked
        writer.close()
        writer.close_pool()
    assert len(tokens.asked) > 1
    assert set(tokens.asked) == {("127.0.0.1", stack.ports.postgres("us-east-2"), "gateway_app")}


def test_what_is_in_no_pool_has_one_too(tokens: Passwords) -> None:
    unpooled: Any = connections[WRITER].copy()
    del unpooled.settings_dict["OPTIONS"]["pool"]
    with unpooled.get_new_connection(unpooled.get_connection_params()) as session:
        assert session.execute("select current_user").fetchone() == ("gateway_app",)
    assert len(tokens.asked) == 1


def test_of_several_hosts_each_is_tried_with_its_own_token(
    writer: Any, tokens: Passwords, stack: Stack
) -> None:
    """The first takes no writes, the second refuses its token, the third is the writer."""
    ports = [stack.ports.postgres(region) for region in ("eu-west-1", "us-west-1", "us-east-2")]
    tokens.wrong = {ports[1]}
    params = writer.get_connection_params()
    params |= {"host": "127.0.0.1,127.0.0.1,127.0.0.1", "port": ",".join(map(str, ports))}
    with IamConnection.connect(**params) as session:
        assert session.info.port == ports[2]
    assert [port for _, port, _ in tokens.asked] == ports
    with pytest.raises(psycopg.OperationalError):
        IamConnection.connect(**params | {"port": f"{ports[0]},{ports[1]},{ports[0]}"})


def test_scopes_work_on_them(writer: Any, tokens: Passwords, cast: Cast) -> None:
    assert cast.initech().slug
    assert tokens.asked
