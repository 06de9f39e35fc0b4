"""Encrypt, Decrypt and ReEncrypt."""

from __future__ import annotations

from sandbox.kms.call import Call
from sandbox.kms.ciphertext import Blob, decrypt, encrypt, open_blob
from sandbox.kms.conditions import Conditions
from sandbox.kms.errors import Refusal, access_denied, invalid
from sandbox.kms.keys import Material, RegionalKey
from sandbox.kms.lookup import find_by_id
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.use import (
    authorize_use,
    check_algorithm,
    check_context,
    refuse_recipient,
    stop_dry_run,
)

_ALGORITHM = "SYMMETRIC_DEFAULT"


@operation("Encrypt", read_only=True)
def encrypt_plaintext(service: Service, call: Call) -> Answer:
    """Seal up to 4096 bytes under the current material."""
    wanted = call.parameters
    check_algorithm(call, "EncryptionAlgorithm")
    context = check_context(wanted.get("EncryptionContext", {}))
    key = find_by_id(service, call, wanted["KeyId"], aliases=True, foreign=True)
    authorize_use(service, call, "kms:Encrypt", key, context=context, key_id=wanted["KeyId"])
    stop_dry_run(call)
    key_set = service.store.key_set(key)
    call.material_id = key_set.current.id
    blob = encrypt(wanted["Plaintext"], key_set, context, sealing_key=service.store.sealing_key)
    return {"CiphertextBlob": blob, "KeyId": key.arn, "EncryptionAlgorithm": _ALGORITHM}


@operation("Decrypt", read_only=True)
def decrypt_ciphertext(service: Service, call: Call) -> Answer:
    """Open a ciphertext with any related key of this Region."""
    wanted = call.parameters
    refuse_recipient(call)
    check_algorithm(call, "EncryptionAlgorithm")
    context = check_context(wanted.get("EncryptionContext", {}))
    key, blob = _source(service, call, "KeyId")
    named = wanted.get("KeyId", "")
    authorize_use(service, call, "kms:Decrypt", key, context=context, key_id=named)
    opened = _opened(service, key, blob, context)
    stop_dry_run(call)
    plaintext, material = opened
    call.material_id = material.id
    return {
        "KeyId": key.arn,
        "Plaintext": plaintext,
        "EncryptionAlgorithm": _ALGORITHM,
        "KeyMaterialId": material.id,
    }


@operation("ReEncrypt", read_only=True)
def re_encrypt(service: Service, call: Call) -> Answer:
    """From one key or context to another, without the plaintext leaving."""
    wanted = call.parameters
    check_algorithm(call, "SourceEncryptionAlgorithm")
    check_algorithm(call, "DestinationEncryptionAlgorithm")
    source_context = check_context(wanted.get("SourceEncryptionContext", {}))
    context = check_context(wanted.get("DestinationEncryptionContext", {}))
    source, blob = _source(service, call, "SourceKeyId")
    key = find_by_id(service, call, wanted["DestinationKeyId"], aliases=True, foreign=True)
    both: Conditions = {"kms:reencryptonsamekey": (str(source.arn == key.arn).lower(),)}
    for action, one, its_context, named in (
        ("kms:ReEncryptFrom", source, source_context, wanted.get("SourceKeyId", "")),
        ("kms:ReEncryptTo", key, context, wanted["DestinationKeyId"]),
    ):
        authorize_use(
            service, call, action, one, context=its_context, key_id=named, conditions=both
        )
    opened = _opened(service, source, blob, source_context)
    stop_dry_run(call)
    plaintext, material = opened
    key_set = service.store.key_set(key)
    return {
        "CiphertextBlob": encrypt(
            plaintext, key_set, context, sealing_key=service.store.sealing_key
        ),
        "SourceKeyId": source.arn,
        "KeyId": key.arn,
        "SourceEncryptionAlgorithm": _ALGORITHM,
        "DestinationEncryptionAlgorithm": _ALGORITHM,
        "SourceKeyMaterialId": material.id,
        "DestinationKeyMaterialId": key_set.current.id,
    }


def _source(service: Service, call: Call, member: str) -> tuple[RegionalKey, Blob | None]:
    """The key of a ciphertext and what is in it; nothing in it for a dry run that ignores the ciphertext.

    `member` names the key in the request, which need not name one: the ciphertext does.
    """
    key_id = call.parameters.get(member)
    key = (
        find_by_id(service, call, key_id, aliases=True, foreign=True)
        if key_id is not None
        else None
    )
    if _ignores_ciphertext(call):
        if key is None:
            raise invalid(f"{member} is required when the ciphertext is ignored.")
        return key, None
    if "CiphertextBlob" not in call.parameters:
        raise invalid("1 validation error detected: Value at 'ciphertextBlob' failed to satisfy constraint: "
                      "Member must not be null")  # fmt: skip
    blob = open_blob(call.parameters["CiphertextBlob"], sealing_key=service.store.sealing_key)
    return key or _key_of(service, call, blob), blob


def _ignores_ciphertext(call: Call) -> bool:
    modifiers = call.parameters.get("DryRunModifiers", [])
    if modifiers and not call.parameters.get("DryRun", False):
        raise invalid("DryRunModifiers needs DryRun.")
    return "IGNORE_CIPHERTEXT" in modifiers


def _key_of(service: Service, call: Call, blob: Blob) -> RegionalKey:
    """The related key of this Region. AWS does not say whether it is missing or hidden."""
    key = service.store.find_key(call.region, blob.key_id)
    if key is None:
        raise access_denied(
            "The ciphertext refers to a customer master key that does not exist, does not exist in this region, "
            "or you are not allowed to access."
        )
    call.touched.append(key)
    return key


def _opened(
    service: Service, key: RegionalKey, blob: Blob | None, context: dict[str, str]
) -> tuple[bytes, Material]:
    """The plaintext and the material that had sealed it. `blob` is None in a dry run that ignores it."""
    key_set = service.store.key_set(key)
    if blob is None:
        return b"", key_set.current
    if blob.key_id != key.key_id:
        message = (
            "The key ID in the request does not identify a CMK that can perform this operation."
        )
        raise Refusal("IncorrectKeyException", message)
    return decrypt(blob, key_set, context)
