"""State outlives the process: a clean stop, kill -9 in the middle of changes, and a second process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.kms import KmsStandIn
from tests.sandbox.kms_cast import (
    ACCOUNT,
    EUROPE,
    HOME,
    ROOT,
    WEST,
    Cast,
    document,
    standing_in,
    statement,
)

CONTEXT = {"tenant": "acme"}
POLICY = document(statement({"AWS": ROOT}, "kms:*"))


@pytest.mark.parametrize("stop", ["stop", "kill"])
def test_everything_is_as_it_was_after_a_restart(tmp_path: Path, stop: str) -> None:
    with standing_in(tmp_path, transition_seconds=0) as cast:
        arn = cast.key(
            Description="Acme", Tags=[{"TagKey": "tenant", "TagValue": "acme"}], Policy=POLICY
        )
        replica = cast.replica(arn, WEST)
        client, west = cast.kms("operator"), cast.kms("operator", WEST)
        client.create_alias(AliasName="alias/acme", TargetKeyId=arn)
        client.rotate_key_on_demand(KeyId=arn)
        client.enable_key_rotation(KeyId=arn)
        west.disable_key(KeyId=replica)
        blob = client.encrypt(KeyId=arn, Plaintext=b"hello", EncryptionContext=CONTEXT)[
            "CiphertextBlob"
        ]
        before = client.describe_key(KeyId=arn)["KeyMetadata"]
        endpoints, events = cast.stand_in.endpoints, cast.stand_in.events(HOME)

        getattr(cast.stand_in, stop)()
        cast.stand_in.start()

        assert cast.stand_in.endpoints == endpoints
        assert cast.stand_in.events(HOME) == events
        assert client.describe_key(KeyId="alias/acme")["KeyMetadata"] == before
        assert client.get_key_policy(KeyId=arn)["Policy"] == POLICY
        assert client.list_resource_tags(KeyId=arn)["Tags"] == [
            {"TagKey": "tenant", "TagValue": "acme"}
        ]
        assert client.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"] is True
        assert west.describe_key(KeyId=replica)["KeyMetadata"]["KeyState"] == "Disabled"
        opened = client.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)
        assert opened["Plaintext"] == b"hello"


def test_no_change_that_was_answered_is_lost_by_kill_9(tmp_path: Path) -> None:
    with standing_in(tmp_path, transition_seconds=0) as cast:
        answered: list[str] = []
        enough = threading.Event()

        def work() -> None:
            try:
                while True:
                    arn = cast.key()
                    cast.replica(arn, WEST)
                    cast.kms("operator").create_alias(
                        AliasName=f"alias/t/{arn[-12:]}", TargetKeyId=arn
                    )
                    answered.append(arn)
                    if len(answered) == 20:
                        enough.set()
            except (BotoCoreError, ClientError):
                return  # killed

        worker = threading.Thread(target=work)
        worker.start()
        assert enough.wait(60)
        cast.stand_in.kill()
        worker.join()
        cast.stand_in.start()
        for arn in answered:
            shown = cast.kms("operator").describe_key(KeyId=f"alias/t/{arn[-12:]}")["KeyMetadata"]
            assert [r["Region"] for r in shown["MultiRegionConfiguration"]["ReplicaKeys"]] == [WEST]


def test_a_moved_clock_and_a_deletion_survive_a_restart(tmp_path: Path) -> None:
    with standing_in(tmp_path, transition_seconds=3600) as cast:
        arn = cast.key()
        cast.replica(arn, EUROPE)
        cast.stand_in.advance_clock(3600)
        cast.stand_in.kill()
        cast.stand_in.start()
        europe = cast.kms("operator", EUROPE)
        replica = arn.replace(HOME, EUROPE)
        assert europe.describe_key(KeyId=replica)["KeyMetadata"]["KeyState"] == "Enabled"
        europe.schedule_key_deletion(KeyId=replica, PendingWindowInDays=7)
        cast.stand_in.stop()
        cast.stand_in.start()
        cast.stand_in.advance_clock(7 * 86_400)
        with pytest.raises(ClientError, match="NotFoundException"):
            europe.describe_key(KeyId=replica)
        assert cast.kms("operator").describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Enabled"


def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    with standing_in(tmp_path) as cast:
        cast.key()
        files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
        assert {path.name for path in files} >= {"keys.sqlite", "keys.sqlite-wal", f"{HOME}.jsonl"}
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
        directories = [tmp_path / "state", tmp_path / "state" / "trail"]
        assert {path.stat().st_mode & 0o777 for path in directories} == {0o700}


def test_two_processes_never_share_a_state_directory(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with standing_in(tmp_path) as cast:
        arn = cast.key()
        second = KmsStandIn.running(tmp_path / "state", tmp_path / "identities.json", [HOME])
        with pytest.raises(RuntimeError):
            second.start()
        assert "Another KMS stand-in uses" in capfd.readouterr().err
        assert cast.kms("operator").describe_key(KeyId=arn)["KeyMetadata"]["Arn"] == arn


def test_a_ciphertext_of_another_stand_in_is_invalid(tmp_path: Path, kms_cast: Cast) -> None:
    with standing_in(tmp_path) as other:
        blob = other.kms("operator").encrypt(KeyId=other.key(), Plaintext=b"x")["CiphertextBlob"]
    with pytest.raises(ClientError, match="InvalidCiphertextException"):
        kms_cast.kms("operator").decrypt(CiphertextBlob=blob)


def test_the_state_can_be_read_while_it_is_served_and_shows_no_secret(tmp_path: Path) -> None:
    with standing_in(tmp_path, transition_seconds=0) as cast:
        arn = cast.key()
        cast.replica(arn, WEST)
        cast.kms("operator").create_alias(AliasName="alias/acme", TargetKeyId=arn)
        cast.client("iam", "operator", HOME).create_user(UserName="alice")
        command = [sys.executable, "-m", "sandbox.kms.listing", str(tmp_path / "state")]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    key, user = map(json.loads, shown.splitlines())
    assert (key["key"], key["primary"]) == (arn.rpartition("/")[2], HOME)
    assert key["regions"] == {
        HOME: {"state": "Enabled", "aliases": ["alias/acme"], "grants": 0},
        WEST: {"state": "Enabled", "aliases": [], "grants": 0},
    }
    assert user == {"user": f"arn:aws:iam::{ACCOUNT}:user/alice", "policies": []}
    assert "secret" not in shown
