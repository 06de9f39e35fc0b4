"""Ports: counted from one base, below the ephemeral range, and a taken one is named."""

from __future__ import annotations

import socket

import pytest

from sandbox.errors import SandboxError
from sandbox.ports import FIRST_EPHEMERAL, Ports, find_free
from tests.stack import Stack


def test_all_ports_differ_and_lie_below_the_ephemeral_range() -> None:
    numbers = [port for _, port in Ports(FIRST_EPHEMERAL - 40).named()]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) < FIRST_EPHEMERAL


@pytest.mark.parametrize("base", [0, 80, 32768, 60000])
def test_a_base_that_is_privileged_or_ephemeral_is_refused(base: int) -> None:
    with pytest.raises(SandboxError, match="PORTS must be from 1024"):
        Ports(base)


def test_a_taken_port_is_named_with_its_purpose_and_a_way_out() -> None:
    ports = find_free()
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", ports.kms("eu-west-1")))
        squatter.listen()
        with pytest.raises(SandboxError) as refusal:
            ports.check_free()
    assert f"port {ports.kms('eu-west-1')} (KMS eu-west-1)" in str(refusal.value)
    assert "make up PORTS=" in str(refusal.value)
    ports.check_free()


def test_of_two_that_start_at_once_only_one_gets_the_ports() -> None:
    ports = find_free()
    with ports.claim(), pytest.raises(SandboxError, match=f"holds the ports from {ports.base}"):
        ports.claim()
    ports.claim().close()


def test_a_running_sandbox_holds_its_base(stack: Stack) -> None:
    with pytest.raises(SandboxError, match=f"{stack.ports.base} \\(the sandbox itself\\)"):
        stack.ports.check_free()
