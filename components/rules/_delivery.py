"""Delivery from GitHub Actions: the repository that is trusted, and the roles."""

from typing import Any

from ._findings import IAM_GUIDE, Finding, Severity, duplicates, is_list, known, known_items, matches, whole_number
from ._iam import judge_managed_policies
from ._names import ACCOUNT, PARTITION, judge_cluster_name, judge_policy_arn, judge_tags

_OIDC = "https://docs.github.com/en/actions/reference/security/oidc"
_PROVIDER_ARN = rf"arn:{PARTITION}:iam::{ACCOUNT}:oidc-provider/token\.actions\.githubusercontent\.com"
_KEY_ARN = rf"arn:{PARTITION}:kms:[a-z0-9-]+:{ACCOUNT}:key/[\w-]+"


def delivery(
    *,
    repository: Any = None,
    repository_owner_id: Any = None,
    repository_id: Any = None,
    branch: Any = None,
    environment: Any = None,
    oidc_provider_arn: Any = None,
    cluster_names: Any = None,
    name_prefixes: Any = None,
    resource_tags: Any = None,
    permissions_boundary: Any = None,
    attachable_policy_arns: Any = None,
    encryption_key_arns: Any = None,
    state_bucket: Any = None,
    secrets_key_arn: Any = None,
    preview_role_name: Any = None,
    deploy_role_name: Any = None,
    path: Any = None,
    max_session_duration: Any = None,
    tags: Any = None,
) -> list[Finding]:
    """The two roles of a GitHub repository: a trust of that repository alone, and limits that hold against itself."""
    findings = _judge_repository(repository, repository_owner_id, repository_id, branch, environment)
    reason, fix = "this is not the ARN of GitHub's OIDC provider", "Give the one that the account has, or leave it out"
    page = IAM_GUIDE + "id_roles_providers_create_oidc.html"
    findings += matches("oidc-provider", "oidc_provider_arn", oidc_provider_arn, _PROVIDER_ARN, reason, fix, page)
    findings += is_list("cluster-name", "cluster_names", cluster_names)
    findings += duplicates("cluster-name", "cluster_names", cluster_names)
    for where, name in known_items("cluster_names", cluster_names):
        findings += judge_cluster_name(name, where)
    findings += _judge_prefixes(name_prefixes)
    findings += judge_tags(resource_tags, "resource_tags")
    findings += judge_policy_arn(permissions_boundary, "permissions_boundary")
    for where, arn in known_items("attachable_policy_arns", attachable_policy_arns):
        findings += judge_policy_arn(arn, where)
    findings += judge_managed_policies(known_items("attachable_policy_arns", attachable_policy_arns))
    reason, fix = "this is not the ARN of a KMS key", "Give it as arn:<partition>:kms:<region>:<account>:key/<id>"
    keys = [*known_items("encryption_key_arns", encryption_key_arns), ("secrets_key_arn", secrets_key_arn)]
    for where, arn in keys:
        findings += matches("kms-key-arn", where, arn, _KEY_ARN, reason, fix)
    findings += matches(
        "bucket-name",
        "state_bucket",
        state_bucket,
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "S3 has no bucket of such a name",
        "Give the bucket's name alone, without s3:// and without a pattern",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html",
    )
    names = IAM_GUIDE + "reference_identifiers.html"
    for prop, value in (("preview_role_name", preview_role_name), ("deploy_role_name", deploy_role_name)):
        reason, fix = "IAM does not accept this name", "Use 1 to 64 letters, digits and _ + = , . @ -"
        findings += matches("iam-name", prop, value, r"[\w+=,.@-]{1,64}", reason, fix, names)
    reason = "the roles of delivery stand on a path of their own, which the stack's roles do not share"
    fix = "Write it as /delivery/ (512 characters at most)"
    findings += matches("delivery-path", "path", path, r"(?=.{3,512}$)/([!-.0-~]+/)+", reason, fix, names)
    findings += _judge_own_rights(name_prefixes, path, permissions_boundary)
    findings += whole_number(
        "iam-session-duration",
        "max_session_duration",
        max_session_duration,
        3600,
        43200,
        "the longest session, in seconds,",
        IAM_GUIDE + "id_roles_update-role-settings.html",
    )
    return findings + judge_tags(tags)


def _judge_repository(
    repository: Any, owner_id: Any, repository_id: Any, branch: Any, environment: Any
) -> list[Finding]:
    findings = matches(
        "github-repository",
        "repository",
        repository,
        r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}/[\w.-]{1,100}",
        "this is not one repository on GitHub",
        "Name exactly one, as in octo-org/octo-repo, without a pattern",
        _OIDC,
    )
    for prop, value in (("repository_owner_id", owner_id), ("repository_id", repository_id)):
        reason, fix = "GitHub's ids are numbers", 'Write it as a text of digits: "123456" (gh api repos/<owner>/<name>)'
        findings += matches("github-id", prop, value, r"\d{1,20}", reason, fix, _OIDC)
    if (owner_id is None) != (repository_id is None):
        prop = "repository_owner_id" if owner_id is None else "repository_id"
        reason = "an immutable subject has both the owner's and the repository's id"
        findings.append(Finding("github-id", prop, None, reason, "Give both, or neither", _OIDC))
    reason, fix = "this is not one branch", "Name exactly one, as in main, without refs/heads/ and without a pattern"
    findings += matches("github-branch", "branch", branch, r"(?!refs/)[^\s*?:\[\\~^]{1,255}", reason, fix, _OIDC)
    reason, fix = "this is not one environment", "Name exactly one, as in production, without a pattern"
    return findings + matches("github-environment", "environment", environment, r"[^*?]{1,255}", reason, fix, _OIDC)


def _judge_prefixes(prefixes: Any) -> list[Finding]:
    page = IAM_GUIDE + "reference_identifiers.html"
    findings = is_list("delivery-prefix", "name_prefixes", prefixes)
    for where, prefix in known_items("name_prefixes", prefixes):
        reason = "this does not set the stack's roles and policies apart from others"
        fix = "Give at least 3 characters that their names begin with, path first and without a pattern, as in eks-pod-"
        findings += matches("delivery-prefix", where, prefix, r"(?!/)[\w+=,.@/-]{3,512}", reason, fix, page)
    return findings


def _judge_own_rights(prefixes: Any, path: Any, boundary: Any) -> list[Finding]:
    page = IAM_GUIDE + "access_policies_boundaries.html"
    findings: list[Finding] = []
    own = path.strip("/") + "/" if isinstance(path, str) else None
    policy = boundary.partition(":policy/")[2] if known(boundary) and isinstance(boundary, str) else None
    for where, prefix in known_items("name_prefixes", prefixes):
        if not isinstance(prefix, str):
            continue
        if own is not None and (own.startswith(prefix) or prefix.startswith(own)):
            reason = f"the deploy role could change itself, whose path is {path}"
            fix = "Choose another path, or other prefixes"
            findings.append(Finding("delivery-escalation", where, prefix, reason, fix, page))
        if policy and policy.startswith(prefix):
            reason = "the deploy role could rewrite the permissions boundary that bounds its roles"
            fix = "Put the boundary on another path"
            findings.append(Finding("delivery-escalation", where, prefix, reason, fix, page))
    if boundary is None:
        reason = "without one, a role that the stack makes may have more rights than the deploy role itself"
        fix = "Give the ARN of a policy, and let every role of the stack carry it"
        findings.append(Finding("delivery-boundary", "permissions_boundary", None, reason, fix, page, Severity.WARNING))
    return findings
