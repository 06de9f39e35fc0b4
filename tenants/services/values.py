"""Values: encrypt, decrypt and re-encrypt what tenant apps keep themselves. Nothing of it is stored here.

Each value is one Encryption SDK message with `purpose` = `value`, so none of them passes for a part of a record, nor
the other way round. Its plaintext is the value's own bytes: whoever may use the tenant's key opens it without us. A
message is bound to tenant and classification; to what it belongs beyond that, the app must know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from crypto.context import Purpose
from crypto.errors import CryptoError
from tenants.errors import InputInvalid, TenantError
from tenants.schema.classification import RULE, is_classification
from tenants.schema.limits import MAX_CLASSIFICATIONS
from tenants.selectors import Caller
from tenants.services.key_use import KeyUse
from tenants.services.records.limits import check_batch
from tenants.states import ApiScope

MAX_VALUE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Value:
    """Bytes to encrypt, or a message to decrypt, and its classification."""

    content: bytes = field(repr=False)
    classification: str


@dataclass(frozen=True, slots=True)
class ValueFault:
    """Why one value of a batch was not served; the others were."""

    error: TenantError | CryptoError


def encrypt_values(*, caller: Caller, values: Sequence[Value]) -> list[bytes | ValueFault]:
    """A message for each of up to 500 values of at most 1 MiB, in order.

    Raises `ScopeMissing` and `TenantNotActive`; a fault that concerns one value is that one's answer.
    """
    caller.need(ApiScope.VALUES_ENCRYPT)
    use = _use(caller, values)
    return [_each(value, lambda value: _encrypt(use, value)) for value in values]


def decrypt_values(*, caller: Caller, values: Sequence[Value]) -> list[bytes | ValueFault]:
    """The plaintext of each of up to 500 messages, in order; raises as `encrypt_values` does."""
    caller.need(ApiScope.VALUES_DECRYPT)
    use = _use(caller, values)
    return [_each(value, lambda value: _decrypt(use, value)) for value in values]


def reencrypt_values(*, caller: Caller, values: Sequence[Value]) -> list[bytes | ValueFault]:
    """Each of up to 500 messages anew, under the data key of this moment: after a rotation, or out of another client's
    hands. The plaintext stays here. Raises as `encrypt_values` does."""
    caller.need(ApiScope.VALUES_ENCRYPT)
    caller.need(ApiScope.VALUES_DECRYPT)
    use = _use(caller, values)

    def again(value: Value) -> bytes:
        return _encrypt(use, Value(_decrypt(use, value), value.classification))

    return [_each(value, again) for value in values]


def _use(caller: Caller, values: Sequence[Value]) -> KeyUse:
    caller.need_active()
    check_batch(len(values))
    if len({value.classification for value in values}) > MAX_CLASSIFICATIONS:
        # Each is at least one call of KMS, as it is in a record.
        raise InputInvalid(
            "The batch is too varied.",
            [("/values", f"must have at most {MAX_CLASSIFICATIONS} classifications")],
        )
    return KeyUse(caller)


def _encrypt(use: KeyUse, value: Value) -> bytes:
    if len(value.content) > MAX_VALUE_BYTES:
        raise InputInvalid(
            "The value is too large.", [("", f"must have at most {MAX_VALUE_BYTES} bytes")]
        )
    use.check([value.classification], "encrypt")
    return use.seal(value.content, value.classification, Purpose.VALUE).message


def _decrypt(use: KeyUse, value: Value) -> bytes:
    use.check([value.classification], "decrypt")
    return use.open(value.content, value.classification, Purpose.VALUE)


def _each(value: Value, do: Callable[[Value], bytes]) -> bytes | ValueFault:
    try:
        if not is_classification(value.classification):
            raise InputInvalid("The classification is not valid.", [("/classification", RULE)])
        return do(value)
    except (TenantError, CryptoError) as error:
        return ValueFault(error)
