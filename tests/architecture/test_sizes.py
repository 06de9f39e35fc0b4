"""Small files, short functions: a file fits two screens, a function one (docs: CONTRIBUTING.md)."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("crypto", "tenants", "gateway", "sandbox")


def sources() -> list[Path]:
    found = [
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts
    ]
    assert len(found) > 60
    return found


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_file_is_longer_than_400_lines_and_half_are_under_100() -> None:
    sizes = {str(path.relative_to(ROOT)): lines(path) for path in sources()}
    assert {path: size for path, size in sizes.items() if size > 400} == {}
    assert median(size for size in sizes.values() if size > 3) < 100


def test_no_function_is_longer_than_60_lines() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{node.name}": node.end_lineno - node.lineno + 1
        for path in sources()
        for node in functions(path)
        if node.end_lineno and node.end_lineno - node.lineno + 1 > 60
    }
    assert long == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in sources()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    empty_names = {"utils", "helpers", "common", "core", "misc", "base_utils"}
    assert [path for path in sources() if empty_names & {path.stem, *path.parts}] == []
