"""The association."""

from typing import Any

from ._findings import EKS_API, Finding, booleans, known, one_of, whole_number
from ._iam import judge_session_policy
from ._names import judge_cluster_name, judge_namespace, judge_role_arn, judge_service_account, judge_tags
from ._workload import judge_identity

POD_SECURITY_STANDARDS = ("privileged", "baseline", "restricted")

_ASSOCIATION_PAGE = EKS_API + "API_CreatePodIdentityAssociation.html"
_POD_SECURITY_PAGE = "https://kubernetes.io/docs/concepts/security/pod-security-standards/"


def association(
    *,
    cluster_name: Any = None,
    namespace: Any = None,
    service_account: Any = None,
    role_arn: Any = None,
    target_role_arn: Any = None,
    disable_session_tags: Any = None,
    session_policy: Any = None,
    create_namespace: Any = None,
    create_service_account: Any = None,
    pod_security_standard: Any = None,
    automount_service_account_token: Any = None,
    ready_timeout: Any = None,
    tags: Any = None,
) -> list[Finding]:
    """One pod identity association with its ServiceAccount: names, role ARNs, and a session policy only where session
    tags are disabled."""
    findings = judge_cluster_name(cluster_name)
    findings += judge_namespace(namespace)
    findings += judge_service_account(service_account)
    findings += judge_identity(namespace, service_account)
    findings += judge_role_arn(role_arn)
    findings += judge_role_arn(target_role_arn, "target_role_arn")
    findings += booleans(
        disable_session_tags=disable_session_tags,
        create_namespace=create_namespace,
        create_service_account=create_service_account,
        automount_service_account_token=automount_service_account_token,
    )
    if create_namespace is True and create_service_account is False:
        reason = "a namespace that does not exist yet has no such ServiceAccount"
        fix = "Set create_service_account to true, or create_namespace to false"
        findings.append(
            Finding("service-account-missing", "create_service_account", create_service_account, reason, fix)
        )
    findings += one_of(
        "pod-security-standard",
        "pod_security_standard",
        pod_security_standard,
        POD_SECURITY_STANDARDS,
        "Kubernetes has no such Pod Security Standard",
        _POD_SECURITY_PAGE,
    )
    findings += whole_number("ready-timeout", "ready_timeout", ready_timeout, 1, 3600, "a wait in seconds")
    if known(session_policy) and disable_session_tags in (None, False):
        reason = "EKS takes a session policy only where session tags are disabled"
        fix = "Set disable_session_tags to true, or remove session_policy and scope by the session tags instead"
        findings.append(
            Finding("session-policy-tags", "session_policy", session_policy, reason, fix, _ASSOCIATION_PAGE)
        )
    findings += judge_session_policy(session_policy)
    return findings + judge_tags(tags)
