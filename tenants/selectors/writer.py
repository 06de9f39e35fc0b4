"""Which Region the writer is in: as the tables say, and as the server itself says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings

from tenants.models import WriterEpoch
from tenants.scope import fleet_scope

# Only Aurora has this function ("Monitoring an Aurora global database", Aurora User Guide): one row an instance.
IS_AURORA: Final = "select to_regproc('aurora_global_db_instance_status') is not null"
_OF_AURORA: Final = "select aws_region from aurora_global_db_instance_status() where session_id = 'MASTER_SESSION_ID'"
# Elsewhere whoever runs the servers names each after its Region.
_OF_CLUSTER: Final = "select current_setting('cluster_name', true)"


@dataclass(frozen=True, slots=True)
class WriterView:
    """`epoch` counts how often the writer has moved, `region` is where it went, empty where that was never told."""

    epoch: int
    region: str
    changed_at: datetime


def get_writer() -> WriterView:
    """As this Region's reader has it."""
    with fleet_scope("read"):
        row = WriterEpoch.objects.get()
    return WriterView(row.epoch, row.region, row.changed_at)


def find_writer_region(cursor: Any) -> str:
    """The Region that the writer is in, asked of the writer itself; empty where it does not say."""
    cursor.execute(IS_AURORA)
    cursor.execute(_OF_AURORA if cursor.fetchone()[0] else _OF_CLUSTER)
    row = cursor.fetchone()
    return row[0] if row and row[0] in settings.GATEWAY_REGIONS else ""
