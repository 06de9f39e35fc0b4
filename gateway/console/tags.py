"""Template tags of the console: icons, badges, times, copy buttons. Loaded into every template by settings."""

from __future__ import annotations

from datetime import UTC, datetime

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from gateway.console.labels import (
    ACTIONS,
    DRIFTS,
    PLACES,
    PLANS,
    PURPOSES,
    SCOPES,
    STEPS,
    TIERS,
)
from gateway.console.words import plain, word_for
from tenants.request import request_id as current_request_id

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """One icon of the sprite; decoration, so the words beside it carry the meaning."""
    return format_html(
        '<svg class="icon icon-{}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        name,
        static("console/icons.svg"),
        name,
    )


@register.simple_tag
def badge(kind: str, value: str) -> SafeString:
    """A state as icon and word; its meaning appears on hover and stands on the page of words."""
    word = word_for(kind, value)
    return format_html(
        '<span class="badge is-{}" title="{}">{}{}</span>',
        word.tone,
        word.meaning,
        icon(word.icon),
        word.label,
    )


@register.simple_tag
def word(kind: str, value: str) -> str:
    """The label of a state alone."""
    return word_for(kind, value).label


@register.simple_tag
def copy(value: str, what: str) -> SafeString:
    """A button that copies `value` and says so only once the browser has done it. Hidden without JavaScript."""
    return format_html(
        '<button type="button" class="copy" data-copy="{}" data-what="{}" title="Copy {}">'
        '<span class="unseen">Copy {}</span>{}{}</button>',
        value,
        what,
        what,
        what,
        icon("copy"),
        icon("check"),
    )


@register.simple_tag
def request_id() -> str:
    """The id of the request that is being answered; empty outside of one."""
    return current_request_id.get()


@register.filter
def utc(value: datetime | None) -> SafeString | str:
    """A time to the second, in UTC; the browser adds the local time on hover."""
    if value is None:
        return ""
    moment = value.astimezone(UTC)
    return format_html(
        '<time datetime="{}">{} <abbr title="Coordinated Universal Time">UTC</abbr></time>',
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        moment.strftime("%Y-%m-%d %H:%M:%S"),
    )


@register.filter
def clock(value: datetime | None) -> SafeString | str:
    """The time of day of `utc`, where the day stands nearby."""
    if value is None:
        return ""
    moment = value.astimezone(UTC)
    return format_html(
        '<time datetime="{}">{}</time>',
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        moment.strftime("%H:%M:%S"),
    )


@register.filter
def place(region: str) -> str:
    """Where a Region is, as people know it; empty for one that the table does not have."""
    return PLACES.get(region, "")


@register.filter
def step(kind: str) -> str:
    """What an operation does."""
    return STEPS.get(kind) or plain(kind)


@register.filter
def plan(kind: str) -> str:
    """Why a plan was made."""
    return PLANS.get(kind) or plain(kind)


@register.filter
def action(name: str) -> str:
    """What an audit event says was done."""
    return ACTIONS.get(name) or plain(name)


@register.filter
def drift(what: str) -> str:
    """What of a key differs from what it should be."""
    return DRIFTS.get(what) or plain(what)


@register.filter
def tier(name: str) -> str:
    """Whose key a tenant uses."""
    return TIERS.get(name) or plain(name)


@register.filter
def purpose(name: str) -> str:
    """What a data key seals."""
    return PURPOSES.get(name) or plain(name)


@register.filter
def counted(number: int) -> str:
    """A number of rows with its thousands set apart."""
    return f"{number:,}"


@register.filter
def key_of(arn: str) -> str:
    """The id of the key that an ARN names."""
    return arn.rpartition("/")[2]


@register.filter
def region_of(arn: str) -> str:
    """The Region of an ARN."""
    return (arn.split(":") + [""] * 4)[3]


@register.filter
def scope(name: str) -> str:
    """What an API key with this scope may do."""
    return SCOPES.get(name) or plain(name)


@register.filter
def role_meaning(role: str) -> str:
    """What a member of this role may do."""
    return word_for("role", role).meaning


register.filter("plain", plain)
