"""Tokens that stand for a password: signed here, with the process's own credentials, and asked of nobody.

Source: Aurora User Guide, "IAM database authentication". A token is good for the host, port and user that it names, in
the Region that it is signed for, and lets connections begin for 15 minutes.
"""

from __future__ import annotations

import re
import threading
from typing import Any, Final

import boto3

_REGIONAL: Final = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d{1,2})\.rds\.amazonaws\.com(?:\.cn)?\Z")


def region_of(host: str) -> str:
    """The Region of a cluster's or an instance's endpoint; empty for any other name. The global writer endpoint names
    none, and AWS does not say which Region a token for it is of."""
    found = _REGIONAL.search(host)
    return found[1] if found else ""


class Tokens:
    """Makes tokens with the credentials of one AWS profile."""

    def __init__(self, profile: str) -> None:
        """`profile` is empty for the process's own credentials. Nothing is looked up until a token is asked for."""
        self._profile = profile
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def token(self, *, host: str, port: int, user: str) -> str:
        """A fresh one. Raises `ValueError` where the host is not an endpoint of a Region."""
        region = region_of(host)
        if not region:
            raise ValueError(f"{host} is not the endpoint of a cluster or instance in a Region.")
        token: str = self._client(region).generate_db_auth_token(
            DBHostname=host, Port=port, DBUsername=user, Region=region
        )
        return token

    def _client(self, region: str) -> Any:
        with self._lock:
            if region not in self._clients:
                session: Any = boto3.Session(profile_name=self._profile or None)
                self._clients[region] = session.client("rds", region)
            return self._clients[region]
