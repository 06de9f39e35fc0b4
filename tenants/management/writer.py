"""`manage.py failover` and `switchover`: arguments, confirmation, and the report for people and for programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.services import failover
from tenants.services.failover import DEFAULT_SAMPLE, Kind, Outcome, Severity, Wanted

_GOOD = (Outcome.DONE.value, Outcome.READY.value)
_MARKS = {Severity.BLOCKER: "BLOCKER", Severity.WARNING: "warning", Severity.FACT: "note"}


class MoveCommand(BaseCommand):
    """Assess, ask, carry out, report."""

    kind: ClassVar[Kind]

    def add_arguments(self, parser: CommandParser) -> None:
        """The target, how carefully, and where the report goes."""
        parser.add_argument("region", help="the Region that is to take the writes; run it there")
        parser.add_argument(
            "--rehearse", action="store_true", help="change nothing, report the same"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--force", action="store_true", help="go on in spite of blockers")
        keys = parser.add_mutually_exclusive_group()
        keys.add_argument("--sample", type=int, default=DEFAULT_SAMPLE, metavar="N",
                          help=f"try the keys of so many tenants (default: {DEFAULT_SAMPLE})")  # fmt: skip
        keys.add_argument(
            "--all", action="store_true", help="of all tenants, however long it takes"
        )
        parser.add_argument("--patience", type=float, default=900.0, metavar="SECONDS",
                            help="how long each wait for RDS may take (default: 900)")  # fmt: skip
        parser.add_argument("--report", metavar="FILE", help="write the signed report there")
        parser.add_argument("--json", action="store_true", help="answer with the signed report")

    def handle(self, *_: Any, **options: Any) -> None:
        """The move, or its rehearsal."""
        wanted = Wanted(
            kind=self.kind,
            target=options["region"],
            operator=terminal.operator().id,
            rehearse=options["rehearse"],
            force=options["force"],
            sample=None if options["all"] else options["sample"],
            patience=options["patience"],
        )
        if wanted.target not in settings.GATEWAY_REGIONS:
            raise CommandError(f"{wanted.target} is none of {', '.join(settings.GATEWAY_REGIONS)}.")
        if options["report"]:
            _check_writable(Path(options["report"]))
        try:
            move = failover.assess(wanted=wanted, show=self._show)
        except TenantError as error:
            raise terminal.refused(error) from error
        self._tell(move.journal.findings)
        report = self._carry_out(move, asked=not options["yes"])
        self._end(report, options)

    def _carry_out(self, move: failover.Move, *, asked: bool) -> dict[str, Any]:
        if move.wanted.rehearse:
            return failover.rehearse(move=move)
        if not failover.is_admissible(move):
            return failover.refuse(move=move)
        if asked and not self._is_confirmed(move):
            raise CommandError("Nothing was changed.")
        known = len(move.journal.findings)
        report = failover.carry_out(move=move)
        self._tell(move.journal.findings[known:])
        return report

    def _is_confirmed(self, move: failover.Move) -> bool:
        if not sys.stdin.isatty():
            raise CommandError("Nobody can be asked here. To confirm: --yes")
        self.stderr.write(f"The writer moves from {move.source} to {move.wanted.target}.")
        return input("Type the Region that takes over: ").strip() == move.wanted.target

    def _show(self, step: failover.Step) -> None:
        if step.outcome != "running":
            self.stderr.write(
                f"{step.number:>3}  {step.name:<45} {step.outcome:<10} {step.milliseconds:>7,} ms"
            )

    def _tell(self, findings: list[failover.Finding]) -> None:
        for each in findings:
            about = ": ".join(filter(None, (str(each.count or ""), ", ".join(each.names[:5]))))
            self.stderr.write(
                f"     {_MARKS[each.severity]}: {each.text}" + (f" [{about}]" if about else "")
            )

    def _end(self, report: dict[str, Any], options: dict[str, Any]) -> None:
        text = orjson.dumps(report, option=orjson.OPT_INDENT_2).decode()
        if options["report"]:
            Path(options["report"]).write_text(text + "\n", encoding="utf-8")
        self.stdout.write(text if options["json"] else _as_text(report["document"]))
        if report["document"]["outcome"] not in _GOOD:
            sys.exit(terminal.FAILED)


def _check_writable(path: Path) -> None:
    """Before anything is changed: afterwards there would be no second report."""
    try:
        path.touch()
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error


def _as_text(document: dict[str, Any]) -> str:
    """A few lines for people."""
    lost = document["loss"].get("lost_at_most_milliseconds")
    what = f"{document['kind']} to {document['target']}"
    lines = [
        f"{'Rehearsal of the ' if document['rehearsal'] else 'The '}{what}: {document['outcome']}."
    ]
    if accepted := document["recovery_milliseconds"].get("writes_accepted"):
        lines.append(f"Writes were accepted {accepted / 1000:.1f} s after the order.")
    if document["proof"]:
        counts = (f"{name} {count}" for name, count in document["proof"].items())
        lines.append(f"Canaries: {', '.join(counts)}.")
    if document["rehearsal"] and document["kind"] == Kind.FAILOVER and lost is not None:
        lines.append(f"Were the writer lost now, at most {lost / 1000:.1f} s of writes would be.")
    elif lost is not None:
        lines.append("No acknowledged write is lost." if lost == 0 else
                     f"At most what was acknowledged in {lost / 1000:.1f} s is lost.")  # fmt: skip
    return "\n".join(lines)
