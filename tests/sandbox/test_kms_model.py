"""Any sequence of calls, in any Region, with time passing between them: key states are those of the model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.sandbox.kms_cast import HOME, REGIONS, WEST, Cast, standing_in
from tests.sandbox.kms_model import DAY, OK, TRANSITION, ModelKey
from tests.sandbox.test_kms_key_material import put_material

REGION = st.sampled_from((HOME, *REGIONS))  # where every key begins, more often


@dataclass(eq=False)
class Subject:
    """A key of the stand-in beside its model, and what it has sealed."""

    key_id: str
    model: ModelKey
    material: bytes = field(default_factory=lambda: os.urandom(32))
    sealed: list[tuple[bytes, bytes]] = field(default_factory=list)

    def arn(self, region: str) -> str:
        return f"arn:aws:kms:{region}:111122223333:key/{self.key_id}"


class KeyStates(RuleBasedStateMachine):
    """Each rule does the same to a key and to its model."""

    cast: Cast
    keys: Bundle[Subject] = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.subjects: list[Subject] = []

    @initialize(target=keys)
    def begin(self) -> Any:
        """One key in two Regions, and one whose material was imported: what most rules need something of."""
        related = self._create(multi_region=True, external=False)
        self.replicate(related, HOME, WEST)
        external = self._create(multi_region=True, external=True)
        self.import_material(external, HOME)
        self.advance(TRANSITION)
        return multiple(related, external)

    @rule(target=keys, multi_region=st.booleans(), external=st.booleans())
    def create(self, multi_region: bool, external: bool) -> Any:
        if len(self.subjects) >= 4:
            return multiple()
        return self._create(multi_region=multi_region, external=external)

    def _create(self, *, multi_region: bool, external: bool) -> Subject:
        arn = self.cast.key(MultiRegion=multi_region, Origin="EXTERNAL" if external else "AWS_KMS")
        subject = Subject(arn.rpartition("/")[2], ModelKey(multi_region, external, HOME))
        self.subjects.append(subject)
        return subject

    @rule(key=keys, region=REGION, to=REGION)
    def replicate(self, key: Subject, region: str, to: str) -> None:
        kms, expected = self._kms(region), key.model.replicate(region, to)
        self._same(expected, lambda: kms.replicate_key(KeyId=key.key_id, ReplicaRegion=to), key)

    @rule(key=keys, to=REGION)
    def replicate_from_the_primary(self, key: Subject, to: str) -> None:
        self.replicate(key, key.model.primary, to)

    @rule(key=keys, region=REGION, to=REGION)
    def update_primary(self, key: Subject, region: str, to: str) -> None:
        kms, expected = self._kms(region), key.model.update_primary(region, to)
        self._same(
            expected, lambda: kms.update_primary_region(KeyId=key.key_id, PrimaryRegion=to), key
        )

    @rule(key=keys, to=REGION)
    def update_the_primary(self, key: Subject, to: str) -> None:
        self.update_primary(key, key.model.primary, to)

    @rule(key=keys, region=REGION, enabled=st.booleans())
    def switch(self, key: Subject, region: str, enabled: bool) -> None:
        kms = self._kms(region)
        call = kms.enable_key if enabled else kms.disable_key
        self._same(key.model.switch(region, enabled), lambda: call(KeyId=key.key_id), key)

    @rule(key=keys, region=REGION, days=st.sampled_from([7, 10, 30]))
    def schedule_deletion(self, key: Subject, region: str, days: int) -> None:
        kms, expected = self._kms(region), key.model.schedule_deletion(region, days)
        self._same(
            expected,
            lambda: kms.schedule_key_deletion(KeyId=key.key_id, PendingWindowInDays=days),
            key,
        )

    @rule(key=keys, days=st.sampled_from([7, 10, 30]))
    def schedule_deletion_everywhere(self, key: Subject, days: int) -> None:
        for region in (key.model.primary, *REGIONS):
            self.schedule_deletion(key, region, days)

    @rule(key=keys, region=REGION)
    def cancel_deletion(self, key: Subject, region: str) -> None:
        kms, expected = self._kms(region), key.model.cancel_deletion(region)
        self._same(expected, lambda: kms.cancel_key_deletion(KeyId=key.key_id), key)

    @rule(key=keys, region=REGION)
    def import_material(self, key: Subject, region: str) -> None:
        expected = key.model.import_material(region)
        self._same(expected, lambda: put_material(self.cast, key.arn(region), key.material), key)

    @rule(key=keys, region=REGION)
    def delete_material(self, key: Subject, region: str) -> None:
        kms, expected = self._kms(region), key.model.delete_material(region)
        self._same(expected, lambda: kms.delete_imported_key_material(KeyId=key.key_id), key)

    @rule(key=keys, region=REGION, disabled=st.booleans())
    def renew_material(self, key: Subject, region: str, disabled: bool) -> None:
        if disabled:
            self.switch(key, region, False)
        self.delete_material(key, region)
        self.import_material(key, region)

    @rule(key=keys, region=REGION)
    def seal(self, key: Subject, region: str) -> None:
        kms, expected = self._kms(region), key.model.use(region)
        made = self._same(
            expected, lambda: kms.generate_data_key(KeyId=key.key_id, KeySpec="AES_256"), key
        )
        if made:
            key.sealed.append((made["CiphertextBlob"], made["Plaintext"]))

    @rule(key=keys, region=REGION)
    def open(self, key: Subject, region: str) -> None:
        kms, expected = self._kms(region), key.model.use(region)
        for blob, plaintext in key.sealed[-2:]:
            call = lambda: kms.decrypt(KeyId=key.key_id, CiphertextBlob=blob)  # noqa: B023, E731 - called at once
            opened = self._same(expected, call, key)
            assert opened is None or opened["Plaintext"] == plaintext

    @rule(seconds=st.sampled_from([TRANSITION // 2, TRANSITION, 4 * DAY, 7 * DAY, 30 * DAY]))
    def advance(self, seconds: int) -> None:
        self.cast.stand_in.advance_clock(seconds)
        for key in self.subjects:
            key.model.advance(seconds)
            self._compare(key)

    def _kms(self, region: str) -> Any:
        return self.cast.kms("operator", region)

    def _same(self, expected: str, call: Callable[[], Any], key: Subject) -> Any:
        """Do it and compare: the error or none, then the states. The answer, if there is one."""
        answer, code = None, OK
        try:
            answer = call()
        except ClientError as error:
            code = error.response["Error"]["Code"]
        assert code == expected
        self._compare(key)
        return answer

    def _compare(self, key: Subject) -> None:
        for region in REGIONS:
            assert self._shown(key, region) == key.model.state(region)

    def _shown(self, key: Subject, region: str) -> str | None:
        try:
            shown = self._kms(region).describe_key(KeyId=key.key_id)["KeyMetadata"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NotFoundException":
                raise
            return None
        if key.model.multi_region:
            relatives = shown["MultiRegionConfiguration"]
            assert relatives["PrimaryKey"]["Region"] == key.model.primary
            replicas = {item["Region"] for item in relatives["ReplicaKeys"]}
            assert replicas | {key.model.primary} == key.model.regions.keys()
        return str(shown["KeyState"])


@contextmanager
def machine(cast: Cast) -> Iterator[type[KeyStates]]:
    class Machine(KeyStates):
        pass

    Machine.cast = cast
    yield Machine


@pytest.mark.timeout(600)
def test_key_states_are_those_of_the_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("kms")
    with standing_in(directory, transition_seconds=TRANSITION) as cast, machine(cast) as states:
        run: Any = run_state_machine_as_test  # which has no types
        run(
            states,
            settings=settings(
                max_examples=50,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
