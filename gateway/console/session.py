"""Sign-in: accounts are made by operators and owners, never by a visitor. And what every page of the console shows."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class ClosedSignup(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """allauth's adapter without sign-up."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "The address or the password is not right.",
        "too_many_login_attempts": "Too many wrong tries. Wait five minutes, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody registers themselves."""
        return False

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Back to the first page; the message there confirms the change."""
        return str(settings.LOGIN_REDIRECT_URL)


def console_context(request: HttpRequest) -> dict[str, Any]:
    """What the frame of every page needs: which environment this is, and which Region answers."""
    return {
        "environment": settings.GATEWAY_ENVIRONMENT,
        "is_production": settings.GATEWAY_ENVIRONMENT == "production",
        "answering_region": settings.GATEWAY_REGION,
    }
