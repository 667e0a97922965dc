"""The blog's EKS Pod Identity demo, step by step: network, cluster, agent, role, association, pod."""

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

import settings
from components import (
    DemoApp,
    EksCluster,
    Network,
    PodIdentities,
    PodIdentityAgent,
    PodIdentityAssociation,
    PodIdentityRole,
)

DEMO = "eks-pod-identity-demo"
config = settings.load()

# A VPC, and in it a cluster with one node group.
network = Network(DEMO, config.network())
cluster = EksCluster(
    DEMO,
    config.cluster(
        vpc_id=network.vpc_id,
        private_subnet_ids=network.private_subnet_ids,
        public_subnet_ids=network.public_subnet_ids,
    ),
)

# The agent: it hands credentials to the pods of its node.
agent = PodIdentityAgent("eks-pod-identity-agent", config.agent(cluster_name=cluster.ready))

# A role that pods of this cluster can have, and what it may do.
partition, region = aws.get_partition_output().partition, aws.get_region_output().region
role = PodIdentityRole(
    "eks-pod-s3-readonly-access",
    config.role(cluster_arns=[cluster.cluster_arn], statements=partition.apply(config.s3_read_only)),
)

# The association: from now on pods with this ServiceAccount have that role. An issuer is never that of another cluster.
provider = kubernetes.Provider(DEMO, kubeconfig=cluster.kubeconfig, cluster_identifier=cluster.oidc_issuer)
in_cluster = pulumi.ResourceOptions(providers=[provider], deleted_with=cluster)
association = PodIdentityAssociation(
    "demo-sa",
    config.association(cluster_name=agent.ready, role_arn=role.resolved_role_arn, kubeconfig=cluster.kubeconfig),
    in_cluster,
)

# The pod: it lists buckets, and may do nothing else.
app = DemoApp(
    "demo-app",
    config.demo_app(
        namespace=association.namespace,
        service_account=association.ready,
        association_id=association.association_id,
        role_arn=role.role_arn,
    ),
    in_cluster,
)

# More workloads, those that the configuration names. Their roles do not go with the cluster, so nothing here does.
workloads = PodIdentities(
    "workloads",
    config.workloads(name=agent.ready, arn=cluster.cluster_arn, kubeconfig=cluster.kubeconfig),
    pulumi.ResourceOptions(providers=[provider]),
)

pulumi.export("cluster_name", cluster.cluster_name)
pulumi.export("cluster_arn", cluster.cluster_arn)
pulumi.export("kubeconfig", cluster.kubeconfig)
pulumi.export("role_arn", role.role_arn)
pulumi.export("association_id", association.association_id)
pulumi.export("association_arn", association.association_arn)
pulumi.export("workload_role_arns", workloads.role_arns)
pulumi.export("commands", region.apply(config.commands))
