"""One claimed operation: what a handler gets to know, and how it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol, TypeAlias
from uuid import UUID

from crypto.arn import KeyArn
from crypto.part import JsonValue
from tenants.errors import TenantError
from tenants.selectors.keys import RuleView
from tenants.states import KeyTier, OperationKind, TenantKind

Result: TypeAlias = "dict[str, JsonValue]"
# The name in a result under which the slots of calls to AWS stand (call_budget).
SLOTS: Final = "slots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A claimed operation and all that its handler may know, read from the writer in the transaction of the claim.

    `attempt` counts the claims of this operation and is the fencing token: whoever holds an older one has lost it.
    `tenant` is the tenant id of the encryption context, `tier` says whose key it uses, and `pool_id` with which pool it
    shares it, if any; `previous` are the keys that it had before and that still open its data. `arns` has the Regions
    whose key is known, `desired` the fingerprints of the key policies that they should have. With `of_new_key`, in a
    step of a move, all of these are of the key that the tenant moves to, which is in no table yet. `found` is what
    this operation noted or found before, `earlier` what the last finished operation of each kind of the plan has found,
    and `arguments` are those of its step.
    """

    tenant_id: UUID
    operation_id: UUID
    plan_id: UUID
    attempt: int
    failures: int
    kind: OperationKind
    region: str
    tenant: str
    slug: str
    primary_region: str
    rules: tuple[RuleView, ...]
    arns: Mapping[str, KeyArn]
    tenant_kind: TenantKind = TenantKind.CUSTOMER
    tier: KeyTier = KeyTier.DEDICATED
    pool_id: UUID | None = None
    previous: tuple[KeyArn, ...] = ()
    desired: Mapping[str, str] = field(default_factory=dict)
    of_new_key: bool = False
    arguments: Mapping[str, JsonValue]
    found: Mapping[str, JsonValue]
    earlier: Mapping[OperationKind, Mapping[str, JsonValue]]

    @property
    def rule(self) -> RuleView:
        """The rule of the Region that this is about."""
        return next(rule for rule in self.rules if rule.region == self.region)

    @property
    def arn(self) -> KeyArn:
        """The key of the Region that this is about; an earlier step has made it."""
        return self.arns[self.region]

    @property
    def is_pool(self) -> bool:
        """Whether the tenant is a pool: its key serves several, and its key policy names none of them."""
        return self.tenant_kind == TenantKind.POOL

    @property
    def shares_key(self) -> bool:
        """Whether the key is a pool's. Then nothing may be done to it for this tenant's sake."""
        return self.tier == KeyTier.POOLED

    @property
    def is_primary(self) -> bool:
        """Whether it is about the primary."""
        return self.region == self.primary_region


class Handler(Protocol):
    """How one kind of operation is done. Any part of it may be killed, and run again.

    `settles` names the errors that pass by themselves after a change in KMS, which is eventually consistent: they are
    tried again a few times before they count.
    """

    settles: ClassVar[tuple[type[Exception], ...]]

    def perform(self, work: Work) -> Result:
        """Do it, outside of any transaction: first look at what is there, then make what is missing."""

    def record(self, work: Work, result: Result) -> None:
        """Write down what was found, in the transaction that finishes the operation and only if it still is ours."""


class NotYet(Exception):
    """Nothing is wrong, only something is not ready: look again after `seconds`. `facts` go into the result.

    `forgets` says whether failures before it count no longer."""

    forgets: ClassVar[bool] = True

    def __init__(self, seconds: float, **facts: JsonValue) -> None:
        super().__init__(f"Not ready; again in {seconds} s.")
        self.seconds = seconds
        self.facts = facts


class Continue(Exception):
    """A part of many is done: write `facts` into the result, and go on at once in a claim of its own.

    So a step over a million rows holds no lease for hours, a worker that dies repeats one part, and progress shows:
    `facts` carry the place to go on from, and `done` and `total`.
    """

    def __init__(self, **facts: JsonValue) -> None:
        super().__init__("A part is done.")
        self.facts = facts


class NotVerified(TenantError):
    """The key in KMS is not what it should be. The message says how, and holds no value."""

    code = "not_verified"
