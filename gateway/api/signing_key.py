"""The public keys that signed documents are checked with, for anybody who holds one: it takes no credential."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from gateway.api.problems import problem_page
from gateway.api.renderers import to_json
from gateway.errors import explain
from tenants.errors import NotFound, SigningKeyMissing
from tenants.services.signing import ALGORITHM, public_keys


@require_safe
def signing_key(request: HttpRequest) -> HttpResponse:
    """The present key first, then older ones."""
    try:
        keys = public_keys()
    except SigningKeyMissing:
        return problem_page(explain(NotFound("No signing key is configured here.")))
    shown = [{"key_id": key.key_id, "algorithm": ALGORITHM, "public_key": key.pem} for key in keys]
    return HttpResponse(to_json({"keys": shown}), content_type="application/json")
