"""What the crypto core must be told. The defaults suit one Region's web process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class CryptoSettings:
    """Regions, endpoints, credentials by profile name, and limits.

    `kms_endpoints` and `ssm_endpoints` map a Region to a URL and are empty on AWS. Time-outs and ages are in seconds.
    The worst case of one KMS call is `total_max_attempts` times both time-outs, plus botocore's back-off of under a
    second: 2 x (1.0 + 2.5) + 1 = 8 s. No further Region is asked once `regions_seconds` have passed, so that a data
    key is there, or refused, within 16 s: half of what load balancers usually give a request.
    """

    region: str
    regions: tuple[str, ...]
    kms_endpoints: Mapping[str, str] = field(default_factory=dict)
    ssm_endpoints: Mapping[str, str] = field(default_factory=dict)
    use_profile: str = ""
    admin_profile: str = ""
    audit_profile: str = ""
    data_key_max_age_seconds: int = 86_400
    # AES-GCM with a fresh HKDF-derived key per message could go to 2^32 and beyond; this stays far below.
    data_key_max_messages: int = 2**28
    cache_seconds: int = 300
    cache_size: int = 20_000
    connect_timeout_seconds: float = 1.0
    read_timeout_seconds: float = 2.5
    total_max_attempts: int = 2
    max_pool_connections: int = 16
    region_cool_down_seconds: float = 15.0
    regions_seconds: float = 8.0
