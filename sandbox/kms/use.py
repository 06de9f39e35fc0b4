"""What every use of a key in cryptography checks first."""

from __future__ import annotations

from sandbox.kms.authorization import authorize_key, encryption_conditions
from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal, invalid, unsupported
from sandbox.kms.keys import RegionalKey
from sandbox.kms.lookup import request_alias
from sandbox.kms.service import Service
from sandbox.kms.states import USABLE, require_state

_MAX_CONTEXT_BYTES = 8192


def authorize_use(
    service: Service,
    call: Call,
    action: str,
    key: RegionalKey,
    *,
    context: dict[str, str],
    key_id: str,
) -> None:
    """Refuse unless the policies admit `action` in this encryption context, and then unless the key's state does.

    `key_id` is how the request named the key.
    """
    conditions = {
        **encryption_conditions(context),
        **request_alias(key_id),
        "kms:encryptionalgorithm": ("SYMMETRIC_DEFAULT",),
    }
    authorize_key(service, call, action, key, conditions)
    require_state(key, USABLE, call.now)


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
    if call.parameters.setdefault(member, "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
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
