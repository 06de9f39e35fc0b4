"""What became of one item of a batch that failed: as if it had been asked for alone."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.api.problems import problem_of
from gateway.api.schema import ProblemDocument
from tenants.request import request_id
from tenants.selectors import Caller


def fault_of(error: Exception, caller: Caller) -> dict[str, Any]:
    """The members `status` and `problem` of an item's result."""
    problem = problem_of(error, caller)
    document = problem.document(request_id.get())
    return {"status": problem.status, "problem": msgspec.convert(document, ProblemDocument)}
