"""Exemptions: resources that may break a policy, for a reason, and perhaps only until a day.

They stand in the pack's configuration, under the policy's name: `{"node-ssh": {"exemptions": [{"urn": "*::bastion",
"reason": "…", "expires": "2027-03-31"}]}}`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pulumi_policy import PolicyConfigSchema

_DATE = r"^\d{4}-\d{2}-\d{2}$"

SCHEMA = PolicyConfigSchema(
    properties={
        "exemptions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "urn": {"type": "string", "minLength": 1},
                    "reason": {"type": "string", "minLength": 1},
                    "expires": {"type": "string", "pattern": _DATE},
                },
                "required": ["urn", "reason"],
                "additionalProperties": False,
            },
        }
    }
)
"""What each policy takes beside its enforcement level: `urn` is a pattern with `*` and `?`, `expires` the last day."""


@dataclass(frozen=True)
class Exemption:
    """One exemption of one policy."""

    urn: str
    reason: str
    expires: date | None

    def covers(self, urn: str) -> bool:
        """Whether the pattern means a resource."""
        pattern = "".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in self.urn)
        return re.fullmatch(pattern, urn) is not None

    def problem(self, today: date) -> str:
        """Why it does not hold on a day; empty where it does."""
        if not self.reason.strip():
            return "the exemption gives no reason"
        if self.expires is not None and today > self.expires:
            return f"the exemption ({self.reason}) expired on {self.expires}"
        return ""


def exemptions(config: Mapping[str, Any]) -> list[Exemption]:
    """The exemptions in a policy's configuration. Raises `ValueError` on a day that the calendar does not have."""
    return [
        Exemption(item["urn"], item["reason"], date.fromisoformat(item["expires"]) if "expires" in item else None)
        for item in config.get("exemptions", ())
    ]
