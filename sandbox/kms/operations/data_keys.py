"""GenerateDataKey, GenerateDataKeyWithoutPlaintext and GenerateRandom."""

from __future__ import annotations

import os
from typing import Any

from sandbox.kms.authorization import authorize_account
from sandbox.kms.call import Call
from sandbox.kms.ciphertext import encrypt
from sandbox.kms.errors import invalid
from sandbox.kms.lookup import find_by_id
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.use import authorize_use, check_context, refuse_recipient, stop_dry_run

_SIZES = {"AES_256": 32, "AES_128": 16}


@operation("GenerateDataKey", read_only=True)
def generate_data_key(service: Service, call: Call) -> Answer:
    """A fresh data key, plain and sealed."""
    return _generate(service, call, "kms:GenerateDataKey", with_plaintext=True)


@operation("GenerateDataKeyWithoutPlaintext", read_only=True)
def generate_data_key_without_plaintext(service: Service, call: Call) -> Answer:
    """A fresh data key, sealed only."""
    return _generate(service, call, "kms:GenerateDataKeyWithoutPlaintext", with_plaintext=False)


@operation("GenerateRandom", read_only=True, needs=["NumberOfBytes"])
def generate_random(service: Service, call: Call) -> Answer:
    """Random bytes, 1 to 1024."""
    del service
    refuse_recipient(call)
    authorize_account(call, "kms:GenerateRandom")
    return {"Plaintext": os.urandom(call.parameters["NumberOfBytes"])}


def _generate(service: Service, call: Call, action: str, *, with_plaintext: bool) -> Answer:
    wanted = call.parameters
    refuse_recipient(call)
    size = _size(wanted)
    context = check_context(wanted.get("EncryptionContext", {}))
    key = find_by_id(service, call, wanted["KeyId"], aliases=True, foreign=True)
    authorize_use(service, call, action, key, context=context, key_id=wanted["KeyId"])
    stop_dry_run(call)
    plaintext = os.urandom(size)
    key_set = service.store.key_set(key)
    call.material_id = key_set.current.id
    answer = {
        "CiphertextBlob": encrypt(
            plaintext, key_set, context, sealing_key=service.store.sealing_key
        ),
        "KeyId": key.arn,
        "KeyMaterialId": key_set.current.id,
    }
    return answer | {"Plaintext": plaintext} if with_plaintext else answer


def _size(wanted: dict[str, Any]) -> int:
    if ("KeySpec" in wanted) == ("NumberOfBytes" in wanted):
        raise invalid("Please specify either number of bytes or key spec.")
    return _SIZES[wanted["KeySpec"]] if "KeySpec" in wanted else int(wanted["NumberOfBytes"])
