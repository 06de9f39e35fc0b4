"""One process of one Region that writes, reads and searches as a tenant app's requests would, until it is told to stop.

    python -m tests.tenants.moving_load TOKEN COLLECTION FOLDER NAME

It appends what was acknowledged to FOLDER/NAME.jsonl, after the answer, and every error to FOLDER/NAME.errors. What is
retryable is tried again, as clients do.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, TextIO, TypeVar

import django

django.setup()

from crypto.errors import CryptoError  # noqa: E402
from tenants import consistency  # noqa: E402
from tenants.errors import TenantError  # noqa: E402
from tenants.schema.conditions import SearchCondition  # noqa: E402
from tenants.selectors import Caller, get_caller  # noqa: E402
from tenants.services.records import (  # noqa: E402
    RecordInput,
    create_record,
    read_record,
    search_records,
    update_record,
)

T = TypeVar("T")


class Load:
    """One app in one Region."""

    def __init__(self, token: str, collection: str, folder: Path, name: str) -> None:
        self.token, self.collection, self.folder, self.name = token, collection, folder, name

    def run(self) -> None:
        """Write a record, change it, read it and find it by both values, again and again."""
        with (
            (self.folder / f"{self.name}.jsonl").open("w", buffering=1) as log,
            (self.folder / f"{self.name}.errors").open("w", buffering=1) as errors,
        ):
            for number in count():
                if (self.folder / "stop").exists():
                    return
                self._one(f"{self.name}-{number}", log, errors)

    def _one(self, name: str, log: TextIO, errors: TextIO) -> None:
        def create(caller: Caller) -> None:
            fields = {"name": "Ann", "email": f"{name}@b.org", "card": "first"}
            create_record(**self._of(caller), record=RecordInput(name, fields))

        def change(caller: Caller) -> None:
            update_record(**self._of(caller), record_id=name, fields={"card": f"later {name}"})

        def read(caller: Caller) -> str:
            return str(read_record(**self._of(caller), record_id=name).fields["card"])

        def find(caller: Caller) -> list[str]:
            asked = [SearchCondition("email", "eq", f"{name.upper()}@b.org")]
            found = search_records(**self._of(caller), where=asked, limit=5)
            return [one.id for one in found.records]

        self._ask(create, errors)
        self._ask(change, errors)
        log.write(json.dumps({"id": name, "card": f"later {name}"}) + "\n")
        if (card := self._ask(read, errors)) != f"later {name}":
            errors.write(f"{name} reads as {card}\n")
        if (ids := self._ask(find, errors)) != [name]:
            errors.write(f"{name} is found as {ids}\n")

    def _of(self, caller: Caller) -> dict[str, Any]:
        return {"caller": caller, "collection": self.collection}

    def _ask(self, request: Callable[[Caller], T], errors: TextIO) -> T | None:
        """One request: the credential is looked up anew, and the answer's consistency token brought along."""
        for _ in range(50):
            consistency.required.set(consistency.written.get())
            try:
                return request(get_caller(self.token))
            except (TenantError, CryptoError) as error:
                if getattr(error, "code", "") == "record_exists":
                    return None  # the try before was stored, and its answer lost
                if not error.retryable:
                    errors.write(f"{type(error).__name__}: {error}\n")
                    return None
                time.sleep(0.1)
        errors.write("never served\n")
        return None


if __name__ == "__main__":
    Load(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]).run()
