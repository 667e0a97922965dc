"""Wildcards, policy variables and ARNs: how the strings of a policy meet those of a request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from .context import Context

# `${key}` or `${key, 'default'}`; and the three characters that can be written no other way.
_VARIABLE = re.compile(r"\$\{(?P<literal>[*?$])\}|\$\{(?P<key>[^},]+?)\s*(?:,\s*'(?P<default>[^']*)')?\s*\}")


class Unresolved(Exception):
    """A policy variable has no value in the request and no default; what contains it matches nothing."""


@lru_cache(maxsize=8192)
def _expression(pieces: tuple[tuple[str, bool], ...], ignore_case: bool) -> re.Pattern[str]:
    text = ""
    for piece, literal in pieces:
        text += re.escape(piece) if literal else _glob(piece)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _glob(text: str) -> str:
    return re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")


class Pattern:
    """A string of a policy with its variables filled in.

    What a variable stands for is taken literally: an asterisk in a tag's value is no wildcard.

    Args:
        text: the string as it stands in the policy.
        context: the request's keys.
        variables: whether `${…}` is a variable, as it is since version 2012-10-17 of the language.

    Raises:
        Unresolved: a variable has no value.
    """

    def __init__(self, text: str, context: Context, variables: bool = True) -> None:
        self._pieces = tuple(_pieces(text, context) if variables and "${" in text else [(text, False)])

    @property
    def text(self) -> str:
        """The string with its variables filled in, for comparisons without wildcards."""
        return "".join(piece for piece, _ in self._pieces)

    def matches(self, value: str, ignore_case: bool = False) -> bool:
        """Match a whole value; `*` is any run of characters and `?` any one."""
        return _expression(self._pieces, ignore_case).fullmatch(value) is not None

    def matches_arn(self, arn: str) -> bool:
        """Match an ARN part by part, so that a wildcard in one of the first five cannot eat a colon.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
        """
        wanted, found = _split_pieces(self._pieces, 6), arn.split(":", 5)
        if len(wanted) != 6 or len(found) != 6:
            return False
        return all(
            _expression(pieces, False).fullmatch(part) is not None for pieces, part in zip(wanted, found, strict=True)
        )

    def matches_resource(self, resource: str) -> bool:
        """Match a resource; the fields that an incomplete ARN lacks are any."""
        if self._pieces == (("*", False),):
            return True
        missing = 5 - self.text.count(":") if self.text.startswith("arn:") else 0
        pieces = self._pieces if missing <= 0 else (*self._pieces, (":*" * missing, False))
        return _expression(pieces, False).fullmatch(resource) is not None


def _pieces(text: str, context: Context) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a string and whether each is literal."""
    end = 0
    for variable in _VARIABLE.finditer(text):
        if variable.start() > end:
            yield text[end : variable.start()], False
        end = variable.end()
        if variable["literal"]:
            yield variable["literal"], True
            continue
        values = context.get(variable["key"].strip())
        # A key with several values cannot be put into a string.
        if values is not None and len(values) == 1:
            yield values[0], True
        elif variable["default"] is not None:
            yield variable["default"], True
        else:
            raise Unresolved(variable["key"])
    if end < len(text):
        yield text[end:], False


def _split_pieces(pieces: tuple[tuple[str, bool], ...], fields: int) -> list[tuple[tuple[str, bool], ...]]:
    """Split a pattern at its first colons; a colon inside a variable's value is part of that value."""
    parts: list[list[tuple[str, bool]]] = [[]]
    for text, literal in pieces:
        if literal and len(pieces) > 1:
            parts[-1].append((text, True))
            continue
        first, *rest = text.split(":", fields - len(parts)) if len(parts) < fields else [text]
        parts[-1].append((first, literal))
        parts.extend([(piece, literal)] for piece in rest)
    return [tuple(part) for part in parts]


def matches_action(pattern: str, action: str) -> bool:
    """Match an action; neither the service prefix nor the name distinguishes case."""
    return _expression(((pattern, False),), True).fullmatch(action) is not None


def account_of(arn: str) -> str:
    """Return the account field of an ARN, empty when it has none."""
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 else ""


def partition_of_region(region: str) -> str:
    """Return the partition that a region belongs to."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def tag_keys(prefix: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags as context keys, such as ``aws:PrincipalTag/team``."""
    return {f"{prefix}/{key}": value for key, value in tags.items()}
