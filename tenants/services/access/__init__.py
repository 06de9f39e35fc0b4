"""Who may ask: API keys, members and operators are made and taken away here."""

from __future__ import annotations

from .credentials import IssuedKey, issue_api_key, issue_operator_key, revoke_api_key
from .people import add_member, create_operator, remove_member

__all__ = [
    "IssuedKey",
    "add_member",
    "create_operator",
    "issue_api_key",
    "issue_operator_key",
    "remove_member",
    "revoke_api_key",
]
