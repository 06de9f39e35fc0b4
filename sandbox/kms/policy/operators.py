"""The comparisons that a policy condition may name: one table from operator to test.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
"""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox.kms.policy.patterns import Context, Pattern, compile_pattern


class UnknownOperator(ValueError):
    """The condition names an operator or a value that IAM does not have."""


Builder = Callable[[str, bool], Pattern]  # (policy value, whether variables count) -> test


@dataclass(frozen=True, slots=True)
class Operator:
    """`build` compiles one policy value; a negated operator holds when no policy value matches."""

    build: Builder
    negated: bool = False


def _text(*, wildcards: bool, ignore_case: bool) -> Builder:
    def build(text: str, variables: bool) -> Pattern:
        return compile_pattern(
            text, wildcards=wildcards, ignore_case=ignore_case, variables=variables
        )

    return build


def _arn(text: str, variables: bool) -> Pattern:
    """Each of the six parts of an ARN is compared on its own, so that `*` does not reach over a colon."""
    parts = [compile_pattern(part, variables=variables) for part in _arn_parts(text)]

    def matches(value: str, context: Context) -> bool:
        given = _arn_parts(value)
        return len(given) == len(parts) and all(
            part(item, context) for part, item in zip(parts, given, strict=True)
        )

    return matches


def _arn_parts(text: str) -> list[str]:
    """Six parts at the colons, of which none inside `${...}` counts."""
    parts = [""]
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if character == ":" and depth <= 0 and len(parts) < 6:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _bool(text: str, _variables: bool) -> Pattern:
    wanted = text.lower()
    if wanted not in ("true", "false"):
        raise UnknownOperator(f"Bool compares with true or false, not {text!r}")
    return lambda value, _context: value.lower() == wanted


def _compared(parse: Callable[[str], float], compare: Callable[[float, float], bool]) -> Builder:
    def build(text: str, _variables: bool) -> Pattern:
        wanted = _parsed(parse, text)

        def matches(value: str, _context: Context) -> bool:
            try:
                return compare(parse(value), wanted)
            except ValueError:
                return False

        return matches

    return build


def _parsed(parse: Callable[[str], float], text: str) -> float:
    try:
        return parse(text)
    except ValueError as error:
        raise UnknownOperator(f"{text!r} is no value of this operator") from error


def _instant(text: str) -> float:
    """An ISO 8601 instant, or seconds since the epoch."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _address(text: str, _variables: bool) -> Pattern:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise UnknownOperator(f"{text!r} is no IP address or network") from error

    def matches(value: str, _context: Context) -> bool:
        try:
            return ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return matches


def _table() -> dict[str, Operator]:
    equal = _text(wildcards=False, ignore_case=False)
    folded = _text(wildcards=False, ignore_case=True)
    like = _text(wildcards=True, ignore_case=False)
    table = {
        "StringEquals": Operator(equal),
        "StringNotEquals": Operator(equal, negated=True),
        "StringEqualsIgnoreCase": Operator(folded),
        "StringNotEqualsIgnoreCase": Operator(folded, negated=True),
        "StringLike": Operator(like),
        "StringNotLike": Operator(like, negated=True),
        # ArnEquals and ArnLike behave identically, wildcards included.
        "ArnEquals": Operator(_arn),
        "ArnLike": Operator(_arn),
        "ArnNotEquals": Operator(_arn, negated=True),
        "ArnNotLike": Operator(_arn, negated=True),
        "Bool": Operator(_bool),
        "IpAddress": Operator(_address),
        "NotIpAddress": Operator(_address, negated=True),
    }
    for family, parse in (("Numeric", float), ("Date", _instant)):
        table[f"{family}Equals"] = Operator(_compared(parse, operator.eq))
        table[f"{family}NotEquals"] = Operator(_compared(parse, operator.eq), negated=True)
        table[f"{family}LessThan"] = Operator(_compared(parse, operator.lt))
        table[f"{family}LessThanEquals"] = Operator(_compared(parse, operator.le))
        table[f"{family}GreaterThan"] = Operator(_compared(parse, operator.gt))
        table[f"{family}GreaterThanEquals"] = Operator(_compared(parse, operator.ge))
    return table


OPERATORS = _table()
