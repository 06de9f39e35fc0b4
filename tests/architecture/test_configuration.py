"""The page about configuration and the code that reads it name the same variables."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_variable_is_documented_and_every_documented_one_is_read() -> None:
    read = set(re.findall(r'"(GATEWAY_[A-Z_]+)"', (ROOT / "gateway/env.py").read_text()))
    page = (ROOT / "docs/configuration.md").read_text()
    documented = set(re.findall(r"^\| `(GATEWAY_[A-Z_]+)`", page, re.MULTILINE))
    assert len(read) > 30
    assert read == documented
