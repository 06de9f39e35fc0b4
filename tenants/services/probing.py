"""Probes: what KMS says when a key is used with the role of this process's own Region, now and past every cache.

A refusal by key state or policy is an answer. Credentials that are not accepted are none, nor is a KMS that is away.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crypto.arn import KeyArn
from crypto.context import EncryptionContext, Purpose
from crypto.errors import (
    CredentialsRefused,
    DecryptionFailed,
    KeyAccessDenied,
    KeyNotFound,
    KeyUnusable,
)
from crypto.keyring import Keyring
from crypto.message import read_header
from tenants.key_policy import opens
from tenants.models import DataKey, KeyOperation
from tenants.scope import tenant_scope
from tenants.services.canary import CANARY_CLASS
from tenants.services.clients import get_clients
from tenants.services.work import Work
from tenants.states import OperationKind, OperationState

_REFUSALS: Final = (KeyUnusable, KeyAccessDenied, KeyNotFound)
_NEWEST: Final = 50  # data keys to choose samples from
_MOST_SAMPLES: Final = 3  # classifications tried under one key


@dataclass(frozen=True, slots=True)
class Sample:
    """A data key of the tenant as KMS wrapped it, and its encryption context."""

    arn: KeyArn
    context: EncryptionContext
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one round found: which uses KMS served, and the code with which it refused each other one."""

    served: tuple[str, ...]
    refused: dict[str, str]

    @property
    def is_refused(self) -> bool:
        """Whether KMS has refused every use that was tried."""
        return bool(self.refused) and not self.served


class Prober:
    """Tries GenerateDataKey and Decrypt under the tenant's keys in one Region."""

    def __init__(self, work: Work, keys: Sequence[KeyArn]) -> None:
        """`keys` are in the Region of the step, which is that of this process. Reads samples from the database."""
        self._keyring = Keyring(get_clients(), work.region)
        self._tenant = work.tenant
        self._keys = keys
        self._samples = [sample for arn in keys for sample in find_samples(work, arn)]

    def try_all(self) -> Outcome:
        """One round. Raises `KeyUnavailable` where KMS does not answer, and `CredentialsRefused`."""
        served, refused = [], {}
        for name, use in self._uses():
            try:
                use()
            except CredentialsRefused:
                raise
            except _REFUSALS as refusal:
                refused[name] = refusal.code
            except DecryptionFailed:
                continue  # KMS judged the sample and not the key: it proves neither
            else:
                served.append(name)
        return Outcome(tuple(served), refused)

    def _uses(self) -> Iterator[tuple[str, Callable[[], object]]]:
        pairs = EncryptionContext(self._tenant, CANARY_CLASS, Purpose.VALUE).as_dict()
        for arn in self._keys:
            yield f"GenerateDataKey {arn.key_id}", _call(self._keyring.generate, arn, pairs)
        for sample in self._samples:
            name = f"Decrypt {sample.arn.key_id} {sample.context.classification}"
            pairs_of_sample = sample.context.as_dict()
            yield name, _call(self._keyring.unwrap, sample.arn, pairs_of_sample, sample.wrapped)


def find_samples(work: Work, arn: KeyArn) -> list[Sample]:
    """Data keys wrapped under this key, one a classification, those first that this Region may open; else canaries."""
    with tenant_scope(work.tenant_id, "latest"):
        rows = list(
            DataKey.objects.filter(
                tenant_id=work.tenant_id, key_arn__endswith=f":key/{arn.key_id}"
            ).order_by("-created_at")[:_NEWEST]
        )
        canaries = list(
            KeyOperation.objects.filter(
                tenant_id=work.tenant_id,
                kind=OperationKind.SEAL_CANARY,
                state=OperationState.DONE,
            )
            .order_by("-finished_at")
            .values_list("result", flat=True)[:1]
        )
    found = [_of_row(work, arn, row) for row in rows]
    for result in canaries:
        found += [
            sample for canary in result.get("canaries", []) for sample in _of(work, arn, canary)
        ]
    by_class: dict[str, Sample] = {}
    for sample in sorted(found, key=lambda one: not _opens(work, one.context.classification)):
        by_class.setdefault(sample.context.classification, sample)
    return list(by_class.values())[:_MOST_SAMPLES]


def _of_row(work: Work, arn: KeyArn, row: DataKey) -> Sample:
    context = EncryptionContext(work.tenant, row.classification, Purpose(row.purpose))
    return Sample(arn, context, bytes(row.encrypted_data_key))


def _of(work: Work, arn: KeyArn, canary: dict[str, Any]) -> Iterator[Sample]:
    """The data key of a canary, if this key has wrapped it."""
    context = EncryptionContext(work.tenant, str(canary["class"]), Purpose.VALUE)
    for encrypted in read_header(base64.b64decode(canary["message"])).data_keys:
        if encrypted.key_arn.decode("ascii", "replace").endswith(f":key/{arn.key_id}"):
            yield Sample(arn, context, encrypted.ciphertext)


def _opens(work: Work, classification: str) -> bool:
    rule = next((rule for rule in work.rules if rule.region == work.region), None)
    return rule is not None and opens(rule, classification)


def _call(use: Callable[..., object], *arguments: object) -> Callable[[], object]:
    def call() -> object:
        return use(*arguments)

    return call
