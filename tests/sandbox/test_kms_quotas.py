"""The request quotas of AWS, by a clock of the test's own and through boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.kms import KmsStandIn
from sandbox.kms.errors import Refusal
from sandbox.kms.events import Action
from sandbox.kms.quotas import CRYPTOGRAPHIC, RATES, Quotas, charges
from sandbox.kms.remote import Remote
from tests.sandbox.kms_cast import EUROPE, HOME, IDENTITIES, REGIONS, WEST, Cast, refused


class Account:
    """Calls of one account against quotas whose clock stands still until it is moved."""

    def __init__(self, quotas: Quotas, name: str = "111122223333") -> None:
        self._quotas = quotas
        self.account = name
        self.region = HOME
        self.parameters: dict[str, Any] = {}

    def passes(self, operation: str, region: str = HOME, **parameters: Any) -> bool:
        self.region, self.parameters = region, parameters
        action = Action(name=operation, source="kms.amazonaws.com", read_only=False)
        try:
            self._quotas.charge(self, action)  # type: ignore[arg-type] # it has what is read
        except Refusal as refusal:
            return refusal.code != "ThrottlingException"
        return True

    def burst(self, operation: str, **parameters: Any) -> int:
        """How many of 200 calls at the same time pass."""
        return sum(self.passes(operation, **parameters) for _ in range(200))


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def quotas(clock: Time) -> Quotas:
    made = Quotas(REGIONS, clock)
    made.switch(on=True)
    return made


def test_without_the_switch_nothing_is_counted(clock: Time) -> None:
    assert Account(Quotas(REGIONS, clock)).burst("CreateKey") == 200


@pytest.mark.parametrize("operation", ["CreateKey", "DisableKey", "EnableKey", "CreateAlias"])
def test_a_second_admits_five_and_the_next_five_more(
    quotas: Quotas, clock: Time, operation: str
) -> None:
    acme = Account(quotas)
    assert acme.burst(operation) == 5
    clock.now += 0.2
    assert acme.burst(operation) == 1
    clock.now += 60
    assert acme.burst(operation) == 5


def test_each_api_region_and_account_has_a_bucket_of_its_own(quotas: Quotas) -> None:
    acme, globex = Account(quotas), Account(quotas, "444455556666")
    assert acme.burst("CreateKey") == 5
    assert acme.burst("DisableKey") == 5
    assert acme.burst("CreateKey", region=WEST) == 5
    assert globex.burst("CreateKey") == 5


def test_a_replica_costs_two_keys_where_it_comes_to_be(quotas: Quotas, clock: Time) -> None:
    acme = Account(quotas)
    assert acme.burst("ReplicateKey", ReplicaRegion=WEST) == 2, "two of five CreateKey each"
    assert acme.burst("ReplicateKey", ReplicaRegion=EUROPE) == 2
    assert acme.burst("CreateKey", region=WEST) == 1, "what the replicas left"
    assert acme.burst("CreateKey") == 5, "the primary's Region pays in ReplicateKey alone"
    assert acme.burst("ReplicateKey", ReplicaRegion=HOME) == 0
    clock.now += 1
    assert acme.burst("ReplicateKey", ReplicaRegion=WEST) == 2
    assert quotas.refused["us-west-1 CreateKey"] > 0


def test_a_refused_replica_costs_nothing(quotas: Quotas, clock: Time) -> None:
    acme = Account(quotas)
    acme.burst("CreateKey", region=WEST)
    assert acme.burst("ReplicateKey", ReplicaRegion=WEST) == 0
    clock.now += 0.5
    assert acme.burst("ReplicateKey", ReplicaRegion=WEST) == 1


def test_a_change_of_primary_costs_one_in_both_regions(quotas: Quotas) -> None:
    acme = Account(quotas)
    assert acme.burst("UpdatePrimaryRegion", PrimaryRegion=WEST) == 5
    assert acme.burst("UpdatePrimaryRegion", region=WEST, PrimaryRegion=EUROPE) == 0


@pytest.mark.parametrize(
    ("region", "rate"), [("us-east-2", 20_000), ("us-west-1", 10_000), ("eu-west-1", 100_000)]
)
def test_cryptographic_operations_share_the_quota_of_their_region(region: str, rate: int) -> None:
    for operation in CRYPTOGRAPHIC:
        [charge] = charges(region, operation, {})
        assert (charge.name, charge.rate) == ("cryptographic operations", rate)


def test_a_scale_makes_a_fast_quota_reachable(quotas: Quotas) -> None:
    quotas.switch(on=True, scale=0.002)
    acme = Account(quotas)
    taken = [acme.burst("Encrypt"), acme.burst("Decrypt")]
    assert taken == [40, 0], "0.002 of 20,000, shared"
    assert acme.burst("ReplicateKey", ReplicaRegion=WEST) == 1


def test_a_region_that_is_not_served_has_no_bucket(quotas: Quotas) -> None:
    acme = Account(quotas)
    for number in range(5):
        assert acme.passes("ReplicateKey", ReplicaRegion=f"xx-nowhere-{number}")
    assert acme.burst("ReplicateKey", ReplicaRegion="xx-nowhere-9") == 0


def test_slow_lanes_are_five_a_second() -> None:
    for operation in ("CreateKey", "ReplicateKey", "UpdatePrimaryRegion", "DisableKey"):
        assert RATES[operation] == 5


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """A stand-in of this module's own, that enforces quotas from its start."""
    directory: Path = tmp_path_factory.mktemp("quotas")
    identities = directory / "identities.json"
    identities.write_text(json.dumps(IDENTITIES))
    flags = ["--quotas", "--transition-seconds=0"]
    with KmsStandIn(directory / "state", identities, REGIONS, flags) as stand_in:
        yield Cast(stand_in)


def test_boto3_is_throttled_by_the_quota_and_another_region_is_not(cast: Cast) -> None:
    assert Remote(cast.stand_in.admin).status()["quotas"]["on"] is True
    cast.stand_in.switch_quotas(on=True, scale=0.02)  # one a ten seconds
    arn = cast.key()
    with refused("ThrottlingException", "exceeded the rate"):
        for _ in range(3):
            cast.key()
    assert cast.stand_in.events(HOME)[-1]["errorCode"] == "ThrottlingException"
    cast.kms("operator", WEST).create_key()
    cast.kms("operator").describe_key(KeyId=arn)
    with refused("ThrottlingException"):  # two keys in us-west-1, where one has just been made
        cast.replica(arn, WEST)
    cast.stand_in.switch_quotas(on=False)
    cast.replica(arn, WEST)
    cast.key()
