"""Load on the KMS stand-in: clients that send one signed request again and again over one connection each.

A boto3 client takes longer over a call than the stand-in does, so it would be measured instead. A signature is good for
five minutes, so it is made once.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class Request(NamedTuple):
    """A request to one endpoint, signed."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Load(NamedTuple):
    """What came of some clients' calls: how many in how many seconds, and the seconds of each."""

    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Calls a second."""
        return len(self.latencies) / self.seconds


def sign(
    operation: str, body: Mapping[str, Any], *, url: str, region: str, credentials: Credentials
) -> Request:
    """A request of that operation with a JSON body."""
    data = json.dumps(body).encode()
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"TrentService.{operation}",
    }
    request = AWSRequest("POST", f"{url}/", data=data, headers=headers)
    SigV4Auth(credentials, "kms", region).add_auth(request)
    return Request(url, dict(request.headers), data)


def load(call: Callable[[], Callable[[], object]], *, clients: int, seconds: float) -> Load:
    """`call` makes one client's call; each client repeats its own, in its thread, until the time is over."""
    barrier = threading.Barrier(clients)

    def client() -> list[float]:
        once, latencies = call(), []
        once()
        barrier.wait()
        end = time.perf_counter() + seconds
        while (started := time.perf_counter()) < end:
            once()
            latencies.append(time.perf_counter() - started)
        return latencies

    with ThreadPoolExecutor(clients) as threads:
        futures = [threads.submit(client) for _ in range(clients)]
        latencies = [latency for future in futures for latency in future.result()]
    return Load(seconds, latencies)


def repeat(request: Request) -> Callable[[], object]:
    """A client of its own that sends this request. Its call raises RuntimeError for any answer but 200."""
    connection = http.client.HTTPConnection(urlsplit(request.url).netloc, timeout=10)

    def once() -> None:
        connection.request("POST", "/", request.body, dict(request.headers))
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"The KMS stand-in answered {answer.status}: {body[:200]!r}")

    return once
