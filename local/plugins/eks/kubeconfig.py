"""The kubeconfig of an EKS cluster: tokens come from ``aws eks get-token``, so that it holds no credential.

See https://docs.aws.amazon.com/eks/latest/userguide/create-kubeconfig.html.
"""

from typing import Any

import pulumi

from .resources import EksCluster
from .wire import Inputs

_EXEC_API = "client.authentication.k8s.io/v1beta1"


def region_of(arn: str) -> str:
    """Read the region out of an ARN.

    Raises:
        ValueError: The text is no ARN.
    """
    parts = arn.split(":")
    if len(parts) < 4 or parts[0] != "arn":
        raise ValueError(f"not an ARN: {arn!r}")
    return parts[3]


def render(cluster: Inputs, region: str, *, role_arn: str | None = None, profile: str | None = None) -> dict[str, Any]:
    """Write the kubeconfig of a cluster.

    Args:
        cluster: Its name, endpoint and certificateAuthority, under the names of the aws provider.
        region: The region in which tokens are asked for.
        role_arn: A role to assume for it.
        profile: A profile of the AWS configuration. It is passed as an option and not as AWS_PROFILE, because
            credentials in the environment take precedence over that variable.
    """
    arguments = ["--region", region, "eks", "get-token", "--cluster-name", cluster["name"], "--output", "json"]
    if role_arn:
        arguments += ["--role", role_arn]
    if profile:
        arguments += ["--profile", profile]
    server = {
        "server": cluster["endpoint"],
        "certificate-authority-data": (cluster["certificateAuthority"] or {}).get("data"),
    }
    login = {
        "apiVersion": _EXEC_API,
        "command": "aws",
        "args": arguments,
        "env": [{"name": "KUBERNETES_EXEC_INFO", "value": f'{{"apiVersion": "{_EXEC_API}"}}'}],
    }
    return {
        "apiVersion": "v1",
        "clusters": [{"cluster": server, "name": "kubernetes"}],
        "contexts": [{"context": {"cluster": "kubernetes", "user": "aws"}, "name": "aws"}],
        "current-context": "aws",
        "kind": "Config",
        "users": [{"name": "aws", "user": {"exec": login}}],
    }


def of_cluster(
    cluster: EksCluster,
    credentials: pulumi.Input[Inputs | None],
    *,
    endpoint: pulumi.Input[str] | None = None,
    with_profile: bool = True,
) -> pulumi.Output[dict[str, Any]]:
    """The kubeconfig of a cluster that is still to be created.

    Args:
        cluster: The cluster.
        credentials: `roleArn` and `profileName` to log in with, if not the environment's own.
        endpoint: The API server's address, where it differs from the cluster's own output in when it is known.
        with_profile: False leaves the profile out, for a kubeconfig that is handed to other people.
    """
    return pulumi.Output.all(
        name=cluster.name,
        endpoint=cluster.endpoint if endpoint is None else endpoint,
        certificateAuthority=cluster.certificateAuthority,
        arn=cluster.arn,
        credentials=credentials,
    ).apply(
        lambda known: render(
            known,
            region_of(known["arn"]),
            role_arn=(known["credentials"] or {}).get("roleArn"),
            profile=(known["credentials"] or {}).get("profileName") if with_profile else None,
        )
    )
