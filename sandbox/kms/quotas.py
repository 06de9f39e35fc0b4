"""Request quotas of AWS KMS: token buckets for each account, Region and API. Off unless switched on.

Source: AWS KMS Developer Guide, "Request quotas" (default values) and "Throttling AWS KMS requests". A bucket holds
what one second admits, since AWS counts in intervals of a second; more of how it takes bursts AWS does not say.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.kms.call import Call
from sandbox.kms.errors import throttled
from sandbox.kms.events import Action

# Requests a second.
RATES: dict[str, float] = {
    **dict.fromkeys(("CancelKeyDeletion", "CreateAlias", "CreateKey", "DisableKey"), 5),
    **dict.fromkeys(("DisableKeyRotation", "EnableKey", "ReplicateKey", "RotateKeyOnDemand"), 5),
    **dict.fromkeys(("UntagResource", "UpdateAlias", "UpdateKeyDescription"), 5),
    "UpdatePrimaryRegion": 5,
    **dict.fromkeys(("DeleteAlias", "DeleteImportedKeyMaterial", "EnableKeyRotation"), 15),
    **dict.fromkeys(("ImportKeyMaterial", "PutKeyPolicy", "ScheduleKeyDeletion"), 15),
    "TagResource": 10,
    "CreateGrant": 50,
    **dict.fromkeys(("RetireGrant", "RevokeGrant"), 30),
    **dict.fromkeys(("ListGrants", "ListKeyPolicies", "ListKeyRotations"), 100),
    "ListRetirableGrants": 100,
    **dict.fromkeys(("ListAliases", "ListKeys"), 500),
    **dict.fromkeys(("GetKeyPolicy", "GetKeyRotationStatus"), 1000),
    **dict.fromkeys(("DescribeKey", "GetPublicKey", "ListResourceTags"), 2000),
    "GetParametersForImport": 0.25,
    "LookupEvents": 2,  # CloudTrail API Reference, LookupEvents
}

# They share one quota, which depends on the Region.
CRYPTOGRAPHIC = frozenset(
    {
        *("Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"),
        *("GenerateMac", "VerifyMac", "GenerateRandom"),
    }
)
_CRYPTOGRAPHIC_RATES: dict[str, float] = {
    **dict.fromkeys(("us-east-1", "us-west-2", "eu-west-1"), 100_000),
    **dict.fromkeys(("us-east-2", "ap-southeast-1", "ap-southeast-2"), 20_000),
    **dict.fromkeys(("ap-northeast-1", "eu-central-1", "eu-west-2"), 20_000),
}
_CRYPTOGRAPHIC_RATE_ELSEWHERE = 10_000

_DATA_KEY_PAIR_RATES: dict[str, float] = {
    **{"RSA_2048": 1, "RSA_3072": 0.5, "RSA_4096": 0.1},
    **{"ECC_NIST_P256": 25, "ECC_NIST_P384": 10, "ECC_NIST_P521": 5, "ECC_SECG_P256K1": 25},
}


@dataclass(frozen=True, slots=True)
class Charge:
    """What one request takes from one bucket. `rate` is the bucket's, in requests a second."""

    region: str
    name: str
    rate: float
    requests: int = 1


def charges(region: str, operation: str, parameters: dict[str, Any]) -> Iterator[Charge]:
    """What a request takes, none for an operation without a quota. Two operations take from another Region's too."""
    if operation in CRYPTOGRAPHIC:
        rate = _CRYPTOGRAPHIC_RATES.get(region, _CRYPTOGRAPHIC_RATE_ELSEWHERE)
        yield Charge(region, "cryptographic operations", rate)
    elif operation.startswith("GenerateDataKeyPair"):
        spec = parameters.get("KeyPairSpec", "")
        if rate := _DATA_KEY_PAIR_RATES.get(spec, 0):
            yield Charge(region, f"GenerateDataKeyPair {spec}", rate)
    elif operation in RATES:
        yield Charge(region, operation, RATES[operation])
    if operation == "ReplicateKey":
        # One of the two is a trial by which AWS finds problems before it makes the replica.
        yield Charge(parameters.get("ReplicaRegion", ""), "CreateKey", RATES["CreateKey"], 2)
    elif operation == "UpdatePrimaryRegion":
        yield Charge(parameters.get("PrimaryRegion", ""), operation, RATES[operation])


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Quotas:
    """All buckets. `scale` multiplies every rate, for a load test on a machine that is slower than AWS."""

    def __init__(
        self, regions: Collection[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Off. There are no buckets of other Regions than these."""
        self._regions = regions
        self.on = False
        self.scale = 1.0
        self.refused: Counter[str] = Counter()  # "us-east-2 CreateKey" -> requests refused
        self._clock = clock
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}

    def switch(self, *, on: bool, scale: float = 1.0) -> None:
        """Start with full buckets; raises ValueError for a scale that is none."""
        if not 0 < scale <= 1000:
            raise ValueError("scale is more than 0 and at most 1000")
        self.on, self.scale = on, scale
        self._buckets.clear()
        self.refused.clear()

    def shown(self) -> dict[str, Any]:
        """How it is set, and how many requests it refused by Region and API."""
        return {"on": self.on, "scale": self.scale, "refused": dict(self.refused)}

    def charge(self, call: Call, action: Action) -> None:
        """Take what the request costs its caller's account, or refuse and take nothing."""
        if not self.on:
            return
        costs = [
            cost
            for cost in charges(call.region, action.name, call.parameters)
            if cost.region in self._regions
        ]
        buckets = [self._filled(call.account, cost) for cost in costs]
        for cost, bucket in zip(costs, buckets, strict=True):
            if bucket.tokens < cost.requests:
                self.refused[f"{cost.region} {cost.name}"] += 1
                raise throttled(action.source)
        for cost, bucket in zip(costs, buckets, strict=True):
            bucket.tokens -= cost.requests

    def _filled(self, account: str, cost: Charge) -> _Bucket:
        """The bucket with what has dripped into it by now."""
        rate = cost.rate * self.scale
        most = max(rate, 2.0 if cost.name == "CreateKey" else 1.0)  # or ReplicateKey never passed
        now = self._clock()
        place = (account, cost.region, cost.name)
        bucket = self._buckets.setdefault(place, _Bucket(most, now))
        bucket.tokens = min(most, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        return bucket
