"""The list of policies in policies/README.md is that of the pack."""

from pathlib import Path

from pulumi_policy import StackValidationPolicy

from .conftest import Analyzer

README = Path(__file__).parents[2] / "policies" / "README.md"


def table() -> str:
    """The list, as it stands there."""
    rows = ["| policy | level | judges | asks for | elsewhere |", "|---|---|---|---|---|"]
    for policy in sorted(Analyzer().policies, key=lambda policy: policy.name):
        assert policy.enforcement_level is not None
        elsewhere = ", ".join(tag.replace("CIS-EKS-", "CIS ") for tag in policy.tags or ())
        level, judges = (
            policy.enforcement_level.value,
            "stack" if isinstance(policy, StackValidationPolicy) else "resource",
        )
        rows.append(f"| `{policy.name}` | {level} | {judges} | {policy.description} | {elsewhere} |")
    return "\n".join(rows) + "\n"


def test_the_list_of_policies_is_that_of_the_pack() -> None:
    assert README.read_text().partition("Security Hub.\n\n")[2] == table()
