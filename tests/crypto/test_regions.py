"""The order of Regions: own first, one that failed last until it has cooled down."""

from __future__ import annotations

from crypto.kms.regions import RegionOrder

ALL = ("us-east-2", "us-west-1", "eu-west-1")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_own_region_comes_first_and_the_others_keep_their_order() -> None:
    assert RegionOrder("eu-west-1", 15, Clock()).of(ALL) == ("eu-west-1", "us-east-2", "us-west-1")


def test_a_region_that_failed_goes_last_and_comes_back_when_cool() -> None:
    clock = Clock()
    order = RegionOrder("eu-west-1", 15, clock)
    order.failed("eu-west-1")
    assert order.of(ALL) == ("us-east-2", "us-west-1", "eu-west-1")
    clock.now += 15
    assert order.of(ALL)[0] == "eu-west-1"


def test_of_two_that_failed_the_earlier_one_is_tried_first() -> None:
    clock = Clock()
    order = RegionOrder("eu-west-1", 15, clock)
    order.failed("us-west-1")
    clock.now += 1
    order.failed("eu-west-1")
    assert order.of(ALL) == ("us-east-2", "us-west-1", "eu-west-1")


def test_an_answer_ends_the_cool_down() -> None:
    order = RegionOrder("eu-west-1", 15, Clock())
    order.failed("eu-west-1")
    order.answered("eu-west-1")
    assert order.of(ALL)[0] == "eu-west-1"
