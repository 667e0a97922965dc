"""What a rule answers with, and the small judges that rules are made of."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

USER_GUIDE = "https://docs.aws.amazon.com/eks/latest/userguide/"
EKS_API = "https://docs.aws.amazon.com/eks/latest/APIReference/"
IAM_GUIDE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/"
ABAC_PAGE = USER_GUIDE + "pod-id-abac.html"


class _Unknown:
    """The type of `UNKNOWN`. It compares by identity and refuses to be used as a truth value by accident."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("UNKNOWN is neither true nor false: ask `is UNKNOWN`")


UNKNOWN: Any = _Unknown()


class Severity(StrEnum):
    """How bad a finding is: an `ERROR` stops the preview, a `WARNING` is only shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one value.

    `rule` is the stable id, `property` the path of the argument (`private_subnet_cidrs[1]`), `value` what stands there,
    `reason` why that cannot work, `fix` what to write instead and `page` where AWS or Kubernetes says so.
    """

    rule: str
    property: str
    value: object
    reason: str
    fix: str
    page: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        page = f" See {self.page}" if self.page else ""
        return f"{self.property} = {shown(self.value)}: {self.reason}. {self.fix}. [{self.rule}]{page}"


def shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 200 else f"{text[:197]}..."


def known(value: object) -> bool:
    return value is not None and value is not UNKNOWN


def matches(rule: str, prop: str, value: Any, pattern: str, reason: str, fix: str, page: str = "") -> list[Finding]:
    if not known(value):
        return []
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
        return [Finding(rule, prop, value, reason, fix, page)]
    return []


def one_of(rule: str, prop: str, value: Any, allowed: Iterable[Any], reason: str, page: str = "") -> list[Finding]:
    choices = list(allowed)
    if not known(value) or value in choices:
        return []
    return [Finding(rule, prop, value, reason, f"Use one of {', '.join(map(str, choices))}", page)]


def whole_number(rule: str, prop: str, value: Any, low: int, high: int, what: str, page: str = "") -> list[Finding]:
    if not known(value):
        return []
    # bool is an int to Python, but nobody who writes `true` for a number means 1.
    if isinstance(value, bool) or not _integral(value) or not low <= value <= high:
        return [Finding(rule, prop, value, f"{what} is a whole number", f"Use {low} to {high}", page)]
    return []


def _integral(value: object) -> bool:
    # Numbers that went through the engine come back as floats: 3.0 is as good as 3.
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def booleans(**values: Any) -> list[Finding]:
    return [
        Finding("boolean", prop, value, "this is true or false", "Write true or false, without quotes")
        for prop, value in values.items()
        if known(value) and not isinstance(value, bool)
    ]


def known_items(prop: str, values: Any) -> list[tuple[str, Any]]:
    if not known(values) or isinstance(values, str) or not isinstance(values, Sequence):
        return []
    return [(f"{prop}[{i}]", value) for i, value in enumerate(values) if known(value)]


def is_list(rule: str, prop: str, values: Any, at_least: int = 1, page: str = "") -> list[Finding]:
    if not known(values):
        return []
    if isinstance(values, str) or not isinstance(values, Sequence):
        return [Finding(rule, prop, values, "this is a list", f"Write [{shown(values)}]", page)]
    if len(values) < at_least:
        return [Finding(rule, prop, values, "the list is too short", f"Give at least {at_least}", page)]
    return []


def duplicates(rule: str, prop: str, values: Any) -> list[Finding]:
    findings: list[Finding] = []
    seen: dict[Any, str] = {}
    for where, value in known_items(prop, values):
        if isinstance(value, str) and value in seen:
            findings.append(Finding(rule, where, value, f"it already stands at {seen[value]}", "Remove one of them"))
        elif isinstance(value, str):
            seen[value] = where
    return findings


Rule = Callable[..., list[Finding]]
"""What every rule that judges a component's arguments looks like: keyword arguments in, findings out."""
