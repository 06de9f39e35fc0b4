"""Encrypt, Decrypt and ReEncrypt."""

from __future__ import annotations

from sandbox.kms.call import Call
from sandbox.kms.ciphertext import Blob, decrypt, encrypt, open_blob
from sandbox.kms.errors import Refusal, access_denied
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


@operation("Decrypt", read_only=True, needs=["CiphertextBlob"])
def decrypt_ciphertext(service: Service, call: Call) -> Answer:
    """Open a ciphertext with any related key of this Region."""
    wanted = call.parameters
    refuse_recipient(call)
    check_algorithm(call, "EncryptionAlgorithm")
    context = check_context(wanted.get("EncryptionContext", {}))
    key, plaintext, material = _opened(
        service,
        call,
        blob=wanted["CiphertextBlob"],
        key_id=wanted.get("KeyId"),
        context=context,
        action="kms:Decrypt",
    )
    stop_dry_run(call)
    call.material_id = material.id
    return {
        "KeyId": key.arn,
        "Plaintext": plaintext,
        "EncryptionAlgorithm": _ALGORITHM,
        "KeyMaterialId": material.id,
    }


@operation("ReEncrypt", read_only=True, needs=["CiphertextBlob"])
def re_encrypt(service: Service, call: Call) -> Answer:
    """From one key or context to another, without the plaintext leaving."""
    wanted = call.parameters
    check_algorithm(call, "SourceEncryptionAlgorithm")
    check_algorithm(call, "DestinationEncryptionAlgorithm")
    source_context = check_context(wanted.get("SourceEncryptionContext", {}))
    context = check_context(wanted.get("DestinationEncryptionContext", {}))
    source, plaintext, material = _opened(
        service,
        call,
        blob=wanted["CiphertextBlob"],
        key_id=wanted.get("SourceKeyId"),
        context=source_context,
        action="kms:ReEncryptFrom",
    )
    key = find_by_id(service, call, wanted["DestinationKeyId"], aliases=True, foreign=True)
    authorize_use(
        service, call, "kms:ReEncryptTo", key, context=context, key_id=wanted["DestinationKeyId"]
    )
    stop_dry_run(call)
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


def _opened(
    service: Service,
    call: Call,
    *,
    blob: bytes,
    key_id: str | None,
    context: dict[str, str],
    action: str,
) -> tuple[RegionalKey, bytes, Material]:
    """The key, plaintext and material of a ciphertext, once the caller may have them."""
    named = (
        find_by_id(service, call, key_id, aliases=True, foreign=True)
        if key_id is not None
        else None
    )
    opened = open_blob(blob, sealing_key=service.store.sealing_key)
    key = named or _key_of(service, call, opened)
    authorize_use(service, call, action, key, context=context, key_id=key_id or "")
    if key.key_id != opened.key_id:
        message = (
            "The key ID in the request does not identify a CMK that can perform this operation."
        )
        raise Refusal("IncorrectKeyException", message)
    plaintext, material = decrypt(opened, service.store.key_set(key), context)
    return key, plaintext, material


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
