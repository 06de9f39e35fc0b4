"""The broker."""

from __future__ import annotations

import stat

import redis

from tests.stack import Stack


def test_the_broker_listens_on_a_socket_of_its_owner_and_on_no_port(stack: Stack) -> None:
    mode = stack.home.broker_socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert mode & 0o077 == 0
    with redis.Redis(unix_socket_path=str(stack.home.broker_socket)) as client:
        assert client.config_get("port") == {"port": "0"}


def test_the_broker_keeps_what_it_was_given_on_disk(stack: Stack) -> None:
    with redis.Redis(unix_socket_path=str(stack.home.broker_socket)) as client:
        kept = client.config_get("appendonly", "appendfsync", "maxmemory-policy")
    assert kept == {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
    }
