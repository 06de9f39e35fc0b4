"""Form fields of encrypted fields: they show a mask, and what is left empty stays as it is.

A form of one's own shows and edits the plain value with `formfield(reveal=True)`.
"""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from tenants.fields.value import MASK, EncryptedValue

_CLEARED: Final = object()


class MaskedBoundField(BoundField):
    """A masked field in its form: knows whether there is a value already, and never gives it."""

    field: MaskedField

    @property
    def has_value(self) -> bool:
        """Whether there is something to keep."""
        return isinstance(self.initial, EncryptedValue)

    @property
    def data(self) -> Any:
        """What was typed; the value that is there where nothing was."""
        if self.may_clear and self.form.data.get(f"{self.html_name}-clear"):
            return _CLEARED
        typed = super().data
        parts = typed if isinstance(typed, list) else [typed]
        nothing = all(part in (None, "", []) for part in parts)
        return self.initial if nothing and self.has_value else typed

    @property
    def may_clear(self) -> bool:
        """Whether a box to clear the value is shown."""
        return self.has_value and not self.field.required

    def value(self) -> None:
        """Nothing: not even what was typed is shown again."""
        return

    def build_widget_attrs(self, attrs: Any, widget: Any = None) -> dict[str, Any]:
        """A mask shows that there is a value; the browser does not insist on a new one."""
        found = dict(super().build_widget_attrs(attrs, widget))
        if self.has_value:
            found.pop("required", None)
            found["placeholder"] = MASK
        return found

    def as_widget(self, *args: Any, **kwargs: Any) -> SafeString:
        """The plain widget, empty, and the box."""
        shown = super().as_widget(*args, **kwargs)
        if not self.may_clear:
            return shown
        return format_html(
            '{} <label><input type="checkbox" name="{}-clear"> {}</label>',
            shown,
            self.html_name,
            _("Clear"),
        )


class MaskedField(forms.Field):
    """Takes what the plain form field takes. Empty keeps the value; a box clears it where that is allowed."""

    def __init__(self, plain: forms.Field) -> None:
        self.plain = plain
        super().__init__(
            required=plain.required,
            widget=plain.widget,
            label=plain.label,
            help_text=plain.help_text,
            disabled=plain.disabled,
        )

    def get_bound_field(self, form: Any, field_name: str) -> MaskedBoundField:
        """The field in its form."""
        return MaskedBoundField(form, self, field_name)

    def clean(self, value: Any) -> Any:
        """A plain value, or the `EncryptedValue` that was kept."""
        if isinstance(value, EncryptedValue):
            return value
        return self.plain.clean("" if value is _CLEARED else value)

    def has_changed(self, _: Any, data: Any) -> bool:
        """Whether anything was typed or cleared."""
        return not isinstance(data, EncryptedValue) and data not in (None, "", [])

    def __deepcopy__(self, memo: dict[int, Any]) -> MaskedField:
        found: MaskedField = super().__deepcopy__(memo)
        found.plain = self.plain.__deepcopy__(memo)
        return found


def revealed(plain: forms.Field) -> forms.Field:
    """The same form field, which shows the plain value of an `EncryptedValue`."""
    kind = type(plain)

    class Revealed(kind):  # type: ignore[misc, valid-type]  # whichever form field it is
        def prepare_value(self, value: Any) -> Any:
            return super().prepare_value(_opened(value))

        def has_changed(self, initial: Any, data: Any) -> bool:
            return bool(super().has_changed(_opened(initial), data))

    Revealed.__name__ = Revealed.__qualname__ = f"Revealed{kind.__name__}"
    plain.__class__ = Revealed
    return plain


def without_value(error: ValidationError) -> ValidationError:
    """The same error; where its text would show the value it shows a mask."""
    params = dict(error.params or {})
    if "value" in params:
        params["value"] = MASK
    return ValidationError(error.message, code=error.code, params=params or None)


def _opened(value: Any) -> Any:
    return value.open() if isinstance(value, EncryptedValue) else value
