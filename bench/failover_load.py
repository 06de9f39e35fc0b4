"""Readers and writers of one tenant at the gateways of several Regions, who come back after every outage.

A writer gives each record an id of its own, and sends a request whose outcome it does not know again: `record_exists`
then says that the first try was stored. A reader reads what was there before the load: no answer but 200 is right.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx2

COLLECTION = "collections/people"
SCHEMA = {
    "fields": [
        {"name": "n", "type": "integer", "protection": "clear"},
        {"name": "ssn", "type": "string", "protection": "sealed", "classification": "pii"},
    ]
}
_PAUSE = 0.01
logging.getLogger("httpx2").setLevel(logging.WARNING)  # else a line a request
_NO_ANSWER = 0


@dataclass(slots=True)
class Written:
    """What one writer was told: `acknowledged` maps the id of a record to the moment, `answers` counts statuses."""

    acknowledged: dict[str, float] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)
    found_stored: int = 0  # whose first try had been stored though its answer was lost
    unresolved: str = ""  # what was still being tried at the end


@dataclass(slots=True)
class Load:
    """What came of it. Moments are those of `time.time()`."""

    writers: list[Written] = field(default_factory=list)
    reads: Counter[int] = field(default_factory=Counter)
    failed_reads: list[tuple[float, str]] = field(default_factory=list)

    @property
    def acknowledged(self) -> dict[str, float]:
        """Every record that a writer was told is stored, and when it was."""
        return {key: at for each in self.writers for key, at in each.acknowledged.items()}

    def gap(self, since: float) -> tuple[float, float]:
        """The longest pause between two acknowledgements after `since - 5`, as its begin and end."""
        moments = sorted(at for at in self.acknowledged.values() if at > since - 5)
        pairs = pairwise(moments)
        return max(pairs, key=lambda pair: pair[1] - pair[0], default=(since, since))


def prepare(url: str, token: str, records: int = 50) -> list[str]:
    """A collection, and what readers read."""
    with _client(url, token) as client:
        client.put(COLLECTION, json={"schema": SCHEMA}).raise_for_status()
        rows: list[dict[str, Any]] = [
            {"id": f"base-{n}", "fields": _fields(n)} for n in range(records)
        ]
        answer = client.post(f"{COLLECTION}/batch-create", json={"records": rows})
        answer.raise_for_status()
    return [row["id"] for row in rows]


@contextmanager
def running(
    urls: Sequence[str], token: str, known: Sequence[str], *, writers: int = 2, readers: int = 2
) -> Iterator[Load]:
    """Load at each of these gateways while the block runs; what it came to is complete after it."""
    load, stop = Load(), threading.Event()
    threads = []
    for url in urls:
        for _ in range(writers):
            written = Written()
            load.writers.append(written)
            threads.append(threading.Thread(target=_write, args=(url, token, written, stop)))
        for _ in range(readers):
            threads.append(threading.Thread(target=_read, args=(url, token, known, load, stop)))
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _write(url: str, token: str, written: Written, stop: threading.Event) -> None:
    stem, number = secrets.token_hex(4), 0
    with _client(url, token) as client:
        while not stop.is_set():
            key = f"{stem}-{number}"
            written.unresolved = key
            if _store(client, key, number, written, stop):
                written.acknowledged[key] = time.time()
                written.unresolved = ""
            number += 1
            time.sleep(_PAUSE)


def _store(
    client: httpx2.Client, key: str, number: int, written: Written, stop: threading.Event
) -> bool:
    """Send it until it is stored; False where the load ended before that."""
    body = {"id": key, "fields": _fields(number)}
    tries = 0
    while True:
        status, answer = _send(client, "POST", f"{COLLECTION}/records", body)
        written.answers[status] += 1
        tries += 1
        if status == 201:
            return True
        if status == 409 and tries > 1 and answer.get("code") == "record_exists":
            written.found_stored += 1
            return True
        if status not in (_NO_ANSWER, 503):
            raise AssertionError(f"{status} {answer}")
        if stop.wait(float(answer.get("retry_after", 0.2))):
            return False


def _read(url: str, token: str, known: Sequence[str], load: Load, stop: threading.Event) -> None:
    with _client(url, token) as client:
        while not stop.is_set():
            key = secrets.choice(known)
            status, answer = _send(client, "GET", f"{COLLECTION}/records/{key}")
            load.reads[status] += 1
            if status != 200 or answer["fields"] != _fields(int(key.partition("-")[2])):
                load.failed_reads.append((time.time(), f"{url} {status} {answer}"))
            time.sleep(_PAUSE)


def _send(
    client: httpx2.Client, method: str, path: str, body: object = None
) -> tuple[int, dict[str, Any]]:
    try:
        answer = client.request(method, path, json=body)
        found = answer.json()
    except httpx2.HTTPError as error:
        return _NO_ANSWER, {"error": type(error).__name__}
    if wait := answer.headers.get("Retry-After"):
        found["retry_after"] = float(wait)
    return answer.status_code, found


def _client(url: str, token: str) -> httpx2.Client:
    return httpx2.Client(
        base_url=f"{url}/api/v1/", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )


def _fields(number: int) -> dict[str, Any]:
    return {"n": number, "ssn": f"{number:09}"}
