"""A cluster that somebody else made, made ready for EKS Pod Identity, and its first workload."""

import pulumi
import pulumi_kubernetes as kubernetes
from eks_pod_identity import ExistingCluster, PodIdentityAgent, PodIdentityAssociation, PodIdentityRole

config = pulumi.Config()
cluster = ExistingCluster("cluster", {"cluster_name": config.require("clusterName")})
agent = PodIdentityAgent(
    "agent",
    {
        "cluster_name": cluster.ready,
        "overwrite": config.require_bool("adoptAgent"),
        # It goes on serving other stacks' workloads when this one is destroyed.
        "preserve": True,
    },
)
role = PodIdentityRole(
    "orders",
    {
        "cluster_arns": [cluster.cluster_arn],
        "namespaces": ["orders"],
        "service_accounts": ["orders"],
        "statements": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::example-orders/*"}],
    },
)
association = PodIdentityAssociation(
    "orders",
    {
        "cluster_name": agent.ready,
        "namespace": "orders",
        "service_account": "orders",
        "role_arn": role.resolved_role_arn,
        "kubeconfig": cluster.kubeconfig,
    },
    pulumi.ResourceOptions(
        providers=[
            kubernetes.Provider("cluster", kubeconfig=cluster.kubeconfig, cluster_identifier=cluster.oidc_issuer)
        ]
    ),
)

pulumi.export("kubernetes_version", cluster.kubernetes_version)
pulumi.export("service_account", association.ready)
