"""The report of a move: a signed document that anybody can check later, as `manage.py verify_certificate` does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import DatabaseError

from tenants.errors import SigningKeyMissing, WriterMoved
from tenants.models import WriterMove
from tenants.scope import fleet_scope
from tenants.services.failover.journal import Severity, stamp
from tenants.services.failover.moves import Move, Outcome
from tenants.services.signing import sign

REPORT: Final = "mrk-gateway/writer-move"
_log = structlog.get_logger(__name__)


def document_of(move: Move) -> dict[str, Any]:
    """All that is known of the move; integers are milliseconds where they do not count."""
    wanted, cluster = move.wanted, move.cluster
    return {
        "type": REPORT,
        "id": str(move.id),
        "kind": wanted.kind.value,
        "rehearsal": wanted.rehearse,
        "forced": wanted.force,
        "outcome": (move.outcome or Outcome.FAILED).value,
        "environment": settings.GATEWAY_ENVIRONMENT,
        "global_cluster": settings.GATEWAY_GLOBAL_CLUSTER,
        "source": move.source,
        "target": wanted.target,
        "operator": wanted.operator,
        "started_at": stamp(move.started_at),
        "finished_at": stamp(datetime.now(UTC)),
        "cluster_status": cluster.status if cluster else None,
        "databases": {
            region: found.as_document() if found else None
            for region, found in sorted(move.readings.items())
        },
        "tenants": {
            "active": move.fleet.tenants,
            "served_in_target": move.fleet.served,
            "keys_tried": move.keys_tried,
        },
        "steps": [step.as_document() for step in move.journal.steps],
        "findings": [finding.as_document() for finding in move.journal.findings],
        "proof": move.proof,
        "writer_epoch": move.epoch or None,
        "loss": move.loss,
        "recovery_milliseconds": move.recovery,
    }


def signed_report(move: Move) -> dict[str, Any]:
    """The signed document; unsigned, with a finding that says so, where this process has no signing key: in an outage
    a report without a signature is better than none."""
    try:
        return sign(document_of(move))
    except SigningKeyMissing as error:
        move.journal.find(Severity.WARNING, "report_unsigned", str(error))
        return {"document": document_of(move), "signature": None}


def store(move: Move, report: dict[str, Any]) -> None:
    """In the table of moves, and as one line of the log. A rehearsal changes nothing, the table included."""
    _log.warning(
        "writer_move",
        kind=move.wanted.kind.value,
        rehearsal=move.wanted.rehearse,
        source=move.source,
        target=move.wanted.target,
        outcome=report["document"]["outcome"],
        report=str(move.id),
    )
    if move.wanted.rehearse or move.outcome in (None, Outcome.REFUSED):
        return
    try:
        with fleet_scope("write"):
            WriterMove.objects.create(
                id=move.id,
                kind=move.wanted.kind.value,
                source=move.source,
                target=move.wanted.target,
                outcome=move.outcome.value,
                report=report,
            )
    except (WriterMoved, DatabaseError) as error:
        # The report is still given to whoever has asked for the move.
        _log.warning("writer_move_not_stored", report=str(move.id), error=type(error).__name__)
