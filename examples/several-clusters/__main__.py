"""Workloads of several clusters from one mapping: a role for each, trusted for just the clusters that it runs in."""

import pulumi
import pulumi_kubernetes as kubernetes
from eks_pod_identity import ExistingCluster, PodIdentities

config = pulumi.Config()
names: list[str] = config.require_object("clusterNames")
clusters = {name: ExistingCluster(name, {"cluster_name": name}) for name in names}

workloads = PodIdentities(
    "workloads",
    {
        "cluster_names": {name: cluster.ready for name, cluster in clusters.items()},
        "cluster_arns": {name: cluster.cluster_arn for name, cluster in clusters.items()},
        "kubeconfigs": {name: cluster.kubeconfig for name, cluster in clusters.items()},
        "kubernetes_providers": {
            name: kubernetes.Provider(name, kubeconfig=cluster.kubeconfig, cluster_identifier=cluster.oidc_issuer)
            for name, cluster in clusters.items()
        },
        "defaults": {"tags": {"team": "platform"}},
        "workloads": {
            "dns": {"preset": "external-dns", "scope": {"hosted_zone_arns": [config.require("hostedZoneArn")]}},
            # Only where it runs.
            "orders": {
                "namespace": "orders",
                "service_account": "orders",
                "clusters": names[:1],
                "statements": [
                    {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::example-orders/*"}
                ],
                "tags": {"team": "orders"},
            },
        },
    },
)

pulumi.export("role_arns", workloads.role_arns)
pulumi.export("association_ids", workloads.association_ids)
