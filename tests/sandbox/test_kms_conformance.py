"""The conformance table names a source and tests that exist, and every KMS operation that is served is in some test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from sandbox.kms.operations import MODULES
from sandbox.kms.registry import operation_names

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "kms-stand-in.md"
TEST = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def rows() -> list[tuple[str, str, str]]:
    """Behaviour, source and tests of each row of the page's tables."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    assert all(len(row) == 3 for row in cells), [row for row in cells if len(row) != 3]
    return [(row[0], row[1], row[2]) for row in cells if row[0] != "behaviour"]


def functions_of(file: str) -> set[str]:
    tree = ast.parse((HERE / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_table_is_there() -> None:
    assert len(rows()) > 80
    assert len({behaviour for behaviour, _, _ in rows()}) == len(rows())


@pytest.mark.parametrize(("behaviour", "source", "tests"), rows(), ids=lambda cell: cell[:40])
def test_each_row_names_a_source_and_tests_that_exist(
    behaviour: str, source: str, tests: str
) -> None:
    assert behaviour
    assert source
    named = TEST.findall(tests)
    assert named
    assert len(named) == tests.count("`") // 2  # nothing else is in the cell
    for file, test in named:
        assert test in functions_of(file), f"{file} has no {test}"


def test_every_operation_of_kms_that_is_served_is_called_by_a_test() -> None:
    assert MODULES
    text = "".join(path.read_text() for path in HERE.glob("test_kms_*.py"))
    text += (HERE / "kms_cast.py").read_text() + (HERE / "kms_roles.py").read_text()
    missing = [
        name
        for service, name in operation_names()
        if service in ("kms", "sts", "iam") and f".{_python_name(name)}" not in text
    ]
    assert missing == []


def _python_name(operation: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
