"""One entry of a statement's `Condition` block: operator, condition key, policy values -> a test of a request.

Source: IAM User Guide, "Condition operators" and "Conditions with multiple context keys or values".
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox.kms.policy.operators import OPERATORS, Operator, UnknownOperator
from sandbox.kms.policy.patterns import Context, Pattern

Condition = Callable[[Context], bool]


class Undecidable(Exception):
    """A single-valued comparison met several values. An Allow must not count then, and a Deny must."""


def compile_condition(
    name: str, key: str, values: tuple[str, ...], *, variables: bool
) -> Condition:
    """The test that `{name: {key: values}}` stands for; raises `UnknownOperator`."""
    key = key.lower()
    if name == "Null":
        return _null(key, values)
    quantifier, _, rest = name.rpartition(":")
    base = rest.removesuffix("IfExists")
    operator = OPERATORS.get(base)
    if operator is None or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise UnknownOperator(f"{name} is no condition operator")
    test = _one_value(operator, tuple(operator.build(value, variables) for value in values))
    if quantifier == "ForAllValues":  # holds when the key is absent, as AWS warns
        return lambda context: all(test(value, context) for value in context.get(key, ()))
    if quantifier == "ForAnyValue":
        absent = base != rest
        return lambda context: (
            any(test(value, context) for value in context[key]) if context.get(key) else absent
        )
    return _single_valued(key, test, absent=operator.negated or base != rest)


def _one_value(operator: Operator, patterns: tuple[Pattern, ...]) -> Pattern:
    """Policy values are alternatives; a negated operator holds when none of them matches."""

    def test(value: str, context: Context) -> bool:
        return any(pattern(value, context) for pattern in patterns) is not operator.negated

    return test


def _single_valued(key: str, test: Pattern, *, absent: bool) -> Condition:
    def holds(context: Context) -> bool:
        values = context.get(key)
        if not values:
            return absent
        if len(values) > 1:
            raise Undecidable(key)
        return test(values[0], context)

    return holds


def _null(key: str, values: tuple[str, ...]) -> Condition:
    """`Null: true` holds when the key is absent from the request, `false` when it is there."""
    wanted = {value.lower() for value in values}
    if not wanted <= {"true", "false"}:
        raise UnknownOperator("Null compares with true or false")
    return lambda context: str(not context.get(key)).lower() in wanted
