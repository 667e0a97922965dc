"""JSON documents and IAM policies: valid, and the same though written differently.

IAM's grammar is https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html.
"""

import functools
import json
import re
from dataclasses import dataclass
from typing import Any

from ..base.paths import Path
from ..base.properties import Report, Str
from ..base.wire import UNKNOWN, has_unknown

_ROOT = re.compile(r"arn:[\w-]+:iam::(\d{12}):root")


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def same_json(left: str, right: str) -> bool:
    """Say whether two texts are the same JSON value."""
    first = _load(left)
    return first is not None and first == _load(right)


def same_policy(left: str, right: str) -> bool:
    """Say whether two policies mean the same: neither order nor white space matters, nor "x" for ["x"]."""
    return left == right or _canonical(left) == _canonical(right)


@functools.lru_cache(maxsize=1024)
def _canonical(text: str) -> str:
    document = _load(text)
    if not isinstance(document, dict):
        return text
    canonical = {**document, "Statement": sorted(map(_statement, _listed(document.get("Statement", []))))}
    return json.dumps(canonical, sort_keys=True)


def _statement(statement: Any) -> str:
    if not isinstance(statement, dict):
        return json.dumps(statement)
    canonical = dict(statement)
    for key in ("Action", "NotAction", "Resource", "NotResource"):
        if key in canonical:
            canonical[key] = _values(canonical[key])
    for key in ("Principal", "NotPrincipal"):
        if key in canonical:
            principal = canonical[key]
            by_kind = {"AWS": principal} if principal == "*" else principal
            if isinstance(by_kind, dict):
                canonical[key] = {
                    kind: sorted(_ROOT.sub(r"\1", name) for name in _values(names)) for kind, names in by_kind.items()
                }
    if isinstance(canonical.get("Condition"), dict):
        canonical["Condition"] = {
            operator: {key.lower(): _values(values) for key, values in keys.items()} if isinstance(keys, dict) else keys
            for operator, keys in canonical["Condition"].items()
        }
    return json.dumps(canonical, sort_keys=True)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _values(value: Any) -> list[str]:
    texts = [item if isinstance(item, str) else json.dumps(item) for item in _listed(value)]
    return sorted(set(texts))


@dataclass(frozen=True)
class Document(Str):
    """A JSON document in a string; a program may give it as an object as well."""

    def check(self, value: Any, path: Path, report: Report) -> Any:
        if isinstance(value, dict):
            return UNKNOWN if has_unknown(value) else json.dumps(value, separators=(",", ":"))
        checked = super().check(value, path, report)
        if isinstance(checked, str):
            try:
                if not isinstance(json.loads(checked), dict):
                    report(path, "expected a JSON object")
            except ValueError as error:
                report(path, f"is not valid JSON: {error}")
        return checked


def policy(**more: Any) -> Document:
    """The type of an IAM policy."""
    return Document(equal=same_policy, **more)


def json_object(**more: Any) -> Document:
    """The type of any other JSON object."""
    return Document(equal=same_json, **more)
