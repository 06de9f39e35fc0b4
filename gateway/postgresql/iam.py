"""Connections that sign in with a token of AWS IAM instead of a password."""

from __future__ import annotations

from functools import lru_cache
from itertools import zip_longest
from typing import Any, Self

import psycopg
from django.conf import settings

from tenants.rds.tokens import Tokens


class IamConnection(psycopg.Connection[Any]):
    """Each attempt has a token of its own, made for the very host: libpq would try all hosts of a list with the same
    password. A token that was kept could have run out when a pool connects again, hours later."""

    @classmethod
    def connect(cls, conninfo: str = "", **params: Any) -> Self:
        """Try the hosts in their order; raises the error of the last."""
        hosts, ports = params.pop("host").split(","), str(params.pop("port")).split(",")
        lost: psycopg.OperationalError | None = None
        for host, port in zip_longest(hosts, ports, fillvalue=ports[0]):
            token = get_tokens().token(host=host, port=int(port), user=params["user"])
            given = params | {"host": host, "port": port, "password": token}
            try:
                return super().connect(conninfo, **given)
            except psycopg.OperationalError as error:
                lost = error
        raise lost or psycopg.OperationalError("There is no host to connect to.")


@lru_cache(maxsize=1)
def get_tokens() -> Tokens:
    """With the credentials of the use role, once a process."""
    return Tokens(settings.CRYPTO.use_profile)
