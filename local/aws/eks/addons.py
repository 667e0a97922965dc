"""Add-ons, and the catalogue of what can be installed.

https://docs.aws.amazon.com/eks/latest/userguide/eks-add-ons.html
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from ..protocol import ServiceError
from . import associations
from .call import Call, behaviour, compact_json
from .store import Cluster, Description, Transition
from .updates import record_update


@cache
def catalogue() -> dict[str, dict[str, Any]]:
    """Return the add-ons on offer by name, as the data file has them."""
    text = resources.files("local.aws.eks").joinpath("addon_catalogue.json").read_text(encoding="utf-8")
    return json.loads(text)["addons"]


def _versions_for(addon: dict[str, Any], kubernetes: str) -> list[str]:
    """Return the versions that run on a Kubernetes version, newest first."""
    return [version["version"] for version in addon["versions"] if kubernetes in version["kubernetes"]]


def default_version(addon: dict[str, Any], kubernetes: str) -> str | None:
    """Return the version that a cluster gets when none is asked for, or None if none runs on it."""
    versions = _versions_for(addon, kubernetes)
    chosen = addon.get("defaults", {}).get(kubernetes)
    return chosen if chosen in versions else (versions[0] if versions else None)


def _known(call: Call, name: str) -> dict[str, Any]:
    addon = catalogue().get(name)
    if addon is None:
        call.refuse_parameter("Addon specified is not supported", addonName=name)
    return addon


def _checked_version(call: Call, cluster: Cluster, name: str, version: str | None) -> str:
    addon, kubernetes = _known(call, name), cluster.description["version"]
    chosen = version or default_version(addon, kubernetes)
    if chosen is None or chosen not in _versions_for(addon, kubernetes):
        call.refuse_parameter("Addon version specified is not supported", addonName=name, clusterName=cluster.name)
    return chosen


def _schema(addon: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": "http://json-schema.org/draft-06/schema#", **addon["configurationSchema"]}


def _check_configuration(call: Call, name: str, text: str | None) -> None:
    """Refuse configuration values, JSON or YAML, that the add-on's schema does not allow."""
    if not text:
        return
    import jsonschema
    import yaml

    try:
        values = yaml.safe_load(text.replace("\t", " "))
    except yaml.YAMLError:
        call.refuse_parameter("ConfigurationValue provided in request is not valid JSON or YAML", addonName=name)
    validator = jsonschema.Draft6Validator(_schema(_known(call, name)))
    problems = [f"{problem.json_path}: {problem.message}" for problem in validator.iter_errors(values or {})]
    if problems:
        call.refuse_parameter(
            "ConfigurationValue provided in request is not supported: Json schema validation failed with error: "
            f"[{'; '.join(sorted(problems))}]",
            addonName=name,
        )


def _addon(cluster: Cluster, name: str) -> Description:
    addon = cluster.addons.get(name)
    if addon is None:
        raise ServiceError(
            "ResourceNotFoundException",
            f"No addon: {name} found in cluster: {cluster.name}",
            addonName=name,
            clusterName=cluster.name,
        )
    return addon


def _begin(call: Call, cluster: Cluster, name: str, outcome: str, update: str | None = None) -> None:
    call.lifecycle.begin(call.region.account, call.region.name, cluster.name, "addon", name, outcome, update)


def _namespace(addon: Description, name: str) -> str:
    config = addon.get("namespaceConfig") or {}
    return config.get("namespace") or catalogue()[name]["defaultNamespace"]


def _check_service_accounts(call: Call, name: str, wanted: list[dict[str, Any]]) -> None:
    known = {item["serviceAccount"] for item in catalogue()[name].get("podIdentityConfiguration", [])}
    for item in wanted:
        if item["serviceAccount"] not in known:
            call.refuse_parameter(
                f"The service account {item['serviceAccount']} is not supported for addon {name}", addonName=name
            )
    names = [item["serviceAccount"] for item in wanted]
    if len(set(names)) < len(names):
        call.refuse_parameter("A service account may appear only once in podIdentityAssociations", addonName=name)


def _set_associations(call: Call, cluster: Cluster, addon: Description, wanted: list[dict[str, Any]]) -> None:
    """Make an add-on's associations exactly the wanted ones: all of them, or none when one is refused."""
    name, arn = addon["addonName"], addon["addonArn"]
    _check_service_accounts(call, name, wanted)
    owned = {item["serviceAccount"]: item for item in cluster.associations.values() if item.get("ownerArn") == arn}
    by_account = {item["serviceAccount"]: item for item in wanted}
    made: list[str] = []
    replaced: list[Description] = []
    try:
        for account, association in owned.items():
            if by_account.get(account, {}).get("roleArn") != association["roleArn"]:
                replaced.append(associations.remove_association(call, cluster, association["associationId"]))
        for account, item in by_account.items():
            if account not in owned or owned[account] in replaced:
                request = {**item, "namespace": _namespace(addon, name)}
                made.append(associations.add_association(call, cluster, request, arn)["associationId"])
    except ServiceError:
        for identifier in made:
            associations.remove_association(call, cluster, identifier)
        for association in replaced:
            cluster.associations[association["associationId"]] = association
            cluster.subjects[association["namespace"], association["serviceAccount"]] = association["associationId"]
        raise
    arns = [item["associationArn"] for item in cluster.associations.values() if item.get("ownerArn") == arn]
    addon["podIdentityAssociations"] = arns


@behaviour
def create_addon(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """CreateAddon."""
    cluster, name = call.active_cluster(request["clusterName"]), request["addonName"]
    info = _known(call, name)
    if name in cluster.addons:
        raise ServiceError("ResourceInUseException", "Addon already exists.", addonName=name, clusterName=cluster.name)
    version = _checked_version(call, cluster, name, request.get("addonVersion"))
    _check_configuration(call, name, request.get("configurationValues"))
    if role := request.get("serviceAccountRoleArn"):
        _check_service_account_role(call, role)
    addon: Description = {
        "addonName": name,
        "clusterName": cluster.name,
        "status": "CREATING",
        "addonVersion": version,
        "health": {"issues": []},
        "addonArn": call.unique_arn(f"addon/{cluster.name}/{name}"),
        "createdAt": call.now,
        "modifiedAt": call.now,
        "tags": call.check_tags(request.get("tags")),
        "publisher": info["publisher"],
        "owner": info["owner"],
        "namespaceConfig": {
            "namespace": request.get("namespaceConfig", {}).get("namespace") or info["defaultNamespace"]
        },
    }
    for member in ("serviceAccountRoleArn", "configurationValues"):
        if request.get(member):
            addon[member] = request[member]
    if wanted := request.get("podIdentityAssociations"):
        _set_associations(call, cluster, addon, wanted)
    cluster.addons[name] = addon
    call.data_plane.addon_changed(cluster, addon)
    _begin(call, cluster, name, "ACTIVE")
    return {"addon": addon}


def _check_service_account_role(call: Call, arn: str) -> None:
    """A role for the add-on's service account by way of the cluster's OIDC provider."""
    if call.cloud.role(arn) is None:
        call.refuse_parameter(f"Role with arn: {arn}, does not exist.")


@behaviour
def describe_addon(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeAddon."""
    return {"addon": _addon(call.cluster(request["clusterName"]), request["addonName"])}


@behaviour
def list_addons(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListAddons."""
    cluster = call.cluster(request["clusterName"])
    names, token = call.page({name: name for name in cluster.addons}, request)
    return {"addons": names, "nextToken": token}


@behaviour
def update_addon(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """UpdateAddon.

    Values that are not sent are kept for the version, the role and the associations; configuration values
    that are not sent are kept with PRESERVE and go back to the defaults otherwise.
    """
    cluster, name = call.active_cluster(request["clusterName"]), request["addonName"]
    addon = _addon(cluster, name)
    if addon["status"] in ("CREATING", "UPDATING", "DELETING"):
        raise ServiceError(
            "ResourceInUseException",
            f"The addon {name} is in status {addon['status']}",
            addonName=name,
            clusterName=cluster.name,
        )
    version = _checked_version(call, cluster, name, request.get("addonVersion") or addon["addonVersion"])
    _check_configuration(call, name, request.get("configurationValues"))
    if role := request.get("serviceAccountRoleArn"):
        _check_service_account_role(call, role)
        addon["serviceAccountRoleArn"] = role
    if "podIdentityAssociations" in request:
        _set_associations(call, cluster, addon, request["podIdentityAssociations"])
    if "configurationValues" in request:
        addon["configurationValues"] = request["configurationValues"]
    elif request.get("resolveConflicts") != "PRESERVE":
        addon.pop("configurationValues", None)
    params = {"AddonVersion": version}
    for member, param in (
        ("serviceAccountRoleArn", "ServiceAccountRoleArn"),
        ("resolveConflicts", "ResolveConflicts"),
        ("configurationValues", "ConfigurationValues"),
        ("podIdentityAssociations", "PodIdentityAssociations"),
    ):
        if member in request:
            value = request[member]
            params[param] = value if isinstance(value, str) else compact_json(value)
    addon |= {"addonVersion": version, "status": "UPDATING", "modifiedAt": call.now}
    update = record_update(call, cluster, "AddonUpdate", params, addon=name)
    call.data_plane.addon_changed(cluster, addon)
    _begin(call, cluster, name, "ACTIVE", update["id"])
    return {"update": update}


@behaviour
def delete_addon(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteAddon; with ``preserve`` its software and its associations stay, no longer owned."""
    cluster, name = call.active_cluster(request["clusterName"]), request["addonName"]
    addon = _addon(cluster, name)
    if addon["status"] == "DELETING":
        return {"addon": addon}
    for identifier, association in list(cluster.associations.items()):
        if association.get("ownerArn") != addon["addonArn"]:
            continue
        if request.get("preserve"):
            del association["ownerArn"]
        else:
            associations.remove_association(call, cluster, identifier)
    addon |= {"status": "DELETING", "modifiedAt": call.now}
    if not request.get("preserve"):
        call.data_plane.addon_changed(cluster, addon)
    _begin(call, cluster, name, "")
    return {"addon": addon}


def complete(call: Call, cluster: Cluster, transition: Transition) -> bool:
    """Carry out the end of an add-on's transition, once its software runs or is gone.

    An add-on that is not healthy is DEGRADED meanwhile, with the reasons; it recovers by itself.
    """
    addon = cluster.addons.get(transition.name)
    if addon is None:  # gone with a later transition, while this one waited for its software
        return True
    deleting = addon["status"] == "DELETING"
    if deleting and transition.outcome:
        return True
    issues = call.data_plane.addon_issues(cluster, addon)
    if issues is None:
        return False
    if deleting:
        del cluster.addons[transition.name]
        return True
    addon |= {"status": "DEGRADED" if issues else transition.outcome, "health": {"issues": issues}}
    return not issues


@behaviour
def describe_addon_versions(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeAddonVersions."""
    name, kubernetes = request.get("addonName"), request.get("kubernetesVersion")
    if name is not None and name not in catalogue():
        raise ServiceError("ResourceNotFoundException", f"Addon {name} not found", addonName=name)
    found: dict[str, dict[str, Any]] = {}
    for key, addon in catalogue().items():
        if name is not None and key != name:
            continue
        if any(
            request.get(plural) and addon[single] not in request[plural]
            for plural, single in (("types", "type"), ("publishers", "publisher"), ("owners", "owner"))
        ):
            continue
        versions = [
            _version_info(addon, version, kubernetes)
            for version in addon["versions"]
            if kubernetes is None or kubernetes in version["kubernetes"]
        ]
        if versions:
            found[key] = {
                "addonName": key,
                "type": addon["type"],
                "publisher": addon["publisher"],
                "owner": addon["owner"],
                "defaultNamespace": addon["defaultNamespace"],
                "addonVersions": versions,
            }
    addons, token = call.page(found, request)
    return {"addons": addons, "nextToken": token}


def _version_info(addon: dict[str, Any], version: dict[str, Any], kubernetes: str | None) -> dict[str, Any]:
    return {
        "addonVersion": version["version"],
        "architecture": addon["architecture"],
        "computeTypes": addon["computeTypes"],
        "compatibilities": [
            {
                "clusterVersion": cluster,
                "platformVersions": ["*"],
                "defaultVersion": default_version(addon, cluster) == version["version"],
            }
            for cluster in version["kubernetes"]
            if kubernetes in (None, cluster)
        ],
        "requiresConfiguration": False,
        "requiresIamPermissions": bool(addon.get("podIdentityConfiguration")),
    }


@behaviour
def describe_addon_configuration(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeAddonConfiguration."""
    name, version = request["addonName"], request["addonVersion"]
    addon = catalogue().get(name)
    if addon is None or version not in {item["version"] for item in addon["versions"]}:
        raise ServiceError(
            "ResourceNotFoundException", f"Addon {name} with version {version} not found", addonName=name
        )
    return {
        "addonName": name,
        "addonVersion": version,
        "configurationSchema": json.dumps(_schema(addon)),
        "podIdentityConfiguration": addon.get("podIdentityConfiguration", []),
    }
