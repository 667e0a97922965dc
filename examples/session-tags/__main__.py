"""One role for all teams. EKS says in each session's tags which namespace the pod is in, and the policy compares."""

import pulumi
import pulumi_kubernetes as kubernetes
from eks_pod_identity import ExistingCluster, PodIdentityAssociation, PodIdentityRole

config = pulumi.Config()
bucket = config.require("bucket")
cluster = ExistingCluster("cluster", {"cluster_name": config.require("clusterName")})
in_cluster = pulumi.ResourceOptions(
    providers=[kubernetes.Provider("cluster", kubeconfig=cluster.kubeconfig, cluster_identifier=cluster.oidc_issuer)]
)

teams: list[str] = config.require_object("teams")
own = "${aws:PrincipalTag/kubernetes-namespace}"
role = PodIdentityRole(
    "teams",
    {
        "cluster_arns": [cluster.cluster_arn],
        # No other namespace can have the role, whatever it is called: the tag is compared, and not only handed on.
        "namespaces": teams,
        "service_accounts": ["files"],
        "statements": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": f"arn:aws:s3:::{bucket}/{own}/*",
            }
        ],
    },
)
for team in teams:
    PodIdentityAssociation(
        team,
        {
            "cluster_name": cluster.ready,
            "namespace": team,
            "service_account": "files",
            "role_arn": role.resolved_role_arn,
            "kubeconfig": cluster.kubeconfig,
        },
        in_cluster,
    )

pulumi.export("role_arn", role.role_arn)
