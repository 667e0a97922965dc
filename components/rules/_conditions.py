"""What a Condition element compares, and what of that limits a statement.

There is one notion of a limit, for permissions and trust alike. A test limits where it can only be passed by naming
something: its operator is a positive one, so no negation, no `…IfExists`, no `ForAllValues` and no `Null`, which all
let requests pass that say nothing of the key; its key is one that the asking rule knows to single something out; and
none of its values is open, because any one of them will do. What is not known yet may limit: about it nothing is said.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import _actions
from ._findings import IAM_GUIDE, UNKNOWN, Finding

OPERATORS_PAGE = IAM_GUIDE + "reference_policies_elements_condition_operators.html"

_COMPARING = (
    "StringEquals",
    "StringEqualsIgnoreCase",
    "StringLike",
    "NumericEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "ArnEquals",
    "ArnLike",
)
_NEGATING = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
    "notipaddress": "ipaddress",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
}
"""Each negated operator, in lower case, and what it negates."""

_POSITIVE = frozenset(operator.lower() for operator in _COMPARING)
_SPELT = {
    operator.lower(): operator
    for operator in (
        *_COMPARING,
        *("StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike", "NumericNotEquals", "DateNotEquals"),
        *("NotIpAddress", "ArnNotEquals", "ArnNotLike", "Null"),
    )
}

Closing = Callable[[str], Callable[[str], bool] | None]
"""Of a condition key, in lower case, what says whether a value of it is closed; None where the key limits nothing."""


@dataclass(frozen=True)
class Test:
    """One operator of a Condition element with one key: `StringEquals` of `aws:SourceAccount`, say.

    `operator` and `key` are in lower case, as IAM compares them; `name` is the key as it is spelt. Values are texts, or
    `UNKNOWN`. Where an operator's tests are not known, so is the key.
    """

    operator: str
    key: Any
    name: str
    values: tuple[Any, ...]

    @property
    def base(self) -> str:
        """The operator without what goes before and after it."""
        return self.operator.rpartition(":")[2].removesuffix("ifexists")

    @property
    def compares(self) -> bool:
        """Whether a request that has the key passes with one of the values only."""
        return self.base in _POSITIVE

    @property
    def binds(self) -> bool:
        """Whether no request passes but with one of the values."""
        return self.compares and not self.operator.endswith("ifexists") and not self.operator.startswith("forall")

    def limits(self, closing: Closing) -> bool:
        """Whether the test limits a statement, or may, once all is known."""
        if not self.binds or self.key is UNKNOWN:
            return self.binds
        is_closed = closing(self.key)
        return is_closed is not None and all(value is UNKNOWN or is_closed(value) for value in self.values)

    def holds(self, text: str | None) -> Any:
        """Whether a request passes in which the key has this text, or in which it is not there (None); `UNKNOWN` where
        that cannot be said."""
        if self.key is UNKNOWN:
            return UNKNOWN
        if self.base == "null":
            return _any("true" if text is None else "false", self.values, _MATCHES["stringequalsignorecase"])
        if text is None:
            return not self.binds
        negated = self.base in _NEGATING
        found = _any(text, self.values, _MATCHES.get(_NEGATING.get(self.base, self.base), _never))
        return found if found is UNKNOWN else found != negated


def _any(text: str, values: Sequence[Any], matches: Callable[[str, str], bool]) -> Any:
    # What a policy variable stands for is known to the request only.
    known = [value for value in values if value is not UNKNOWN and "${" not in value]
    if any(matches(value, text) for value in known):
        return True
    return UNKNOWN if len(known) < len(values) else False


def _never(value: str, text: str) -> bool:
    return False


_MATCHES: Mapping[str, Callable[[str, str], bool]] = {
    "stringequals": lambda value, text: value == text,
    "stringequalsignorecase": lambda value, text: value.casefold() == text.casefold(),
    "stringlike": lambda value, text: _actions.glob(value).fullmatch(text) is not None,
}
"""How operators compare texts that are no ARNs. What is missing here never matches one."""


def tests(condition: Any) -> list[Test]:
    """What a Condition element compares, as far as it can be read."""
    return list(_tests(condition)) if isinstance(condition, Mapping) else []


def _tests(condition: Mapping[Any, Any]) -> Iterator[Test]:
    for operator, compared in condition.items():
        if compared is UNKNOWN:
            yield Test(str(operator).lower(), UNKNOWN, "", (UNKNOWN,))
        elif isinstance(compared, Mapping):
            for key, value in compared.items():
                values = tuple(text for text in map(_text, members(value)) if text is not None)
                yield Test(str(operator).lower(), str(key).lower(), str(key), values)


def _text(value: Any) -> Any:
    """A value as IAM compares it; None for what is none."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if value is UNKNOWN or isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) else None


def placed(where: str, value: Any) -> list[tuple[str, Any]]:
    """All members of an element that may be one value or a list of them, those that are not known included, each with
    its place."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [(f"{where}[{i}]", item) for i, item in enumerate(value)]
    return [(where, value)]


def members(value: Any) -> list[Any]:
    """All members of such an element."""
    return [item for _, item in placed("", value)]


def limits(condition: Any, closing: Closing) -> bool:
    """Whether a Condition element limits a statement, or may, once all of it is known."""
    return condition is UNKNOWN or any(test.limits(closing) for test in tests(condition))


def admits(condition: Any, key: str, text: str) -> Any:
    """Whether a Condition element lets a request pass in which a key, given in lower case, has this text; `UNKNOWN`
    where that cannot be said."""
    if condition is UNKNOWN:
        return UNKNOWN
    held = [test.holds(text) for test in tests(condition) if test.key is UNKNOWN or test.key == key]
    return False if any(one is False for one in held) else UNKNOWN if any(one is UNKNOWN for one in held) else True


def is_open(value: str) -> bool:
    """Whether a value is nothing but wildcards, and what stands between them."""
    return not value.strip("*?:/-") and any(char in value for char in "*?")


def is_literal(value: str) -> bool:
    """Whether a value has no wildcard."""
    return not any(char in value for char in "*?")


def is_path(value: str) -> bool:
    """Whether a path of an organisation names the organisation."""
    return is_literal(value.partition("/")[0])


def judge_condition(where: str, condition: Any) -> list[Finding]:
    """That a Condition element is one: operators that there are, each with keys and their values."""
    if condition is UNKNOWN:
        return []
    if not isinstance(condition, Mapping):
        reason, fix = "a condition is a mapping of operators", "Write {StringEquals: {<key>: <value>}}"
        return [Finding("statement", where, condition, reason, fix, OPERATORS_PAGE)]
    findings: list[Finding] = []
    for operator, compared in condition.items():
        at = f"{where}.{operator}"
        findings += _judge_operator(at, operator)
        if compared is UNKNOWN:
            continue
        if not isinstance(compared, Mapping):
            reason, fix = "an operator has a mapping of keys", f"Write {{{operator}: {{<key>: <value>}}}}"
            findings.append(Finding("statement", at, compared, reason, fix, OPERATORS_PAGE))
            continue
        for key, value in compared.items():
            texts = [_text(one) for one in members(value)]
            if not texts or None in texts:
                reason, fix = "a key is compared with a text, or a list of them", "Write the value in quotes"
                findings.append(Finding("statement", f"{where}.{key}", value, reason, fix, OPERATORS_PAGE))
            elif str(operator).lower() == "null" and any(
                text is not UNKNOWN and text.lower() not in ("true", "false") for text in texts
            ):
                reason, fix = "Null asks whether a key is missing", "Write true or false"
                findings.append(Finding("statement", f"{where}.{key}", value, reason, fix, OPERATORS_PAGE))
    return findings


def _judge_operator(where: str, operator: Any) -> list[Finding]:
    plain = re.sub("^(foranyvalue|forallvalues):", "", str(operator).lower()).removesuffix("ifexists")
    # Null alone takes no addition.
    if plain in _SPELT and (plain != "null" or str(operator).lower() == plain):
        return []
    close = difflib.get_close_matches(plain, _SPELT, n=1)
    fix = f"Perhaps you mean {_SPELT[close[0]]}" if close else f"Use one of {', '.join(_SPELT.values())}"
    return [Finding("statement", where, str(operator), "IAM has no such condition operator", fix, OPERATORS_PAGE)]
