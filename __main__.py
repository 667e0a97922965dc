"""The blog's EKS Pod Identity demo, step by step: network, cluster, agent, role, association, pod."""

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

import settings
from components import DemoApp, EksCluster, Network, PodIdentityAgent, PodIdentityAssociation, PodIdentityRole
from components.documents import s3_read_only

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
        statements=partition.apply(lambda p: s3_read_only(p, config.readable_buckets)),
    ),
)

# The association: from now on pods with this ServiceAccount have that role. An issuer is never that of another cluster.
in_cluster = pulumi.ResourceOptions(
    providers=[kubernetes.Provider(DEMO, kubeconfig=cluster.kubeconfig, cluster_identifier=cluster.oidc_issuer)],
    deleted_with=cluster,
)
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

names = {
    "cluster": cluster.cluster_name,
    "region": aws.get_region_output().region,
    "namespace": association.namespace,
    "pod": app.pod_name,
}
commands = {
    "kubeconfig": "aws eks update-kubeconfig --name {cluster} --region {region}",
    "associations": "aws eks list-pod-identity-associations --cluster-name {cluster} --region {region}",
    "buckets": "kubectl -n {namespace} exec {pod} -- aws s3 ls",
}
pulumi.export("cluster_name", cluster.cluster_name)
pulumi.export("cluster_arn", cluster.cluster_arn)
pulumi.export("kubeconfig", cluster.kubeconfig)
pulumi.export("role_arn", role.role_arn)
pulumi.export("association_id", association.association_id)
pulumi.export("association_arn", association.association_arn)
pulumi.export("commands", {key: pulumi.Output.format(text, **names) for key, text in commands.items()})
