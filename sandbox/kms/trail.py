"""The trail: each call, allowed or refused, as one JSON line in a file per Region."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import orjson

from sandbox.kms.events import Event

_BLOCK = 65_536


class Trail:
    """Appends to `<directory>/<region>.jsonl` and reads it back, newest first."""

    def __init__(self, directory: Path, regions: tuple[str, ...]) -> None:
        """Open the files, and end a line that a killed process left unfinished."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._paths = {region: directory / f"{region}.jsonl" for region in regions}
        self._files = {region: _open(path) for region, path in self._paths.items()}

    def record(self, region: str, event: Event) -> None:
        """Append the event: in the system's hands when this returns, so it outlives this process."""
        os.write(self._files[region], orjson.dumps(event) + b"\n")

    def lines(self, region: str, end: int | None = None) -> Iterator[tuple[int, bytes]]:
        """The lines before byte `end`, last first, each with the position where it begins."""
        with self._paths[region].open("rb") as file:
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

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            os.close(file)


def read_events(path: Path) -> list[Event]:
    """All events of one Region's file, oldest first; a line that is being written is left out."""
    events = []
    for line in path.read_bytes().splitlines():
        try:
            events.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            continue
    return events


def _open(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")
    return file
