"""What lies beneath the API: the row as PostgreSQL stores it, and what KMS recorded."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

from sandbox.kms.trail import read_events
from sandbox.layout import REGIONS, Home
from sandbox.ports import Ports
from sandbox.postgres.binaries import find_binaries
from sandbox.postgres.configuration import DATABASE
from sandbox.postgres.roles import password_path

KEY_USES = ("Decrypt", "Encrypt", "GenerateDataKey")
ROW = """
select r.record_id as id, r.version, r.clear::text as clear_fields, p.classification as class,
       length(p.message) as bytes, left(encode(p.message, 'hex'), 64) || '...' as sealed_part
from tenants_record r
join tenants_sealedpart p on p.tenant_id = r.tenant_id and p.record = r.id
join tenants_collection c on c.tenant_id = r.tenant_id and c.id = r.collection_id
where r.tenant_id = :'tenant' and c.name = :'collection' and r.record_id = :'record'
order by p.classification
"""


def row_in_psql(
    home: Home, ports: Ports, region: str, *, tenant: str, collection: str, record: str
) -> str:
    """That record's row, read with psql from that Region's server by its superuser, whom no fence stops."""
    connection = f"host=127.0.0.1 port={ports.postgres(region)} dbname={DATABASE} user=postgres sslmode=verify-full"
    given = {"tenant": tenant, "collection": collection, "record": record}
    done = subprocess.run(
        [
            *(
                str(find_binaries(home) / "psql"),
                "-X",
                "-x",
                "-P",
                "pager=off",
                "-v",
                "ON_ERROR_STOP=1",
            ),
            *(part for name, value in given.items() for part in ("-v", f"{name}={value}")),
            *("-d", f"{connection} sslrootcert={home.ca_certificate}"),
        ],
        input=ROW + ";",
        env={
            "PGPASSWORD": password_path(home, "postgres").read_text().strip(),
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


class Trail:
    """What KMS of each Region has recorded since this was made."""

    def __init__(self, home: Home) -> None:
        """Remember where each Region's trail ends now."""
        self._paths = {
            region: home.path / "kms" / "trail" / f"{region}.jsonl" for region in REGIONS
        }
        self._seen = {region: len(self._events(region)) for region in REGIONS}

    def news(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every call since then, with the Region that was asked."""
        for region in REGIONS:
            for event in self._events(region)[self._seen[region] :]:
                yield region, event

    def latest(self, tenant: str, role: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The last use of a key of that tenant for each classification by that role, with the Region that was asked."""
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        for region in REGIONS:
            for event in self._events(region):
                context = event["requestParameters"].get("encryptionContext") or {}
                if context.get("tenant") == tenant and role in event["userIdentity"]["arn"]:
                    found[context["class"]] = region, event
        yield from found.values()

    def _events(self, region: str) -> list[dict[str, Any]]:
        return [
            event for event in read_events(self._paths[region]) if event["eventName"] in KEY_USES
        ]
