"""Secrets: whole or absent, and the owner's alone from the first moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.files import make_private_directory, secret, write_file


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "password"
    first = secret(path)
    assert len(first) > 40
    assert secret(path) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_two_secrets_differ(tmp_path: Path) -> None:
    assert secret(tmp_path / "a") != secret(tmp_path / "b")


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_file(tmp_path / "conf", "old")
    write_file(tmp_path / "conf", "new")
    assert (tmp_path / "conf").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]


def test_a_file_stays_closed_under_an_open_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_file(tmp_path / "conf", "text")
        make_private_directory(tmp_path / "secrets")
    finally:
        os.umask(before)
    assert (tmp_path / "conf").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_a_link_in_the_place_of_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SandboxError, match="belongs to another user"):
        make_private_directory(tmp_path / "run")
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o755


def test_a_directory_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(SandboxError, match="belongs to another user"):
        make_private_directory(tmp_path / "run")
