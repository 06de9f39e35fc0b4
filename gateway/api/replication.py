"""The database in each Region: where the writer is, and how far the readers are behind it."""

from __future__ import annotations

from datetime import datetime

from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.operation import OperatorView, operation
from gateway.api.shapes import Answer
from tenants.selectors.lag import list_region_lag
from tenants.selectors.writer import get_writer


class ReplicatedRegion(Answer):
    """`behind_seconds` is how old what this Region reads may be, as its worker measured at `measured_at`, give or take
    three seconds. `aurora_lag_seconds` is what Aurora says, and null elsewhere."""

    region: str
    is_writer: bool
    behind_seconds: float
    measured_at: datetime
    aurora_lag_seconds: float | None


class Replication(Answer):
    """`writer_epoch` counts how often the writer has moved; `writer_region` is empty where that was never told."""

    writer_region: str
    writer_epoch: int
    writer_since: datetime
    regions: list[ReplicatedRegion]


class RegionList(OperatorView):
    """/regions"""

    @operation("listRegions", answers={200: Replication})
    def get(self, request: Request) -> Response:
        """See where the writer is, and how far each Region's reader is behind

        As this Region's database has it. A Region is listed once its worker has reported.
        """
        writer = get_writer()
        return Response(
            Replication(
                writer_region=writer.region,
                writer_epoch=writer.epoch,
                writer_since=writer.changed_at,
                regions=[
                    ReplicatedRegion(
                        region=each.region,
                        is_writer=each.region == writer.region,
                        behind_seconds=round(each.behind_seconds, 3),
                        measured_at=each.measured_at,
                        aurora_lag_seconds=each.aurora_lag_seconds,
                    )
                    for each in list_region_lag()
                ],
            )
        )
