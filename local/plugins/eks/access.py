"""Who may use the cluster: EKS access entries, and the older aws-auth ConfigMap.

See https://docs.aws.amazon.com/eks/latest/userguide/grant-k8s-access.html.
"""

from collections.abc import Sequence
from typing import Any

import pulumi
import yaml

from .kubernetes import ConfigMap
from .resources import AccessEntry, AccessPolicyAssociation, EksCluster
from .wire import Inputs

API = "API"
CONFIG_MAP = "CONFIG_MAP"
API_AND_CONFIG_MAP = "API_AND_CONFIG_MAP"
MODES = (CONFIG_MAP, API_AND_CONFIG_MAP, API)


def supports_config_map(mode: str | None) -> bool:
    """Say whether an authentication mode reads the ConfigMap; without a mode EKS does."""
    return mode in (None, "", CONFIG_MAP, API_AND_CONFIG_MAP)


def supports_access_entries(mode: str | None) -> bool:
    """Say whether an authentication mode reads access entries."""
    return mode in (API, API_AND_CONFIG_MAP)


def access_entries(
    component: str, cluster: EksCluster, entries: dict[str, Inputs], parent: pulumi.Resource
) -> list[AccessEntry]:
    """Create access entries with their access policies.

    Args:
        component: The component's name, which the entries' names start with.
        cluster: The cluster that is to be accessible.
        entries: The entries by name: `principalArn`, `type`, `kubernetesGroups`, `username`, `tags`,
            `accessPolicies`.
        parent: The component the entries belong to.
    """
    made = []
    for name, entry in entries.items():
        created = AccessEntry(
            f"{component}-{name}",
            {
                "clusterName": cluster.name,
                "principalArn": entry["principalArn"],
                "kubernetesGroups": entry.get("kubernetesGroups"),
                "tags": entry.get("tags"),
                "type": entry.get("type"),
                "userName": entry.get("username"),
            },
            pulumi.ResourceOptions(parent=parent, depends_on=[cluster]),
        )
        for policy_name, policy in (entry.get("accessPolicies") or {}).items():
            association = pulumi.Output.from_input(policy)
            AccessPolicyAssociation(
                f"{component}-{name}-{policy_name}",
                {
                    "clusterName": cluster.name,
                    "principalArn": entry["principalArn"],
                    "policyArn": association.apply(lambda known: known["policyArn"]),
                    "accessScope": association.apply(lambda known: known["accessScope"]),
                },
                pulumi.ResourceOptions(parent=created, depends_on=[created]),
            )
        made.append(created)
    return made


class _Indented(yaml.SafeDumper):
    """Indents the items of a list below their key, as the official component's YAML does."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _mappings(arn_key: str, mappings: Sequence[Inputs] | None) -> str:
    rows = [
        {arn_key.lower(): row[arn_key], "username": row["username"], "groups": [*row["groups"]]}
        for row in mappings or []
    ]
    return yaml.dump(rows, Dumper=_Indented, sort_keys=False, width=2**20)


def aws_auth(
    name: str,
    *,
    instance_roles: pulumi.Input[Sequence[Any]],
    role_mappings: pulumi.Input[Sequence[Inputs] | None],
    user_mappings: pulumi.Input[Sequence[Inputs] | None],
    opts: pulumi.ResourceOptions,
) -> ConfigMap:
    """Create the aws-auth ConfigMap, which maps the nodes' roles and any other principals to Kubernetes groups.

    Args:
        name: The resource's name.
        instance_roles: The nodes' roles.
        role_mappings: `roleArn`, `username` and `groups` of further roles.
        user_mappings: `userArn`, `username` and `groups` of IAM users.
        opts: The resource's options; they name the Kubernetes provider.
    """
    role_arns = pulumi.Output.from_input(instance_roles).apply(
        lambda roles: pulumi.Output.all(*(role.arn for role in roles))
    )

    def roles(known: list[Any]) -> str:
        nodes = [
            {
                "roleArn": arn,
                "username": "system:node:{{EC2PrivateDNSName}}",
                "groups": ["system:bootstrappers", "system:nodes"],
            }
            for arn in known[1]
        ]
        return _mappings("roleArn", [*(known[0] or []), *nodes])

    data: dict[str, Any] = {"mapRoles": pulumi.Output.all(role_mappings, role_arns).apply(roles)}
    if user_mappings is not None:
        data["mapUsers"] = pulumi.Output.from_input(user_mappings).apply(lambda users: _mappings("userArn", users))
    metadata = {
        "name": "aws-auth",
        "namespace": "kube-system",
        "annotations": {"pulumi.com/patchForce": "true"},
    }
    return ConfigMap(
        name,
        {"apiVersion": "v1", "kind": "ConfigMap", "immutable": False, "metadata": metadata, "data": data},
        opts,
    )
