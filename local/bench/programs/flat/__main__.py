"""The same resources as `components` makes, written flat. Nothing waits until an association is effective."""

import json
import sys
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

sys.path[:0] = [str(Path(__file__).parents[4]), str(Path(__file__).parents[1])]

from workloads import CLUSTER, NAMESPACE, WORKLOADS, statements

from components.existing_cluster import kubeconfig

cluster = aws.eks.get_cluster(name=CLUSTER)
config = kubeconfig(cluster.name, cluster.endpoint, cluster.certificate_authorities[0].data, cluster.region)
provider = kubernetes.Provider("cluster", kubeconfig=config, cluster_identifier=cluster.identities[0].oidcs[0].issuer)
in_cluster = pulumi.ResourceOptions(provider=provider)
namespace = kubernetes.core.v1.Namespace("many", metadata={"name": NAMESPACE}, opts=in_cluster)


def trust(service_account: str) -> str:
    tags = {
        "aws:SourceAccount": cluster.arn.split(":")[4],
        "aws:RequestTag/kubernetes-namespace": NAMESPACE,
        "aws:RequestTag/kubernetes-service-account": service_account,
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": tags, "ArnEquals": {"aws:SourceArn": cluster.arn}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


for key in WORKLOADS:
    role = aws.iam.Role(f"{key}-role", assume_role_policy=trust(key))
    policy = aws.iam.Policy(f"{key}-policy", policy=json.dumps({"Version": "2012-10-17", "Statement": statements(key)}))
    attachment = aws.iam.RolePolicyAttachment(f"{key}-policy", role=role.name, policy_arn=policy.arn)
    aws.eks.PodIdentityAssociation(
        f"{key}-association",
        cluster_name=CLUSTER,
        namespace=NAMESPACE,
        service_account=key,
        role_arn=role.arn,
        opts=pulumi.ResourceOptions(depends_on=[attachment]),
    )
    kubernetes.core.v1.ServiceAccount(
        f"{key}-service-account",
        metadata={"name": key, "namespace": namespace.metadata.apply(lambda metadata: metadata.name)},
        automount_service_account_token=False,
        opts=in_cluster,
    )
