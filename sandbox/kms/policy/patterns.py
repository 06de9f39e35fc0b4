"""Values of a policy that may hold wildcards (`*`, `?`) and policy variables (`${aws:PrincipalTag/team}`).

A pattern is compiled once, when the policy is attached. One with variables is completed at each request, and what the
variables stand for is taken literally: a tag value of `*` matches an asterisk, not everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

# Names of condition keys are in lower case, since IAM compares them without regard to case.
Context = Mapping[str, tuple[str, ...]]
Pattern = Callable[[str, Context], bool]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_LITERALS = {"*": "*", "?": "?", "$": "$"}  # `${*}` is an asterisk


def compile_pattern(
    text: str, *, wildcards: bool = True, ignore_case: bool = False, variables: bool = False
) -> Pattern:
    """A test of one value against `text`; the flags say which of its characters are special."""
    if variables and "${" in text:
        return _with_variables(text, wildcards=wildcards, ignore_case=ignore_case)
    if wildcards and text == "*":
        return lambda _value, _context: True
    if wildcards and ("*" in text or "?" in text):
        expression = re.compile(_expression(text), _flags(ignore_case))
        return lambda value, _context: expression.fullmatch(value) is not None
    if ignore_case:
        folded = text.casefold()
        return lambda value, _context: value.casefold() == folded
    return lambda value, _context: value == text


def _with_variables(text: str, *, wildcards: bool, ignore_case: bool) -> Pattern:
    pieces = _VARIABLE.split(text)  # literal, variable, literal, ...

    def matches(value: str, context: Context) -> bool:
        expression = ""
        for position, piece in enumerate(pieces):
            if position % 2 == 0:
                expression += _expression(piece) if wildcards else re.escape(piece)
                continue
            found = _LITERALS.get(piece) or _single(context, piece)
            if found is None:  # a variable that the request does not set matches nothing
                return False
            expression += re.escape(found)
        return re.fullmatch(expression, value, _flags(ignore_case)) is not None

    return matches


def _single(context: Context, name: str) -> str | None:
    values = context.get(name.strip().lower(), ())
    return values[0] if len(values) == 1 else None


def _expression(text: str) -> str:
    return re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")


def _flags(ignore_case: bool) -> re.RegexFlag:
    return re.DOTALL | re.IGNORECASE if ignore_case else re.DOTALL
