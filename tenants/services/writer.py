"""The writer's epoch: counted up on each new writer, so that an old one that comes back is refused."""

from __future__ import annotations

from django.db.models import F
from django.db.models.functions import Now

from tenants.models import WriterEpoch
from tenants.scope import fleet_scope


def begin_writer_epoch(*, region: str) -> int:
    """Say that the writer is in that Region from now on, once it is; returns the new epoch.

    Every process that has seen it refuses writers of older epochs. Run twice, it counts twice, which harms nobody.
    Raises `WriterMoved` where the writer does not take writes yet.
    """
    with fleet_scope("write"):
        return count_up(region=region)


def count_up(*, region: str, unless_there: bool = False) -> int:
    """The same in the caller's fleet scope. With `unless_there` it counts only where the writer was elsewhere before,
    and returns 0 otherwise."""
    rows = WriterEpoch.objects.all()
    if unless_there:
        rows = rows.exclude(region=region)
    if not rows.update(epoch=F("epoch") + 1, region=region, changed_at=Now()):
        return 0
    return WriterEpoch.objects.values_list("epoch", flat=True).get()
