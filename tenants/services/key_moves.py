"""Moving a tenant to another key: from its pool's to one of its own, or to and from one in its own AWS account.

    make or probe the new key  ->  prove it in each Region  ->  wrap the index keys by it  ->  switch, at one moment
    ->  publish it  ->  re-encrypt the records  ->  prove that nothing is left  ->  forget the key before

Requests go on all the time, in all Regions. Up to the switch the tenant's key is the old one and nothing of the new one
is in any table but the plan's own rows; from then on the new one seals and both open (`TenantKeyRef.previous`). The key
before is forgotten last, when a count has shown that nothing is sealed under it (docs/adr/0011-one-current-key.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from tenants.actor import Actor
from tenants.errors import InputInvalid, NotFound, RegionNotAllowed, TenantIsPool
from tenants.key_policy import Rule
from tenants.models import PreviousKey, RegionRule, Tenant, TenantKey
from tenants.scope import fleet_scope
from tenants.services.audit import record_event
from tenants.services.external_keys import ExternalKeyInput, accept_key
from tenants.services.new_key import of_new_key
from tenants.services.plans import Step, locked_tenant, need_no_other_plan, write_plan
from tenants.services.renewal import reencryption_steps, regions_for, rewrap_steps
from tenants.services.verification import verification_steps
from tenants.states import KeyTier, OperationKind, PlanKind, TenantKind

_MOVES = {
    KeyTier.DEDICATED: (KeyTier.POOLED, KeyTier.EXTERNAL),
    KeyTier.EXTERNAL: (KeyTier.POOLED, KeyTier.DEDICATED, KeyTier.EXTERNAL),
}


def start_key_move(
    *, tenant_id: UUID, tier: KeyTier, actor: Actor, external: ExternalKeyInput | None = None
) -> UUID:
    """Plan that the tenant gets another key: a dedicated one, or with `external` one from its own account. Returns the
    id of the plan.

    `external.accounts` are added to those agreed upon before. Raises `NotFound`, `TenantNotActive`, `TenantIsPool`,
    `PlanUnderWay`, `InputInvalid` for a move that is none, `ExternalKeyRefused`, and `RegionNotAllowed` where no Region
    may both decrypt and encrypt, so that nothing could be re-encrypted.
    """
    with fleet_scope("write"):
        tenant = locked_tenant(tenant_id)
        if tenant.kind == TenantKind.POOL:
            raise TenantIsPool("The key of a pool is its tenants', who move one by one.")
        need_no_other_plan(tenant_id)
        key = TenantKey.objects.get(tenant_id=tenant_id)
        _check(key, tier, external)
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
        if not regions_for(rules, key.primary_region):
            raise RegionNotAllowed("No Region of the tenant may both decrypt and encrypt.")
        arn = _accept(tenant, key, external) if external else ""
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="key_move.started",
            subject=arn,
            detail={"from": key.tier, "to": tier},
        )
        return write_plan(
            tenant_id=tenant_id,
            plan=PlanKind.KEY_MOVE,
            steps=_steps(tenant.home_region, rules, key, tier, arn),
        )


def start_forgetting(*, tenant_id: UUID, actor: Actor) -> UUID:
    """Plan that the keys which the tenant had before are forgotten, and returns the id of the plan.

    A move keeps the key before where values may be sealed under it that only the tenant's apps have. Whoever calls this
    says that these are encrypted anew: what is left under the old key nobody will open again. Raises `NotFound` where
    there is no such key, `TenantNotActive` and `PlanUnderWay`.
    """
    with fleet_scope("write"):
        tenant = locked_tenant(tenant_id)
        need_no_other_plan(tenant_id)
        previous = list(PreviousKey.objects.filter(tenant_id=tenant_id).order_by("replaced_at"))
        if not previous:
            raise NotFound("The tenant has no key from before.")
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
        home = tenant.home_region
        first = TenantKey.objects.get(tenant_id=tenant_id).primary_region
        steps = [
            *rewrap_steps(first=first, rules=rules, position=0),
            *reencryption_steps(home=home, first=first, rules=rules, position=1),
            *(
                step
                for number, key in enumerate(previous)
                for step in _forgetting(home, 3 + 2 * number, KeyTier(key.tier), values=True)
            ),
        ]
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="previous_key.forgetting_started",
            subject=", ".join(key.arn for key in previous),
            detail={"values_are_encrypted_anew": True},
        )
        return write_plan(tenant_id=tenant_id, plan=PlanKind.KEY_MOVE, steps=steps)


def _steps(
    home: str, rules: Sequence[Rule], before: TenantKey, tier: KeyTier, arn: str
) -> list[Step]:
    """The plan. The new key's primary is at home, where administration runs."""
    new = of_new_key(tier, home, arn)
    regions = [home, *sorted(rule.region for rule in rules if rule.region != home)]
    made: list[Step] = []
    if tier == KeyTier.DEDICATED:
        made = [
            Step(0, OperationKind.CREATE_PRIMARY_KEY, home, home, new),
            *(Step(1, OperationKind.REPLICATE_KEY, region, home, new) for region in regions[1:]),
            *(Step(2, OperationKind.AWAIT_ENABLED, region, home, new) for region in regions),
        ]
    proof = verification_steps(home=home, rules=rules, position=3, tier=tier)
    return [
        *made,
        *(Step(one.position, one.kind, one.region, one.run_region, new) for one in proof),
        *rewrap_steps(first=before.primary_region, rules=rules, position=5),
        Step(6, OperationKind.SWITCH_KEY, home, home, new),
        *(Step(7, OperationKind.PUBLISH_KEY, region, home) for region in regions),
        # What was made between the wrapping and the switch.
        *rewrap_steps(first=home, rules=rules, position=7),
        *reencryption_steps(home=home, first=home, rules=rules, position=8),
        *_forgetting(home, 10, KeyTier(before.tier), values=False),
    ]


def _forgetting(home: str, position: int, tier: KeyTier, *, values: bool) -> list[Step]:
    """Forget the oldest key from before, then end it in KMS where it is ours alone."""
    forget = OperationKind.FORGET_PREVIOUS_KEY
    steps = [Step(position, forget, home, home, {"values_are_encrypted_anew": values})]
    if tier == KeyTier.DEDICATED:
        steps.append(Step(position + 1, forget, home, home, {"destroy": True}))
    return steps


def _check(key: TenantKey, tier: KeyTier, external: ExternalKeyInput | None) -> None:
    problems = []
    if key.tier not in _MOVES.get(tier, ()):
        problems.append(("/tier", f"cannot be {tier.value}: the tenant's key is {key.tier}"))
    if (tier == KeyTier.EXTERNAL) != (external is not None):
        problems.append(("/external_key", "must name a key, and only where the tier is external"))
    if problems:
        raise InputInvalid("The tenant cannot be moved to that key.", problems)


def _accept(tenant: Tenant, key: TenantKey, external: ExternalKeyInput) -> str:
    accounts = sorted({*tenant.key_accounts, *external.accounts})
    arn = accept_key(arn=external.arn, accounts=accounts, tenant_id=tenant.id)
    previous = PreviousKey.objects.filter(tenant_id=tenant.id)
    if arn.key_id == key.key_id or previous.filter(arn__endswith=f":key/{arn.key_id}").exists():
        raise InputInvalid(
            "The tenant cannot be moved to that key.",
            [("/external_key/arn", "must be another key than those that the tenant has")],
        )
    Tenant.objects.filter(id=tenant.id).update(key_accounts=accounts)
    return str(arn)
