"""The rules of EKS Pod Identity, as pure functions: arguments in, findings out.

Every rule takes plain values and answers with a list of `Finding`, empty when there is nothing to say. The same
function serves a component's constructor (which raises on what it finds), the stack's configuration and the policy
pack. Nothing here imports Pulumi and nothing calls the network.

A value that is not there yet (an Output that Pulumi cannot resolve at preview) is given as `UNKNOWN`. A rule then says
nothing about *that* value and judges all the others as usual. `None` means that the argument was left out.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import combinations
from typing import Any

USER_GUIDE = "https://docs.aws.amazon.com/eks/latest/userguide/"
EKS_API = "https://docs.aws.amazon.com/eks/latest/APIReference/"
IAM_GUIDE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/"


class _Unknown:
    """The type of `UNKNOWN`. It compares by identity and refuses to be used as a truth value by accident."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("UNKNOWN is neither true nor false: ask `is UNKNOWN`")


UNKNOWN: Any = _Unknown()


class Severity(StrEnum):
    """How bad a finding is: an `ERROR` stops the preview, a `WARNING` is only shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one value.

    `rule` is the stable id, `property` the path of the argument (`private_subnet_cidrs[1]`), `value` what stands there,
    `reason` why that cannot work, `fix` what to write instead and `page` where AWS or Kubernetes says so.
    """

    rule: str
    property: str
    value: object
    reason: str
    fix: str
    page: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        page = f" See {self.page}" if self.page else ""
        return f"{self.property} = {_shown(self.value)}: {self.reason}. {self.fix}. [{self.rule}]{page}"


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _known(value: object) -> bool:
    return value is not None and value is not UNKNOWN


# ---------------------------------------------------------------------------------------------------------------------
# Small judges that the rules below are made of
# ---------------------------------------------------------------------------------------------------------------------


def _matches(rule: str, prop: str, value: Any, pattern: str, reason: str, fix: str, page: str = "") -> list[Finding]:
    if not _known(value):
        return []
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
        return [Finding(rule, prop, value, reason, fix, page)]
    return []


def _one_of(rule: str, prop: str, value: Any, allowed: Iterable[Any], reason: str, page: str = "") -> list[Finding]:
    choices = list(allowed)
    if not _known(value) or value in choices:
        return []
    return [Finding(rule, prop, value, reason, f"Use one of {', '.join(map(str, choices))}", page)]


def _whole_number(rule: str, prop: str, value: Any, low: int, high: int, what: str, page: str = "") -> list[Finding]:
    if not _known(value):
        return []
    # bool is an int to Python, but nobody who writes `true` for a number means 1.
    if isinstance(value, bool) or not _integral(value) or not low <= value <= high:
        return [Finding(rule, prop, value, f"{what} is a whole number", f"Use {low} to {high}", page)]
    return []


def _integral(value: object) -> bool:
    # Numbers that went through the engine come back as floats: 3.0 is as good as 3.
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _booleans(**values: Any) -> list[Finding]:
    return [
        Finding("boolean", prop, value, "this is true or false", "Write true or false, without quotes")
        for prop, value in values.items()
        if _known(value) and not isinstance(value, bool)
    ]


def _known_items(prop: str, values: Any) -> list[tuple[str, Any]]:
    if not _known(values) or isinstance(values, str) or not isinstance(values, Sequence):
        return []
    return [(f"{prop}[{i}]", value) for i, value in enumerate(values) if _known(value)]


def _is_list(rule: str, prop: str, values: Any, at_least: int = 1) -> list[Finding]:
    if not _known(values):
        return []
    if isinstance(values, str) or not isinstance(values, Sequence):
        return [Finding(rule, prop, values, "this is a list", f"Write [{_shown(values)}]")]
    if len(values) < at_least:
        return [Finding(rule, prop, values, "the list is too short", f"Give at least {at_least}")]
    return []


def _duplicates(rule: str, prop: str, values: Any) -> list[Finding]:
    findings: list[Finding] = []
    seen: dict[Any, str] = {}
    for where, value in _known_items(prop, values):
        if isinstance(value, str) and value in seen:
            findings.append(Finding(rule, where, value, f"it already stands at {seen[value]}", "Remove one of them"))
        elif isinstance(value, str):
            seen[value] = where
    return findings


# ---------------------------------------------------------------------------------------------------------------------
# Names, ARNs, tags
# ---------------------------------------------------------------------------------------------------------------------


def judge_cluster_name(value: Any, prop: str = "cluster_name") -> list[Finding]:
    """A cluster's name as `CreateCluster` takes it: 1 to 100 letters, digits, `-` and `_`, not starting with a sign."""
    return _matches(
        "cluster-name",
        prop,
        value,
        r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}",
        "EKS does not accept this as a cluster name",
        "Use 1 to 100 letters, digits, hyphens and underscores, starting with a letter or digit",
        EKS_API + "API_CreateCluster.html",
    )


def judge_namespace(value: Any, prop: str = "namespace") -> list[Finding]:
    """A Kubernetes namespace: an RFC 1123 label."""
    return _matches(
        "namespace-name",
        prop,
        value,
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "Kubernetes does not accept this as a namespace",
        "Use at most 63 lower-case letters, digits and hyphens, starting and ending with a letter or digit",
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names",
    )


def judge_service_account(value: Any, prop: str = "service_account") -> list[Finding]:
    """A Kubernetes ServiceAccount's name: an RFC 1123 subdomain."""
    label = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
    return _matches(
        "service-account-name",
        prop,
        value,
        rf"(?=.{{1,253}}$){label}(\.{label})*",
        "Kubernetes does not accept this as a ServiceAccount's name",
        "Use at most 253 lower-case letters, digits, hyphens and dots, each part starting and ending with a letter "
        "or digit",
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names",
    )


_ACCOUNT = r"\d{12}"
_PARTITION = r"aws(-[a-z]+)*"
_IAM_PATH = r"/([!-~]+/)?"
_ROLE_ARN = rf"arn:(?P<partition>{_PARTITION}):iam::(?P<account>{_ACCOUNT}):role{_IAM_PATH}[\w+=,.@-]{{1,64}}"
_POLICY_ARN = rf"arn:{_PARTITION}:iam::({_ACCOUNT}|aws):policy{_IAM_PATH}[\w+=,.@-]{{1,128}}"
CLUSTER_ARN = re.compile(
    rf"arn:(?P<partition>{_PARTITION}):eks:(?P<region>[a-z]{{2}}(-[a-z]+)+-\d+):(?P<account>{_ACCOUNT})"
    r":cluster/(?P<name>[0-9A-Za-z][0-9A-Za-z_-]{0,99})",
    re.ASCII,
)
"""The form of a cluster's ARN, with the groups partition, region, account and name."""


def judge_role_arn(value: Any, prop: str = "role_arn") -> list[Finding]:
    """The full ARN of an IAM role, path included."""
    return _matches(
        "role-arn",
        prop,
        value,
        _ROLE_ARN,
        "this is not the ARN of an IAM role",
        "Give it as arn:<partition>:iam::<account>:role/<path><name>",
        IAM_GUIDE + "reference_identifiers.html",
    )


def judge_policy_arn(value: Any, prop: str) -> list[Finding]:
    """The ARN of an AWS managed or customer managed policy."""
    return _matches(
        "policy-arn",
        prop,
        value,
        _POLICY_ARN,
        "this is not the ARN of an IAM policy",
        "Give it as arn:<partition>:iam::<account, or aws>:policy/<path><name>",
        IAM_GUIDE + "reference_identifiers.html",
    )


def judge_cluster_arn(value: Any, prop: str) -> list[Finding]:
    """A cluster's ARN, which is what `aws:SourceArn` holds when EKS Pod Identity assumes a role."""
    return _matches(
        "cluster-arn",
        prop,
        value,
        CLUSTER_ARN.pattern,
        "this is not the ARN of an EKS cluster",
        "Give it as arn:<partition>:eks:<region>:<account>:cluster/<name>",
        USER_GUIDE + "pod-id-role.html",
    )


def judge_bucket_patterns(value: Any, prop: str) -> list[Finding]:
    """Names of S3 buckets in which `*` may stand for any text, but never for the whole name."""
    page = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"
    findings = _is_list("bucket-name", prop, value, at_least=0)
    for where, name in _known_items(prop, value):
        if name == "*":
            fix = "Name the buckets, or what their names begin with, as in my-team-*"
            findings.append(Finding("bucket-name", where, name, "this is every bucket there is", fix, page))
        else:
            reason, fix = "S3 has no bucket of such a name", "Use 3 to 63 lower-case letters, digits, hyphens and dots"
            findings += _matches("bucket-name", where, name, r"[a-z0-9*][a-z0-9.*-]{1,61}[a-z0-9*]", reason, fix, page)
    return findings


def judge_tags(value: Any, prop: str = "tags") -> list[Finding]:
    """Tags as AWS takes them: at most 50, keys to 128 and values to 256 characters, no `aws:` prefix."""
    if not _known(value):
        return []
    page = "https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html"
    if not isinstance(value, Mapping):
        return [Finding("tags", prop, value, "tags are a mapping of keys to values", "Write {key: value}", page)]
    findings: list[Finding] = []
    if len(value) > 50:
        findings.append(Finding("tags", prop, len(value), "a resource takes 50 tags", "Remove some", page))
    for key, text in value.items():
        where = f"{prop}.{key}"
        if key.lower().startswith("aws:"):
            findings.append(Finding("tags", where, text, "keys that start with aws: are AWS's own", "Rename it", page))
        if not re.fullmatch(r"[\w .:/=+@-]{1,128}", key):
            fix = "Use 1 to 128 letters, digits, spaces and . : / = + @ - _"
            findings.append(Finding("tags", where, text, "AWS does not accept this key", fix, page))
        if _known(text) and not (isinstance(text, str) and re.fullmatch(r"[\w .:/=+@-]{0,256}", text)):
            fix = "Use at most 256 letters, digits, spaces and . : / = + @ - _, in quotes"
            findings.append(Finding("tags", where, text, "AWS does not accept this value", fix, page))
    return findings


# ---------------------------------------------------------------------------------------------------------------------
# Network
# ---------------------------------------------------------------------------------------------------------------------

NAT_GATEWAYS = ("single", "one_per_zone")
_SUBNETS_PAGE = "https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html"
_EKS_SUBNETS_PAGE = USER_GUIDE + "network-reqs.html"


def _cidr(rule: str, prop: str, value: Any) -> tuple[ipaddress.IPv4Network | None, list[Finding]]:
    if not _known(value):
        return None, []
    try:
        # Python would make an address of a number too.
        block = ipaddress.IPv4Network(value if isinstance(value, str) else "")
    except ValueError as error:
        fix = "Write an IPv4 block such as 10.0.0.0/16, with no host bits set"
        return None, [Finding(rule, prop, value, f"this is not an IPv4 CIDR block ({error})", fix, _SUBNETS_PAGE)]
    if not 16 <= block.prefixlen <= 28:
        fix = "Use a prefix from /16 to /28"
        return None, [Finding(rule, prop, value, "a VPC and its subnets are /16 to /28", fix, _SUBNETS_PAGE)]
    return block, []


def network(
    *,
    cidr: Any = None,
    private_subnet_cidrs: Any = None,
    public_subnet_cidrs: Any = None,
    availability_zones: Any = None,
    nat_gateways: Any = None,
    tags: Any = None,
) -> list[Finding]:
    """A VPC for EKS: sound CIDR blocks, subnets inside it that do not overlap, as many public as private, two zones."""
    vpc, findings = _cidr("network-cidr", "cidr", cidr)
    blocks: dict[str, ipaddress.IPv4Network] = {}
    for prop, cidrs in (
        ("private_subnet_cidrs", private_subnet_cidrs),
        ("public_subnet_cidrs", public_subnet_cidrs),
    ):
        findings += _is_list("network-subnets", prop, cidrs, at_least=2)
        for where, value in _known_items(prop, cidrs):
            block, wrong = _cidr("network-cidr", where, value)
            findings += wrong
            if block is not None:
                blocks[where] = block
    for where, block in blocks.items():
        if vpc is not None and not block.subnet_of(vpc):
            fix = f"Choose a block within {vpc}"
            reason = f"the subnet does not lie in the VPC's {vpc}"
            findings.append(Finding("network-subnet-outside", where, str(block), reason, fix, _SUBNETS_PAGE))
    for (first, a), (second, b) in combinations(blocks.items(), 2):
        if a.overlaps(b):
            fix = "Give each subnet a block of its own"
            reason = f"the subnet overlaps {first} ({a})"
            findings.append(Finding("network-subnets-overlap", second, str(b), reason, fix, _SUBNETS_PAGE))
    privates, publics = _known_items("", private_subnet_cidrs), _known_items("", public_subnet_cidrs)
    if privates and publics and len(privates) != len(publics):
        reason = f"there are {len(privates)} private subnets, and each zone has one of either kind"
        fix = f"Give {len(privates)} public subnets"
        findings.append(Finding("network-subnets", "public_subnet_cidrs", public_subnet_cidrs, reason, fix))
    findings += _is_list("network-zones", "availability_zones", availability_zones, at_least=2)
    for where, zone in _known_items("availability_zones", availability_zones):
        findings += _matches(
            "network-zones",
            where,
            zone,
            r"[a-z]{2}(-[a-z]+)+-\d+[a-z]",
            "this is not the name of an Availability Zone",
            "Write it as eu-west-1a; local and wavelength zones cannot hold an EKS control plane's subnets",
            _EKS_SUBNETS_PAGE,
        )
    findings += _duplicates("network-zones", "availability_zones", availability_zones)
    zones = _known_items("", availability_zones)
    if zones and privates and len(zones) < len(privates):
        reason = f"{len(privates)} subnets of either kind need as many zones"
        fix = "Name more zones, or leave the argument out to take the region's first"
        findings.append(Finding("network-zones", "availability_zones", availability_zones, reason, fix))
    findings += _one_of(
        "network-nat",
        "nat_gateways",
        nat_gateways,
        NAT_GATEWAYS,
        "NAT gateways are one for all zones, or one in each",
        "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html",
    )
    return findings + judge_tags(tags)


# ---------------------------------------------------------------------------------------------------------------------
# Cluster and nodes
# ---------------------------------------------------------------------------------------------------------------------

KUBERNETES_VERSIONS: Mapping[str, date] = {
    "1.36": date(2027, 8, 2),
    "1.35": date(2027, 3, 27),
    "1.34": date(2026, 12, 2),
}
"""The Kubernetes versions in EKS's standard support, with the day on which that ends."""

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


def judge_kubernetes_version(value: Any, prop: str = "kubernetes_version") -> list[Finding]:
    """A Kubernetes version in EKS's standard support."""
    page = USER_GUIDE + "kubernetes-versions.html"
    reason = "this version is not in EKS's standard support"
    if isinstance(value, float):
        # YAML reads 1.30 as the number 1.3: the mistake deserves its own words.
        fix = 'Put the version in quotes, as in "1.36"'
        return [Finding("kubernetes-version", prop, value, "a version is a string, not a number", fix, page)]
    return _one_of("kubernetes-version", prop, value, KUBERNETES_VERSIONS, reason, page)


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
    deletion_protection: Any = None,
    auto_mode: Any = None,
    tags: Any = None,
) -> list[Finding]:
    """An EKS cluster with one managed node group: version in support, an endpoint, sizes that fit each other."""
    findings = judge_cluster_name(cluster_name)
    findings += judge_kubernetes_version(kubernetes_version)
    findings += _booleans(
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
    if endpoint_public_access is False and _known_items("", public_access_cidrs):
        fix = "Remove public_access_cidrs, or set endpoint_public_access to true"
        reason = "the public endpoint is off, so there is nothing to limit"
        findings.append(
            Finding("cluster-endpoint", "public_access_cidrs", public_access_cidrs, reason, fix, endpoint_page)
        )
    findings += _is_list("cluster-endpoint", "public_access_cidrs", public_access_cidrs)
    for where, value in _known_items("public_access_cidrs", public_access_cidrs):
        try:
            ipaddress.ip_network(value if isinstance(value, str) else "")
        except ValueError as error:
            fix = "Write a block such as 203.0.113.0/24, with no host bits set"
            reason = f"this is not a CIDR block ({error})"
            findings.append(Finding("cluster-endpoint", where, value, reason, fix, endpoint_page))
    logs_page = USER_GUIDE + "control-plane-logs.html"
    findings += _is_list("cluster-logs", "log_types", log_types, at_least=0)
    for where, value in _known_items("log_types", log_types):
        findings += _one_of("cluster-logs", where, value, LOG_TYPES, "EKS has no such control plane log", logs_page)
    findings += _duplicates("cluster-logs", "log_types", log_types)
    findings += _one_of(
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
    for key, principal in administrators.items() if isinstance(administrators, Mapping) else ():
        findings += _matches(
            "cluster-administrators",
            f"administrators.{key}",
            principal,
            rf"arn:{_PARTITION}:iam::{_ACCOUNT}:(role|user)/.+",
            "an access entry is for one IAM role or user",
            "Give its ARN, with its path",
            USER_GUIDE + "access-entries.html",
        )
    return findings + judge_tags(tags)


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
    findings = _matches(
        "node-group-name",
        "node_group_name",
        name,
        r"[0-9A-Za-z][0-9A-Za-z_-]{0,62}",
        "EKS does not accept this as a node group's name",
        "Use 1 to 63 letters, digits, hyphens and underscores, starting with a letter or digit",
        page,
    )
    findings += _is_list("node-instance-types", "node_instance_types", instance_types)
    for where, value in _known_items("node_instance_types", instance_types):
        findings += _matches(
            "node-instance-types",
            where,
            value,
            r"[a-z][a-z0-9-]*\.[a-z0-9-]+",
            "this is not an EC2 instance type",
            "Write it as t3.medium",
            "https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-types.html",
        )
    findings += _duplicates("node-instance-types", "node_instance_types", instance_types)
    if _known(ami_type) and str(ami_type).startswith("AL2_"):
        fix = "Use AL2023_x86_64_STANDARD, or AL2023_ARM_64_STANDARD on Graviton"
        reason = "AWS ended the Amazon Linux 2 AMIs of EKS on 2025-11-26"
        al2_page = USER_GUIDE + "eks-ami-deprecation-faqs.html"
        findings.append(Finding("node-ami-type", "node_ami_type", ami_type, reason, fix, al2_page))
    else:
        reason = "Pod Identity needs Linux nodes on an AMI that EKS still maintains"
        findings += _one_of("node-ami-type", "node_ami_type", ami_type, AMI_TYPES, reason, page)
    sizes = {
        "node_min_size": (min_size, 0),
        "node_max_size": (max_size, 1),
        "node_desired_size": (desired_size, 0),
    }
    wrong = [
        f for prop, (v, low) in sizes.items() for f in _whole_number("node-size", prop, v, low, 450, "a size", page)
    ]
    findings += wrong
    if not wrong:
        if _known(min_size) and _known(max_size) and min_size > max_size:
            reason = f"it is more than node_max_size = {max_size}"
            findings.append(
                Finding("node-size", "node_min_size", min_size, reason, "Lower it, or raise the other", page)
            )
        if _known(desired_size):
            if _known(min_size) and desired_size < min_size:
                fix = f"Use {min_size} or more"
                reason = f"it is less than node_min_size = {min_size}"
                findings.append(Finding("node-size", "node_desired_size", desired_size, reason, fix, page))
            if _known(max_size) and desired_size > max_size:
                fix = f"Use {max_size} or less"
                reason = f"it is more than node_max_size = {max_size}"
                findings.append(Finding("node-size", "node_desired_size", desired_size, reason, fix, page))
    return findings + _whole_number("node-disk-size", "node_disk_size", disk_size, 20, 16384, "a size in GiB", page)


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
    findings += _matches(
        "agent-version",
        "addon_version",
        addon_version,
        r"v\d+\.\d+\.\d+-eksbuild\.\d+|latest",
        "this is not an add-on version",
        'Write it as v1.3.10-eksbuild.2, or "latest", or leave it out for the Kubernetes version\'s default',
        page,
    )
    findings += _booleans(auto_mode=auto_mode, ipv4_only=ipv4_only)
    if auto_mode is True:
        given = {"addon_version": addon_version, "ipv4_only": ipv4_only, "configuration": configuration}
        for prop, value in given.items():
            if _known(value) and value:
                reason = "in EKS Auto Mode the agent is AWS's own, so this would have no effect"
                findings.append(Finding("agent-auto-mode", prop, value, reason, f"Remove {prop}, or auto_mode", page))
    return findings + judge_tags(tags)


# ---------------------------------------------------------------------------------------------------------------------
# Role and documents
# ---------------------------------------------------------------------------------------------------------------------

TRUST_POLICY_SIZE = 2048
MANAGED_POLICY_SIZE = 6144
SESSION_POLICY_SIZE = 2048
_QUOTAS = IAM_GUIDE + "reference_iam-quotas.html"


def role(
    *,
    role_name: Any = None,
    policy_name: Any = None,
    path: Any = None,
    description: Any = None,
    permissions_boundary: Any = None,
    max_session_duration: Any = None,
    cluster_arns: Any = None,
    statements: Any = None,
    namespaces: Any = None,
    service_accounts: Any = None,
    organization_id: Any = None,
    disable_session_tags: Any = None,
    managed_policy_arns: Any = None,
    tags: Any = None,
) -> list[Finding]:
    """An IAM role for pods: names and limits of IAM, and a trust that EKS Pod Identity can ever meet."""
    names_page = IAM_GUIDE + "reference_identifiers.html"
    findings: list[Finding] = []
    for prop, value, size in (("role_name", role_name, 64), ("policy_name", policy_name, 128)):
        fix = f"Use 1 to {size} letters, digits and _ + = , . @ -"
        reason = "IAM does not accept this name"
        findings += _matches("iam-name", prop, value, rf"[\w+=,.@-]{{1,{size}}}", reason, fix, names_page)
    findings += _matches(
        "iam-path",
        "path",
        path,
        r"(?=.{1,512}$)/([!-.0-~]+/)*",
        "IAM does not accept this path",
        "Start and end it with a slash, as in /workloads/demo/ (512 characters at most)",
        names_page,
    )
    reason, fix = "IAM does not accept this description", "Use at most 1,000 printable characters"
    findings += _matches("iam-description", "description", description, r"[\t\n\r -~¡-ÿ]{0,1000}", reason, fix)
    findings += judge_policy_arn(permissions_boundary, "permissions_boundary")
    findings += _whole_number(
        "iam-session-duration",
        "max_session_duration",
        max_session_duration,
        3600,
        43200,
        "the longest session, in seconds,",
        IAM_GUIDE + "id_roles_update-role-settings.html",
    )
    findings += _is_list("trust-cluster", "cluster_arns", cluster_arns)
    for where, value in _known_items("cluster_arns", cluster_arns):
        findings += judge_cluster_arn(value, where)
    for where, value in _known_items("namespaces", namespaces):
        findings += judge_namespace(value, where)
    for where, value in _known_items("service_accounts", service_accounts):
        findings += judge_service_account(value, where)
    findings += _matches(
        "organization-id",
        "organization_id",
        organization_id,
        r"o-[a-z0-9]{10,32}",
        "this is not the id of an organisation",
        "Write it as o-a1b2c3d4e5",
        "https://docs.aws.amazon.com/organizations/latest/APIReference/API_Organization.html",
    )
    findings += _booleans(disable_session_tags=disable_session_tags)
    if disable_session_tags is True:
        for prop, value in (("namespaces", namespaces), ("service_accounts", service_accounts)):
            if _known_items(prop, value):
                reason = "the trust would ask for session tags that the association does not send"
                fix = f"Remove {prop}, or leave disable_session_tags out"
                findings.append(Finding("trust-needs-session-tags", prop, value, reason, fix, _ABAC_PAGE))
    findings += judge_statements(statements)
    for key, value in managed_policy_arns.items() if isinstance(managed_policy_arns, Mapping) else ():
        findings += judge_policy_arn(value, f"managed_policy_arns.{key}")
    return findings + judge_tags(tags)


def judge_document_size(prop: str, text: Any, limit: int) -> list[Finding]:
    """An IAM document within IAM's quota, which does not count white space."""
    if not _known(text):
        return []
    size = len(re.sub(r"\s", "", text))
    if size <= limit:
        return []
    fix = "Name fewer resources, or split the permissions over several policies"
    return [Finding("document-size", prop, size, f"IAM takes {limit} characters here", fix, _QUOTAS)]


def judge_statements(value: Any, prop: str = "statements") -> list[Finding]:
    """IAM statements that are whole: an effect, actions, and at least one resource."""
    page = IAM_GUIDE + "reference_policies_elements.html"
    findings = _is_list("statement", prop, value)
    for where, statement in _known_items(prop, value):
        if not isinstance(statement, Mapping):
            findings.append(
                Finding("statement", where, statement, "a statement is a mapping", "Write {Effect: …}", page)
            )
            continue
        unknown_keys = set(statement) - {
            *("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"),
        }
        for key in sorted(unknown_keys):
            fix = "Write the elements as IAM does: Sid, Effect, Action, Resource, Condition"
            reason = "a permission statement has no such element"
            findings.append(Finding("statement", f"{where}.{key}", statement[key], reason, fix, page))
        effect = statement.get("Effect")
        if effect is not UNKNOWN and effect not in ("Allow", "Deny"):
            fix = "Write Allow or Deny"
            findings.append(Finding("statement", f"{where}.Effect", effect, "a statement allows or denies", fix, page))
        for either in (("Action", "NotAction"), ("Resource", "NotResource")):
            given = [key for key in either if key in statement]
            if len(given) != 1:
                fix = f"Give {either[0]}"
                reason = f"a statement has exactly one of {either[0]} and {either[1]}"
                findings.append(Finding("statement", where, given, reason, fix, page))
            elif statement[given[0]] is not UNKNOWN and not statement[given[0]]:
                fix = "Name at least one, or leave the statement out"
                findings.append(Finding("statement", f"{where}.{given[0]}", [], "the list is empty", fix, page))
    return findings


# ---------------------------------------------------------------------------------------------------------------------
# Association
# ---------------------------------------------------------------------------------------------------------------------

_ASSOCIATION_PAGE = EKS_API + "API_CreatePodIdentityAssociation.html"
_ABAC_PAGE = USER_GUIDE + "pod-id-abac.html"


def association(
    *,
    cluster_name: Any = None,
    namespace: Any = None,
    service_account: Any = None,
    role_arn: Any = None,
    target_role_arn: Any = None,
    disable_session_tags: Any = None,
    session_policy: Any = None,
    tags: Any = None,
) -> list[Finding]:
    """One pod identity association: names, role ARNs, and a session policy only where session tags are disabled."""
    findings = judge_cluster_name(cluster_name)
    findings += judge_namespace(namespace)
    findings += judge_service_account(service_account)
    findings += judge_role_arn(role_arn)
    findings += judge_role_arn(target_role_arn, "target_role_arn")
    findings += _booleans(disable_session_tags=disable_session_tags)
    if _known(session_policy):
        if disable_session_tags in (None, False):
            reason = "EKS takes a session policy only where session tags are disabled"
            fix = "Set disable_session_tags to true, or remove session_policy and scope by the session tags instead"
            findings.append(
                Finding("session-policy-tags", "session_policy", session_policy, reason, fix, _ASSOCIATION_PAGE)
            )
        findings += _json_document("session_policy", session_policy)
        if isinstance(session_policy, str) and len(session_policy) > SESSION_POLICY_SIZE:
            reason = f"EKS takes {SESSION_POLICY_SIZE} characters here"
            fix = "Name fewer actions and resources"
            findings.append(
                Finding("document-size", "session_policy", len(session_policy), reason, fix, _ASSOCIATION_PAGE)
            )
    return findings + judge_tags(tags)


def _json_document(prop: str, text: Any) -> list[Finding]:
    try:
        document = json.loads(text)
    except (TypeError, ValueError) as error:
        fix = "Build it with documents.permissions(...) and documents.to_json(...)"
        return [Finding("document-json", prop, text, f"this is not JSON ({error})", fix)]
    if not isinstance(document, dict) or "Statement" not in document:
        fix = 'Write {"Version": "2012-10-17", "Statement": [...]}'
        return [Finding("document-json", prop, text, "this is not a policy document", fix)]
    return []


Rule = Callable[..., list[Finding]]
"""What every rule that judges a component's arguments looks like: keyword arguments in, findings out."""
