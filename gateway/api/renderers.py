"""Answers are JSON and nothing else, whatever the client says that it accepts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

_ENCODER = msgspec.json.Encoder()


class JsonOnly(BaseContentNegotiation):
    """No negotiation: the first parser and the first renderer."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        """The only one."""
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """The only one."""
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class JsonRenderer(BaseRenderer):
    """Strict: a value of an unknown type fails the answer, where other encoders would guess."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """UTF-8 JSON; an answer without content has no bytes."""
        return b"" if data is None else to_json(data)


def to_json(data: Any) -> bytes:
    """UTF-8 JSON of shapes, mappings, lists, texts, numbers, UUIDs, times (RFC 3339, UTC as `Z`) and bytes (base64)."""
    return _ENCODER.encode(data)
