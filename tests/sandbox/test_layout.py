"""Where the parts of a sandbox are."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from sandbox.layout import Home

LONGEST_SOCKET = 107


def test_sockets_fit_however_long_the_path_of_the_checkout_is() -> None:
    for path in (
        "/srv/s",
        "/srv/100% o'brien's",
        "/home/" + "somebody/with/a/long/path/" * 8 + ".sandbox",
    ):
        home = Home(Path(path))
        assert len(str(home.broker_socket)) <= LONGEST_SOCKET
        assert quote(str(home.broker_socket)) == str(home.broker_socket)
        assert len(f"{home.supervisor_socket}.4194304") <= LONGEST_SOCKET


def test_two_sandboxes_with_long_paths_share_no_socket() -> None:
    stem = "/home/" + "x" * 120
    assert Home(Path(f"{stem}/a")).run != Home(Path(f"{stem}/b")).run
