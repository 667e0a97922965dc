"""Writes what says what the code says: `python -m docs.generate`. Pages of the documentation, and the schema of the
Pulumi package.

Tests compare what is committed with what this would write.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import components
from components import __main__ as plugin
from components import presets
from docs import reference

FOLDER = Path(__file__).parent
SCHEMA = Path(components.__file__).with_name("schema.json")

_INTRODUCTION = """\
# Presets

<!-- Written by `python -m docs.generate` from components/presets; edit that. -->

A preset has the permissions of a well-known workload, for a scope that you name, and knows the namespace and the
ServiceAccount that the workload customarily has. It follows the permissions that the project publishes, at the version
that stands here, and is narrower where it can be: no `*` where an action takes resources, the cluster's region and
account in each ARN, and tags that hold the cluster's name where the project sets them. Each is tried on the twin's IAM,
inside its scope and outside.

```python
from components import presets

cluster = presets.Cluster.at("arn:aws:eks:eu-west-1:111122223333:cluster/prod")
scope = {"hosted_zone_arns": ["arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"]}
preset = presets.build("external-dns", cluster, scope)  # ValueError, with all findings, on a bad scope
preset.policies, preset.namespace, preset.service_account
```

A scope that is missing, empty, misspelt or of another partition is refused at preview, whole. Policies over IAM's 6,144
characters are split. Arguments are written with underscores in Python, and may be in camelCase in a stack's
configuration. Where the workload is an EKS add-on that takes associations itself, give the role to the add-on.
"""


def presets_page() -> str:
    """The page of all presets."""
    return "\n".join(
        [_INTRODUCTION, *_overview(), *(line for one in presets.PRESETS.values() for line in _section(one))]
    )


def _overview() -> Iterator[str]:
    yield "| preset | workload | version | namespace / ServiceAccount | EKS add-on |"
    yield "|---|---|---|---|---|"
    for one in presets.PRESETS.values():
        account = f"`{one.namespace}` / `{one.service_account}`" if one.namespace else "the workload's own"
        addon = f"`{one.addon}`" if one.addon else ""
        link = f"[`{one.name}`](#{one.name})"
        yield f"| {link} | {one.title} | [{one.version}]({one.source}) | {account} | {addon} |"
    yield ""


def _section(one: presets.Definition) -> Iterator[str]:
    yield f"## {one.name}\n"
    if not one.scope:
        yield "The cluster is all of its scope.\n"
    for argument in one.scope:
        needed = ", required" if argument.required else ""
        yield f"- `{argument.name}` ({argument.form.type}{needed}): {argument.description}; `{argument.form.example}`"
    if one.scope:
        yield ""
    if one.any_of:
        yield f"At least one of {', '.join(f'`{name}`' for name in one.any_of)}.\n"
    if one.note:
        yield f"{one.note}\n"
    if one.managed_policies:
        yield f"AWS managed policies beside its own: {', '.join(f'`{path}`' for path in one.managed_policies)}.\n"
    for action, reason in one.exceptions.items():
        yield f"`{action}` is allowed on `*`: {reason}.\n"


def schema() -> str:
    """The schema of the Pulumi package, as JSON."""
    inferred = plugin.provider().schema
    assert inferred is not None
    return json.dumps(json.loads(inferred), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the pages and the schema."""
    (FOLDER / "presets.md").write_text(presets_page())
    (FOLDER / "reference.md").write_text(reference.page())
    SCHEMA.write_text(schema())


if __name__ == "__main__":
    main()
