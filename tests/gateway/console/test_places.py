"""Forms that are sent slowly are in nobody's way, and none is large."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from gateway.places import MOST_FORM_BYTES, MOST_WAITING, places
from tests.gateway.test_places import Body, send


def test_forms_of_the_console_have_a_share_of_their_own() -> None:
    form = b"login=olga%40example.com"
    sent = (form, len(form), "application/x-www-form-urlencoded")

    def post(raw: bytes, length: int, media_type: str) -> Any:
        return send("", "/console/sign-in/", Body(raw, lambda: None), length, media_type)

    assert post(*sent).status_code == 200
    with ExitStack() as stack:
        for _ in range(MOST_WAITING):
            stack.enter_context(places.wait("console"))
        answer = post(*sent)
        assert (answer.status_code, answer["Retry-After"]) == (429, "2")
        assert "Try again in a moment" in answer.content.decode()


def test_a_form_that_ends_early_is_not_taken_for_a_shorter_one() -> None:
    form = b"login=olga%40example.com&password=correct+horse"
    for missing, status in ((0, 200), (8, 400)):
        answer = send(
            "",
            "/console/sign-in/",
            Body(form[: len(form) - missing], lambda: None),
            len(form),
            "application/x-www-form-urlencoded",
        )
        assert answer.status_code == status


def test_no_form_is_larger_than_any_form_of_the_console() -> None:
    def fail() -> None:
        raise AssertionError("It was read.")

    answer = send("", "/console/sign-in/", Body(b"", fail), MOST_FORM_BYTES + 1)
    assert answer.status_code == 400
