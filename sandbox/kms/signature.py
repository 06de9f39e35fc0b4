"""AWS Signature Version 4: who signed the request, for which Region and service, and whether truly.

Source: IAM User Guide, "Create a signed AWS API request". Codes and texts: what AWS KMS answers.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

from sandbox.kms.errors import Refusal
from sandbox.kms.identities import Identity

_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    _ALGORITHM + r" Credential=(?P<key>[^/,]+)/(?P<date>\d{8})/(?P<region>[^/,]+)"
    r"/(?P<service>[^/,]+)/aws4_request,\s*SignedHeaders=(?P<headers>[^,]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_SKEW_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Signature:
    """A parsed Authorization header."""

    access_key: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature covers. Names of headers are looked up without regard to case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


def parse_signature(headers: Mapping[str, str]) -> Signature:
    """The credential scope and signature of the request, not yet verified."""
    header = headers.get("Authorization")
    if header is None:
        raise Refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
    found = _AUTHORIZATION.fullmatch(header)
    if found is None:
        raise Refusal("IncompleteSignatureException", "The Authorization header is incomplete.")
    signed = tuple(found["headers"].split(";"))
    return Signature(
        found["key"], found["date"], found["region"], found["service"], signed, found["signature"]
    )


def check_scope(signature: Signature, *, region: str, service: str) -> None:
    """Refuse a request that was signed for another Region or service."""
    if signature.region != region:
        raise _invalid(f"Credential should be scoped to a valid region, not '{signature.region}'.")
    if signature.service != service:
        raise _invalid(f"Credential should be scoped to correct service: '{service}'.")


def check_signature(
    signature: Signature, request: SignedRequest, identity: Identity, *, now: float
) -> None:
    """Refuse a request whose signature is wrong, too old, or leaves out what it must cover. `now` is the real time."""
    timestamp = request.headers.get("X-Amz-Date", "")
    if not {"host", "x-amz-date"} <= set(signature.headers) or timestamp[:8] != signature.date:
        raise _invalid("The signature must cover the host and the date of the request.")
    _check_age(timestamp, now)
    scope = f"{signature.date}/{signature.region}/{signature.service}/aws4_request"
    digest = sha256(_canonical_request(signature, request)).hexdigest()
    text = f"{_ALGORITHM}\n{timestamp}\n{scope}\n{digest}"
    key = _signing_key(identity.secret, signature.date, signature.region, signature.service)
    wanted = hmac.digest(key, text.encode(), "sha256").hex()
    if not hmac.compare_digest(wanted, signature.value):
        raise _invalid(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
        )


def _check_age(timestamp: str, now: float) -> None:
    try:
        signed = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise _invalid("Date must be in ISO-8601 'basic format'.") from None
    if abs(now - signed) > _SKEW_SECONDS:
        raise _invalid(f"Signature expired: {timestamp} is not within 5 min. of now.")


def _canonical_request(signature: Signature, request: SignedRequest) -> bytes:
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signature.headers
    )
    query = "&".join(sorted(request.query.split("&"))) if request.query else ""
    signed = ";".join(signature.headers)
    digest = sha256(request.body).hexdigest()
    return f"{request.method}\n{request.path}\n{query}\n{headers}\n{signed}\n{digest}".encode()


@lru_cache(maxsize=1024)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _invalid(message: str) -> Refusal:
    return Refusal("InvalidSignatureException", message)
