"""Amazon EKS Pod Identity as Pulumi components: network, cluster, agent, role, association and a pod."""

from ._base import InvalidArgs
from .addon import EksAddon, EksAddonArgs
from .agent import PodIdentityAgent, PodIdentityAgentArgs
from .association import PodIdentityAssociation, PodIdentityAssociationArgs
from .cluster import EksCluster, EksClusterArgs
from .delivery import GitHubDelivery, GitHubDeliveryArgs
from .demo_app import DemoApp, DemoAppArgs
from .existing_cluster import ExistingCluster, ExistingClusterArgs
from .network import NatGateways, Network, NetworkArgs
from .pod_identity import PodIdentities, PodIdentitiesArgs, PodIdentity, PodIdentityArgs
from .role import PodIdentityRole, PodIdentityRoleArgs

__all__ = [
    "DemoApp",
    "DemoAppArgs",
    "EksAddon",
    "EksAddonArgs",
    "EksCluster",
    "EksClusterArgs",
    "ExistingCluster",
    "ExistingClusterArgs",
    "GitHubDelivery",
    "GitHubDeliveryArgs",
    "InvalidArgs",
    "NatGateways",
    "Network",
    "NetworkArgs",
    "PodIdentities",
    "PodIdentitiesArgs",
    "PodIdentity",
    "PodIdentityAgent",
    "PodIdentityAgentArgs",
    "PodIdentityArgs",
    "PodIdentityAssociation",
    "PodIdentityAssociationArgs",
    "PodIdentityRole",
    "PodIdentityRoleArgs",
]
