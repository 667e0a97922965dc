"""Names, ARNs and tags."""

import re
from collections.abc import Mapping
from typing import Any

from ._findings import EKS_API, IAM_GUIDE, USER_GUIDE, Finding, is_list, known, known_items, matches


def judge_cluster_name(value: Any, prop: str = "cluster_name") -> list[Finding]:
    """A cluster's name as `CreateCluster` takes it: 1 to 100 letters, digits, `-` and `_`, not starting with a sign."""
    return matches(
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
    return matches(
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
    return matches(
        "service-account-name",
        prop,
        value,
        rf"(?=.{{1,253}}$){label}(\.{label})*",
        "Kubernetes does not accept this as a ServiceAccount's name",
        "Use at most 253 lower-case letters, digits, hyphens and dots, each part starting and ending with a letter "
        "or digit",
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names",
    )


ACCOUNT = r"\d{12}"
PARTITION = r"aws(-[a-z]+)*"
_IAM_PATH = r"/([!-~]+/)?"
_ROLE_ARN = rf"arn:(?P<partition>{PARTITION}):iam::(?P<account>{ACCOUNT}):role{_IAM_PATH}[\w+=,.@-]{{1,64}}"
_POLICY_ARN = rf"arn:{PARTITION}:iam::({ACCOUNT}|aws):policy{_IAM_PATH}[\w+=,.@-]{{1,128}}"
CLUSTER_ARN = re.compile(
    rf"arn:(?P<partition>{PARTITION}):eks:(?P<region>[a-z]{{2}}(-[a-z]+)+-\d+):(?P<account>{ACCOUNT})"
    r":cluster/(?P<name>[0-9A-Za-z][0-9A-Za-z_-]{0,99})",
    re.ASCII,
)
"""The form of a cluster's ARN, with the groups partition, region, account and name."""


def judge_role_arn(value: Any, prop: str = "role_arn") -> list[Finding]:
    """The full ARN of an IAM role, path included."""
    return matches(
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
    return matches(
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
    return matches(
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
    findings = is_list("bucket-name", prop, value, at_least=0)
    for where, name in known_items(prop, value):
        if name == "*":
            fix = "Name the buckets, or what their names begin with, as in my-team-*"
            findings.append(Finding("bucket-name", where, name, "this is every bucket there is", fix, page))
        else:
            reason, fix = "S3 has no bucket of such a name", "Use 3 to 63 lower-case letters, digits, hyphens and dots"
            findings += matches("bucket-name", where, name, r"[a-z0-9*][a-z0-9.*-]{1,61}[a-z0-9*]", reason, fix, page)
    return findings


def judge_tags(value: Any, prop: str = "tags") -> list[Finding]:
    """Tags as AWS takes them: at most 50, keys to 128 and values to 256 characters, no `aws:` prefix."""
    if not known(value):
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
        if known(text) and not (isinstance(text, str) and re.fullmatch(r"[\w .:/=+@-]{0,256}", text)):
            fix = "Use at most 256 letters, digits, spaces and . : / = + @ - _, in quotes"
            findings.append(Finding("tags", where, text, "AWS does not accept this value", fix, page))
    return findings
