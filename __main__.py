"""The blog's EKS Pod Identity demo, step by step: network, cluster, agent, role, association."""

import pulumi
import pulumi_aws as aws

import settings
from components import EksCluster, Network, PodIdentityAgent, PodIdentityAssociation, PodIdentityRole, documents

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
partition = aws.get_partition_output().partition
role = PodIdentityRole(
    "eks-pod-s3-readonly-access",
    config.role(
        cluster_arns=[cluster.cluster_arn],
        statements=partition.apply(lambda p: documents.s3_read_only(p, config.readable_buckets)),
    ),
)

# The association: from now on pods with this ServiceAccount have that role.
association = PodIdentityAssociation(
    "demo-sa",
    config.association(cluster_name=agent.ready, role_arn=role.resolved_role_arn),
)

pulumi.export("cluster_name", cluster.cluster_name)
pulumi.export("cluster_arn", cluster.cluster_arn)
pulumi.export("cluster_endpoint", cluster.endpoint)
pulumi.export("kubeconfig", cluster.kubeconfig)
pulumi.export("role_arn", role.role_arn)
pulumi.export("association_id", association.association_id)
pulumi.export("association_arn", association.association_arn)
pulumi.export(
    "list_associations",
    pulumi.Output.format(
        "aws eks list-pod-identity-associations --cluster-name {0} --region {1}",
        cluster.cluster_name,
        aws.get_region_output().region,
    ),
)
