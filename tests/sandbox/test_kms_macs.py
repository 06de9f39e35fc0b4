"""HMAC keys: GenerateMac and VerifyMac."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.kms_cast import ROOT, WEST, Cast, refused, role, statement

MESSAGE = b"subscriber 42"
BITS = (224, 256, 384, 512)


def mac_key(cast: Cast, bits: int = 256) -> str:
    return cast.key(KeySpec=f"HMAC_{bits}", KeyUsage="GENERATE_VERIFY_MAC")


@pytest.mark.parametrize("bits", BITS)
def test_a_mac_has_the_length_of_its_digest_and_verifies(kms_cast: Cast, bits: int) -> None:
    arn = mac_key(kms_cast, bits)
    client, algorithm = kms_cast.kms("operator"), f"HMAC_SHA_{bits}"
    made = client.generate_mac(KeyId=arn, MacAlgorithm=algorithm, Message=MESSAGE)
    assert len(made["Mac"]) == bits // 8
    assert (made["KeyId"], made["MacAlgorithm"]) == (arn, algorithm)
    verified = client.verify_mac(
        KeyId=arn, MacAlgorithm=algorithm, Message=MESSAGE, Mac=made["Mac"]
    )
    assert verified["MacValid"] is True
    again = client.generate_mac(KeyId=arn, MacAlgorithm=algorithm, Message=MESSAGE)
    assert hmac.compare_digest(again["Mac"], made["Mac"])


def test_the_mac_of_a_replica_is_that_of_the_primary(kms_cast: Cast) -> None:
    arn = mac_key(kms_cast)
    replica = kms_cast.replica(arn, WEST)
    given: dict[str, Any] = {"MacAlgorithm": "HMAC_SHA_256", "Message": MESSAGE}
    made = kms_cast.kms("operator").generate_mac(KeyId=arn, **given)
    west = kms_cast.kms("operator", WEST)
    assert west.generate_mac(KeyId=replica, **given)["Mac"] == made["Mac"]
    assert west.verify_mac(KeyId=replica, Mac=made["Mac"], **given)["KeyId"] == replica


def test_a_wrong_mac_is_an_error_and_not_an_answer(kms_cast: Cast) -> None:
    arn, other = mac_key(kms_cast), mac_key(kms_cast)
    client = kms_cast.kms("operator")
    given: dict[str, Any] = {"KeyId": arn, "MacAlgorithm": "HMAC_SHA_256"}
    mac = client.generate_mac(Message=MESSAGE, **given)["Mac"]
    for wrong in (bytes([mac[0] ^ 1]) + mac[1:], mac[:-1], mac + b"\0"):
        with refused("KMSInvalidMacException"):
            client.verify_mac(Message=MESSAGE, Mac=wrong, **given)
    with refused("KMSInvalidMacException"):
        client.verify_mac(Message=MESSAGE + b"!", Mac=mac, **given)
    with refused("KMSInvalidMacException"):
        client.verify_mac(Message=MESSAGE, Mac=mac, **given | {"KeyId": other})


def test_a_key_is_used_for_what_it_is_for(kms_cast: Cast) -> None:
    mac, symmetric = mac_key(kms_cast), kms_cast.key()
    client = kms_cast.kms("operator")
    uses: list[Callable[[], Any]] = [
        lambda: client.encrypt(KeyId=mac, Plaintext=b"x"),
        lambda: client.generate_data_key(KeyId=mac, KeySpec="AES_256"),
        lambda: client.generate_mac(KeyId=symmetric, MacAlgorithm="HMAC_SHA_256", Message=MESSAGE),
        lambda: client.generate_mac(KeyId=mac, MacAlgorithm="HMAC_SHA_512", Message=MESSAGE),
    ]
    for use in uses:
        with refused("InvalidKeyUsageException"):
            use()
    for rotate in (client.enable_key_rotation, client.rotate_key_on_demand):
        with refused("UnsupportedOperationException"):
            rotate(KeyId=mac)


def test_a_mac_key_is_described_as_one(kms_cast: Cast) -> None:
    arn = mac_key(kms_cast, 384)
    shown = kms_cast.kms("operator").describe_key(KeyId=arn)["KeyMetadata"]
    assert (shown["KeySpec"], shown["KeyUsage"]) == ("HMAC_384", "GENERATE_VERIFY_MAC")
    assert shown["MacAlgorithms"] == ["HMAC_SHA_384"]
    assert not {"EncryptionAlgorithms", "CurrentKeyMaterialId"} & shown.keys()


def test_a_disabled_mac_key_makes_and_verifies_nothing(kms_cast: Cast) -> None:
    arn = mac_key(kms_cast)
    client = kms_cast.kms("operator")
    given: dict[str, Any] = {"KeyId": arn, "MacAlgorithm": "HMAC_SHA_256", "Message": MESSAGE}
    mac = client.generate_mac(**given)["Mac"]
    client.disable_key(KeyId=arn)
    with refused("DisabledException"):
        client.generate_mac(**given)
    with refused("DisabledException"):
        client.verify_mac(Mac=mac, **given)


def test_making_and_verifying_are_two_permissions(kms_cast: Cast) -> None:
    arn = mac_key(kms_cast)
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:*"),
        statement(
            {"AWS": role("nobody")},
            "kms:VerifyMac",
            StringEquals={"kms:MacAlgorithm": "HMAC_SHA_256"},
        ),
    )
    given: dict[str, Any] = {"KeyId": arn, "MacAlgorithm": "HMAC_SHA_256", "Message": MESSAGE}
    mac = kms_cast.kms("operator").generate_mac(**given)["Mac"]
    assert kms_cast.kms("nobody").verify_mac(Mac=mac, **given)["MacValid"]
    with refused("AccessDeniedException", "kms:GenerateMac"):
        kms_cast.kms("nobody").generate_mac(**given)


def test_a_dry_run_makes_no_mac(kms_cast: Cast) -> None:
    arn = mac_key(kms_cast)
    client = kms_cast.kms("operator")
    given: dict[str, Any] = {"KeyId": arn, "MacAlgorithm": "HMAC_SHA_256", "Message": MESSAGE}
    with refused("DryRunOperationException"):
        client.generate_mac(DryRun=True, **given)
    with refused("DryRunOperationException"):
        client.verify_mac(DryRun=True, Mac=client.generate_mac(**given)["Mac"], **given)


def test_a_message_has_up_to_4096_bytes(kms_cast: Cast) -> None:
    arn = mac_key(kms_cast)
    client = kms_cast.kms("operator")
    client.generate_mac(KeyId=arn, MacAlgorithm="HMAC_SHA_256", Message=b"x" * 4096)
    with refused("ValidationException"):
        client.generate_mac(KeyId=arn, MacAlgorithm="HMAC_SHA_256", Message=b"x" * 4097)
