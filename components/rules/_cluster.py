"""The cluster and its nodes."""

import ipaddress
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from ._findings import (
    EKS_API,
    USER_GUIDE,
    Finding,
    Severity,
    booleans,
    duplicates,
    is_list,
    known,
    known_items,
    matches,
    one_of,
    whole_number,
)
from ._names import ACCOUNT, PARTITION, judge_cluster_name, judge_tags

KUBERNETES_VERSIONS: Mapping[str, date] = {
    # EKS has 1.37 since 2026-10-01; standard support lasts for fourteen months.
    "1.37": date(2027, 12, 1),
    "1.36": date(2027, 8, 2),
    "1.35": date(2027, 3, 27),
    "1.34": date(2026, 12, 2),
    "1.33": date(2026, 7, 29),
    "1.32": date(2026, 3, 23),
    "1.31": date(2025, 11, 26),
}
"""Kubernetes versions of EKS, the newest first, with the last day of their standard support. Extended support, at an
hourly price, lasts for a year more."""

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545),
    *(731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
AMI_TYPES = (
    "AL2023_x86_64_STANDARD",
    "AL2023_ARM_64_STANDARD",
    "AL2023_x86_64_NEURON",
    "AL2023_x86_64_NVIDIA",
    "AL2023_ARM_64_NVIDIA",
    "BOTTLEROCKET_x86_64",
    "BOTTLEROCKET_ARM_64",
    "BOTTLEROCKET_x86_64_FIPS",
    "BOTTLEROCKET_ARM_64_FIPS",
    "BOTTLEROCKET_x86_64_NVIDIA",
    "BOTTLEROCKET_ARM_64_NVIDIA",
)
"""The AMI types that Pod Identity's agent runs on: Linux, and not Amazon Linux 2, whose AMIs ended on 2025-11-26."""


def judge_kubernetes_version(
    value: Any, prop: str = "kubernetes_version", *, today: date | None = None
) -> list[Finding]:
    """A Kubernetes version in EKS's standard support on a day, by default this one."""
    page = USER_GUIDE + "kubernetes-versions.html"
    day = today or date.today()
    supported = [version for version, last in KUBERNETES_VERSIONS.items() if day <= last]
    fix = f"Use one of {', '.join(supported)}" if supported else "Update these components, and then the cluster"
    if not known(value):
        return []
    if isinstance(value, float):
        # YAML reads 1.30 as the number 1.3: the mistake deserves its own words.
        fix = 'Put the version in quotes, as in "1.36"'
        return [Finding("kubernetes-version", prop, value, "a version is a string, not a number", fix, page)]
    last = KUBERNETES_VERSIONS.get(value) if isinstance(value, str) else None
    if last is None:
        # A version that is newer than the table is none of its business: EKS itself says whether it has it.
        if isinstance(value, str) and _is_newer(value):
            reason = "these rules do not know this version yet, nor how long EKS supports it"
            fix = "Update these components"
            return [Finding("kubernetes-version-new", prop, value, reason, fix, page, Severity.WARNING)]
        reason = "EKS does not support this version any more, if it ever did"
        return [Finding("kubernetes-version", prop, value, reason, fix, page)]
    if day <= last:
        return []
    until = last.replace(year=last.year + 1)
    if day <= until:
        reason = f"standard support ended on {last}, and extended support, which costs more, ends on {until}"
        return [Finding("kubernetes-version-extended", prop, value, reason, fix, page)]
    reason = f"EKS ended its support on {until}, and updates the cluster when it likes"
    return [Finding("kubernetes-version", prop, value, reason, fix, page)]


def _is_newer(version: str) -> bool:
    newest = next(iter(KUBERNETES_VERSIONS))
    minor = re.fullmatch(r"1\.(\d{2,3})", version, re.ASCII)
    return minor is not None and int(minor[1]) > int(newest.partition(".")[2])


def cluster(
    *,
    cluster_name: Any = None,
    kubernetes_version: Any = None,
    endpoint_public_access: Any = None,
    endpoint_private_access: Any = None,
    public_access_cidrs: Any = None,
    log_types: Any = None,
    log_retention_days: Any = None,
    node_group_name: Any = None,
    node_instance_types: Any = None,
    node_ami_type: Any = None,
    node_min_size: Any = None,
    node_max_size: Any = None,
    node_desired_size: Any = None,
    node_disk_size: Any = None,
    administrators: Any = None,
    viewers: Any = None,
    deletion_protection: Any = None,
    auto_mode: Any = None,
    tags: Any = None,
    today: date | None = None,
) -> list[Finding]:
    """An EKS cluster with one managed node group: version in support, an endpoint, sizes that fit each other.

    `today` is the day for which the version's support is judged, by default this one.
    """
    findings = judge_cluster_name(cluster_name)
    findings += judge_kubernetes_version(kubernetes_version, today=today)
    findings += booleans(
        endpoint_public_access=endpoint_public_access,
        endpoint_private_access=endpoint_private_access,
        deletion_protection=deletion_protection,
        auto_mode=auto_mode,
    )
    endpoint_page = USER_GUIDE + "cluster-endpoint.html"
    if endpoint_public_access is False and endpoint_private_access is False:
        fix = "Set endpoint_public_access or endpoint_private_access to true"
        reason = "the API server would have no endpoint at all"
        findings.append(Finding("cluster-endpoint", "endpoint_private_access", False, reason, fix, endpoint_page))
    if endpoint_public_access is False and known_items("", public_access_cidrs):
        fix = "Remove public_access_cidrs, or set endpoint_public_access to true"
        reason = "the public endpoint is off, so there is nothing to limit"
        findings.append(
            Finding("cluster-endpoint", "public_access_cidrs", public_access_cidrs, reason, fix, endpoint_page)
        )
    findings += is_list("cluster-endpoint", "public_access_cidrs", public_access_cidrs)
    for where, value in known_items("public_access_cidrs", public_access_cidrs):
        try:
            ipaddress.ip_network(value if isinstance(value, str) else "")
        except ValueError as error:
            fix = "Write a block such as 203.0.113.0/24, with no host bits set"
            reason = f"this is not a CIDR block ({error})"
            findings.append(Finding("cluster-endpoint", where, value, reason, fix, endpoint_page))
    findings += judge_public_blocks(public_access_cidrs)
    logs_page = USER_GUIDE + "control-plane-logs.html"
    findings += is_list("cluster-logs", "log_types", log_types, at_least=0)
    for where, value in known_items("log_types", log_types):
        findings += one_of("cluster-logs", where, value, LOG_TYPES, "EKS has no such control plane log", logs_page)
    findings += duplicates("cluster-logs", "log_types", log_types)
    findings += one_of(
        "cluster-logs",
        "log_retention_days",
        log_retention_days,
        LOG_RETENTION_DAYS,
        "CloudWatch Logs does not offer this retention",
        "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html",
    )
    findings += _nodes(
        node_group_name,
        node_instance_types,
        node_ami_type,
        node_min_size,
        node_max_size,
        node_desired_size,
        node_disk_size,
    )
    access_page = USER_GUIDE + "access-entries.html"
    entries = {"administrators": administrators, "viewers": viewers}
    for prop, principals in entries.items():
        for key, principal in principals.items() if isinstance(principals, Mapping) else ():
            findings += matches(
                "cluster-administrators",
                f"{prop}.{key}",
                principal,
                rf"arn:{PARTITION}:iam::{ACCOUNT}:(role|user)/.+",
                "an access entry is for one IAM role or user",
                "Give its ARN, with its path",
                access_page,
            )
    if isinstance(administrators, Mapping) and isinstance(viewers, Mapping):
        for key in sorted(set(administrators) & set(viewers)):
            reason = "an administrator has this key, which names the access entry"
            fix = "Rename one of them"
            findings.append(Finding("cluster-administrators", f"viewers.{key}", viewers[key], reason, fix, access_page))
    return findings + judge_tags(tags)


def judge_public_blocks(cidrs: Any, prop: str = "public_access_cidrs") -> list[Finding]:
    """The blocks from which a public endpoint answers: that somebody is there. Blocks of documentation are nobody's."""
    known_cidrs = [cidr for _, cidr in known_items(prop, cidrs) if isinstance(cidr, str)]
    if not known_cidrs or not all(cidr.startswith(_DOCUMENTATION) for cidr in known_cidrs):
        return []
    reason = "these addresses are for documentation, so nobody outside the VPC reaches the API server"
    fix = "Put your own in their place, as in: pulumi config set --path 'publicAccessCidrs[0]' <your address>/32"
    page = USER_GUIDE + "cluster-endpoint.html"
    return [Finding("cluster-endpoint-nobody", prop, known_cidrs, reason, fix, page, Severity.WARNING)]


# RFC 5737.
_DOCUMENTATION = ("192.0.2.", "198.51.100.", "203.0.113.")


def judge_ami_type(value: Any, prop: str = "node_ami_type") -> list[Finding]:
    """A managed node group's AMI type: Linux that EKS still maintains, which is where Pod Identity's agent runs."""
    if not known(value):
        return []
    if isinstance(value, str) and value.startswith("AL2_"):
        fix = "Use AL2023_x86_64_STANDARD, or AL2023_ARM_64_STANDARD on Graviton"
        reason = "AWS ended the Amazon Linux 2 AMIs of EKS on 2025-11-26"
        page = USER_GUIDE + "eks-ami-deprecation-faqs.html"
        return [Finding("node-ami-type", prop, value, reason, fix, page)]
    reason = "Pod Identity needs Linux nodes on an AMI that EKS still maintains"
    return one_of("node-ami-type", prop, value, AMI_TYPES, reason, EKS_API + "API_CreateNodegroup.html")


def _nodes(
    name: Any,
    instance_types: Any,
    ami_type: Any,
    min_size: Any,
    max_size: Any,
    desired_size: Any,
    disk_size: Any,
) -> list[Finding]:
    page = EKS_API + "API_CreateNodegroup.html"
    findings = matches(
        "node-group-name",
        "node_group_name",
        name,
        r"[0-9A-Za-z][0-9A-Za-z_-]{0,62}",
        "EKS does not accept this as a node group's name",
        "Use 1 to 63 letters, digits, hyphens and underscores, starting with a letter or digit",
        page,
    )
    findings += is_list("node-instance-types", "node_instance_types", instance_types)
    for where, value in known_items("node_instance_types", instance_types):
        findings += matches(
            "node-instance-types",
            where,
            value,
            r"[a-z][a-z0-9-]*\.[a-z0-9-]+",
            "this is not an EC2 instance type",
            "Write it as t3.medium",
            "https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-types.html",
        )
    findings += duplicates("node-instance-types", "node_instance_types", instance_types)
    findings += judge_ami_type(ami_type)
    sizes = {
        "node_min_size": (min_size, 0),
        "node_max_size": (max_size, 1),
        "node_desired_size": (desired_size, 0),
    }
    wrong = [
        f for prop, (v, low) in sizes.items() for f in whole_number("node-size", prop, v, low, 450, "a size", page)
    ]
    findings += wrong
    if not wrong:
        if known(min_size) and known(max_size) and min_size > max_size:
            reason = f"it is more than node_max_size = {max_size}"
            findings.append(
                Finding("node-size", "node_min_size", min_size, reason, "Lower it, or raise the other", page)
            )
        if known(desired_size):
            if known(min_size) and desired_size < min_size:
                fix = f"Use {min_size} or more"
                reason = f"it is less than node_min_size = {min_size}"
                findings.append(Finding("node-size", "node_desired_size", desired_size, reason, fix, page))
            if known(max_size) and desired_size > max_size:
                fix = f"Use {max_size} or less"
                reason = f"it is more than node_max_size = {max_size}"
                findings.append(Finding("node-size", "node_desired_size", desired_size, reason, fix, page))
    return findings + whole_number("node-disk-size", "node_disk_size", disk_size, 20, 16384, "a size in GiB", page)
