"""Encrypted fields while KMS of the own Region is away: others stand in, where their rules allow the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

import pytest
from django.conf import settings
from django.test import override_settings

from crypto.errors import KeyUnavailable
from tenants.fields.keys import FieldKeys, Plaintext, current_keys
from tenants.services.onboarding import RegionRuleInput
from tests.cast import Cast

DEAD = "http://127.0.0.1:9"
HERE, FORBIDDEN, ALLOWED = "us-east-2", "eu-west-1", "us-west-1"


@contextmanager
def without_kms_of(*regions: str) -> Iterator[FieldKeys]:
    """The keys of a process that holds no data key, and reaches no KMS in those Regions."""
    endpoints = {**settings.CRYPTO.kms_endpoints, **dict.fromkeys(regions, DEAD)}
    with override_settings(CRYPTO=replace(settings.CRYPTO, kms_endpoints=endpoints)):
        current_keys().forget()
        try:
            yield current_keys()
        finally:
            current_keys().forget()


@pytest.fixture
def tenant(cast: Cast) -> UUID:
    """Eu-west-1 comes before us-west-1 in every list of Regions, and may open nothing."""
    return cast.acme(eu_west_1=RegionRuleInput(FORBIDDEN, may_decrypt=())).id


def test_a_region_that_must_refuse_does_not_stand_in_and_another_does(tenant: UUID) -> None:
    message = current_keys().seal(Plaintext(b"value"), tenant, "pii")
    with without_kms_of(HERE) as keys:
        assert keys.open(message, tenant, "pii") == b"value"
    with without_kms_of(HERE) as keys:
        assert keys.seal(Plaintext(b"value"), tenant, "pii")
    with without_kms_of(HERE) as keys:
        assert keys.index_key(tenant, "pii").secret


def test_where_no_other_region_may_open_an_outage_is_an_outage(tenant: UUID) -> None:
    message = current_keys().seal(Plaintext(b"value"), tenant, "pii")
    with without_kms_of(HERE, ALLOWED) as keys, pytest.raises(KeyUnavailable):
        keys.open(message, tenant, "pii")
