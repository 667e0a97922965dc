"""A workload's stack that does not import the components: the engine runs them as a plugin."""

import pulumi
import pulumi_kubernetes as kubernetes
from eks_pod_identity_plugin import ExistingCluster, PodIdentityAssociation, PodIdentityRole

cluster = ExistingCluster("cluster", cluster_name=pulumi.Config().require("clusterName"))

role = PodIdentityRole(
    "inventory",
    cluster_arns=[cluster.cluster_arn],
    namespaces=["inventory"],
    service_accounts=["inventory"],
    max_session_duration=7200,
    statements=[{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::example-inventory/*"}],
)

in_cluster = kubernetes.Provider("cluster", kubeconfig=cluster.kubeconfig, cluster_identifier=cluster.oidc_issuer)
association = PodIdentityAssociation(
    "inventory",
    cluster_name=cluster.ready,
    namespace="inventory",
    service_account="inventory",
    role_arn=role.resolved_role_arn,
    kubeconfig=cluster.kubeconfig,
    ready_timeout=60,
    opts=pulumi.ResourceOptions(providers=[in_cluster]),
)

pulumi.export("role_arn", role.role_arn)
pulumi.export("service_account", association.ready)
