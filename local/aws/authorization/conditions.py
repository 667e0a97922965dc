"""The Condition element: operators, qualifiers, and what an absent key means.

All operators of a statement must hold, all keys of an operator, and any of a key's values; of the values of
a negated operator, none may match. A key that the request lacks fails an operator, except a negated one,
one that ends in ``IfExists``, and ``ForAllValues``.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import ipaddress
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from .context import Context
from .patterns import Pattern, Unresolved

# Compares one value of the request with one of the policy; ValueError when either cannot be read.
Comparison = Callable[[Pattern, str], bool]


class UnknownOperator(ValueError):
    """The policy names a condition operator that does not exist."""


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not number.is_finite():
        raise ValueError(text)
    return number


def _date(text: str) -> dt.datetime:
    if re.fullmatch(r"\d+(\.\d+)?", text) and len(text) > 4:
        try:
            return dt.datetime.fromtimestamp(float(text), dt.UTC)
        except (OverflowError, OSError):
            raise ValueError(text) from None
    if re.fullmatch(r"\d{4}(-\d{2})?", text):
        text = f"{text}-01-01" if len(text) == 4 else f"{text}-01"
    found = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError(text) from None


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ValueError(text)
    return lowered == "true"


def _ordered(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Comparison:
    return lambda pattern, value: compare(read(value), read(pattern.text))


def _in_network(pattern: Pattern, value: str) -> bool:
    address = ipaddress.ip_address(value)
    network = ipaddress.ip_network(pattern.text, strict=False)
    return address.version == network.version and address in network


def _like(pattern: Pattern, value: str) -> bool:
    return pattern.matches(value)


def _arn_like(pattern: Pattern, value: str) -> bool:
    return pattern.matches_arn(value)


@dataclass(frozen=True)
class _Operator:
    compare: Comparison
    negated: bool = False
    variables: bool = True


def _plain(read: Callable[[str], Any], compare: Callable[[Any, Any], bool], negated: bool = False) -> _Operator:
    # Policy variables stand for strings only: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    return _Operator(_ordered(read, compare), negated, variables=False)


_OPERATORS: dict[str, _Operator] = {
    "stringequals": _Operator(_ordered(str, operator.eq)),
    "stringnotequals": _Operator(_ordered(str, operator.eq), negated=True),
    "stringequalsignorecase": _Operator(_ordered(str.casefold, operator.eq)),
    "stringnotequalsignorecase": _Operator(_ordered(str.casefold, operator.eq), negated=True),
    "stringlike": _Operator(_like),
    "stringnotlike": _Operator(_like, negated=True),
    "numericequals": _plain(_number, operator.eq),
    "numericnotequals": _plain(_number, operator.eq, negated=True),
    "numericlessthan": _plain(_number, operator.lt),
    "numericlessthanequals": _plain(_number, operator.le),
    "numericgreaterthan": _plain(_number, operator.gt),
    "numericgreaterthanequals": _plain(_number, operator.ge),
    "dateequals": _plain(_date, operator.eq),
    "datenotequals": _plain(_date, operator.eq, negated=True),
    "datelessthan": _plain(_date, operator.lt),
    "datelessthanequals": _plain(_date, operator.le),
    "dategreaterthan": _plain(_date, operator.gt),
    "dategreaterthanequals": _plain(_date, operator.ge),
    "bool": _plain(_boolean, operator.eq),
    "binaryequals": _plain(_bytes, operator.eq),
    "ipaddress": _Operator(_in_network, variables=False),
    "notipaddress": _Operator(_in_network, negated=True, variables=False),
    # The two pairs behave alike: both take wildcards, part by part.
    "arnequals": _Operator(_arn_like),
    "arnlike": _Operator(_arn_like),
    "arnnotequals": _Operator(_arn_like, negated=True),
    "arnnotlike": _Operator(_arn_like, negated=True),
}
_QUALIFIERS = ("forallvalues:", "foranyvalue:")


@dataclass(frozen=True)
class Test:
    """One operator with one key: ``StringEquals`` of ``aws:SourceAccount``, say."""

    __test__ = False  # pytest would take the name for a collection of tests

    key: str
    values: tuple[str, ...]
    operator: str
    qualifier: str
    if_exists: bool

    def holds(self, context: Context, variables: bool = True) -> bool:
        """Tell whether the request satisfies this test.

        Args:
            context: the request's keys.
            variables: whether the policy's version knows variables.
        """
        found = context.get(self.key)
        if self.operator == "null":
            absent = not found
            return any(_boolean(value) == absent for value in self.values)
        rule = _OPERATORS[self.operator]
        if self.qualifier == "forallvalues:":
            # True of no values at all, which is why AWS advises against it in an Allow without a Null test.
            return not found or all(self._one(rule, value, context, variables) for value in found)
        if not found:
            return self.if_exists or (rule.negated and not self.qualifier)
        if self.qualifier == "foranyvalue:" or not rule.negated:
            return any(self._one(rule, value, context, variables) for value in found)
        return all(self._one(rule, value, context, variables) for value in found)

    def _one(self, rule: _Operator, value: str, context: Context, variables: bool) -> bool:
        matched = any(_compare(rule, wanted, value, context, variables and rule.variables) for wanted in self.values)
        return matched != rule.negated


def _compare(rule: _Operator, wanted: str, value: str, context: Context, variables: bool) -> bool:
    try:
        return rule.compare(Pattern(wanted, context, variables), value)
    except (Unresolved, ValueError):
        # What cannot be read equals nothing.
        return False


def parse_conditions(element: Mapping[str, Any]) -> tuple[Test, ...]:
    """Read a Condition element.

    Raises:
        UnknownOperator: an operator does not exist.
        ValueError: the element has not the shape of a condition.
    """
    tests = []
    for name, keys in element.items():
        rest = name.lower()
        qualifier = next((prefix for prefix in _QUALIFIERS if rest.startswith(prefix)), "")
        rest = rest[len(qualifier) :]
        if_exists = rest.endswith("ifexists") and rest != "null"
        rest = rest.removesuffix("ifexists")
        if rest not in _OPERATORS and (rest != "null" or if_exists or qualifier):
            raise UnknownOperator(f"Invalid condition operator: {name}")
        if not isinstance(keys, Mapping):
            raise ValueError(f"The condition operator {name} needs keys and values")
        for key, given in keys.items():
            values = given if isinstance(given, list) else [given]
            if not all(isinstance(value, str | int | float | bool) for value in values):
                raise ValueError(f"The values of condition key {key} must be strings, numbers or booleans")
            texts = tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
            if rest == "null" and not all(text.lower() in ("true", "false") for text in texts):
                raise ValueError(f"The operator Null of condition key {key} takes true or false")
            tests.append(Test(key, texts, rest, qualifier, if_exists))
    return tuple(tests)
