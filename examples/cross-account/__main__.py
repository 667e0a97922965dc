"""Pods get credentials of a role in another account: EKS assumes it for them, by a role in the cluster's account."""

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
from eks_pod_identity import ExistingCluster, PodIdentityAssociation, PodIdentityRole
from eks_pod_identity.documents import chaining, permissions, target_trust, to_json

TARGET = "example-reports-reader"
NAMESPACE, SERVICE_ACCOUNT = "reports", "reader"

config = pulumi.Config()
cluster = ExistingCluster("cluster", {"cluster_name": config.require("clusterName")})
deployer = config.get("targetDeployerRoleArn")
assumed = [aws.ProviderAssumeRoleArgs(role_arn=deployer)]
other_account = aws.Provider("other-account", assume_roles=assumed) if deployer else None

# Each of the two roles names the other. The target's ARN follows from its name, so neither has to be there first.
here = pulumi.InvokeOutputOptions(provider=other_account)
target_arn = pulumi.Output.format(
    "arn:{0}:iam::{1}:role/{2}",
    aws.get_partition_output().partition,
    aws.get_caller_identity_output(opts=here).account_id,
    TARGET,
)
role = PodIdentityRole(
    "reports",
    {
        "cluster_arns": [cluster.cluster_arn],
        "namespaces": [NAMESPACE],
        "service_accounts": [SERVICE_ACCOUNT],
        "statements": target_arn.apply(lambda arn: chaining([arn])),
    },
)

# In the other account: who may have the role, and what it may do.
there = pulumi.ResourceOptions(provider=other_account)


def trust(arns: list[str]) -> str:
    by, cluster_arn = arns
    return to_json(
        target_trust(by, namespaces=[NAMESPACE], service_accounts=[SERVICE_ACCOUNT], cluster_arns=[cluster_arn])
    )


target = aws.iam.Role(
    "target",
    name=TARGET,
    assume_role_policy=pulumi.Output.all(role.role_arn, cluster.cluster_arn).apply(trust),
    opts=there,
)
reading = [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::example-reports/*"}]
policy = aws.iam.Policy("target", policy=to_json(permissions(reading)), opts=there)
attached = aws.iam.RolePolicyAttachment("target", role=target.name, policy_arn=policy.arn, opts=there)

association = PodIdentityAssociation(
    "reports",
    {
        "cluster_name": cluster.ready,
        "namespace": NAMESPACE,
        "service_account": SERVICE_ACCOUNT,
        "role_arn": role.resolved_role_arn,
        # Once it has its policy.
        "target_role_arn": pulumi.Output.all(target.arn, attached.id).apply(lambda known: known[0]),
        "kubeconfig": cluster.kubeconfig,
    },
    pulumi.ResourceOptions(
        providers=[
            kubernetes.Provider("cluster", kubeconfig=cluster.kubeconfig, cluster_identifier=cluster.oidc_issuer)
        ]
    ),
)

pulumi.export("target_role_arn", target.arn)
pulumi.export("service_account", association.ready)
