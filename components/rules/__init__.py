"""The rules of EKS Pod Identity, as pure functions: arguments in, findings out.

Every rule takes plain values and answers with a list of `Finding`, empty when there is nothing to say. The same
function serves a component's constructor (which raises on what it finds), the stack's configuration and the policy
pack. Nothing here imports Pulumi and nothing calls the network.

A value that is not there yet (an Output that Pulumi cannot resolve at preview) is given as `UNKNOWN`. A rule then says
nothing about *that* value and judges all the others as usual. `None` means that the argument was left out.
"""

from ._agent import agent
from ._association import POD_SECURITY_STANDARDS, association
from ._catalogue import RULES, Described, is_allowable, judge_allow, judge_unneeded, let_pass
from ._chaining import judge_role_account, judge_target_trust
from ._cluster import (
    AMI_TYPES,
    KUBERNETES_VERSIONS,
    LOG_RETENTION_DAYS,
    LOG_TYPES,
    cluster,
    judge_ami_type,
    judge_kubernetes_version,
    judge_public_blocks,
)
from ._demo_app import demo_app
from ._documents import judge_document_size, judge_statements
from ._findings import EKS_API, IAM_GUIDE, UNKNOWN, USER_GUIDE, Finding, Rule, Severity, known_items
from ._iam import (
    ADMIN_POLICIES,
    INLINE_POLICY_SIZE,
    MANAGED_POLICY_SIZE,
    SESSION_POLICY_SIZE,
    TRUST_POLICY_SIZE,
    judge_managed_policies,
    judge_permissions,
    judge_policy_document,
)
from ._names import (
    CLUSTER_ARN,
    judge_bucket_patterns,
    judge_cluster_arn,
    judge_cluster_name,
    judge_namespace,
    judge_policy_arn,
    judge_role_arn,
    judge_service_account,
    judge_tags,
)
from ._network import NAT_GATEWAYS, network
from ._platform import (
    at,
    is_the_world,
    judge_access_entry,
    judge_access_key,
    judge_access_policy,
    judge_addon,
    judge_boundary,
    judge_cluster_role,
    judge_config_map,
    judge_eks_cluster,
    judge_instance,
    judge_launch_template,
    judge_log_group,
    judge_node_group,
    judge_node_subnet,
    judge_role_binding,
    judge_security_group,
    judge_security_group_rule,
    judge_user_policy,
    judge_volume,
)
from ._role import role
from ._stack import (
    ADDON_NAMESPACES,
    Association,
    judge_agent,
    judge_associations,
    judge_attached_policies,
    judge_inline_policies,
)
from ._trust import (
    POD_IDENTITY_SERVICE,
    SESSION_TAGS,
    TRUST_ACTIONS,
    judge_trust,
    trusts_pod_identity,
)
from ._workload import (
    judge_fargate,
    judge_identity,
    judge_namespace_object,
    judge_pod,
    judge_service_account_object,
)

__all__ = [
    "ADDON_NAMESPACES",
    "ADMIN_POLICIES",
    "AMI_TYPES",
    "CLUSTER_ARN",
    "EKS_API",
    "IAM_GUIDE",
    "INLINE_POLICY_SIZE",
    "KUBERNETES_VERSIONS",
    "LOG_RETENTION_DAYS",
    "LOG_TYPES",
    "MANAGED_POLICY_SIZE",
    "NAT_GATEWAYS",
    "POD_IDENTITY_SERVICE",
    "POD_SECURITY_STANDARDS",
    "RULES",
    "SESSION_POLICY_SIZE",
    "SESSION_TAGS",
    "TRUST_ACTIONS",
    "TRUST_POLICY_SIZE",
    "UNKNOWN",
    "USER_GUIDE",
    "Association",
    "Described",
    "Finding",
    "Rule",
    "Severity",
    "agent",
    "association",
    "at",
    "cluster",
    "demo_app",
    "is_allowable",
    "is_the_world",
    "judge_access_entry",
    "judge_access_key",
    "judge_access_policy",
    "judge_addon",
    "judge_agent",
    "judge_allow",
    "judge_ami_type",
    "judge_associations",
    "judge_attached_policies",
    "judge_boundary",
    "judge_bucket_patterns",
    "judge_cluster_arn",
    "judge_cluster_name",
    "judge_cluster_role",
    "judge_config_map",
    "judge_document_size",
    "judge_eks_cluster",
    "judge_fargate",
    "judge_identity",
    "judge_inline_policies",
    "judge_instance",
    "judge_kubernetes_version",
    "judge_launch_template",
    "judge_log_group",
    "judge_managed_policies",
    "judge_namespace",
    "judge_namespace_object",
    "judge_node_group",
    "judge_node_subnet",
    "judge_permissions",
    "judge_pod",
    "judge_policy_arn",
    "judge_policy_document",
    "judge_public_blocks",
    "judge_role_account",
    "judge_role_arn",
    "judge_role_binding",
    "judge_security_group",
    "judge_security_group_rule",
    "judge_service_account",
    "judge_service_account_object",
    "judge_statements",
    "judge_tags",
    "judge_target_trust",
    "judge_trust",
    "judge_unneeded",
    "judge_user_policy",
    "judge_volume",
    "known_items",
    "let_pass",
    "network",
    "role",
    "trusts_pod_identity",
]
