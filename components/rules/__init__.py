"""The rules of EKS Pod Identity, as pure functions: arguments in, findings out.

Every rule takes plain values and answers with a list of `Finding`, empty when there is nothing to say. The same
function serves a component's constructor (which raises on what it finds), the stack's configuration and the policy
pack. Nothing here imports Pulumi and nothing calls the network.

A value that is not there yet (an Output that Pulumi cannot resolve at preview) is given as `UNKNOWN`. A rule then says
nothing about *that* value and judges all the others as usual. `None` means that the argument was left out.
"""

from ._agent import agent
from ._association import POD_SECURITY_STANDARDS, association
from ._cluster import AMI_TYPES, KUBERNETES_VERSIONS, LOG_RETENTION_DAYS, LOG_TYPES, cluster, judge_kubernetes_version
from ._demo_app import demo_app
from ._findings import EKS_API, IAM_GUIDE, UNKNOWN, USER_GUIDE, Finding, Rule, Severity
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
from ._role import (
    MANAGED_POLICY_SIZE,
    SESSION_POLICY_SIZE,
    TRUST_POLICY_SIZE,
    judge_document_size,
    judge_statements,
    role,
)

__all__ = [
    "AMI_TYPES",
    "CLUSTER_ARN",
    "EKS_API",
    "IAM_GUIDE",
    "KUBERNETES_VERSIONS",
    "LOG_RETENTION_DAYS",
    "LOG_TYPES",
    "MANAGED_POLICY_SIZE",
    "NAT_GATEWAYS",
    "POD_SECURITY_STANDARDS",
    "SESSION_POLICY_SIZE",
    "TRUST_POLICY_SIZE",
    "UNKNOWN",
    "USER_GUIDE",
    "Finding",
    "Rule",
    "Severity",
    "agent",
    "association",
    "cluster",
    "demo_app",
    "judge_bucket_patterns",
    "judge_cluster_arn",
    "judge_cluster_name",
    "judge_document_size",
    "judge_kubernetes_version",
    "judge_namespace",
    "judge_policy_arn",
    "judge_role_arn",
    "judge_service_account",
    "judge_statements",
    "judge_tags",
    "network",
    "role",
]
