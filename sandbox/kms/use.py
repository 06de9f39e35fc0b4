"""What every use of a key in cryptography checks first."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.kms.authorization import authorize_key
from sandbox.kms.call import Call
from sandbox.kms.conditions import Conditions, encryption_conditions
from sandbox.kms.errors import Refusal, invalid, unsupported
from sandbox.kms.keys import KeySet, RegionalKey
from sandbox.kms.lookup import request_alias
from sandbox.kms.service import Service
from sandbox.kms.specs import ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT
from sandbox.kms.states import USABLE, require_state

_MAX_CONTEXT_BYTES = 8192


def authorize_use(
    service: Service,
    call: Call,
    action: str,
    key: RegionalKey,
    *,
    context: Mapping[str, str],
    key_id: str,
    conditions: Conditions | None = None,
) -> None:
    """Refuse unless policies or a grant admit `action` in this encryption context, and the key's kind and state do.

    `key_id` is how the request named the key.
    """
    given = {
        **encryption_conditions(context),
        **request_alias(key_id),
        "kms:encryptionalgorithm": (SYMMETRIC_DEFAULT,),
        **(conditions or {}),
    }
    authorize_key(service, call, action, key, given, encryption_context=context)
    require_usage(service.store.key_set(key), key, ENCRYPT_DECRYPT, action)
    require_state(key, USABLE, call.now)


def require_usage(key_set: KeySet, key: RegionalKey, usage: str, action: str) -> None:
    """Refuse a key that is for something else."""
    if key_set.spec.usage != usage:
        operation = action.removeprefix("kms:")
        message = f"{key.arn} key usage is {key_set.spec.usage} which is not valid for {operation}."
        raise Refusal("InvalidKeyUsageException", message)


def check_context(context: dict[str, str]) -> dict[str, str]:
    """The encryption context, unless it is longer than KMS takes."""
    if (
        sum(len(key.encode()) + len(value.encode()) for key, value in context.items())
        > _MAX_CONTEXT_BYTES
    ):
        raise invalid(f"The encryption context is longer than {_MAX_CONTEXT_BYTES} bytes.")
    return context


def check_algorithm(call: Call, member: str) -> None:
    """Symmetric keys have one encryption algorithm, which is in the trail even when the request leaves it out."""
    if call.parameters.setdefault(member, SYMMETRIC_DEFAULT) != SYMMETRIC_DEFAULT:
        message = f"{member} {call.parameters[member]} is not that of the key."
        raise Refusal("InvalidKeyUsageException", message)


def refuse_recipient(call: Call) -> None:
    """An enclave's request wants its answer sealed to the enclave: never answer it in the clear."""
    if "Recipient" in call.parameters:
        raise unsupported("Recipient is not supported here.")


def stop_dry_run(call: Call) -> None:
    """A dry run ends in an error that says that the request would have succeeded."""
    if call.parameters.get("DryRun", False):
        message = "The request would have succeeded, but the DryRun option is set."
        raise Refusal("DryRunOperationException", message, status=412)
