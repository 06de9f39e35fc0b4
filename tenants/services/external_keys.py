"""External keys: a multi-Region key in the tenant's own AWS account, which we use and do not manage.

Who names a key proves that it is theirs by what only its owner can do: by putting a condition on this tenant's id into
its key policy. Before that is probed, the ARN must be of an account that the operator has agreed upon with the tenant,
and of no key that another tenant has. Both are refused in the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import connections
from django.db.models import Q
from django.db.models.functions import Now

from crypto.arn import KeyArn
from crypto.errors import InvalidKeyArn, KeyAccessDenied, KeyNotFound
from tenants.errors import ExternalKeyNotProven, ExternalKeyRefused, InputInvalid
from tenants.external_policy import template
from tenants.key_policy import Document, Rule
from tenants.models import KeyOperation, PreviousKey, RegionalKey, RegionRule, Tenant, TenantKey
from tenants.models.base import new_id
from tenants.scope import fleet_scope, scope_alias, tenant_scope
from tenants.selectors.keys import RuleView
from tenants.services.audit import record_event, this_worker
from tenants.services.external_probe import Report, probe_key
from tenants.services.rules import RegionRuleInput, rule_problems
from tenants.services.work import Result, Work
from tenants.states import KeyRole, OperationKind, OperationState

_REFUSED = "This key is not accepted for this tenant: its account is not agreed upon, or the key is in use."
_FINAL = (OperationState.DONE, OperationState.CANCELLED)


@dataclass(frozen=True, slots=True)
class ExternalKeyInput:
    """The key that a tenant brings. `accounts` are those from which the operator accepts keys of this tenant.

    `tenant_id` is the id that the tenant will have, where it was given out before, with the statements to paste."""

    arn: str
    accounts: tuple[str, ...] = ()
    tenant_id: UUID | None = field(default=None, compare=False)


class ProbeExternalKey:
    """Prove the external key of one Region, with the role of that Region."""

    settles: ClassVar[tuple[type[Exception], ...]] = (
        ExternalKeyNotProven,
        KeyAccessDenied,
        KeyNotFound,
    )

    def perform(self, work: Work) -> Result:
        """Every probe must end as the rule says. Raises `ExternalKeyNotProven`, which says what to change."""
        report = probe_key(tenant=work.tenant, arn=work.arn, rules=work.rules)
        if not report.is_proven:
            raise ExternalKeyNotProven("\n".join(report.advice))
        return {
            "arn": str(work.arn),
            "key_state": report.key_state or "Enabled",
            "role": KeyRole.PRIMARY if report.is_primary else KeyRole.REPLICA,
            "probes": [each.probe for each in report.findings],
        }

    def record(self, work: Work, result: Result) -> None:
        """That it was proven, and when."""
        if not work.of_new_key:
            RegionalKey.objects.filter(tenant_id=work.tenant_id, region=work.region).update(
                key_state=result["key_state"], verified_at=Now(), role=result["role"]
            )
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="key.probed",
            subject=str(result["arn"]),
            detail={"region": work.region, "probes": result["probes"]},
        )


def policy_templates(*, tenant: str, rules: Sequence[Rule]) -> dict[str, Document]:
    """What to paste into the key policy of each Region. `tenant` is the tenant id of the encryption context."""
    return {
        rule.region: template(
            region=rule.region, rules=rules, tenant=tenant, use_role=settings.KMS_USE_ROLE_ARN
        )
        for rule in rules
    }


def new_policy_templates(
    *, rules: Sequence[RegionRuleInput], tenant_id: UUID | None = None
) -> tuple[UUID, dict[str, Document]]:
    """The same for a tenant that is to be onboarded, with the id that it is to have; nothing is written.

    Raises `InputInvalid` for rules that no tenant may have.
    """
    if problems := rule_problems(rules):
        raise InputInvalid("There is no policy for these rules.", problems)
    chosen = tenant_id or new_id()
    return chosen, policy_templates(tenant=chosen.hex, rules=rules)


def external_key_policy(*, tenant_id: UUID) -> dict[str, Document]:
    """What the tenant pastes into the key policy of each of its Regions, as its rules are now."""
    with tenant_scope(tenant_id, "read"):
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
    return policy_templates(tenant=tenant_id.hex, rules=rules)


def try_external_key(*, tenant_id: UUID, arn: str, accounts: Sequence[str] = ()) -> Report:
    """Try a key for a tenant that is there, in this process's Region, and write nothing.

    Each Region's gateway tries its own. `accounts` are accepted beside those agreed upon before. Raises
    `InputInvalid`, `ExternalKeyRefused` and KMS's errors.
    """
    with fleet_scope("latest"):
        tenant = Tenant.objects.get(id=tenant_id)
        rows = RegionRule.objects.filter(tenant_id=tenant_id).order_by("region")
        rules = tuple(RuleView(row.region, row.may_encrypt, tuple(row.may_decrypt)) for row in rows)
        key = accept_key(arn=arn, accounts=(*tenant.key_accounts, *accounts), tenant_id=tenant_id)
    return _try(tenant_id, key, rules)


def try_new_external_key(*, key: ExternalKeyInput, rules: Sequence[RegionRuleInput]) -> Report:
    """Try a key for a tenant that is not onboarded yet, in this process's Region, and write nothing.

    Raises `InputInvalid`, `ExternalKeyRefused` and KMS's errors.
    """
    problems = [] if key.tenant_id else [("/tenant_id", "is missing")]
    problems += rule_problems(list(rules))
    if problems or key.tenant_id is None:
        raise InputInvalid("The key cannot be tried.", problems)
    with fleet_scope("latest"):
        arn = accept_key(arn=key.arn, accounts=key.accounts, tenant_id=key.tenant_id)
    return _try(key.tenant_id, arn, tuple(rules))


def accept_key(*, arn: str, accounts: Sequence[str], tenant_id: UUID | None) -> KeyArn:
    """The key of this ARN, if this tenant may name it, in the caller's fleet scope.

    In a write scope nobody else can take the same key until that ends. Raises `InputInvalid` for what is no ARN of a
    multi-Region key in our partition, and `ExternalKeyRefused`.
    """
    problem = ""
    try:
        key = KeyArn.parse(arn)
    except InvalidKeyArn:
        problem = "must be the ARN of a key, arn:PARTITION:kms:REGION:ACCOUNT:key/mrk-...: no alias and no id"
    else:
        if not key.key_id.startswith("mrk-"):
            problem = "must be a multi-Region key"
        elif key.partition != settings.AWS_PARTITION:
            problem = f"must be in the partition {settings.AWS_PARTITION}"
    if problem:
        raise InputInvalid("The key cannot be used.", [("/arn", problem)])
    if key.account not in accounts or _is_taken(key, tenant_id):
        raise ExternalKeyRefused(_REFUSED)
    return key


def _is_taken(key: KeyArn, tenant_id: UUID | None) -> bool:
    """Whether another tenant has the key, had it and still opens data with it, or is about to have it."""
    with connections[scope_alias()].cursor() as cursor:
        # Two tenants that name one key at the same moment do so one after the other.
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 5))", [key.key_id])
    same = f":key/{key.key_id}"
    moving = KeyOperation.objects.filter(
        kind=OperationKind.PROBE_EXTERNAL_KEY, arguments__new_key__arn__endswith=same
    )
    taken: list[Any] = [
        TenantKey.objects.filter(key_id=key.key_id),
        RegionalKey.objects.filter(arn__endswith=same),
        PreviousKey.objects.filter(arn__endswith=same),
        moving.exclude(state__in=_FINAL),
    ]
    return any(rows.filter(~Q(tenant_id=tenant_id)).exists() for rows in taken)


def _try(tenant_id: UUID, key: KeyArn, rules: tuple[Rule, ...]) -> Report:
    region = settings.GATEWAY_REGION
    if region not in {rule.region for rule in rules}:
        raise InputInvalid(
            "The key cannot be tried here.", [("/region_rules", f"must have a rule for {region}")]
        )
    return probe_key(tenant=tenant_id.hex, arn=key.in_region(region), rules=rules)
