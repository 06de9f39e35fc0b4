"""Values over HTTP: encrypted and given back, opened in another Region, and by nobody else."""

from __future__ import annotations

import base64
import secrets
from typing import Any

import pytest

from tenants.services.onboarding import RegionRuleInput
from tests.callers import caller_of, token_of
from tests.cast import Cast, as_region
from tests.gateway.api import Api, app_of, problem

SECRET = "ann@example.org, 4111 1111"


@pytest.fixture(scope="module")
def acme() -> Api:
    return app_of(Cast().acme())


def seal(api: Api, *values: dict[str, Any]) -> list[Any]:
    results: list[Any] = api.post("/values/encrypt", {"values": list(values)})["results"]
    return results


def open_(api: Api, *values: dict[str, Any], encoding: str = "text") -> list[Any]:
    body = {"values": list(values), "encoding": encoding}
    results: list[Any] = api.post("/values/decrypt", body)["results"]
    return results


def sealed(api: Api, text: str = SECRET, classification: str = "pii") -> dict[str, Any]:
    [result] = seal(api, {"text": text, "classification": classification})
    assert result["status"] == 200, result
    return {"ciphertext": result["ciphertext"], "classification": classification}


@pytest.mark.parametrize("text", ["", SECRET, "Łódź 🔑", "\x00"])
def test_text_comes_back_as_it_was(acme: Api, text: str) -> None:
    [result] = open_(acme, sealed(acme, text))
    assert result == {"status": 200, "text": text}


def test_bytes_come_back_as_they_were_and_are_not_guessed_to_be_text(acme: Api) -> None:
    content = base64.b64encode(secrets.token_bytes(999) + b"\xff").decode()
    [made] = seal(acme, {"base64": content, "classification": "secret"})
    value = {"ciphertext": made["ciphertext"], "classification": "secret"}
    assert open_(acme, value, encoding="base64") == [{"status": 200, "base64": content}]
    [refused] = open_(acme, value)
    assert (refused["status"], refused["problem"]["code"]) == (400, "input_invalid")
    assert refused["problem"]["problems"][0]["at"] == "/encoding"


def test_the_message_shows_nothing_of_the_value_and_no_two_are_equal(acme: Api) -> None:
    one, other = sealed(acme), sealed(acme)
    assert one["ciphertext"] != other["ciphertext"]
    assert SECRET.encode() not in base64.b64decode(one["ciphertext"])


def test_each_value_has_its_own_result_in_order(acme: Api) -> None:
    results = seal(
        acme,
        {"text": "a", "classification": "pii"},
        {"text": "b", "base64": "Yg==", "classification": "pii"},
        {"classification": "pii"},
        {"text": "d", "classification": "P I I"},
        {"text": "e", "classification": "phi"},
    )
    assert [result["status"] for result in results] == [200, 400, 400, 400, 200]
    good = [
        {"ciphertext": results[0]["ciphertext"], "classification": "pii"},
        {"ciphertext": results[4]["ciphertext"], "classification": "phi"},
    ]
    opened = open_(acme, good[0], {"ciphertext": "AgR4", "classification": "pii"}, good[1])
    assert [item["status"] for item in opened] == [200, 422, 200]
    assert [item.get("text") for item in opened] == ["a", None, "e"]


def test_another_classification_does_not_open_it(acme: Api) -> None:
    value = sealed(acme)
    [result] = open_(acme, value | {"classification": "phi"})
    assert (result["status"], result["problem"]["code"]) == (422, "decryption_failed")


def test_a_flipped_byte_a_cut_and_an_addition_are_one_and_the_same_failure(acme: Api) -> None:
    message = bytearray(base64.b64decode(sealed(acme)["ciphertext"]))
    flipped = bytes(message[:-20]) + bytes([message[-20] ^ 1]) + bytes(message[-19:])
    forged = [flipped, bytes(message[:-1]), bytes(message) + b"\x00", b""]
    results = open_(
        acme,
        *[
            {"ciphertext": base64.b64encode(each).decode(), "classification": "pii"}
            for each in forged
        ],
    )
    told = [{**item["problem"], "request_id": ""} for item in results]
    assert all(item == told[0] for item in told)
    assert told[0]["code"] == "decryption_failed"


def test_another_tenant_cannot_open_it(acme: Api) -> None:
    value = sealed(acme)
    with as_region("eu-west-1"):
        globex = app_of(Cast().globex())
        [result] = open_(globex, value)
    assert (result["status"], result["problem"]["code"]) == (422, "decryption_failed")


def test_what_one_region_encrypts_another_opens_and_a_forbidden_one_does_not() -> None:
    tenant = Cast().acme(eu_west_1=RegionRuleInput("eu-west-1", may_decrypt=("phi",)))
    api = app_of(tenant)
    values = [sealed(api), sealed(api, "phi text", "phi")]
    with as_region("us-west-1"):
        assert [item["status"] for item in open_(api, *values)] == [200, 200]
    with as_region("eu-west-1"):
        refused, opened = open_(api, *values)
    assert (refused["status"], refused["problem"]["code"]) == (403, "region_not_allowed")
    assert opened == {"status": 200, "text": "phi text"}


def test_a_value_is_no_part_of_a_record_and_a_part_no_value(acme: Api) -> None:
    from crypto.context import EncryptionContext, Purpose
    from crypto.errors import DecryptionFailed
    from tenants.services.serving import get_envelope

    caller = caller_of_api(acme)
    assert caller.key
    message = base64.b64decode(sealed(acme)["ciphertext"])
    as_record = EncryptionContext(caller.key.tenant, "pii", Purpose.RECORD)
    with pytest.raises(DecryptionFailed):
        get_envelope().open(message, key=caller.key, context=as_record)
    part = get_envelope().seal(b"{}", key=caller.key, context=as_record).message
    ciphertext = base64.b64encode(part).decode()
    [result] = open_(acme, {"ciphertext": ciphertext, "classification": "pii"})
    assert result["problem"]["code"] == "decryption_failed"


def caller_of_api(api: Api) -> Any:
    from tenants.selectors import get_caller

    return get_caller(api.token)


def test_a_value_that_is_encrypted_anew_is_another_message_of_the_same(acme: Api) -> None:
    value = sealed(acme)
    [result] = acme.post("/values/reencrypt", {"values": [value]})["results"]
    assert result["ciphertext"] != value["ciphertext"]
    again = value | {"ciphertext": result["ciphertext"]}
    assert open_(acme, again) == [{"status": 200, "text": SECRET}]


@pytest.mark.parametrize(
    ("scopes", "path"),
    [
        (["values:decrypt"], "encrypt"),
        (["values:encrypt"], "decrypt"),
        (["values:encrypt"], "reencrypt"),
        (["values:decrypt"], "reencrypt"),
        (["records:read", "records:write"], "encrypt"),
    ],
)
def test_each_direction_needs_its_scope(scopes: list[str], path: str) -> None:
    tenant = Cast().globex()
    with as_region("eu-west-1"):
        value = sealed(app_of(tenant))
        narrow = Api(token_of(tenant, *scopes))
        body = {"values": [value if path != "encrypt" else {"text": "x", "classification": "pii"}]}
        problem(narrow.send("POST", f"/values/{path}", body), 403, "scope_missing")


@pytest.mark.parametrize(
    "body",
    [
        {"values": []},
        {"values": [{"text": "x", "classification": "pii"}] * 501},
        {"values": [{"text": 5, "classification": "pii"}]},
        {"values": [{"base64": "not base64!", "classification": "pii"}]},
        {"values": [{"text": "x"}]},
        {"values": [{"text": "x", "classification": f"c{n}"} for n in range(17)]},
    ],
)
def test_bad_input_is_told_and_repeats_no_value(acme: Api, body: Any) -> None:
    answer = acme.send("POST", "/values/encrypt", body)
    problem(answer, 400, "input_invalid")
    assert b"not base64!" not in answer.content


def test_a_value_above_the_limit_is_refused_alone(acme: Api) -> None:
    small, large = seal(
        acme,
        {"text": "x", "classification": "pii"},
        {"text": "x" * (1024 * 1024 + 1), "classification": "pii"},
    )
    assert (small["status"], large["status"]) == (200, 400)


def test_an_inactive_tenant_is_refused() -> None:
    initech = Cast().initech()
    caller = caller_of(initech)
    assert caller.key is None
    body = {"values": [{"text": "x", "classification": "pii"}]}
    problem(app_of(initech).send("POST", "/values/encrypt", body), 409, "tenant_not_active")
