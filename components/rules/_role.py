"""The role and its documents."""

from collections.abc import Mapping
from typing import Any

from ._findings import ABAC_PAGE, IAM_GUIDE, USER_GUIDE, Finding, booleans, is_list, known_items, matches, whole_number
from ._iam import SESSION_POLICY_SIZE, judge_managed_policies, judge_permissions
from ._names import judge_cluster_arn, judge_namespace, judge_policy_arn, judge_service_account, judge_tags

__all__ = ["SESSION_POLICY_SIZE", "role"]


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
        findings += matches("iam-name", prop, value, rf"[\w+=,.@-]{{1,{size}}}", reason, fix, names_page)
    findings += matches(
        "iam-path",
        "path",
        path,
        r"(?=.{1,512}$)/([!-.0-~]+/)*",
        "IAM does not accept this path",
        "Start and end it with a slash, as in /workloads/demo/ (512 characters at most)",
        names_page,
    )
    reason, fix = "IAM does not accept this description", "Use at most 1,000 printable characters"
    findings += matches("iam-description", "description", description, r"[\t\n\r -~¡-ÿ]{0,1000}", reason, fix)
    findings += judge_policy_arn(permissions_boundary, "permissions_boundary")
    findings += whole_number(
        "iam-session-duration",
        "max_session_duration",
        max_session_duration,
        3600,
        43200,
        "the longest session, in seconds,",
        IAM_GUIDE + "id_roles_update-role-settings.html",
    )
    findings += is_list("trust-cluster", "cluster_arns", cluster_arns, page=USER_GUIDE + "pod-id-role.html")
    for where, value in known_items("cluster_arns", cluster_arns):
        findings += judge_cluster_arn(value, where)
    for where, value in known_items("namespaces", namespaces):
        findings += judge_namespace(value, where)
    for where, value in known_items("service_accounts", service_accounts):
        findings += judge_service_account(value, where)
    findings += matches(
        "organization-id",
        "organization_id",
        organization_id,
        r"o-[a-z0-9]{10,32}",
        "this is not the id of an organisation",
        "Write it as o-a1b2c3d4e5",
        "https://docs.aws.amazon.com/organizations/latest/APIReference/API_Organization.html",
    )
    findings += booleans(disable_session_tags=disable_session_tags)
    if disable_session_tags is True:
        for prop, value in (("namespaces", namespaces), ("service_accounts", service_accounts)):
            if known_items(prop, value):
                reason = "the trust would ask for session tags that the association does not send"
                fix = f"Remove {prop}, or leave disable_session_tags out"
                findings.append(Finding("trust-needs-session-tags", prop, value, reason, fix, ABAC_PAGE))
    findings += judge_permissions(statements)
    attached = managed_policy_arns.items() if isinstance(managed_policy_arns, Mapping) else ()
    policies = [(f"managed_policy_arns.{key}", value) for key, value in attached]
    for where, value in policies:
        findings += judge_policy_arn(value, where)
    findings += judge_managed_policies(policies)
    return findings + judge_tags(tags)
