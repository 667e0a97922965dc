"""`ExistingCluster`: a cluster that somebody else made, found by its name."""

import json
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import rules
from ._base import token, validated


class ExistingClusterArgs(TypedDict):
    """The arguments of an `ExistingCluster`."""

    cluster_name: pulumi.Input[str]
    """The cluster's name."""
    region: NotRequired[pulumi.Input[str]]
    """The cluster's region. Default: the provider's."""


class ExistingCluster(pulumi.ComponentResource):
    """An EKS cluster that stands already, with the outputs of an `EksCluster`: what is built on one can be built on the
    other. Nothing is made, and all outputs are known at preview.

    Raises `InvalidArgs` on a name that no cluster can have. The preview fails where there is no cluster of that name.

    See https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeCluster.html and
    https://www.pulumi.com/registry/packages/aws/api-docs/eks/getcluster/.
    """

    cluster_name: pulumi.Output[str]
    """The cluster's name."""
    cluster_arn: pulumi.Output[str]
    """The cluster's ARN."""
    endpoint: pulumi.Output[str]
    """The URL of the API server."""
    certificate_authority: pulumi.Output[str]
    """The API server's CA certificate, base64."""
    oidc_issuer: pulumi.Output[str]
    """The URL of the cluster's OpenID Connect issuer."""
    kubernetes_version: pulumi.Output[str]
    """The Kubernetes version that runs."""
    kubeconfig: pulumi.Output[str]
    """A kubeconfig as JSON, secret. It gets its tokens by `aws eks get-token`."""
    node_role_arn: pulumi.Output[str]
    """The ARN of Auto Mode's node role. Empty without Auto Mode, where each node group has its own."""
    ready: pulumi.Output[str]
    """The cluster's name."""
    account_id: pulumi.Output[str]
    """The account that the cluster is in."""
    region: pulumi.Output[str]
    """The region that the cluster is in."""
    auto_mode: pulumi.Output[bool]
    """Whether EKS runs nodes and agent itself."""
    ip_family: pulumi.Output[str]
    """`ipv4` or `ipv6`."""

    def __init__(self, name: str, args: ExistingClusterArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(token("ExistingCluster"), name, {**args}, opts)
        valid = validated(
            f"ExistingCluster {name!r}",
            lambda *, cluster_name: rules.judge_cluster_name(cluster_name),
            {"cluster_name": args["cluster_name"]},
        )
        found = aws.eks.get_cluster_output(
            name=valid["cluster_name"], region=args.get("region"), opts=pulumi.InvokeOutputOptions(parent=self)
        )
        self.cluster_name = self.ready = found.name
        self.cluster_arn = found.arn
        self.endpoint = found.endpoint
        self.certificate_authority = found.certificate_authorities[0].data
        self.oidc_issuer = found.identities[0].oidcs[0].issuer
        self.kubernetes_version = found.version
        self.account_id = found.arn.apply(lambda arn: arn.split(":")[4])
        self.region = found.region
        compute = found.compute_configs.apply(lambda configs: configs[0] if configs else None)
        self.auto_mode = compute.apply(lambda config: bool(config and config.enabled))
        self.node_role_arn = compute.apply(lambda config: (config.node_role_arn if config else "") or "")
        self.ip_family = found.kubernetes_network_configs[0].ip_family
        self.kubeconfig = pulumi.Output.secret(
            pulumi.Output.all(found.name, found.endpoint, self.certificate_authority, found.region).apply(
                lambda parts: kubeconfig(*parts)
            )
        )
        self.register_outputs(
            {
                "cluster_name": self.cluster_name,
                "cluster_arn": self.cluster_arn,
                "endpoint": self.endpoint,
                "certificate_authority": self.certificate_authority,
                "oidc_issuer": self.oidc_issuer,
                "kubernetes_version": self.kubernetes_version,
                "kubeconfig": self.kubeconfig,
                "node_role_arn": self.node_role_arn,
                "ready": self.ready,
                "account_id": self.account_id,
                "region": self.region,
                "auto_mode": self.auto_mode,
                "ip_family": self.ip_family,
            }
        )


def kubeconfig(name: str, endpoint: str, certificate_authority: str, region: str) -> str:
    """The kubeconfig of a cluster, as `aws eks update-kubeconfig` writes it: it names a command and holds no key.

    See https://docs.aws.amazon.com/eks/latest/userguide/create-kubeconfig.html.
    """
    get_token = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["--region", region, "eks", "get-token", "--cluster-name", name, "--output", "json"],
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": endpoint, "certificate-authority-data": certificate_authority}}
            ],
            "users": [{"name": name, "user": {"exec": get_token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
    )
