"""Publication: what lets people and programs find a tenant's key in a Region, and its automatic rotation."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings

from crypto.errors import KeyNotFound
from tenants.services.audit import record_event, this_worker
from tenants.services.clients import get_key_admin, get_key_directory
from tenants.services.keys import OPERATION_TAG, tags_of
from tenants.services.policies import put_policy, record_policy
from tenants.services.rotation import put_rotation
from tenants.services.work import Result, Work
from tenants.states import KeyTier


class PublishKey:
    """Policy, alias, tags, rotation and parameter of one Region, each put so that doing it again changes nothing."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """The policy first: a key that an earlier try has made may carry the policy of older code.

        Of a key that is not the tenant's alone, or not in our account, nothing but the parameter is ours to put.
        """
        alias, parameter, policy = "", parameter_of(work.slug), ""
        if work.tier == KeyTier.DEDICATED:
            alias, policy = alias_of(work.slug), put_policy(work)
            admin = get_key_admin()
            if not _lasting_tags(work).items() <= admin.list_tags(work.arn).items():
                admin.put_tags(arn=work.arn, tags=_lasting_tags(work))
            admin.put_alias(arn=work.arn, alias=alias)
            if work.is_primary:
                put_rotation(tenant_id=work.tenant_id, arn=work.arn)
        directory = get_key_directory()
        if directory.find(region=work.region, name=parameter) != work.arn:
            directory.publish(region=work.region, name=parameter, arn=work.arn)
        return {
            "arn": str(work.arn),
            "alias": alias,
            "parameter": parameter,
            "fingerprint": policy,
        }

    def record(self, work: Work, result: Result) -> None:
        """That the policy is in force, and where the key is found."""
        if work.tier == KeyTier.DEDICATED:
            record_policy(work, str(result["fingerprint"]))
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="key.published",
            subject=str(result["arn"]),
            detail={
                "region": work.region,
                "alias": result["alias"],
                "parameter": result["parameter"],
            },
        )


def alias_of(slug: str) -> str:
    """The alias of a tenant's key, the same in each Region; each Region's points at its own key."""
    return f"alias/tenants/{slug}"


def parameter_of(slug: str) -> str:
    """The name under which Parameter Store of each Region holds the ARN of its own key."""
    return f"/mrk-gateway/{settings.GATEWAY_ENVIRONMENT}/tenants/{slug}/key-arn"


def _lasting_tags(work: Work) -> dict[str, str]:
    """All tags but that of the operation: it names the one which made the key, and that was not this one."""
    return {name: value for name, value in tags_of(work).items() if name != OPERATION_TAG}
