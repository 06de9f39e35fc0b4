"""Each kind of process gets the credentials of its own plane, and no others."""

from __future__ import annotations

import configparser
import json

from sandbox.identities import credentials_path, make_identities
from sandbox.layout import REGIONS, Home


def profiles(home: Home, name: str) -> set[str]:
    parser = configparser.ConfigParser()
    parser.read(credentials_path(home, name))
    return set(parser.sections())


def test_web_processes_hold_their_region_s_use_role_alone(home: Home) -> None:
    home.make()
    make_identities(home)
    for region in REGIONS:
        assert profiles(home, f"web-{region}") == {f"gateway-use-{region}"}
        assert profiles(home, f"worker-{region}") == {f"gateway-use-{region}", "gateway-admin"}
    assert profiles(home, "operator") == {"gateway-audit"}
    for alone in ("administrator", "database-admin", "tenant"):
        assert profiles(home, alone) == {alone}


def test_the_role_that_makes_keys_cannot_use_them_and_the_one_that_uses_them_cannot_make_any(
    home: Home,
) -> None:
    home.make()
    make_identities(home)
    identities = json.loads((home.secrets / "identities.json").read_text())
    allowed = {
        who["arn"].split("/")[1]: {
            action
            for one in who["policy"]["Statement"]
            if one["Effect"] == "Allow"
            for action in one["Action"]
        }
        for who in identities.values()
    }
    use = {"kms:GenerateDataKey", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"}
    assert not allowed["mrk-gateway-admin"] & use
    assert not allowed["mrk-gateway-audit"] & use
    for region in REGIONS:
        assert allowed[f"mrk-gateway-use-{region}"] == use | {"kms:DescribeKey"}


def test_access_keys_are_random_stay_the_same_and_are_closed_to_others(home: Home) -> None:
    home.make()
    make_identities(home)
    first = (home.secrets / "identities.json").read_text()
    make_identities(home)
    assert (home.secrets / "identities.json").read_text() == first
    assert all(len(key) == 20 and not key.isdigit() for key in json.loads(first))
    assert {path.stat().st_mode & 0o777 for path in home.secrets.iterdir()} == {0o600}
