"""What a classification may be called: it stands in encryption contexts and key policies."""

from __future__ import annotations

import re
from typing import Final

RULE: Final = "must be 1 to 40 lower-case letters, digits and hyphens, and begin with a letter"
_FORM = re.compile(r"[a-z][a-z0-9-]{0,39}\Z", re.ASCII)


def is_classification(text: str) -> bool:
    """Whether this can be a classification: `pii`, `pci`, `phi`, `secret`, or a tenant's own."""
    return _FORM.match(text) is not None
