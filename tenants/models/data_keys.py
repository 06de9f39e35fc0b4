"""DataKey: an encrypted data key that a Region's processes share. The plaintext key is in no table."""

from __future__ import annotations

from django.db import models

from tenants.models.base import TenantRow
from tenants.states import DataKeyState


class DataKey(TenantRow):
    """One data key, wrapped by the tenant's key in `region`. The active one of a slot seals; any other only opens.

    The slot of an index key has no Region: tokens must be equal everywhere, so there is one a classification."""

    classification = models.CharField(max_length=40)
    purpose = models.CharField(max_length=8)
    region = models.CharField(max_length=32, blank=True)
    encrypted_data_key = models.BinaryField()
    key_arn = models.CharField(max_length=200)
    key_material_id = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=DataKeyState.choices)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            TenantRow.own_id("data_key_own_id"),
            models.UniqueConstraint(
                fields=["tenant", "region", "classification", "purpose"],
                condition=models.Q(state=DataKeyState.ACTIVE),
                name="data_key_one_active",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=DataKeyState.values), name="data_key_state_known"
            ),
        ]
        # Whether anything is under a key that is to be deleted, whoever's it is.
        indexes = [models.Index(fields=["key_arn"], name="data_key_by_key_arn")]
