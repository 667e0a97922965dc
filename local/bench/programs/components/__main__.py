"""Many workloads by the components."""

import sys
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

sys.path[:0] = [str(Path(__file__).parents[4]), str(Path(__file__).parents[1])]

from workloads import AWAIT, CLUSTER, NAMESPACE, WORKLOADS, statements

from components import ExistingCluster, PodIdentities

cluster = ExistingCluster(CLUSTER, {"cluster_name": CLUSTER})
in_cluster = kubernetes.Provider("cluster", kubeconfig=cluster.kubeconfig, cluster_identifier=cluster.oidc_issuer)
PodIdentities(
    "many",
    {
        "cluster_names": {"demo": cluster.ready},
        "cluster_arns": {"demo": cluster.cluster_arn},
        "kubeconfigs": {"demo": cluster.kubeconfig} if AWAIT else {},
        "defaults": {"namespace": NAMESPACE},
        "workloads": {key: {"service_account": key, "statements": statements(key)} for key in WORKLOADS},
    },
    pulumi.ResourceOptions(providers=[in_cluster]),
)
