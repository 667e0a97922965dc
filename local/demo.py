"""The blog's verification, run on the twin: what the pod may do, what it may not, and who it is."""

import json
import shlex
import subprocess
import urllib.request
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from local.aws.endpoint import SESSIONS_PATH
from local.stack import LocalStack

# There has to be something to list. These are the operator's, as buckets are on AWS, and not part of the stack.
BUCKETS = ("eks-pod-identity-demo-reports", "eks-pod-identity-demo-invoices")

_REFUSED_BUCKET = "eks-pod-identity-demo-intruder"


class VerificationFailed(Exception):
    """The pod may do what it should not, or may not do what it should."""


def make_buckets(stack: LocalStack) -> None:
    """Make the operator's buckets, where they are not there yet."""
    for bucket in BUCKETS:
        # S3 answers the owner's second request for a bucket as the first one only in its oldest region.
        if stack.run("aws", "s3api", "head-bucket", "--bucket", bucket, capture=True, check=False).returncode:
            stack.aws("s3", "mb", f"s3://{bucket}", capture=True)


def remove_buckets(stack: LocalStack) -> None:
    """Remove the operator's buckets with what is in them."""
    listing = ("aws", "s3api", "list-buckets", "--output", "json")
    listed = json.loads(stack.run(*listing, capture=True, apart=True).stdout)
    for bucket in {entry["Name"] for entry in listed["Buckets"]} & set(BUCKETS):
        stack.aws("s3", "rb", "--force", f"s3://{bucket}", capture=True)


def verify(stack: LocalStack, console: Console) -> None:
    """Run the blog's commands in the pod and show what came of them.

    Raises:
        VerificationFailed: One of them ended as it should not.
        CalledProcessError: The cluster or the endpoint could not be asked.
    """
    outputs = stack.outputs()
    commands: Mapping[str, str] = outputs["commands"]
    stack.run(*shlex.split(commands["kubeconfig"]), capture=True)
    in_pod = [*shlex.split(commands["buckets"].partition(" -- ")[0]), "--"]

    allowed = _shown(stack, console, shlex.split(commands["buckets"]))
    denied = _shown(stack, console, [*in_pod, "aws", "s3", "mb", f"s3://{_REFUSED_BUCKET}"])
    identity = _shown(stack, console, [*in_pod, "aws", "sts", "get-caller-identity", "--output", "json"])
    listed = _shown(stack, console, [*shlex.split(commands["associations"]), "--output", "json"])

    problems = []
    if allowed.returncode or any(bucket not in allowed.stdout for bucket in BUCKETS):
        problems.append("the pod cannot list the buckets")
    if not denied.returncode or "AccessDenied" not in denied.stderr:
        problems.append("the pod is not denied to make a bucket")
    role = outputs["role_arn"].rpartition("/")[2]
    caller = json.loads(identity.stdout)["Arn"] if not identity.returncode else ""
    if f":assumed-role/{role}/" not in caller:
        problems.append(f"the pod does not act as the role {role}")
    tags = _session_tags(stack.twin.url(), caller)
    if tags.get("eks-cluster-name") != outputs["cluster_name"]:
        problems.append("the pod's session has not the tags of its cluster")
    associations = json.loads(listed.stdout)["associations"] if not listed.returncode else []
    if outputs["association_id"] not in (association["associationId"] for association in associations):
        problems.append("the association is not listed")

    table = Table(title="The pod's credentials", title_justify="left", show_header=False, show_lines=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    table.add_row("aws s3 ls", f"[green]allowed[/]: {len(allowed.stdout.splitlines())} buckets")
    table.add_row("aws s3 mb", "[red]denied[/]: AccessDenied, s3:CreateBucket")
    table.add_row("caller identity", "\n".join(caller.rsplit("/", 2)[1:]))
    table.add_row("session tags", "\n".join(f"{key} = {value}" for key, value in sorted(tags.items())))
    table.add_row(
        "associations",
        "\n".join(f"{a['associationId']}: {a['namespace']}/{a['serviceAccount']} → {role}" for a in associations),
    )
    if problems:
        raise VerificationFailed("; ".join(problems))
    console.print(table)


def _shown(stack: LocalStack, console: Console, command: list[str]) -> subprocess.CompletedProcess[str]:
    console.print(f"\n$ {shlex.join(command)}", style="bold", highlight=False, soft_wrap=True)
    result = stack.run(*command, capture=True, apart=True, check=False)
    said = "\n".join(filter(None, (result.stdout.rstrip(), result.stderr.rstrip())))
    console.print(said, highlight=False, markup=False, soft_wrap=True)
    return result


def _session_tags(url: str, caller: str) -> dict[str, str]:
    with urllib.request.urlopen(url + SESSIONS_PATH, timeout=10) as response:
        sessions: list[dict[str, Any]] = json.load(response)
    return next((session["tags"] for session in reversed(sessions) if session["arn"] == caller), {})
