"""Log files: the trail's events as gzip files, named and laid out as CloudTrail delivers them to an S3 bucket.

    AWSLogs/111122223333/CloudTrail/us-east-2/2026/08/31/111122223333_CloudTrail_us-east-2_20260831T2315Z_<16>.json.gz

Source: CloudTrail User Guide, "CloudTrail log file name format" and "Finding your CloudTrail log files". A file holds
{"Records": [event, ...]} of one account and Region. A name follows from the position of its first event, so that what
is delivered twice, after a crash, replaces itself.
"""

from __future__ import annotations

import gzip
import os
from base64 import b32encode
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock

import orjson

from sandbox.kms.trail import Trail

_BATCH_BYTES = 4 * 1024 * 1024  # of events in memory; a file a batch and account
_KEPT_BYTES = 200 * 1024 * 1024  # of log files a Region


class Delivery:
    """Delivers what it has not yet delivered; how far it came is in `delivered.json`."""

    def __init__(
        self,
        trail: Trail,
        bucket: Path,
        *,
        batch_bytes: int = _BATCH_BYTES,
        kept_bytes: int = _KEPT_BYTES,
    ) -> None:
        """`bucket` is the directory that stands for the bucket."""
        self._trail = trail
        self._bucket = bucket
        self._batch_bytes = batch_bytes
        self._kept_bytes = kept_bytes
        self._state = trail.directory / "delivered.json"
        self._positions = _read_positions(self._state)
        self._lock = Lock()

    def deliver(self) -> None:
        """Write the log files that are due, then let go of what the trail no longer needs. Any thread; takes turns."""
        with self._lock:
            for region in self._trail.regions:
                for batch in self._batches(region):
                    self._write(region, batch)
                    self._positions[region] = batch[-1][0]
                    _replace(self._state, orjson.dumps(self._positions))
                    self._delete_oldest(region)
                self._trail.forget(region, self._positions.get(region, 0))

    def _batches(self, region: str) -> Iterator[list[tuple[int, bytes]]]:
        """Lines that are due, each with the position where it ends, some megabytes at a time."""
        batch: list[tuple[int, bytes]] = []
        size = 0
        for end, line in self._trail.lines_from(region, self._positions.get(region, 0)):
            batch.append((end, line))
            size += len(line)
            if size >= self._batch_bytes:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _write(self, region: str, batch: list[tuple[int, bytes]]) -> None:
        begin = self._positions.get(region, 0)
        lines: dict[str, list[bytes]] = {}
        times: dict[str, datetime] = {}
        for _, line in batch:
            try:
                event = orjson.loads(line)
            except orjson.JSONDecodeError:  # cut short when the process was killed
                continue
            account = event["recipientAccountId"]
            lines.setdefault(account, []).append(line)
            times.setdefault(account, datetime.fromisoformat(event["eventTime"]))
        for account, records in lines.items():
            path = self._bucket / _name(account, region, times[account], begin)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            text = b'{"Records":[' + b",".join(records) + b"]}"
            _replace(path, gzip.compress(text, mtime=0))

    def _delete_oldest(self, region: str) -> None:
        found = self._bucket.glob(f"AWSLogs/*/CloudTrail/{region}/*/*/*/*.json.gz")
        newest_first = sorted(found, key=lambda path: path.name.split("_")[3], reverse=True)
        size = 0
        for path in newest_first:
            size += path.stat().st_size
            if size > self._kept_bytes:
                path.unlink()


def _name(account: str, region: str, time: datetime, position: int) -> str:
    unique = b32encode(sha256(f"{region} {position}".encode()).digest())[:16].decode()
    day, minute = time.strftime("%Y/%m/%d"), time.strftime("%Y%m%dT%H%MZ")
    file = f"{account}_CloudTrail_{region}_{minute}_{unique}.json.gz"
    return f"AWSLogs/{account}/CloudTrail/{region}/{day}/{file}"


def _read_positions(path: Path) -> dict[str, int]:
    return dict(orjson.loads(path.read_bytes())) if path.exists() else {}


def _replace(path: Path, content: bytes) -> None:
    """Write the file whole or not at all."""
    staged = path.with_name(f"{path.name}.part")
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)
