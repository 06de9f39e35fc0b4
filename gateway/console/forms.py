"""The forms of the console. They check shape; what a tenant may look like is decided by the services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password

from gateway.console.labels import PLACES, SCOPES
from gateway.console.overview import EVERY_CLASS
from gateway.console.words import MEMBER_ROLE, plain
from tenants.errors import InputInvalid
from tenants.selectors import RuleView
from tenants.services.onboarding import RegionRuleInput
from tenants.states import ApiScope, MemberRole

CLASSIFICATIONS = ("pii", "pci", "phi", "secret")
_RULE_FIELDS = {"may_decrypt": "labels", "may_encrypt": "may_encrypt"}
_PERIODS = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "1 year", "never": "Never"}


class RegionRuleForm(forms.Form):
    """What one Region may do with a tenant's key."""

    may_encrypt = forms.BooleanField(required=False, initial=True, label="May encrypt")
    decrypt = forms.ChoiceField(
        label="May decrypt",
        initial="all",
        choices=[("all", "Every classification"), ("some", "Only these"), ("none", "Nothing")],
        widget=forms.RadioSelect,
    )
    listed = forms.MultipleChoiceField(
        required=False,
        label="Classifications",
        choices=[(name, name) for name in CLASSIFICATIONS],
        widget=forms.CheckboxSelectMultiple,
    )
    labels = forms.CharField(
        required=False,
        label="Labels of your own",
        help_text="Lower-case letters, digits and hyphens, separated by commas.",
        widget=forms.TextInput(attrs={"placeholder": "payroll, board", "autocomplete": "off"}),
    )

    def clean_labels(self) -> list[str]:
        """The labels, each once."""
        words = (word.strip() for word in self.cleaned_data["labels"].split(","))
        return sorted({word for word in words if word})

    def clean(self) -> dict[str, Any]:
        """`Only these` needs something to list."""
        data = super().clean() or {}
        if (
            data.get("decrypt") == "some"
            and not self.errors
            and not (data["listed"] or data["labels"])
        ):
            self.add_error("listed", "List at least one classification, or choose Nothing.")
        return data

    def rule(self, region: str) -> RegionRuleInput:
        """The rule that a valid form describes."""
        data = self.cleaned_data
        named = (*data["listed"], *data["labels"])
        allowed = {"all": (EVERY_CLASS,), "some": named, "none": ()}[data["decrypt"]]
        return RegionRuleInput(region=region, may_encrypt=data["may_encrypt"], may_decrypt=allowed)

    @staticmethod
    def initial_of(rule: RuleView) -> dict[str, Any]:
        """The form's values for a rule that is in force."""
        named = [name for name in rule.may_decrypt if name != EVERY_CLASS]
        every = EVERY_CLASS in rule.may_decrypt
        return {
            "may_encrypt": rule.may_encrypt,
            "decrypt": "all" if every else "some" if named else "none",
            "listed": [name for name in named if name in CLASSIFICATIONS],
            "labels": ", ".join(name for name in named if name not in CLASSIFICATIONS),
        }


class OnboardForm(forms.Form):
    """A new tenant. Each Region brings a `RegionRuleForm` of its own, shown when the Region is chosen."""

    name = forms.CharField(max_length=200, label="Name", help_text="As people call the customer.")
    slug = forms.CharField(
        max_length=40,
        label="Slug",
        help_text=(
            "Lower-case letters, digits and hyphens, 3 to 40 characters."
            " It names the key's alias and cannot change."
        ),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "class": "mono"}
        ),
    )
    home_region = forms.ChoiceField(
        label="Home Region", help_text="Where the primary key is made. The others get replicas."
    )
    regions = forms.MultipleChoiceField(
        label="Regions",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one Region."},
    )

    def __init__(self, data: Any = None, *, regions: Sequence[str], home: str) -> None:
        initial = {"home_region": home, "regions": list(regions)}
        super().__init__(data, initial=initial)
        choices = [(region, f"{region}  {PLACES.get(region, '')}".strip()) for region in regions]
        self.fields["home_region"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField
        self.fields["regions"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField
        chosen = self.data.getlist("regions") if self.is_bound else regions  # type: ignore[attr-defined]  # a QueryDict
        self.rule_forms = {
            region: RegionRuleForm(data if region in chosen else None, prefix=region)
            for region in regions
        }
        self.chosen = frozenset(chosen)

    def is_valid(self) -> bool:
        """This form and the rules of every chosen Region, so that all faults are shown at once."""
        mine = super().is_valid()
        theirs = [
            form.is_valid() for region, form in self.rule_forms.items() if region in self.chosen
        ]
        return mine and all(theirs)

    def clean(self) -> dict[str, Any]:
        """The home Region must be one of the chosen."""
        data = super().clean() or {}
        if (
            data.get("regions")
            and data.get("home_region")
            and data["home_region"] not in data["regions"]
        ):
            self.add_error("home_region", "The home Region must be one of the chosen Regions.")
        return data

    def rules(self) -> list[RegionRuleInput]:
        """The rule of each chosen Region."""
        return [self.rule_forms[region].rule(region) for region in self.cleaned_data["regions"]]


class IssueKeyForm(forms.Form):
    """A new API key."""

    name = forms.CharField(
        max_length=100,
        label="Name",
        help_text="The program that will hold it.",
        widget=forms.TextInput(attrs={"placeholder": "billing-service", "autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="Scopes",
        choices=[
            (scope.value, SCOPES.get(scope.value) or plain(scope.value)) for scope in ApiScope
        ],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one scope: a key without any can do nothing."},
    )
    expires_in = forms.ChoiceField(
        label="Expires after", choices=list(_PERIODS.items()), initial="90"
    )
    form_id = forms.UUIDField(widget=forms.HiddenInput)

    def expires_at(self, now: datetime) -> datetime | None:
        """When the key ends; None for never."""
        days = self.cleaned_data["expires_in"]
        return None if days == "never" else now + timedelta(days=int(days))


class MemberForm(forms.Form):
    """A person to be added to a tenant."""

    email = forms.EmailField(
        max_length=254,
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(
        label="Role",
        initial=MemberRole.DEVELOPER,
        choices=[
            (role.value, f"{MEMBER_ROLE[role].label}: {MEMBER_ROLE[role].meaning}")
            for role in MemberRole
        ],
    )
    password = forms.CharField(
        required=False,
        strip=False,
        label="First password",
        help_text="For a new account, at least 12 characters. Somebody who signs in already keeps their own.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_password(self) -> str | None:
        """The same rules as when people choose one themselves."""
        password: str = self.cleaned_data["password"]
        if password:
            validate_password(password)
        return password or None


def add_problems(form: forms.Form, error: InputInvalid) -> None:
    """Show each problem of a service at the field that it names, or above the form when no field fits."""
    for where, rule in error.problems or [("", str(error))]:
        _add_problem(form, where, rule)


def _add_problem(form: forms.Form, where: str, rule: str) -> None:
    place, _, rest = where.removeprefix("/").partition("/")
    if place == "region_rules" and rest:
        number, _, place = rest.partition("/")
        form = _rule_form(form, int(number))
    name = _RULE_FIELDS.get(place, place)
    text = rule if name in form.fields else f"{place} {rule}".strip()
    form.add_error(name if name in form.fields else None, text[:1].upper() + text[1:])


def _rule_form(form: forms.Form, number: int) -> forms.Form:
    """The form of that rule: a form of one rule is that form itself."""
    if isinstance(form, OnboardForm):
        return form.rule_forms[form.cleaned_data["regions"][number]]
    return form
