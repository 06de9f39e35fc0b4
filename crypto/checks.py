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


@register("crypto")
def check_crypto_settings(**_: object) -> list[CheckMessage]:
    """All faults of the settings at once."""
    given: CryptoSettings = settings.CRYPTO
    return [
        *_regions(given),
        *_roles(),
        *_limits(given),
        *_endpoints(given, os.environ, settings.GATEWAY_ENVIRONMENT),
    ]


def _regions(given: CryptoSettings) -> Iterator[CheckMessage]:
    for region in (given.region, *given.regions):
        if not _REGION.fullmatch(region):
            yield Error(
                f"{region!r} is not a Region.", hint="Use names like eu-west-1.", id="crypto.E001"
            )
    if given.region not in given.regions:
        yield Error(
            f"GATEWAY_REGION {given.region} is not among GATEWAY_REGIONS.",
            hint="Add it to GATEWAY_REGIONS in every process.",
            id="crypto.E002",
        )
    if len(set(given.regions)) != len(given.regions):
        yield Error(
            "GATEWAY_REGIONS names a Region twice.", hint="Name each once.", id="crypto.E003"
        )


def _roles() -> Iterator[CheckMessage]:
    for name in ("KMS_USE_ROLE_ARN", "KMS_ADMIN_ROLE_ARN", "KMS_AUDIT_ROLE_ARN"):
        if not _ROLE.fullmatch(getattr(settings, name)):
            yield Error(
                f"GATEWAY_{name} is not the ARN of an IAM role.",
                hint="Use arn:aws:iam::ACCOUNT:role/NAME.",
                id="crypto.E004",
            )
    if "{region}" not in settings.KMS_USE_ROLE_ARN:
        yield Error(
            "GATEWAY_KMS_USE_ROLE_ARN is one role for all Regions, so that no key policy could tell them apart.",
            hint="Make one role a Region and put {region} into the name.",
            id="crypto.E005",
        )
    if settings.KMS_ADMIN_ROLE_ARN in {
        settings.KMS_USE_ROLE_ARN.replace("{region}", region) for region in settings.GATEWAY_REGIONS
    }:
        yield Error(
            "The admin role is also a use role: whoever makes keys could open what they seal.",
            hint="Use two roles.",
            id="crypto.E006",
        )


def _limits(given: CryptoSettings) -> Iterator[CheckMessage]:
    if not 0 < given.cache_seconds <= 300:
        yield Error(
            "Plaintext data keys may be cached for at most 300 seconds.",
            hint="Set GATEWAY_DATA_KEY_CACHE_SECONDS to 300 or less.",
            id="crypto.E007",
        )
    if not 0 < given.data_key_max_age_seconds <= 86_400:
        yield Error(
            "A data key may be used for at most 24 hours.",
            hint="Set GATEWAY_DATA_KEY_MAX_AGE_SECONDS to 86400 or less.",
            id="crypto.E008",
        )


def _endpoints(
    given: CryptoSettings, environment: Mapping[str, str], name: str
) -> Iterator[CheckMessage]:
    if name != "production":
        return
    if given.kms_endpoints or given.ssm_endpoints:
        yield Error(
            "Production talks to AWS itself, never to a stand-in.",
            hint="Unset GATEWAY_KMS_ENDPOINTS and GATEWAY_SSM_ENDPOINTS.",
            id="crypto.E009",
        )
    overrides = sorted(key for key in environment if key.startswith("AWS_ENDPOINT_URL"))
    if overrides:
        yield Error(
            f"{', '.join(overrides)} would send keys elsewhere than to AWS.",
            hint="Unset them; for VPC endpoints use private DNS.",
            id="crypto.E010",
        )
