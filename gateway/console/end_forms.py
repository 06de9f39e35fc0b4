"""The forms of what is hard or impossible to undo, and of work on keys and Regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from gateway.console.forms import RegionRuleForm
from gateway.console.labels import PLACES
from tenants.services.deletion import LEAST_DAYS, MOST_DAYS
from tenants.services.revocation import LONGEST_REASON
from tenants.services.rotation import LONGEST_DAYS, SHORTEST_DAYS


class SlugForm(forms.Form):
    """What must not happen by a slip: the slug is typed once more."""

    slug = forms.CharField(
        label="Slug of the tenant",
        widget=forms.TextInput(
            attrs={
                "class": "mono",
                "autocomplete": "off",
                "spellcheck": "false",
                "autocapitalize": "none",
            }
        ),
    )

    def __init__(self, data: Any = None, *, slug: str) -> None:
        super().__init__(data)
        self._slug = slug
        self.fields["slug"].help_text = f"Type {slug} to say that you mean this tenant."
        self.order_fields([name for name in self.fields if name != "slug"] + ["slug"])

    def clean_slug(self) -> str:
        """Exactly that slug."""
        typed: str = self.cleaned_data["slug"]
        if typed.strip() != self._slug:
            raise forms.ValidationError("This is not the slug of the tenant.")
        return typed


class RevokeForm(SlugForm):
    """A revocation."""

    reason = forms.CharField(
        max_length=LONGEST_REASON,
        label="Reason",
        help_text="One line. It stands in the audit log and in the report.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class EndForm(RevokeForm):
    """A request to end a tenant."""

    waiting_days = forms.IntegerField(
        min_value=LEAST_DAYS,
        max_value=MOST_DAYS,
        initial=MOST_DAYS,
        label="Waiting period in days",
        help_text=f"{LEAST_DAYS} to {MOST_DAYS}. KMS waits so long, and one person can call the end off meanwhile.",
    )


class ApproveForm(SlugForm):
    """The second person's approval, of the one request that they have read."""

    offboarding_id = forms.UUIDField(widget=forms.HiddenInput)
    waive_export = forms.BooleanField(
        required=False,
        label="Approve without a complete export. The certificate will say so.",
    )

    def __init__(self, data: Any = None, *, slug: str, request_id: str) -> None:
        super().__init__(data, slug=slug)
        self.fields["offboarding_id"].initial = request_id


class RepairForm(forms.Form):
    """A repair of one Region's key."""

    enable = forms.BooleanField(
        required=False,
        label="Enable the key too where it is disabled. Somebody may have disabled it in an emergency.",
    )


class RenewForm(forms.Form):
    """A rotation, of the key or of the data keys."""

    reencrypt = forms.BooleanField(
        required=False,
        label="Re-encrypt all records afterwards. Without it they stay as they are, and go on opening.",
    )


class PeriodForm(forms.Form):
    """How often KMS rotates the key by itself."""

    days = forms.IntegerField(
        min_value=0,
        max_value=LONGEST_DAYS,
        label="Days between automatic rotations",
        help_text=f"{SHORTEST_DAYS} to {LONGEST_DAYS}, or 0 for no automatic rotation.",
    )


class RegionForm(RegionRuleForm):
    """A Region to be added, with its rule."""

    region = forms.ChoiceField(label="Region")

    def __init__(self, data: Any = None, *, regions: Sequence[str]) -> None:
        super().__init__(data)
        self.fields["region"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            (region, f"{region}  {PLACES.get(region, '')}".strip()) for region in regions
        ]


class RemovalForm(forms.Form):
    """The removal of a Region."""

    waiting_days = forms.IntegerField(
        min_value=LEAST_DAYS,
        max_value=MOST_DAYS,
        initial=MOST_DAYS,
        label="Waiting period in days",
        help_text=f"{LEAST_DAYS} to {MOST_DAYS}. Until it is over the removal can be cancelled.",
    )
