"""A workload's stack: the cluster is another stack's, and so are its outputs."""

import pulumi
import pulumi_kubernetes as kubernetes
from eks_pod_identity import DemoApp, PodIdentityAssociation, PodIdentityRole

cluster = pulumi.StackReference(pulumi.Config().require("clusterStack"))
cluster_arn, kubeconfig = cluster.require_output("cluster_arn"), cluster.require_output("kubeconfig")
in_cluster = pulumi.ResourceOptions(
    providers=[kubernetes.Provider("cluster", kubeconfig=kubeconfig, cluster_identifier=cluster_arn)]
)

role = PodIdentityRole(
    "invoices",
    {
        "cluster_arns": [cluster_arn],
        "namespaces": ["invoices"],
        "service_accounts": ["reader"],
        "statements": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::example-invoices/*"}],
    },
)
association = PodIdentityAssociation(
    "invoices",
    {
        "cluster_name": cluster.require_output("cluster_name"),
        "namespace": "invoices",
        "service_account": "reader",
        "role_arn": role.resolved_role_arn,
        "kubeconfig": kubeconfig,
    },
    in_cluster,
)
# Whatever runs with `association.ready` as its ServiceAccount starts with credentials; a Deployment of yours, too.
DemoApp(
    "invoices",
    {
        "namespace": association.namespace,
        "service_account": association.ready,
        "association_id": association.association_id,
        "role_arn": role.role_arn,
        "pod_name": "reader",
    },
    in_cluster,
)

pulumi.export("role_arn", role.role_arn)
