"""Which rules judge which resources. A check is one function of the rules on one kind of resource.

Resources are those of the providers `aws` and `kubernetes`, in any stack, whoever made them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ._rules import rules

Props = Mapping[str, Any]
Finding = rules.Finding
at = rules.at

_ROLE_NAMES = {
    "role_name": "name",
    "permissions_boundary": "permissionsBoundary",
    "max_session_duration": "maxSessionDuration",
}
ASSOCIATION_NAMES = {
    "cluster_name": "clusterName",
    "service_account": "serviceAccount",
    "role_arn": "roleArn",
    "target_role_arn": "targetRoleArn",
    "disable_session_tags": "disableSessionTags",
    "session_policy": "policy",
}
"""The components' arguments, as the provider calls them."""

FORM = "names-and-sizes"
"""The policy of all findings on names, forms and sizes: AWS or Kubernetes would refuse them, hours later."""

PODS = {
    "kubernetes:core/v1:Pod": "",
    "kubernetes:core/v1:PodTemplate": "template",
    "kubernetes:core/v1:ReplicationController": "spec.template",
    "kubernetes:apps/v1:Deployment": "spec.template",
    "kubernetes:apps/v1:DaemonSet": "spec.template",
    "kubernetes:apps/v1:StatefulSet": "spec.template",
    "kubernetes:apps/v1:ReplicaSet": "spec.template",
    "kubernetes:batch/v1:Job": "spec.template",
    "kubernetes:batch/v1:CronJob": "spec.jobTemplate.spec.template",
}
"""Where each kind of resource has its pod, by type."""


@dataclass(frozen=True)
class Check:
    """What judges resources of these types, and the ids of the rules that it can answer with, beside those of form."""

    types: tuple[str, ...]
    judge: Callable[[Props], list[Finding]]
    rules: tuple[str, ...]


PERMISSIONS = (
    "iam-action",
    "iam-all-actions",
    "iam-service-wildcard",
    "iam-not-action",
    "iam-not-resource",
    "iam-resource-wildcard",
    "iam-all-of-a-type",
    "iam-resource-mismatch",
    "iam-pass-role",
    "iam-escalation",
    "policy-version",
)
TRUST = (
    "trust-unscoped",
    "trust-scope",
    "trust-actions",
    "trust-principal",
    "trust-anyone",
    "trust-source-arn",
    "trust-source-account",
    "trust-organization",
    "trust-contradiction",
    "trust-wildcard",
    "trust-session-tag",
    "trust-external-id",
    "trust-federated-subject",
    "policy-version",
)
ADMIN = ("iam-admin-policy", "iam-full-access-policy")
METADATA = ("node-imds", "node-imds-hops")
CLUSTER = (
    "kubernetes-version",
    "kubernetes-version-extended",
    "kubernetes-version-new",
    "cluster-endpoint-world",
    "cluster-endpoint-nobody",
    "cluster-endpoint-public",
    "cluster-endpoint-private",
    "cluster-secrets",
    "cluster-secrets-own-key",
    "cluster-audit-logs",
    "cluster-all-logs",
    "cluster-access-entries",
    "cluster-creator-admin",
    "cluster-deletion-protection",
)


def _policy(limit: int) -> Callable[[Props], list[Finding]]:
    return lambda props: rules.judge_policy_document(at(props, "policy"), "policy", limit)


def _role(props: Props) -> list[Finding]:
    findings = rules.judge_trust(at(props, "assumeRolePolicy"), "assumeRolePolicy")
    findings += rules.judge_boundary(props)
    for where, inline in rules.known_items("inlinePolicies", at(props, "inlinePolicies")):
        findings += rules.judge_policy_document(at(inline, "policy"), f"{where}.policy", rules.INLINE_POLICY_SIZE)
    findings += rules.judge_managed_policies(rules.known_items("managedPolicyArns", at(props, "managedPolicyArns")))
    form = rules.role(
        role_name=at(props, "name"),
        path=at(props, "path"),
        description=at(props, "description"),
        permissions_boundary=at(props, "permissionsBoundary"),
        max_session_duration=at(props, "maxSessionDuration"),
    )
    return findings + [renamed(finding, _ROLE_NAMES) for finding in form]


def _attachment(props: Props) -> list[Finding]:
    arn = at(props, "policyArn")
    return rules.judge_policy_arn(arn, "policyArn") + rules.judge_managed_policies([("policyArn", arn)])


def _exclusive_attachments(props: Props) -> list[Finding]:
    return rules.judge_managed_policies(rules.known_items("policyArns", at(props, "policyArns")))


def _user_attachment(props: Props) -> list[Finding]:
    return _attachment(props) + rules.judge_user_policy(props)


def _user_policy(props: Props) -> list[Finding]:
    return rules.judge_policy_document(at(props, "policy"), "policy", 2048) + rules.judge_user_policy(props)


def _association(props: Props) -> list[Finding]:
    namespace, account = at(props, "namespace"), at(props, "serviceAccount")
    findings = rules.judge_identity(namespace, account, service_account_prop="serviceAccount")
    form = rules.association(
        cluster_name=at(props, "clusterName"),
        namespace=namespace,
        service_account=account,
        role_arn=at(props, "roleArn"),
        target_role_arn=at(props, "targetRoleArn"),
        disable_session_tags=at(props, "disableSessionTags"),
        session_policy=at(props, "policy"),
    )
    said = {str(finding) for finding in findings}
    form = [renamed(finding, ASSOCIATION_NAMES) for finding in form]
    return findings + [finding for finding in form if str(finding) not in said]


def _service_account(props: Props) -> list[Finding]:
    return rules.judge_service_account_object(at(props, "metadata"), at(props, "automountServiceAccountToken"))


def _pod(path: str) -> Callable[[Props], list[Finding]]:
    def judge(props: Props) -> list[Finding]:
        pod = at(props, path) if path else props
        # A template's own metadata has no namespace: that of what it is part of holds.
        return rules.judge_pod(at(props, "metadata"), at(pod, "spec"), prop=f"{path}.spec" if path else "spec")

    return judge


def _in_default_namespace(props: Props) -> list[Finding]:
    metadata = at(props, "metadata")
    namespace = at(metadata, "namespace")
    # Without one, Kubernetes puts it there; but a provider may have another default, which cannot be seen.
    found = rules.judge_identity(namespace, None, namespace_prop="metadata.namespace")
    return found if isinstance(namespace, str) else []


def _namespace(props: Props) -> list[Finding]:
    return rules.judge_namespace_object(at(props, "metadata"))


def renamed(finding: Finding, names: Mapping[str, str]) -> Finding:
    """A finding on a component's arguments, with the provider's names for them: whole words only, in property, reason
    and fix."""
    argument = re.compile(rf"\b({'|'.join(names)})\b")

    def told(text: str) -> str:
        return argument.sub(lambda name: names[name[0]], text)

    # What stands further inside, as a tag's key, is no argument.
    head = re.split(r"\W", finding.property, maxsplit=1)[0]
    where = names.get(head, head) + finding.property[len(head) :]
    return replace(finding, property=where, reason=told(finding.reason), fix=told(finding.fix))


def checks(today: Callable[[], date]) -> tuple[Check, ...]:
    """All checks of single resources. `today` says on which day versions are judged."""

    def cluster(props: Props) -> list[Finding]:
        return rules.judge_eks_cluster(props, today=today())

    return (
        Check(("aws:eks/cluster:Cluster",), cluster, CLUSTER),
        *_CHECKS,
    )


_CHECKS: tuple[Check, ...] = (
    Check(("aws:iam/policy:Policy",), _policy(rules.MANAGED_POLICY_SIZE), PERMISSIONS),
    Check(("aws:iam/rolePolicy:RolePolicy",), _policy(rules.INLINE_POLICY_SIZE), PERMISSIONS),
    Check(("aws:iam/groupPolicy:GroupPolicy",), _policy(5120), PERMISSIONS),
    Check(("aws:iam/userPolicy:UserPolicy",), _user_policy, (*PERMISSIONS, "iam-user-policy")),
    Check(("aws:iam/role:Role",), _role, (*TRUST, "iam-boundary", *PERMISSIONS, *ADMIN)),
    Check(
        (
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
            "aws:iam/policyAttachment:PolicyAttachment",
        ),
        _attachment,
        ADMIN,
    ),
    Check(("aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive",), _exclusive_attachments, ADMIN),
    Check(("aws:iam/userPolicyAttachment:UserPolicyAttachment",), _user_attachment, (*ADMIN, "iam-user-policy")),
    Check(("aws:iam/accessKey:AccessKey",), rules.judge_access_key, ("iam-access-key",)),
    Check(
        ("aws:eks/podIdentityAssociation:PodIdentityAssociation",),
        _association,
        (
            "default-service-account",
            "default-namespace",
            "session-policy-tags",
            "iam-action",
            "iam-resource-mismatch",
            "policy-version",
        ),
    ),
    Check(("aws:eks/accessEntry:AccessEntry",), rules.judge_access_entry, ("cluster-system-groups",)),
    Check(
        ("aws:eks/accessPolicyAssociation:AccessPolicyAssociation",),
        rules.judge_access_policy,
        ("cluster-admin-entry",),
    ),
    Check(("aws:eks/addon:Addon",), rules.judge_addon, ("addon-irsa",)),
    Check(
        ("aws:eks/nodeGroup:NodeGroup",),
        rules.judge_node_group,
        ("node-ami-type", "node-ssh", "node-launch-template"),
    ),
    Check(
        ("aws:ec2/launchTemplate:LaunchTemplate",),
        rules.judge_launch_template,
        (*METADATA, "volume-encryption", "node-public-address"),
    ),
    Check(
        ("aws:ec2/instance:Instance",),
        rules.judge_instance,
        (*METADATA, "volume-encryption", "node-public-address"),
    ),
    Check(("aws:ebs/volume:Volume",), rules.judge_volume, ("volume-encryption",)),
    Check(("aws:ec2/securityGroup:SecurityGroup",), rules.judge_security_group, ("security-group-ssh",)),
    Check(
        (
            "aws:ec2/securityGroupRule:SecurityGroupRule",
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        ),
        rules.judge_security_group_rule,
        ("security-group-ssh",),
    ),
    Check(("aws:cloudwatch/logGroup:LogGroup",), rules.judge_log_group, ("log-retention",)),
    Check(("kubernetes:core/v1:ConfigMap",), rules.judge_config_map, ("cluster-access-entries",)),
    Check(("kubernetes:core/v1:Namespace",), _namespace, ("namespace-pod-security",)),
    Check(("kubernetes:core/v1:ServiceAccount",), _service_account, ("irsa", "service-account-token")),
    *(
        Check(
            (kind,),
            _pod(path),
            (
                "pod-default-service-account",
                "pod-service-account-token",
                "pod-static-credentials",
                "pod-host-namespace",
                "pod-privileged",
                "irsa",
            ),
        )
        for kind, path in PODS.items()
    ),
    Check(tuple(PODS), _in_default_namespace, ("default-namespace",)),
    Check(
        (
            "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
            "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
        ),
        rules.judge_role_binding,
        ("rbac-cluster-admin",),
    ),
    Check(
        (
            "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
            "kubernetes:rbac.authorization.k8s.io/v1:Role",
        ),
        rules.judge_cluster_role,
        ("rbac-wildcard",),
    ),
)
