"""The agent."""

from typing import Any

from ._findings import USER_GUIDE, Finding, booleans, known, matches
from ._names import judge_cluster_name, judge_tags


def agent(
    *,
    cluster_name: Any = None,
    auto_mode: Any = None,
    addon_version: Any = None,
    ipv4_only: Any = None,
    configuration: Any = None,
    tags: Any = None,
) -> list[Finding]:
    """The add-on `eks-pod-identity-agent`, which EKS Auto Mode has built in."""
    page = USER_GUIDE + "pod-id-agent-setup.html"
    findings = judge_cluster_name(cluster_name)
    findings += matches(
        "agent-version",
        "addon_version",
        addon_version,
        r"v\d+\.\d+\.\d+-eksbuild\.\d+|latest",
        "this is not an add-on version",
        'Write it as v1.3.10-eksbuild.2, or "latest", or leave it out for the Kubernetes version\'s default',
        page,
    )
    findings += booleans(auto_mode=auto_mode, ipv4_only=ipv4_only)
    if auto_mode is True:
        given = {"addon_version": addon_version, "ipv4_only": ipv4_only, "configuration": configuration}
        for prop, value in given.items():
            if known(value) and value:
                reason = "in EKS Auto Mode the agent is AWS's own, so this would have no effect"
                findings.append(Finding("agent-auto-mode", prop, value, reason, f"Remove {prop}, or auto_mode", page))
    return findings + judge_tags(tags)
