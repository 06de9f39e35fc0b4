"""System checks of the crypto settings: a wrong combination has an id and a hint, and production refuses it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from crypto.conf import CryptoSettings

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d{1,2}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/{}-]+")
_Fault = tuple[str, str, str]  # id, what is wrong, what to do about it


@register("crypto")
def check_crypto_settings(**_: object) -> list[CheckMessage]:
    """All faults of the settings at once."""
    given: CryptoSettings = settings.CRYPTO
    faults = [*_regions(given), *_roles(), *_limits(given)]
    if settings.GATEWAY_ENVIRONMENT == "production":
        faults += _endpoints(given, os.environ)
    return [Error(wrong, hint=hint, id=f"crypto.{code}") for code, wrong, hint in faults]


def _regions(given: CryptoSettings) -> Iterator[_Fault]:
    for region in (given.region, *given.regions):
        if not _REGION.fullmatch(region):
            yield "E001", f"{region!r} is not a Region.", "Use names like eu-west-1."
    if given.region not in given.regions:
        wrong = f"GATEWAY_REGION {given.region} is not among GATEWAY_REGIONS."
        yield "E002", wrong, "Add it to GATEWAY_REGIONS in every process."
    if len(set(given.regions)) != len(given.regions):
        yield "E003", "GATEWAY_REGIONS names a Region twice.", "Name each once."


def _roles() -> Iterator[_Fault]:
    use, regions = settings.KMS_USE_ROLE_ARN, settings.GATEWAY_REGIONS
    for name in ("KMS_USE_ROLE_ARN", "KMS_ADMIN_ROLE_ARN", "KMS_AUDIT_ROLE_ARN"):
        if not _ROLE.fullmatch(getattr(settings, name)):
            wrong = f"GATEWAY_{name} is not the ARN of an IAM role."
            yield "E004", wrong, "Use arn:aws:iam::ACCOUNT:role/NAME."
    if "{region}" not in use:
        wrong = "GATEWAY_KMS_USE_ROLE_ARN is one role for all Regions, so that no key policy could tell them apart."
        yield "E005", wrong, "Make one role a Region and put {region} into the name."
    if settings.KMS_ADMIN_ROLE_ARN in {use.replace("{region}", region) for region in regions}:
        wrong = "The admin role is also a use role: whoever makes keys could open what they seal."
        yield "E006", wrong, "Use two roles."


def _limits(given: CryptoSettings) -> Iterator[_Fault]:
    if not 0 < given.cache_seconds <= 300:
        wrong = "Plaintext data keys may be cached for at most 300 seconds."
        yield "E007", wrong, "Set GATEWAY_DATA_KEY_CACHE_SECONDS to 300 or less."
    if not 0 < given.data_key_max_age_seconds <= 86_400:
        wrong = "A data key may be used for at most 24 hours."
        yield "E008", wrong, "Set GATEWAY_DATA_KEY_MAX_AGE_SECONDS to 86400 or less."


def _endpoints(given: CryptoSettings, environment: Mapping[str, str]) -> Iterator[_Fault]:
    if given.kms_endpoints or given.ssm_endpoints:
        wrong = "Production talks to AWS itself, never to a stand-in."
        yield "E009", wrong, "Unset GATEWAY_KMS_ENDPOINTS and GATEWAY_SSM_ENDPOINTS."
    overrides = sorted(key for key in environment if key.startswith("AWS_ENDPOINT_URL"))
    if overrides:
        wrong = f"{', '.join(overrides)} would send keys elsewhere than to AWS."
        yield "E010", wrong, "Unset them; for VPC endpoints use private DNS."
