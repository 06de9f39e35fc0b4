"""What this process's Region may do with a tenant's data, asked of the rules before KMS is asked.

This check gives the clear answer; the fence is the key policy that the same rules compile to, in KMS itself.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from django.conf import settings

from tenants.errors import RegionNotAllowed
from tenants.selectors import Caller


def check_region(
    caller: Caller, classifications: Collection[str], action: Literal["encrypt", "decrypt"]
) -> None:
    """Raise `RegionNotAllowed` where a rule forbids this, for whichever classification.

    A Region without a rule serves nothing of the tenant, clear fields included.
    """
    region: str = settings.GATEWAY_REGION
    caller.need_region(region)
    if action == "encrypt":
        if classifications and not caller.may_encrypt(region):
            raise RegionNotAllowed(f"The tenant's data may not be encrypted in {region}.")
        return
    refused = sorted(name for name in classifications if not caller.may_decrypt(region, name))
    if refused:
        raise RegionNotAllowed(
            f"Data of class {', '.join(refused)} may not be decrypted in {region}."
        )
