"""The trail: each call, allowed or refused, as one JSON line in the files of its Region.

    us-east-2.jsonl                         what is written now
    us-east-2.00000000000033554500.jsonl    older, named by the position of its first byte in the whole trail

Positions count through all files, so that a reader's place stays right when a file is put away or deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import orjson

from sandbox.kms.events import Event

_BLOCK = 65_536
_FILE_BYTES = 32 * 1024 * 1024
_KEPT_FILES = 3  # old ones beside the current one; what LookupEvents still finds


class Trail:
    """Writes events and reads them back. One thread writes; any may read."""

    def __init__(
        self, directory: Path, regions: tuple[str, ...], *, file_bytes: int = _FILE_BYTES
    ) -> None:
        """Open the files, and end a line that a killed process left unfinished."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self._file_bytes = file_bytes
        self._files = {region: _File.open(directory, region) for region in regions}

    @property
    def regions(self) -> tuple[str, ...]:
        """Those that have a trail."""
        return tuple(self._files)

    def record(self, region: str, event: Event) -> None:
        """Append the event: in the system's hands when this returns, so it outlives this process."""
        file = self._files[region]
        file.append(orjson.dumps(event) + b"\n")
        if file.size >= self._file_bytes:
            file.put_away()

    def lines(self, region: str, end: int | None = None) -> Iterator[tuple[int, bytes]]:
        """The lines before position `end`, last first, each with the position where it begins."""
        with ExitStack() as stack:
            for start, file in reversed(self._opened(region, stack)):
                limit = None if end is None else end - start
                if limit is None or limit > 0:
                    for offset, line in _lines_backwards(file, limit):
                        yield start + offset, line

    def lines_from(self, region: str, position: int) -> Iterator[tuple[int, bytes]]:
        """The complete lines from `position` on, oldest first, each with the position where it ends."""
        with ExitStack() as stack:
            for start, file in self._opened(region, stack):
                place = max(position, start)
                file.seek(place - start)
                for line in file:
                    if not line.endswith(b"\n"):  # it is being written
                        return
                    place += len(line)
                    yield place, line[:-1]

    def forget(self, region: str, before: int) -> None:
        """Delete old files beyond those that are kept, if they end at `before` or earlier."""
        with self._files[region].lock:
            for start, path in _old_files(self.directory, region)[:-_KEPT_FILES]:
                if start + path.stat().st_size <= before:
                    path.unlink()

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            os.close(file.descriptor)

    def _opened(self, region: str, stack: ExitStack) -> list[tuple[int, BinaryIO]]:
        """All files of the Region, oldest first, as they are at this moment, with the position of each."""
        current = self._files[region]
        with current.lock:
            places = [*_old_files(self.directory, region), (current.start, current.path)]
            return [(start, stack.enter_context(path.open("rb"))) for start, path in places]


@dataclass(slots=True)
class _File:
    """The file of a Region that is written now. The lock is held while files are opened, renamed or deleted."""

    path: Path
    region: str
    start: int
    descriptor: int
    size: int
    lock: Lock = field(default_factory=Lock)

    @classmethod
    def open(cls, directory: Path, region: str) -> _File:
        path = directory / f"{region}.jsonl"
        descriptor = _open(path)
        old = _old_files(directory, region)
        start = old[-1][0] + old[-1][1].stat().st_size if old else 0
        return cls(path, region, start, descriptor, os.fstat(descriptor).st_size)

    def append(self, line: bytes) -> None:
        self.size += os.write(self.descriptor, line)

    def put_away(self) -> None:
        """Rename it, and begin a new one. A crash between the two leaves no current file, which `open` makes."""
        with self.lock:
            self.path.rename(self.path.with_name(f"{self.region}.{self.start:020}.jsonl"))
            former, self.descriptor = self.descriptor, _open(self.path)
            self.start, self.size = self.start + self.size, 0
            os.close(former)


def read_events(path: Path) -> list[Event]:
    """All events of the Region whose current file this is, oldest first; a line that is being written is left out."""
    events = []
    for file in (*(old for _, old in _old_files(path.parent, path.stem)), path):
        for line in file.read_bytes().splitlines():
            try:
                events.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                continue
    return events


def _old_files(directory: Path, region: str) -> list[tuple[int, Path]]:
    """Files that were put away, oldest first, with the position of each."""
    return [
        (int(path.name.split(".")[1]), path)
        for path in sorted(directory.glob(f"{region}.{'[0-9]' * 20}.jsonl"))
    ]


def _lines_backwards(file: BinaryIO, end: int | None) -> Iterator[tuple[int, bytes]]:
    size = file.seek(0, os.SEEK_END)
    position = size if end is None else min(end, size)
    head = b""  # of a line that begins in an earlier block, what was read so far
    while position > 0:
        start = max(0, position - _BLOCK)
        file.seek(start)
        block = file.read(position - start) + head
        head, *lines = block.split(b"\n")
        offset = start + len(block)
        for line in reversed(lines):
            offset -= len(line)
            if line:
                yield offset, line
            offset -= 1
        position = start
    if head:
        yield 0, head


def _open(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")
    return file
