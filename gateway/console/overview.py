"""What the tenant page says, worked out from views alone: the key in each Region, the plan as a grid, one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.console.labels import PLANS
from gateway.console.words import plain
from tenants.selectors import OperationView, Progress, RegionalKeyView, RuleView, TenantView

EVERY_CLASS = "*"
_STOPPED = {"revoked": "revoked", "offboarding": "leaving", "retired": "gone"}


@dataclass(frozen=True, slots=True)
class RegionRow:
    """One Region of a tenant: its rule, and its key once there is one."""

    region: str
    rule: RuleView | None
    key: RegionalKeyView | None

    @property
    def policy(self) -> str:
        """The word for the key policy."""
        if self.key is None or not self.key.applied_fingerprint:
            return "none"
        return "in_force" if self.key.policy_in_force else "pending"

    @property
    def is_sound(self) -> bool:
        """Whether the key here is enabled, under the policy that is asked for, and was proven to work."""
        key = self.key
        return bool(key and key.key_state == "Enabled" and key.policy_in_force and key.verified_at)

    @property
    def decrypts(self) -> str:
        """`all`, `some` or `none`: how the rule's list of classifications reads."""
        if self.rule is None or not self.rule.may_decrypt:
            return "none"
        return "all" if EVERY_CLASS in self.rule.may_decrypt else "some"


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of operation at one position of a plan; a cell for each Region, None where it has no part."""

    kind: str
    cells: tuple[tuple[str, OperationView | None], ...]

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is left to do."""
        return all(cell is None or cell.state == "done" for _, cell in self.cells)


@dataclass(frozen=True, slots=True)
class Sentence:
    """The state of a tenant in one sentence, with the tone of its badge."""

    tone: str
    icon: str
    text: str


def region_rows(
    home: str, keys: Iterable[RegionalKeyView], rules: Iterable[RuleView]
) -> list[RegionRow]:
    """A row for each Region that has a rule or a key: the home Region first, the others by name."""
    key_of = {key.region: key for key in keys}
    rule_of = {rule.region: rule for rule in rules}
    regions = sorted({*key_of, *rule_of}, key=lambda region: (region != home, region))
    return [RegionRow(region, rule_of.get(region), key_of.get(region)) for region in regions]


def steps(progress: Progress, regions: Sequence[str]) -> list[Step]:
    """The plan as rows in the order in which they run."""
    rows: dict[tuple[int, str], dict[str, OperationView]] = {}
    for operation in progress.operations:
        rows.setdefault((operation.position, operation.kind), {})[operation.region] = operation
    return [
        Step(kind, tuple((region, cells.get(region)) for region in regions))
        for (_, kind), cells in sorted(rows.items(), key=lambda row: row[0][0])
    ]


def sentence(tenant: TenantView, rows: Sequence[RegionRow], progress: Progress) -> Sentence:
    """What matters most, and only that: a stop, then work under way, then a Region that is not sound, then all well."""
    plan = PLANS.get(progress.plan) or plain(progress.plan)
    failed = _names([item.region for item in progress.operations if item.state == "failed"])
    if progress.failed:
        return Sentence(
            "bad", "alert", f"{plan} has stopped in {failed}: a step failed and needs a retry."
        )
    if tenant.state in _STOPPED:
        return Sentence(
            "warn", "lock", f"{tenant.name} is {_STOPPED[tenant.state]}: its requests are refused."
        )
    if progress.total and not progress.is_finished:
        return Sentence(
            "busy",
            "cycle",
            f"{plan} is under way: {progress.done} of {progress.total} steps are done.",
        )
    if tenant.state != "active":
        return Sentence("warn", "lock", f"{tenant.name} is not active: its requests are refused.")
    return _of_keys(rows)


def _of_keys(rows: Sequence[RegionRow]) -> Sentence:
    """Of an active tenant with which nothing is going on."""
    unsound = _names([row.region for row in rows if not row.is_sound])
    if unsound:
        return Sentence(
            "warn",
            "alert",
            f"Active, but the key in {unsound} is not enabled, not under its policy or not verified.",
        )
    if not rows:
        return Sentence("warn", "alert", "Active, but without a key in any Region.")
    where = f"all {len(rows)} Regions" if len(rows) > 1 else rows[0].region
    return Sentence("ok", "check", f"The key is enabled, under its policy and verified in {where}.")


def _names(regions: Iterable[str]) -> str:
    found = sorted(set(regions))
    if len(found) < 2:
        return "".join(found)
    return f"{', '.join(found[:-1])} and {found[-1]}"
