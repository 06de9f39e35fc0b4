"""A key in each state that KMS knows, and KMS misbehaving in each way, under any step of a plan.

A stand-in of its own, so that its faults and its clock are nobody else's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias
from unittest.mock import patch

import httpx2
from django.conf import settings
from django.test import override_settings

from crypto.arn import KeyArn
from sandbox.kms import KmsStandIn
from tenants.key_policy import render
from tenants.kms.key_admin import KmsKeyAdmin
from tenants.selectors import OperationView, TenantView, get_progress, list_region_rules
from tenants.services import operations
from tenants.services.keys import OPERATION_TAG, owner_tags
from tenants.services.policies import desired_policy
from tenants.states import OperationKind, OperationState
from tests.cast import EVERYWHERE, Cast, as_region, let_time_pass, run_due
from tests.stack import Stack
from tests.tenants.aws import arn_of, clients
from tests.tenants.chaos import no_waiting_for_the_tag_index
from tests.tenants.plans import make_due, run, step

HOME, AWAY = "us-east-2", "eu-west-1"
STATES = (
    *("Enabled", "Disabled", "Creating", "Updating"),
    *("PendingDeletion", "PendingReplicaDeletion", "gone"),
)
FAULTS = ("healthy", "throttled", "denied", "unreachable", "lost answer")
# Longer than a test takes, and shorter than `let_time_pass` lets pass.
_TRANSITION_SECONDS = 25
_EIGHT_DAYS = 8 * 86_400


@dataclass(frozen=True)
class Kms:
    """The stand-in, and what can be done to it."""

    stand_in: KmsStandIn
    identities: Path

    def order(self, path: str, body: dict[str, Any]) -> None:
        """Tell its administration port."""
        httpx2.post(f"{self.stand_in.admin}/{path}", json=body).raise_for_status()

    def advance(self, seconds: float) -> None:
        """Move its clock on."""
        self.order("clock", {"advance_seconds": seconds})

    @contextmanager
    def misbehaving(self, fault: str, changing: str) -> Iterator[None]:
        """Behave like that in every Region; `changing` is the call whose answer is lost."""
        try:
            if fault == "denied":
                self._deny_all()
            elif fault != "healthy":
                for region in EVERYWHERE:
                    self.order(f"regions/{region}", _orders(fault, changing))
            yield
        finally:
            self._deny_none()
            for region in EVERYWHERE:
                self.order(f"regions/{region}", {"mode": "up"})

    def _deny_all(self) -> None:
        """No role may do anything: who makes roles has taken the permissions away."""
        known = json.loads(self.identities.read_text())
        deny = {"Effect": "Deny", "Action": "*", "Resource": "*"}
        for identity in known.values():
            identity["policy"] = {"Version": "2012-10-17", "Statement": [deny]}
        self._use(json.dumps(known))

    def _deny_none(self) -> None:
        self._use((Stack.inherited().home.secrets / "identities.json").read_text())

    def _use(self, identities: str) -> None:
        if identities != self.identities.read_text():
            self.identities.write_text(identities)
            self.order("identities", {})


def _orders(fault: str, changing: str) -> dict[str, Any]:
    orders: dict[str, dict[str, Any]] = {
        "throttled": {"mode": "throttled"},
        "unreachable": {"mode": "down"},
        "lost answer": {"mode": "errors", "late": True, "operation": changing},
    }
    return orders[fault]


@contextmanager
def kms_of_its_own(directory: Path) -> Iterator[Kms]:
    """A stand-in that knows the same roles, in the place of the one of all tests."""
    stack = Stack.inherited()
    identities = directory / "identities.json"
    identities.write_text((stack.home.secrets / "identities.json").read_text())
    forward = f"--forward=ssm=http://127.0.0.1:{stack.ports.parameters}"
    transition = f"--transition-seconds={_TRANSITION_SECONDS}"
    stand_in = KmsStandIn(directory / "state", identities, EVERYWHERE, (forward, transition))
    with stand_in:
        kms = Kms(stand_in, identities)
        crypto = replace(
            settings.CRYPTO, kms_endpoints=stand_in.endpoints, ssm_endpoints=stand_in.endpoints
        )
        with (
            override_settings(CRYPTO=crypto),
            patch("tests.cast.advance_kms_clock", kms.advance),
            patch.object(operations, "MOST_TRIES", 3),  # so that a row takes half as long
            no_waiting_for_the_tag_index(),
        ):
            yield kms


Start: TypeAlias = Callable[[Cast, tuple[str, ...]], TenantView]


@dataclass(frozen=True, slots=True)
class Subject:
    """How a kind of step is brought about.

    `changing` is the call by which it changes something, or its last one where it changes nothing. `start` makes a
    tenant of these Regions with a plan that has such a step; by default it is onboarded. `primary` says that the step
    needs the key of the home Region and no other; else the key is that of a replica's Region.
    """

    changing: str
    primary: bool = False
    start: Start = lambda cast, regions: cast.start("state", regions, HOME, {})

    def region(self, state: str) -> str:
        """Where the key is that must be in that state. Only a primary waits for its replicas to be deleted."""
        return HOME if self.primary or state == "PendingReplicaDeletion" else AWAY


def bring_to(
    kms: Kms, subject: Subject, kind: OperationKind, state: str
) -> tuple[TenantView, OperationView]:
    """A tenant whose step of that kind is due, and whose key is in that state."""
    tenant = subject.start(Cast(), _regions(subject, kind, state))
    region = AWAY if kind == OperationKind.REPLICATE_KEY else subject.region(state)
    if state == "Creating":
        return tenant, _due_while_creating(tenant, kind, region)
    _run_until(tenant, kind, region)
    if kind == OperationKind.REPLICATE_KEY and state in _NEEDS_A_REPLICA:
        run_once(tenant, step(tenant, kind, "us-west-1"))
    kms.advance(_TRANSITION_SECONDS + 5)
    if kind == OperationKind.CREATE_PRIMARY_KEY:
        arn = _made_and_not_written_down(kms, tenant, state)
    else:
        arn = arn_of(tenant, subject.region(state))
    _put_key(kms, arn, state)
    return tenant, step(tenant, kind, region)


_NEEDS_A_REPLICA = ("Updating", "PendingReplicaDeletion")


def _regions(subject: Subject, kind: OperationKind, state: str) -> tuple[str, ...]:
    """A primary is pending deletion at once only where it has no replica."""
    if kind == OperationKind.REPLICATE_KEY and state in _NEEDS_A_REPLICA:
        return EVERYWHERE
    alone = subject.primary and state in ("PendingDeletion", "gone")
    return (HOME,) if alone and kind != OperationKind.REPLICATE_KEY else (HOME, AWAY)


def _due_while_creating(tenant: TenantView, kind: OperationKind, region: str) -> OperationView:
    """The replica was asked for just now; what comes later in the plan is made due at once."""
    _run_until(tenant, OperationKind.AWAIT_ENABLED, region)
    if kind == OperationKind.VERIFY_KEY:
        run_once(tenant, due(tenant, step(tenant, OperationKind.SEAL_CANARY)))
    return due(tenant, step(tenant, kind, region))


def _put_key(kms: Kms, arn: KeyArn, state: str) -> None:
    """Let the key be in that state. The rest of KMS stays as it is."""
    admin = KmsKeyAdmin(clients())
    if state == "Disabled":
        admin.disable_key(arn)
    elif state == "Updating":
        primary = admin.describe_key(arn.in_region(HOME))
        # The key itself where it is a replica, else any replica of it.
        to = arn.region if arn.region != HOME else primary.replica_regions[0]
        admin.update_primary_region(primary=primary.arn, region=to)
    elif state in ("PendingDeletion", "PendingReplicaDeletion", "gone"):
        admin.schedule_deletion(arn=arn, days=7)
    if state == "gone":
        kms.advance(_EIGHT_DAYS)
    else:
        assert admin.describe_key(arn).state == state


def _made_and_not_written_down(kms: Kms, tenant: TenantView, state: str) -> KeyArn:
    """The key that an earlier try has made, whose answer was lost."""
    admin, rules = KmsKeyAdmin(clients()), list_region_rules(tenant.id)
    policy = render(desired_policy(tenant=tenant.id.hex, region=HOME, rules=rules))
    one = step(tenant, OperationKind.CREATE_PRIMARY_KEY)
    owner = owner_tags(slug=tenant.slug, tenant=tenant.id.hex)
    tags = {OPERATION_TAG: str(one.id), **owner}
    made = admin.create_primary_key(region=HOME, policy=policy, tags=tags, description="")
    if state in _NEEDS_A_REPLICA:
        admin.replicate_key(
            primary=made.arn, region=AWAY, policy=policy, tags=owner, description=""
        )
        kms.advance(_TRANSITION_SECONDS + 5)
    make_due(tenant, one.id, result={"create_called_at": "2026-01-01T00:00:00+00:00"})
    return made.arn


def _run_until(tenant: TenantView, kind: OperationKind, region: str) -> None:
    for _ in range(60):
        if step(tenant, kind, region).state == OperationState.DUE:
            return
        if not run_due(tenant):
            let_time_pass(tenant)
    raise AssertionError(f"{kind} never became due: {get_progress(tenant.id)}")


def due(tenant: TenantView, one: OperationView, **fields: object) -> OperationView:
    """Let a worker claim it now, and look again."""
    make_due(tenant, one.id, **fields)
    return next(each for each in get_progress(tenant.id).operations if each.id == one.id)


def forget_tries(tenant: TenantView, one: OperationView, noted: object) -> None:
    """As if it had never been run: `noted` is what its result was."""
    make_due(tenant, one.id, failures=0, error={}, finished_at=None, result=noted)


def run_once(tenant: TenantView, one: OperationView) -> OperationView:
    """Run it as a worker of its Region would."""
    with as_region(one.run_region):
        return run(tenant, one)


def outcome(tenant: TenantView, one: OperationView) -> str:
    """What becomes of it: `done`, `waits`, `retries <code>` for as long as it takes, or `fails <code>`.

    `after a wait` and `after retries` say what came before."""
    before = ""
    for _ in range(operations.MOST_TRIES + 1):
        found = run_once(tenant, one)
        if found.state == OperationState.DONE:
            return f"done{before}"
        if found.state == OperationState.FAILED:
            return f"fails {found.error['code']}{before}"
        before = " after retries" if found.error or "retries" in before else " after a wait"
        make_due(tenant, one.id)
    return f"retries {found.error['code']}" if found.error else "waits"
