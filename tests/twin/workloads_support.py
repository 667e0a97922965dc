"""A cluster on a twin, and programs for it."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import yaml

from local.stack import ROOT, LocalStack
from local.twin import Twin

from .aws.support import World

CLUSTER = "day-two"


def new_cluster(twin: Twin) -> World:
    """Start a twin with a cluster and a node group, and point kubectl at it."""
    world = World(twin.start())
    world.cluster(name=CLUSTER)
    world.nodegroup(CLUSTER)
    return world


def program(folder: Path, twin: Twin, source: str) -> LocalStack:
    """A program of its own, whose stack goes to the twin. Written again, it is the same stack's next version."""
    folder.mkdir(exist_ok=True)
    project = {"name": folder.name, "runtime": {"name": "python", "options": {"virtualenv": sys.prefix}}}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    local = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())
    local["config"] = {key: value for key, value in local["config"].items() if key.startswith("aws:")}
    (folder / "Pulumi.local.yaml").write_text(yaml.safe_dump(local))
    begin = f"import sys\n\nsys.path.insert(0, {str(ROOT)!r})\n"
    (folder / "__main__.py").write_text(begin + textwrap.dedent(source))
    return LocalStack(twin, folder)


def steps(stack: LocalStack) -> dict[str, str]:
    """What a preview would do, by resource: `{name: operation}`, with the type in front where a name is not alone."""
    preview = stack.pulumi("preview", "--json", "--suppress-progress", capture=True)
    document = json.loads(preview.stdout[preview.stdout.index("{") :])
    return {
        "::".join(step["urn"].split("$")[-1].split("::")[-2:]): step["op"]
        for step in document["steps"]
        if step["op"] != "same"
    }


def outputs(stack: LocalStack) -> dict[str, Any]:
    """The stack's outputs."""
    return json.loads(stack.pulumi("stack", "output", "--json", "--show-secrets", capture=True).stdout)
