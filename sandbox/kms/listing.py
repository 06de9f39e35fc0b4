"""What a state directory holds, without secrets: `python -m sandbox.kms.listing DIR`, also while it is served.

One JSON object a line: each set of related keys with its Regions, aliases and grants, then users and roles.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.kms.accounts import Principal
from sandbox.kms.clock import Clock
from sandbox.kms.database import FILE
from sandbox.kms.grants import Grant
from sandbox.kms.keys import Alias, KeySet, RegionalKey
from sandbox.kms.records import Entity, load


def listing(directory: Path) -> Iterator[dict[str, Any]]:
    """The lines, from a reader of its own; raises sqlite3.OperationalError where there is no state."""
    connection = sqlite3.connect(f"{(directory / FILE).resolve().as_uri()}?mode=ro", uri=True)
    rows = list(connection.execute("select kind, name, body from record order by kind, name"))
    connection.close()
    settings = {name: body for kind, name, body in rows if kind == "setting"}
    now = Clock(float(settings.get("clock_offset", 0))).now()
    held = [load(kind, body) for kind, _, body in rows if kind != "setting"]
    for entity in held:
        match entity:
            case KeySet():
                yield _key_set(entity, held, now)
            case Principal():
                yield {entity.kind: entity.arn, "policies": sorted(entity.policies)}


def _key_set(key_set: KeySet, held: list[Entity], now: float) -> dict[str, Any]:
    regions = {
        item.region: {
            "state": item.state(now).value,
            "aliases": [
                alias.name
                for alias in held
                if isinstance(alias, Alias)
                and (alias.key_id, alias.region) == (item.key_id, item.region)
            ],
            "grants": sum(
                isinstance(grant, Grant)
                and (grant.key_id, grant.region) == (item.key_id, item.region)
                for grant in held
            ),
        }
        for item in held
        if isinstance(item, RegionalKey) and item.key_id == key_set.key_id
    }
    return {
        "key": key_set.key_id,
        "account": key_set.account,
        "spec": key_set.spec_name,
        "origin": key_set.origin,
        "primary": key_set.primary_region,
        "materials": len(key_set.materials),
        "regions": regions,
    }


if __name__ == "__main__":
    for line in listing(Path(sys.argv[1])):
        print(json.dumps(line))
