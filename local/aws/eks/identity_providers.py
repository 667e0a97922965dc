"""OIDC identity providers of clusters, for users from elsewhere.

https://docs.aws.amazon.com/eks/latest/userguide/authenticate-oidc-identity-provider.html
"""

from __future__ import annotations

from typing import Any

from ..protocol import ServiceError
from .call import Call, behaviour, compact_json
from .store import Cluster, Description, Transition
from .updates import record_update


def _find(call: Call, cluster: Cluster, config: dict[str, Any]) -> Description:
    if config["type"] != "oidc":
        call.refuse_parameter(f"Identity provider config type {config['type']} is not supported")
    provider = cluster.identity_providers.get(config["name"])
    if provider is None:
        raise ServiceError(
            "ResourceNotFoundException",
            f"Identity provider config {config['name']} not found in cluster {cluster.name}",
            clusterName=cluster.name,
        )
    return provider


def _begin(call: Call, cluster: Cluster, name: str, outcome: str, update: str) -> None:
    call.lifecycle.begin(
        call.region.account, call.region.name, cluster.name, "identity-provider", name, outcome, update
    )


@behaviour
def associate_identity_provider_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """AssociateIdentityProviderConfig: one for each cluster."""
    cluster, oidc = call.active_cluster(request["clusterName"]), request["oidc"]
    name = oidc["identityProviderConfigName"]
    if cluster.identity_providers:
        raise ServiceError(
            "ResourceInUseException", "Identity provider config is already associated", clusterName=cluster.name
        )
    if not oidc["issuerUrl"].startswith("https://"):
        call.refuse_parameter("The issuerUrl must begin with https://", clusterName=cluster.name)
    tags = call.check_tags(request.get("tags"))
    cluster.identity_providers[name] = {
        **oidc,
        "identityProviderConfigArn": call.unique_arn(f"identityproviderconfig/{cluster.name}/oidc/{name}"),
        "clusterName": cluster.name,
        "usernameClaim": oidc.get("usernameClaim", "sub"),
        "tags": tags,
        "status": "CREATING",
    }
    params = {"IdentityProviderConfig": compact_json([{"type": "oidc", "name": name}])}
    update = record_update(call, cluster, "AssociateIdentityProviderConfig", params)
    _begin(call, cluster, name, "ACTIVE", update["id"])
    return {"update": update, "tags": tags}


@behaviour
def describe_identity_provider_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeIdentityProviderConfig."""
    provider = _find(call, call.cluster(request["clusterName"]), request["identityProviderConfig"])
    return {"identityProviderConfig": {"oidc": provider}}


@behaviour
def list_identity_provider_configs(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListIdentityProviderConfigs."""
    cluster = call.cluster(request["clusterName"])
    found = {name: {"type": "oidc", "name": name} for name in cluster.identity_providers}
    configs, token = call.page(found, request)
    return {"identityProviderConfigs": configs, "nextToken": token}


@behaviour
def disassociate_identity_provider_config(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DisassociateIdentityProviderConfig."""
    cluster = call.active_cluster(request["clusterName"])
    provider = _find(call, cluster, request["identityProviderConfig"])
    name = provider["identityProviderConfigName"]
    if provider["status"] != "ACTIVE":
        call.refuse_state(f"Identity provider config is in status {provider['status']}", clusterName=cluster.name)
    provider["status"] = "DELETING"
    params = {"IdentityProviderConfig": compact_json([{"type": "oidc", "name": name}])}
    update = record_update(call, cluster, "DisassociateIdentityProviderConfig", params)
    _begin(call, cluster, name, "", update["id"])
    return {"update": update}


def complete(call: Call, cluster: Cluster, transition: Transition) -> bool:
    """Carry out the end of an identity provider's transition."""
    if transition.outcome:
        cluster.identity_providers[transition.name]["status"] = transition.outcome
    else:
        del cluster.identity_providers[transition.name]
    return True
