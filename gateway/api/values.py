"""Values: encrypt, decrypt and re-encrypt what the app keeps itself, many at a time and each with its own result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.faults import fault_of
from gateway.api.operation import TenantAppView, operation
from gateway.api.schema import ProblemDocument
from gateway.api.shapes import Answer, Body, Classification
from tenants.errors import InputInvalid
from tenants.selectors import Caller
from tenants.services.values import (
    Value,
    ValueFault,
    decrypt_values,
    encrypt_values,
    reencrypt_values,
)
from tenants.states import ApiScope

MAX_VALUES = 500
Encoding = Literal["text", "base64"]


class PlainValue(Body):
    """A value to encrypt: `text`, encrypted as its UTF-8 bytes, or any bytes in `base64`; exactly one of the two."""

    classification: Annotated[Classification, Meta(examples=["pii"])]
    text: Annotated[str, Meta(examples=["ann@example.org"])] | UnsetType = UNSET
    base64: bytes | UnsetType = UNSET


class SealedValue(Body):
    """A message to open, in base64, and the classification that it was encrypted for."""

    classification: Annotated[Classification, Meta(examples=["pii"])]
    ciphertext: bytes


class PlainValues(Body):
    """Values to encrypt: 1 to 500, of at most 1 MiB each."""

    values: Annotated[list[PlainValue], Meta(min_length=1, max_length=MAX_VALUES)]


class SealedValues(Body):
    """Messages to encrypt anew: 1 to 500."""

    values: Annotated[list[SealedValue], Meta(min_length=1, max_length=MAX_VALUES)]


class ValuesToOpen(SealedValues):
    """Messages to decrypt: 1 to 500. `encoding` says in which form the plaintexts come."""

    encoding: Encoding = "text"


class SealedResult(Answer):
    """What became of one value: an AWS Encryption SDK message in base64, or the problem."""

    status: int
    ciphertext: bytes | UnsetType = UNSET
    problem: ProblemDocument | UnsetType = UNSET


class PlainResult(Answer):
    """What became of one message: its plaintext in the form asked for, or the problem."""

    status: int
    text: str | UnsetType = UNSET
    base64: bytes | UnsetType = UNSET
    problem: ProblemDocument | UnsetType = UNSET


class SealedResults(Answer):
    """One result for each value, in order."""

    results: list[SealedResult]


class PlainResults(Answer):
    """One result for each message, in order."""

    results: list[PlainResult]


class Encrypt(TenantAppView):
    """/values/encrypt"""

    @operation(
        "encryptValues",
        body=PlainValues,
        answers={200: SealedResults},
        scope=ApiScope.VALUES_ENCRYPT,
    )
    def post(self, request: Request, body: PlainValues) -> Response:
        """Encrypt values

        Nothing is stored: keep the ciphertext, and bring it back with the same classification.
        """
        given = [_plain(value) for value in body.values]
        values = [value for value in given if isinstance(value, Value)]
        found = iter(encrypt_values(caller=self.caller, values=values))
        answers = (next(found) if isinstance(value, Value) else value for value in given)
        return Response(_sealed_results(answers, self.caller))


class Decrypt(TenantAppView):
    """/values/decrypt"""

    @operation(
        "decryptValues",
        body=ValuesToOpen,
        answers={200: PlainResults},
        scope=ApiScope.VALUES_DECRYPT,
    )
    def post(self, request: Request, body: ValuesToOpen) -> Response:
        """Decrypt values"""
        found = decrypt_values(caller=self.caller, values=_messages(body.values))
        results = [_plain_result(item, body.encoding, self.caller) for item in found]
        return Response(PlainResults(results=results))


class Reencrypt(TenantAppView):
    """/values/reencrypt"""

    @operation(
        "reencryptValues",
        body=SealedValues,
        answers={200: SealedResults},
        scope=ApiScope.VALUES_ENCRYPT,
    )
    def post(self, request: Request, body: SealedValues) -> Response:
        """Encrypt values anew

        Under the data key of this moment, as after a rotation. The plaintext does not leave the gateway. The API key
        needs `values:decrypt` too.
        """
        found = reencrypt_values(caller=self.caller, values=_messages(body.values))
        return Response(_sealed_results(found, self.caller))


def _plain(value: PlainValue) -> Value | ValueFault:
    if (value.text is UNSET) == (value.base64 is UNSET):
        rule = ("", "must have either text or base64")
        return ValueFault(InputInvalid("The value is not valid.", [rule]))
    content = value.base64 if isinstance(value.base64, bytes) else str(value.text).encode()
    return Value(content, value.classification)


def _messages(values: Sequence[SealedValue]) -> list[Value]:
    return [Value(value.ciphertext, value.classification) for value in values]


def _sealed_results(found: Iterable[bytes | ValueFault], caller: Caller) -> SealedResults:
    return SealedResults(
        results=[
            SealedResult(**fault_of(item.error, caller))
            if isinstance(item, ValueFault)
            else SealedResult(status=200, ciphertext=item)
            for item in found
        ]
    )


def _plain_result(item: bytes | ValueFault, encoding: Encoding, caller: Caller) -> PlainResult:
    if isinstance(item, ValueFault):
        return PlainResult(**fault_of(item.error, caller))
    if encoding == "base64":
        return PlainResult(status=200, base64=item)
    try:
        return PlainResult(status=200, text=item.decode())
    except UnicodeDecodeError:
        rule = ("/encoding", "must be base64 for a value that is no text in UTF-8")
        fault = InputInvalid("The value is not text.", [rule])
        return PlainResult(**fault_of(fault, caller))
