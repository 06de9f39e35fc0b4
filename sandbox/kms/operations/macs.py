"""GenerateMac and VerifyMac.

Source: AWS KMS API Reference, both operations: the raw HMAC of RFC 2104, and an error for one that is wrong.
"""

from __future__ import annotations

import hmac

from sandbox.kms.authorization import authorize_key
from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal
from sandbox.kms.keys import RegionalKey
from sandbox.kms.lookup import find_by_id, request_alias
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.specs import GENERATE_VERIFY_MAC
from sandbox.kms.states import USABLE, require_state
from sandbox.kms.use import require_usage, stop_dry_run

_DIGESTS = {f"HMAC_SHA_{bits}": f"sha{bits}" for bits in (224, 256, 384, 512)}


@operation("GenerateMac", read_only=True)
def generate_mac(service: Service, call: Call) -> Answer:
    """The MAC of up to 4096 bytes: the same in every Region with a related key."""
    key, mac = _mac(service, call, "kms:GenerateMac")
    return {"Mac": mac, "MacAlgorithm": call.parameters["MacAlgorithm"], "KeyId": key.arn}


@operation("VerifyMac", read_only=True)
def verify_mac(service: Service, call: Call) -> Answer:
    """Whether a MAC is that of the message. It is, or the request fails."""
    key, mac = _mac(service, call, "kms:VerifyMac")
    if not hmac.compare_digest(mac, call.parameters["Mac"]):
        raise Refusal("KMSInvalidMacException", "The HMAC is not that of the message.")
    return {"KeyId": key.arn, "MacValid": True, "MacAlgorithm": call.parameters["MacAlgorithm"]}


def _mac(service: Service, call: Call, action: str) -> tuple[RegionalKey, bytes]:
    wanted = call.parameters
    algorithm = wanted["MacAlgorithm"]
    key = find_by_id(service, call, wanted["KeyId"], aliases=True, foreign=True)
    conditions = {"kms:macalgorithm": (algorithm,), **request_alias(wanted["KeyId"])}
    authorize_key(service, call, action, key, conditions)
    key_set = service.store.key_set(key)
    require_usage(key_set, key, GENERATE_VERIFY_MAC, action)
    if algorithm != key_set.spec.algorithm:
        message = f"Algorithm {algorithm} is incompatible with key spec {key_set.spec_name}."
        raise Refusal("InvalidKeyUsageException", message)
    require_state(key, USABLE, call.now)
    stop_dry_run(call)
    return key, hmac.digest(key_set.current.secret, wanted["Message"], _DIGESTS[algorithm])
