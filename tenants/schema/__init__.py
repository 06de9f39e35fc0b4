"""Schemas of collections: which fields a record has, how each is protected, and whether given values fit. Pure.

schema = parse_schema({"fields": [{"name": "ssn", "type": "string", "protection": "sealed",
                                   "classification": "pii", "searchable": True, "normaliser": "digits"}]})
checked = schema.check({"ssn": "078-05-1120"})
assert checked.sealed == {"pii": {"ssn": "078-05-1120"}}
assert checked.terms == [SearchTerm("ssn", "078051120", unique=False)]
"""

from __future__ import annotations

from .check import CheckedFields, Schema, SearchTerm
from .document import compile_schema, parse_schema
from .field import Field

__all__ = ["CheckedFields", "Field", "Schema", "SearchTerm", "compile_schema", "parse_schema"]
