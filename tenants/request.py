"""The request that is being served, for the audit log: a face sets it, `services/audit.py` reads it."""

from __future__ import annotations

from contextvars import ContextVar

# Empty outside of a request. A worker sets the operation it runs, so that its events name what they belong to.
request_id: ContextVar[str] = ContextVar("request_id", default="")
