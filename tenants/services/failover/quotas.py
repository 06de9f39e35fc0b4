"""Whether KMS of the target Region admits what it will be asked: each process unwraps each data key once, and again
when its cache lets go of it.

Source: AWS KMS Developer Guide, "Request quotas", symmetric cryptographic operations, which share one quota a Region.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings

from tenants.models import DataKey
from tenants.scope import fleet_scope
from tenants.services.failover.journal import Journal, Severity

# What GATEWAY_CALL_QUOTAS calls it, where AWS has raised it.
API: Final = "Cryptographic"
_DEFAULTS: Final = {
    **dict.fromkeys(("us-east-1", "us-west-2", "eu-west-1"), 100_000),
    **dict.fromkeys(("us-east-2", "ap-southeast-1", "ap-southeast-2"), 20_000),
    **dict.fromkeys(("ap-northeast-1", "eu-central-1", "eu-west-2"), 20_000),
}
_ELSEWHERE: Final = 10_000
# Longer than this, clients notice that caches are cold.
_LONG_SECONDS: Final = 30


def check_quota(journal: Journal, target: str) -> None:
    """Compare the number of data keys with what KMS there admits a second, by AWS's default or as configured."""
    with fleet_scope("read"):
        keys = DataKey.objects.count()
    given = settings.GATEWAY_CALL_QUOTAS
    admitted = given.get(f"{target}:{API}", given.get(API, _DEFAULTS.get(target, _ELSEWHERE)))
    lasting = keys / settings.CRYPTO.cache_seconds
    text = (
        f"KMS of {target} admits {admitted:,.0f} cryptographic calls a second. A process there asks for {keys:,}"
        f" data keys at most while its cache is cold, and for {lasting:,.0f} a second afterwards."
    )
    is_tight = keys / admitted > _LONG_SECONDS or lasting > admitted / 10
    journal.find(Severity.WARNING if is_tight else Severity.FACT, "kms_quota", text)
