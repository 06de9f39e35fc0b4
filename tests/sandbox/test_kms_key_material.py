"""Keys of origin EXTERNAL: material that the customer imports, in each Region for itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.sandbox.kms_cast import HOME, WEST, Cast, refused, role, standing_in, statement

DAY = 86_400.0
FOREVER = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}


def wrapped(parameters: dict[str, Any], material: bytes, algorithm: str) -> bytes:
    """What a customer makes of the material with the public key."""
    digest = hashes.SHA256() if algorithm.endswith("256") else hashes.SHA1()  # noqa: S303 - AWS takes it
    public = load_der_public_key(parameters["PublicKey"])
    assert isinstance(public, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(digest), digest, None)
    if algorithm.startswith("RSA_AES"):
        between = os.urandom(32)
        return public.encrypt(between, oaep) + aes_key_wrap_with_padding(between, material)
    return public.encrypt(material, oaep)


def put_material(
    cast: Cast, arn: str, material: bytes, algorithm: str = "RSAES_OAEP_SHA_256", **more: Any
) -> str:
    """Import in the Region of the ARN; the id of the material."""
    client = cast.kms("operator", arn.split(":")[3])
    given = client.get_parameters_for_import(
        KeyId=arn, WrappingAlgorithm=algorithm, WrappingKeySpec="RSA_2048"
    )
    answer = client.import_key_material(
        KeyId=arn,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrapped(given, material, algorithm),
        **(FOREVER if "ValidTo" not in more else {}),
        **more,
    )
    return str(answer["KeyMaterialId"])


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """A stand-in whose clock these tests may move."""
    with standing_in(tmp_path_factory.mktemp("kms"), transition_seconds=0) as cast:
        yield cast


@pytest.mark.parametrize(
    "algorithm",
    [
        *("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"),
        *("RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"),
    ],
)
def test_a_key_waits_for_its_material_and_works_with_it(kms_cast: Cast, algorithm: str) -> None:
    arn = kms_cast.key(Origin="EXTERNAL")
    client = kms_cast.kms("operator")
    shown = client.describe_key(KeyId=arn)["KeyMetadata"]
    assert (shown["KeyState"], shown["Origin"], shown["Enabled"]) == (
        "PendingImport",
        "EXTERNAL",
        False,
    )
    with refused("KMSInvalidStateException", "pending import"):
        client.encrypt(KeyId=arn, Plaintext=b"hello")
    material_id = put_material(kms_cast, arn, os.urandom(32), algorithm)
    shown = client.describe_key(KeyId=arn)["KeyMetadata"]
    assert (shown["KeyState"], shown["ExpirationModel"]) == (
        "Enabled",
        "KEY_MATERIAL_DOES_NOT_EXPIRE",
    )
    assert shown["CurrentKeyMaterialId"] == material_id
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    assert client.decrypt(CiphertextBlob=blob)["KeyMaterialId"] == material_id


def test_a_replica_needs_the_same_material_in_its_own_region(kms_cast: Cast) -> None:
    arn = kms_cast.key(Origin="EXTERNAL")
    material = os.urandom(32)
    with refused("KMSInvalidStateException"):
        kms_cast.replica(arn, WEST)
    material_id = put_material(kms_cast, arn, material)
    replica = kms_cast.replica(arn, WEST)
    west = kms_cast.kms("operator", WEST)
    assert kms_cast.state(replica) == "PendingImport"
    blob = kms_cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    with refused("KMSInvalidStateException"):
        west.decrypt(CiphertextBlob=blob)
    with refused("IncorrectKeyMaterialException"):
        put_material(kms_cast, replica, os.urandom(32))
    assert put_material(kms_cast, replica, material) == material_id
    assert west.decrypt(CiphertextBlob=blob)["Plaintext"] == b"hello"


def test_deleted_material_stops_one_region_until_the_same_is_imported_again(
    kms_cast: Cast,
) -> None:
    arn, material = kms_cast.key(Origin="EXTERNAL"), os.urandom(32)
    put_material(kms_cast, arn, material)
    replica = kms_cast.replica(arn, WEST)
    put_material(kms_cast, replica, material)
    client, west = kms_cast.kms("operator"), kms_cast.kms("operator", WEST)
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    client.delete_imported_key_material(KeyId=arn)
    assert (kms_cast.state(arn), kms_cast.state(replica)) == ("PendingImport", "Enabled")
    with refused("KMSInvalidStateException"):
        client.decrypt(CiphertextBlob=blob)
    assert west.decrypt(CiphertextBlob=blob)["Plaintext"] == b"hello"
    west.delete_imported_key_material(KeyId=replica)
    client.delete_imported_key_material(KeyId=arn)  # once more is no error
    with refused("IncorrectKeyMaterialException"):
        put_material(kms_cast, arn, os.urandom(32))
    put_material(kms_cast, arn, material)
    assert client.decrypt(CiphertextBlob=blob)["Plaintext"] == b"hello"


def test_material_expires_on_its_date(clocked: Cast) -> None:
    arn, material = clocked.key(Origin="EXTERNAL"), os.urandom(32)
    now = clocked.kms("operator").describe_key(KeyId=arn)["KeyMetadata"]["CreationDate"]
    put_material(clocked, arn, material, ValidTo=now + timedelta(days=10))
    client = clocked.kms("operator")
    shown = client.describe_key(KeyId=arn)["KeyMetadata"]
    assert shown["ExpirationModel"] == "KEY_MATERIAL_EXPIRES"
    assert shown["ValidTo"] > now
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    clocked.stand_in.advance_clock(10 * DAY + 1)
    assert clocked.state(arn) == "PendingImport"
    with refused("KMSInvalidStateException"):
        client.decrypt(CiphertextBlob=blob)
    gone = [
        e for e in clocked.stand_in.events(HOME) if e["eventName"] == "DeleteExpiredKeyMaterial"
    ]
    assert [item["ARN"] for event in gone for item in event["resources"]] == [arn]
    put_material(clocked, arn, material)
    assert client.decrypt(CiphertextBlob=blob)["Plaintext"] == b"hello"
    clocked.stand_in.advance_clock(400 * DAY)
    assert clocked.state(arn) == "Enabled"


def test_a_date_lies_in_the_next_year_and_comes_with_its_model(kms_cast: Cast) -> None:
    arn = kms_cast.key(Origin="EXTERNAL")
    client = kms_cast.kms("operator")
    given: dict[str, Any] = {"KeyId": arn, "ImportToken": b"x", "EncryptedKeyMaterial": b"x"}
    soon = datetime.now(UTC) + timedelta(days=1)
    for wrong in (
        {},
        FOREVER | {"ValidTo": soon},
        {"ValidTo": soon - timedelta(days=2)},
        {"ValidTo": soon + timedelta(days=366)},
    ):
        with refused("ValidationException"):
            client.import_key_material(**given, **wrong)


def test_only_fresh_tokens_of_the_key_and_material_wrapped_with_them_are_taken(
    clocked: Cast,
) -> None:
    arn, other = clocked.key(Origin="EXTERNAL"), clocked.key(Origin="EXTERNAL")
    client = clocked.kms("operator")

    def parameters(key: str) -> dict[str, Any]:
        return dict(
            client.get_parameters_for_import(
                KeyId=key, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
            )
        )

    def send(token: bytes, sealed: bytes) -> None:
        client.import_key_material(
            KeyId=arn, ImportToken=token, EncryptedKeyMaterial=sealed, **FOREVER
        )

    first, second, foreign = parameters(arn), parameters(arn), parameters(other)
    sealed = wrapped(first, os.urandom(32), "RSAES_OAEP_SHA_256")
    for token in (b"no token", first["ImportToken"][:-1], foreign["ImportToken"]):
        with refused("InvalidImportTokenException"):
            send(token, sealed)
    with refused("InvalidCiphertextException"):
        send(second["ImportToken"], sealed)
    with refused("IncorrectKeyMaterialException"):
        send(first["ImportToken"], wrapped(first, os.urandom(16), "RSAES_OAEP_SHA_256"))
    clocked.stand_in.advance_clock(DAY)
    with refused("ExpiredImportTokenException"):
        send(first["ImportToken"], sealed)
    assert clocked.state(arn) == "PendingImport"


def test_a_key_that_kms_made_takes_no_material(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    with refused("UnsupportedOperationException", "origin is AWS_KMS"):
        put_material(kms_cast, arn, os.urandom(32))
    with refused("UnsupportedOperationException"):
        client.delete_imported_key_material(KeyId=arn)
    external = kms_cast.key(Origin="EXTERNAL")
    put_material(kms_cast, external, os.urandom(32))
    for rotate in (client.enable_key_rotation, client.disable_key_rotation):
        with refused("UnsupportedOperationException", "origin is EXTERNAL"):
            rotate(KeyId=external)


def test_imported_material_rotates_on_demand_once_every_region_has_the_next(
    kms_cast: Cast,
) -> None:
    arn, first, second = kms_cast.key(Origin="EXTERNAL"), os.urandom(32), os.urandom(32)
    old_id = put_material(kms_cast, arn, first, KeyMaterialDescription="2026")
    replica = kms_cast.replica(arn, WEST)
    put_material(kms_cast, replica, first)
    client, west = kms_cast.kms("operator"), kms_cast.kms("operator", WEST)
    old = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    with refused("KMSInvalidStateException"):
        client.rotate_key_on_demand(KeyId=arn)
    with refused("UnsupportedOperationException"):
        put_material(kms_cast, replica, second, ImportType="NEW_KEY_MATERIAL")
    new_id = put_material(kms_cast, arn, second, ImportType="NEW_KEY_MATERIAL")

    def states(of: Any, key: str) -> list[tuple[str, str, str]]:
        rows = of.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
        return [(r["KeyMaterialId"], r["KeyMaterialState"], r["ImportState"]) for r in rows]

    waiting = "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
    assert states(client, arn) == [(old_id, "CURRENT", "IMPORTED"), (new_id, waiting, "IMPORTED")]
    assert states(west, replica)[1] == (new_id, waiting, "PENDING_IMPORT")
    with refused("KMSInvalidStateException"):
        client.rotate_key_on_demand(KeyId=arn)
    put_material(kms_cast, replica, second)
    assert states(west, replica)[1] == (new_id, "PENDING_ROTATION", "IMPORTED")
    client.rotate_key_on_demand(KeyId=arn)
    assert [row[1] for row in states(client, arn)] == ["NON_CURRENT", "CURRENT"]
    new = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    for blob, material_id in ((old, old_id), (new, new_id)):
        assert west.decrypt(CiphertextBlob=blob)["KeyMaterialId"] == material_id
    west.delete_imported_key_material(KeyId=replica, KeyMaterialId=old_id)
    assert kms_cast.state(replica) == "PendingImport"  # all of its material is needed
    put_material(kms_cast, replica, first, KeyMaterialId=old_id)
    assert west.decrypt(CiphertextBlob=old)["Plaintext"] == b"hello"


def test_material_that_was_not_rotated_to_can_be_taken_back(kms_cast: Cast) -> None:
    arn = kms_cast.key(Origin="EXTERNAL", MultiRegion=False)
    put_material(kms_cast, arn, os.urandom(32))
    pending = put_material(kms_cast, arn, os.urandom(32), ImportType="NEW_KEY_MATERIAL")
    client = kms_cast.kms("operator")
    with refused("KMSInvalidStateException"):
        put_material(kms_cast, arn, os.urandom(32), ImportType="NEW_KEY_MATERIAL")
    client.delete_imported_key_material(KeyId=arn, KeyMaterialId=pending)
    assert kms_cast.state(arn) == "Enabled"
    rows = client.list_key_rotations(KeyId=arn, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert len(rows) == 1


def test_a_mac_key_takes_material_of_a_length_that_suits_it(kms_cast: Cast) -> None:
    arn = kms_cast.key(
        KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC", Origin="EXTERNAL", MultiRegion=False
    )
    with refused("IncorrectKeyMaterialException"):
        put_material(kms_cast, arn, os.urandom(31))
    put_material(kms_cast, arn, os.urandom(64))
    client = kms_cast.kms("operator")
    assert client.generate_mac(KeyId=arn, MacAlgorithm="HMAC_SHA_256", Message=b"x")["Mac"]


def test_a_policy_can_demand_that_material_expires(kms_cast: Cast) -> None:
    arn = kms_cast.key(Origin="EXTERNAL")
    kms_cast.put_policy(
        arn,
        statement({"AWS": role("operator")}, ["kms:GetParametersForImport", "kms:PutKeyPolicy"]),
        statement(
            {"AWS": role("operator")},
            "kms:ImportKeyMaterial",
            StringEquals={"kms:ExpirationModel": "KEY_MATERIAL_EXPIRES"},
        ),
    )
    with refused("AccessDeniedException", "kms:ImportKeyMaterial"):
        put_material(kms_cast, arn, os.urandom(32))
    put_material(kms_cast, arn, os.urandom(32), ValidTo=datetime.now(UTC) + timedelta(days=1))


def test_material_and_tokens_never_get_into_the_trail(kms_cast: Cast) -> None:
    arn = kms_cast.key(Origin="EXTERNAL")
    put_material(kms_cast, arn, os.urandom(32))
    events = [
        event
        for event in kms_cast.stand_in.events(HOME)
        if any(item["ARN"] == arn for item in event["resources"])
    ]
    assert [event["eventName"] for event in events] == [
        "CreateKey",
        "GetParametersForImport",
        "ImportKeyMaterial",
    ]
    assert events[2]["requestParameters"] == {"keyId": arn} | {
        "expirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"
    }
