"""What bodies, queries and answers are made of. Their JSON Schemas are the OpenAPI document's components."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

# PostgreSQL stores no NUL in text, and no name needs a control character.
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Slug = Annotated[str, Meta(max_length=40, pattern=r"^[a-z0-9-]*$", examples=["acme"])]
RegionName = Annotated[str, Meta(max_length=32, pattern=r"^[a-z0-9-]*$", examples=["eu-west-1"])]
Classification = Annotated[str, Meta(max_length=40, pattern=r"^[^\x00-\x1f\x7f]*$")]
Cursor = Annotated[str, Meta(max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")]
PageSize = Annotated[int, Meta(ge=1, le=200)]


class Shape(msgspec.Struct, kw_only=True):
    """Never shows its values: a shape may hold a tenant's plaintext, and a `repr` may end up anywhere."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Body(Shape, kw_only=True, forbid_unknown_fields=True):
    """What a client sends: an unknown member is an error, since a misspelt one would be lost without a word."""


class Answer(Shape, kw_only=True):
    """What a client gets."""


class Nothing(Body):
    """No members at all."""


T = TypeVar("T")


def shaped(view: object, kind: type[T]) -> T:
    """The members that `kind` names, taken from a selector's view; whatever else the view has stays here."""
    return msgspec.convert(view, kind, from_attributes=True)


def list_of(views: Any, kind: type[T]) -> list[T]:
    """`shaped` for each."""
    return [shaped(view, kind) for view in views]
