"""Log lines of who signed in, who could not, and who changed their password: by user id, never by address.

They are lines of the log and no audit events, which belong to one tenant each: a person may be in several, or in none.
"""

from __future__ import annotations

from typing import Any

import structlog
from allauth.account.signals import password_changed
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver

log = structlog.get_logger("gateway.console")


@receiver(user_logged_in)
def signed_in(user: Any, **_: Any) -> None:
    """Somebody has signed in."""
    log.info("signed_in", actor=_actor(user))


@receiver(user_logged_out)
def signed_out(user: Any, **_: Any) -> None:
    """Somebody has signed out, or a session without a user was ended."""
    if user is not None:
        log.info("signed_out", actor=_actor(user))


@receiver(user_login_failed)
def refused(**_: Any) -> None:
    """Address or password was wrong. What was typed is not told: people type passwords into the wrong field."""
    log.warning("sign_in_refused")


@receiver(password_changed)
def changed_password(user: Any, **_: Any) -> None:
    """Somebody has changed their own password, which ends their other sessions."""
    log.info("password_changed", actor=_actor(user))


def _actor(user: Any) -> str:
    return f"{'operator' if user.is_operator else 'member'}:{user.pk}"
