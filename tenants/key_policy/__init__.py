"""A tenant's Region rules, compiled into the key policy of one Region. Pure: rules in, document out.

    rules -> build(...) -> document -> render(document) -> KMS
                              |-> fingerprint, compare (is that what KMS holds?), explain (what does it say?)

A key policy is the only door to a KMS key: without it no IAM policy counts (AWS KMS Developer Guide, "Key policies in
AWS KMS"). The documents here name every principal, so nobody else gets in, and what a principal may do with a
replica is what both Regions allow, its own and the replica's: a Region that may decrypt nothing can neither decrypt
with its own key nor with a neighbour's, and a neighbour that stands in for an outage gets no more than at home.
"""

from __future__ import annotations

from .comparison import (
    Change,
    ElementDifference,
    StatementDifference,
    compare,
    difference,
    fingerprint,
)
from .explanation import describe, explain
from .rules import (
    EVERY_CLASS,
    Document,
    Principals,
    Rule,
    Statement,
    opens,
    shared_classes,
    widens,
)
from .statements import build, render

__all__ = [
    "EVERY_CLASS",
    "Change",
    "Document",
    "ElementDifference",
    "Principals",
    "Rule",
    "Statement",
    "StatementDifference",
    "build",
    "compare",
    "describe",
    "difference",
    "explain",
    "fingerprint",
    "opens",
    "render",
    "shared_classes",
    "widens",
]
