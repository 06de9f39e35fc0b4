"""The order of Regions: own first, one that failed last until it has cooled down, and not for ever."""

from __future__ import annotations

import pytest

from crypto.conf import CryptoSettings
from crypto.errors import DecryptionFailed, KeyAccessDenied, KeyNotReady, KeyUnavailable
from crypto.kms.regions import RegionOrder
from tests.crypto.kms import EUROPE, HOME, REGIONS, WEST


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Kms:
    """What each Region does: an error to raise, or None to answer. Each call takes `seconds`."""

    def __init__(self, **settings: float) -> None:
        self.clock, self.seconds = Clock(), 0.0
        self.does: dict[str, Exception] = {}
        self.asked: list[str] = []
        own = CryptoSettings(region=EUROPE, regions=REGIONS, **settings)  # type: ignore[arg-type]
        self.order = RegionOrder(own, self.clock)

    def __call__(self, region: str) -> str:
        self.asked.append(region)
        self.clock.now += self.seconds
        if region in self.does:
            raise self.does[region]
        return f"{region} answers"

    def ask(self) -> str:
        self.asked.clear()
        return self.order.ask(REGIONS, self)


AWAY = KeyUnavailable("away")


def test_the_own_region_comes_first_and_the_others_keep_their_order() -> None:
    kms = Kms()
    assert kms.order.order(REGIONS) == [EUROPE, HOME, WEST]
    assert kms.ask() == f"{EUROPE} answers"
    assert kms.asked == [EUROPE]


def test_a_region_that_failed_goes_last_and_comes_back_when_cool() -> None:
    kms = Kms()
    kms.does[EUROPE] = AWAY
    assert kms.ask() == f"{HOME} answers"
    assert kms.asked == [EUROPE, HOME]
    assert kms.order.order(REGIONS) == [HOME, WEST, EUROPE]
    kms.clock.now += 14.9
    assert kms.order.order(REGIONS) == [HOME, WEST, EUROPE]
    kms.clock.now += 0.1
    assert kms.order.order(REGIONS) == [EUROPE, HOME, WEST]


def test_of_two_that_failed_the_earlier_one_is_tried_first() -> None:
    kms = Kms()
    kms.seconds = 1
    kms.does |= {EUROPE: AWAY, HOME: AWAY}
    kms.ask()
    assert kms.order.order(REGIONS) == [WEST, EUROPE, HOME]


def test_an_answer_ends_the_cool_down() -> None:
    kms = Kms()
    kms.does[EUROPE] = AWAY
    kms.ask()
    kms.does.clear()
    assert kms.order.order(REGIONS)[0] == HOME
    kms.order.ask([EUROPE], kms)  # a tenant that is nowhere else
    assert kms.order.order(REGIONS)[0] == EUROPE


def test_a_key_that_is_not_ready_is_asked_for_elsewhere_and_says_nothing_of_its_region() -> None:
    """Else one tenant whose replica is being made would send every other tenant to another Region."""
    kms = Kms()
    kms.does[EUROPE] = KeyNotReady("creating")
    assert kms.ask() == f"{HOME} answers"
    assert kms.order.order(REGIONS)[0] == EUROPE


@pytest.mark.parametrize("answer", [KeyAccessDenied("no"), DecryptionFailed(), ZeroDivisionError()])
def test_anything_but_unavailability_is_the_answer(answer: Exception) -> None:
    kms = Kms()
    kms.does[EUROPE] = answer
    with pytest.raises(type(answer)):
        kms.ask()
    assert kms.asked == [EUROPE]


def test_where_no_region_answers_the_last_error_is_raised() -> None:
    kms = Kms()
    kms.does |= {region: KeyUnavailable(region) for region in REGIONS}
    with pytest.raises(KeyUnavailable, match=WEST):
        kms.ask()
    assert kms.asked == [EUROPE, HOME, WEST]


def test_no_further_region_is_asked_when_the_time_is_up() -> None:
    kms = Kms(regions_seconds=8.0)
    kms.does |= {region: KeyUnavailable(region) for region in REGIONS}
    kms.seconds = 8
    with pytest.raises(KeyUnavailable, match=EUROPE):
        kms.ask()
    assert kms.asked == [EUROPE]
    kms.seconds = 4
    with pytest.raises(KeyUnavailable):
        kms.ask()
    assert len(kms.asked) == 2


def test_without_any_region_the_key_is_unavailable() -> None:
    with pytest.raises(KeyUnavailable, match="No Region"):
        Kms().order.ask([], str)
