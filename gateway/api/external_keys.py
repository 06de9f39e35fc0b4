"""External keys: what a tenant pastes into its key policies, and whether that works, before it is relied on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.external_key_shapes import Accounts, Arn
from gateway.api.named import named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.shapes import Answer, Body, list_of
from gateway.api.tenants import RegionRules, rules_of
from tenants.errors import ExternalKeyRefused, InputInvalid, NotFound
from tenants.services.external_keys import (
    ExternalKeyInput,
    external_key_policy,
    new_policy_templates,
    try_external_key,
    try_new_external_key,
)
from tenants.services.external_probe import Report


class NewPolicyBody(Body):
    """The Regions and rules of a tenant that is to be onboarded; its id is made up unless it is given."""

    region_rules: RegionRules
    tenant_id: UUID | None = None


class TestBody(Body):
    """A key to try. `accounts` are accepted beside those that were agreed upon before."""

    arn: Arn
    accounts: Accounts = []


class NewTestBody(TestBody, kw_only=True):
    """A key to try for a tenant that is to be onboarded under this id."""

    tenant_id: UUID
    region_rules: RegionRules


class RegionPolicy(Answer):
    """The statements for the key policy of one Region, as a policy document."""

    region: str
    document: dict[str, Any]


class Policies(Answer):
    """What to paste, Region by Region, beside what the key policies hold already."""

    tenant_id: UUID
    policies: list[RegionPolicy]


class Finding(Answer):
    """One probe: whether KMS should allow it, and whether it does. Where the two differ, `advice` says what to change,
    and `statement` is the JSON to paste."""

    probe: str
    expected: bool
    allowed: bool
    advice: str
    statement: str


class TestReport(Answer):
    """What the probes of this gateway's own Region have found. Every Region of the tenant must be tried by its own."""

    region: str
    arn: str
    is_proven: bool
    key_state: str
    findings: list[Finding]


class TenantPolicy(OperatorView):
    """/tenants/{slug}/external-key/policy"""

    @operation("getExternalKeyPolicy", answers={200: Policies}, errors=(NotFound,))
    def get(self, request: Request, slug: str) -> Response:
        """What a tenant pastes into the policies of its key"""
        tenant = named_tenant(slug)
        return _policies(tenant.id, external_key_policy(tenant_id=tenant.id))


class NewPolicy(OperatorView):
    """/external-key/policy"""

    @operation("getNewExternalKeyPolicy", body=NewPolicyBody, answers={200: Policies})
    def post(self, request: Request, body: NewPolicyBody) -> Response:
        """What a new tenant pastes into the policies of its key

        Nothing is written. The tenant is then onboarded with the `tenant_id` that is answered.
        """
        tenant_id, policies = new_policy_templates(
            rules=rules_of(body.region_rules), tenant_id=body.tenant_id
        )
        return _policies(tenant_id, policies)


class TenantTest(OperatorView):
    """/tenants/{slug}/external-key/test"""

    @operation(
        "testExternalKey",
        body=TestBody,
        answers={200: TestReport},
        errors=(NotFound, ExternalKeyRefused),
    )
    def post(self, request: Request, slug: str, body: TestBody) -> Response:
        """Try a key for a tenant

        In this gateway's own Region, with its own role; nothing is written.
        """
        tenant = named_tenant(slug)
        return _report(try_external_key(tenant_id=tenant.id, arn=body.arn, accounts=body.accounts))


class NewTest(OperatorView):
    """/external-key/test"""

    @operation(
        "testNewExternalKey",
        body=NewTestBody,
        answers={200: TestReport},
        errors=(ExternalKeyRefused, InputInvalid),
    )
    def post(self, request: Request, body: NewTestBody) -> Response:
        """Try a key for a tenant that is not onboarded yet

        In this gateway's own Region, with its own role; nothing is written.
        """
        key = ExternalKeyInput(body.arn, tuple(body.accounts), body.tenant_id)
        return _report(try_new_external_key(key=key, rules=rules_of(body.region_rules)))


def _policies(tenant_id: UUID, policies: dict[str, dict[str, Any]]) -> Response:
    shown = [
        RegionPolicy(region=region, document=document) for region, document in policies.items()
    ]
    return Response(Policies(tenant_id=tenant_id, policies=shown))


def _report(report: Report) -> Response:
    return Response(
        TestReport(
            region=report.region,
            arn=report.arn,
            is_proven=report.is_proven,
            key_state=report.key_state,
            findings=list_of(report.findings, Finding),
        )
    )
