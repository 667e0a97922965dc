"""Clusters, node groups, add-ons, access entries and pod identity associations.

See https://docs.aws.amazon.com/eks/latest/APIReference/.
"""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from ...base.calls import Call
from ...base.errors import NotYet, ProviderError
from ...base.naming import with_prefix
from ...base.properties import (
    AutoName,
    Bool,
    Change,
    Int,
    List,
    Map,
    Object,
    Set,
    Str,
    computed,
    optional,
    output,
    required,
)
from ...base.resource import Timeouts
from ...base.wire import Values, has_unknown
from ..backend import Aws, code_of, is_code, message_of
from ..documents import json_object
from ..documents import policy as policy_document
from ..resource import REGION, TAGS, AwsResource, arn, by_token, cidr, pick

_GONE = is_code("ResourceNotFoundException")
_CLUSTER_NAME = Str(pattern=r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}")
_LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_AUTO_MODE = frozenset({"computeConfig", "storageConfig", "kubernetesNetworkConfig"})

_VPC_CONFIG = Object(
    {
        "clusterSecurityGroupId": output(Str()),
        "controlPlaneEgressMode": computed(Str()),
        "endpointPrivateAccess": optional(Bool(), False),
        "endpointPublicAccess": optional(Bool(), True),
        "publicAccessCidrs": computed(Set(cidr(4))),
        "securityGroupIds": optional(Set(Str())),
        "subnetIds": required(Set(Str(), least=1)),
        "vpcId": output(Str()),
    }
)


def _or_none(action: Callable[[], Any]) -> Any | None:
    try:
        return action()
    except ClientError as error:
        if _GONE(error) or (code_of(error) == "InvalidRequestException" and "No cluster found" in message_of(error)):
            return None
        raise


def _issues(health: Any) -> str:
    issues = (health or {}).get("issues", [])
    return "; ".join(
        f"{issue.get('code')}: {issue.get('message')}"
        + (f" ({', '.join(issue['resourceIds'])})" if issue.get("resourceIds") else "")
        for issue in issues
    )


class EksResource(AwsResource):
    """A resource type of EKS."""

    service = "eks"

    def tag(self, call: Call, identifier: str, state: Values, added: dict[str, str], removed: list[str]) -> None:
        api = self.api(call, state)
        resource_arn = self.arn_of(state)
        if removed:
            api.untag_resource(resourceArn=resource_arn, tagKeys=removed)
        if added:
            api.tag_resource(resourceArn=resource_arn, tags=added)

    def arn_of(self, state: Values) -> str:
        """The resource's ARN."""
        return state["arn"]

    def two_part(self, identifier: str, what: str) -> tuple[str, str]:
        """Take an id apart that is a cluster's name and that of something in it."""
        cluster, _, name = identifier.partition(":")
        if not name:
            raise ProviderError(f"{identifier!r} is no {what}: write it as cluster:{what.replace(' ', '-')}")
        return cluster, name

    def late(self, call: Call, action: Callable[[], Any]) -> Any:
        """Do something with a role or principal that was just made, and that EKS may not know yet."""
        return call.retry(action, self.aws(call).may_pass)

    def await_update(self, call: Call, answer: Any, state: Values, **of: str) -> None:
        """Wait until an update that EKS accepted is done."""
        update = answer["update"]
        api = self.api(call, state)

        def done() -> None:
            now = api.describe_update(updateId=update["id"], **of)["update"]
            if now["status"] == "InProgress":
                raise NotYet(f"the update {now['type']} is in progress")
            if now["status"] != "Successful":
                errors = "; ".join(
                    f"{error.get('errorCode')}: {error.get('errorMessage')}" for error in now.get("errors", [])
                )
                raise ProviderError(f"{now['type']} of {_label(of)} is {now['status']}: {errors or 'no reason given'}")

        call.poll(f"{update.get('type', 'updating')} of {_label(of)}", done)

    def await_status(self, call: Call, what: str, find: Callable[[], Any | None], ready: str = "ACTIVE") -> None:
        """Wait until something that was created is usable."""

        def done() -> None:
            found = find()
            status = found["status"] if found else "not visible"
            if status == ready:
                return
            issues = _issues((found or {}).get("health"))
            if status.endswith("FAILED"):
                raise ProviderError(f"{what} is {status}: {issues or 'no reason given'}")
            raise NotYet(f"it is {status}" + (f": {issues}" if issues else ""))

        call.poll(f"creating {what}", done)

    def await_deletion(self, call: Call, what: str, find: Callable[[], Any | None]) -> None:
        """Wait until something is gone."""

        def gone() -> None:
            found = find()
            if found is None:
                return
            if found["status"] in ("DELETE_FAILED", "FAILED"):
                issues = _issues(found.get("health"))
                raise ProviderError(f"{what} is {found['status']}: {issues or 'no reason given'}")
            raise NotYet(f"it is {found['status']}")

        call.poll(f"deleting {what}", gone)


def _label(of: dict[str, str]) -> str:
    return "/".join(of.values())


class Cluster(EksResource):
    """``aws.eks.Cluster``."""

    token = "aws:eks/cluster:Cluster"
    identity = ("name",)
    timeouts = Timeouts(create=1800, update=3600, delete=900)
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "accessConfig": computed(
            Object(
                {
                    "authenticationMode": computed(Str(choices=("API", "API_AND_CONFIG_MAP", "CONFIG_MAP"))),
                    "bootstrapClusterCreatorAdminPermissions": computed(Bool(), replace=True),
                }
            )
        ),
        "bootstrapSelfManagedAddons": computed(Bool(), replace=True, imported=False),
        "computeConfig": optional(
            Object(
                {
                    "enabled": optional(Bool()),
                    "nodePools": optional(Set(Str(choices=("general-purpose", "system")))),
                    "nodeRoleArn": computed(arn()),
                }
            )
        ),
        "deletionProtection": computed(Bool()),
        "enabledClusterLogTypes": optional(Set(Str(choices=_LOG_TYPES))),
        "encryptionConfig": optional(
            Object(
                {
                    "provider": required(Object({"keyArn": required(arn())})),
                    "resources": required(Set(Str(choices=("secrets",)))),
                }
            )
        ),
        "forceUpdateVersion": optional(Bool()),
        "kubernetesNetworkConfig": computed(
            Object(
                {
                    "elasticLoadBalancing": computed(Object({"enabled": optional(Bool())})),
                    "ipFamily": computed(Str(choices=("ipv4", "ipv6")), replace=True),
                    "serviceIpv4Cidr": computed(cidr(4), replace=True),
                    "serviceIpv6Cidr": output(Str()),
                }
            )
        ),
        "name": computed(_CLUSTER_NAME, replace=True, autoname=AutoName(100)),
        "remoteNetworkConfig": optional(
            Object(
                {
                    "remoteNodeNetworks": optional(Object({"cidrs": optional(Set(cidr(4)))})),
                    "remotePodNetworks": optional(Object({"cidrs": optional(Set(cidr(4)))})),
                }
            )
        ),
        "roleArn": required(arn(), replace=True),
        "storageConfig": optional(Object({"blockStorage": optional(Object({"enabled": optional(Bool())}))})),
        "upgradePolicy": computed(Object({"supportType": computed(Str(choices=("EXTENDED", "STANDARD")))})),
        "version": computed(Str(pattern=r"\d+\.\d+")),
        "vpcConfig": required(_VPC_CONFIG),
        "zonalShiftConfig": optional(Object({"enabled": optional(Bool())})),
        "arn": output(Str()),
        "certificateAuthority": output(Object({"data": output(Str())})),
        "clusterId": output(Str()),
        "createdAt": output(Str()),
        "endpoint": output(Str()),
        "identities": output(List(Object({"oidcs": output(List(Object({"issuer": output(Str())})))}))),
        "platformVersion": output(Str(), "version"),
        "status": output(Str()),
    }
    not_served = frozenset(
        {
            "controlPlaneScalingConfig",
            "defaultAddonsToRemoves",
            "kubeApiServerConfig",
            "kubeControllerManagerConfig",
            "kubeSchedulerConfig",
            "outpostConfig",
        }
    )

    def create(self, call: Call, new: Values) -> str:
        name = new["name"]
        request: Values = {
            "name": name,
            "roleArn": new["roleArn"],
            "resourcesVpcConfig": _vpc_request(new["vpcConfig"]),
            **pick(
                new,
                {
                    same: same
                    for same in (
                        "accessConfig",
                        "bootstrapSelfManagedAddons",
                        "computeConfig",
                        "deletionProtection",
                        "storageConfig",
                        "upgradePolicy",
                        "version",
                        "zonalShiftConfig",
                    )
                },
            ),
        }
        if new.get("kubernetesNetworkConfig"):
            request["kubernetesNetworkConfig"] = new["kubernetesNetworkConfig"]
        if new.get("enabledClusterLogTypes"):
            request["logging"] = {"clusterLogging": [{"types": new["enabledClusterLogTypes"], "enabled": True}]}
        if new.get("encryptionConfig"):
            request["encryptionConfig"] = [new["encryptionConfig"]]
        if new.get("remoteNetworkConfig"):
            request["remoteNetworkConfig"] = _remote_networks(new["remoteNetworkConfig"])
        api = self.api(call, new)
        self.late(call, lambda: api.create_cluster(**request, tags=self.tags_of(call, new)))
        call.exists(name)
        self.await_status(call, f"cluster {name}", lambda: self._find(call, name, new))
        return name

    def _find(self, call: Call, name: str, state: Values) -> Any | None:
        api = self.api(call, state)
        answer = _or_none(lambda: api.describe_cluster(name=name))
        return answer and answer["cluster"]

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        cluster = self._find(call, identifier, state)
        if cluster is None or cluster["status"] == "DELETING":
            return None
        return {
            **cluster_properties(cluster),
            "bootstrapSelfManagedAddons": state.get("bootstrapSelfManagedAddons", True),
        }

    def diff(self, backend: Aws, old: Values, new: Values) -> list[Change]:
        def is_forced(change: Change) -> bool:
            top = change.path[0]
            if top == "encryptionConfig":
                # A key can be added to a cluster and never be changed or taken away.
                return bool(old.get("encryptionConfig"))
            return top == "version" and _is_downgrade(old.get("version"), new.get("version"))

        return [
            Change(change.path, change.kind, True) if is_forced(change) else change
            for change in super().diff(backend, old, new)
        ]

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        api = self.api(call, new)

        def configure(**request: Any) -> None:
            answer = self._when_free(call, lambda: api.update_cluster_config(name=identifier, **request))
            self.await_update(call, answer, new, name=identifier)

        # What failed half-way may still be on its way.
        self.await_status(call, f"cluster {identifier}", lambda: self._find(call, identifier, new))
        if "version" in changed and new.get("version"):
            force = {"force": True} if new.get("forceUpdateVersion") else {}
            answer = self._when_free(
                call, lambda: api.update_cluster_version(name=identifier, version=new["version"], **force)
            )
            self.await_update(call, answer, new, name=identifier)
        if "accessConfig" in changed and new.get("accessConfig"):
            configure(accessConfig=pick(new["accessConfig"], {"authenticationMode": "authenticationMode"}))
        if changed & _AUTO_MODE:
            network = new.get("kubernetesNetworkConfig") or {}
            compute = new.get("computeConfig") or {"enabled": False}
            balancing = network.get("elasticLoadBalancing") or {"enabled": False}
            storage = new.get("storageConfig") or {"blockStorage": {"enabled": False}}
            # EKS takes the three parts of Auto Mode together only.
            configure(
                computeConfig=compute,
                kubernetesNetworkConfig={"elasticLoadBalancing": balancing},
                storageConfig=storage,
            )
        if "encryptionConfig" in changed and new.get("encryptionConfig"):
            answer = self._when_free(
                call,
                lambda: api.associate_encryption_config(
                    clusterName=identifier, encryptionConfig=[new["encryptionConfig"]]
                ),
            )
            self.await_update(call, answer, new, name=identifier)
        if "enabledClusterLogTypes" in changed:
            wanted = set(new.get("enabledClusterLogTypes") or ())
            logging = [
                {"types": [kind for kind in _LOG_TYPES if (kind in wanted) is enabled], "enabled": enabled}
                for enabled in (True, False)
            ]
            configure(logging={"clusterLogging": [part for part in logging if part["types"]]})
        if "vpcConfig" in changed:
            self._modify_vpc(old.get("vpcConfig") or {}, new["vpcConfig"], configure)
        for name in ("deletionProtection", "upgradePolicy", "zonalShiftConfig"):
            if name in changed:
                configure(**{name: new.get(name, {"enabled": False} if name == "zonalShiftConfig" else False)})
        if "remoteNetworkConfig" in changed:
            configure(remoteNetworkConfig=_remote_networks(new.get("remoteNetworkConfig") or {}))

    def _modify_vpc(self, old: Values, new: Values, configure: Callable[..., None]) -> None:
        def parts(names: tuple[str, ...]) -> Values:
            same = _VPC_CONFIG.properties
            return {
                name: new[name]
                for name in names
                if new.get(name) is not None
                and not (old.get(name) is not None and same[name].type.same(old[name], new[name]))
            }

        # EKS changes who reaches the endpoint, and where the control plane stands, in requests of their own.
        access = parts(("endpointPrivateAccess", "endpointPublicAccess", "publicAccessCidrs"))
        if access:
            configure(resourcesVpcConfig=access)
        if parts(("subnetIds",)) or set(old.get("securityGroupIds") or ()) != set(new.get("securityGroupIds") or ()):
            place = {"subnetIds": new["subnetIds"], "securityGroupIds": new.get("securityGroupIds", [])}
            configure(resourcesVpcConfig=place)
        egress = parts(("controlPlaneEgressMode",))
        if egress:
            configure(resourcesVpcConfig=egress)

    def _when_free(self, call: Call, action: Callable[[], Any]) -> Any:
        # One update at a time is all that a cluster does.
        return call.retry(
            action,
            lambda error: code_of(error) == "ResourceInUseException" and "in progress" in message_of(error).lower(),
            within=call.timeout,
        )

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        api = self.api(call, state)

        def attached(error: Exception) -> bool:
            text = message_of(error)
            return code_of(error) == "ResourceInUseException" and (
                "in progress" in text.lower() or "nodegroups attached" in text.lower()
            )

        # Node groups that are being deleted still count.
        _or_none(lambda: call.retry(lambda: api.delete_cluster(name=identifier), attached, within=call.timeout))
        self.await_deletion(call, f"cluster {identifier}", lambda: self._find(call, identifier, state))


def cluster_properties(cluster: Any) -> Values:
    """Read a cluster's properties out of EKS's description of it."""
    logging = cluster.get("logging", {}).get("clusterLogging", [])
    encryption = cluster.get("encryptionConfig") or []
    network = cluster.get("kubernetesNetworkConfig") or {}
    remote = cluster.get("remoteNetworkConfig") or {}
    issuer = cluster.get("identity", {}).get("oidc", {}).get("issuer")
    found = pick(
        cluster,
        {
            same: same
            for same in (
                "accessConfig",
                "arn",
                "computeConfig",
                "deletionProtection",
                "endpoint",
                "name",
                "platformVersion",
                "roleArn",
                "status",
                "storageConfig",
                "upgradePolicy",
                "version",
                "zonalShiftConfig",
            )
        },
    )
    return {
        **found,
        "computeConfig": found.get("computeConfig"),
        "storageConfig": found.get("storageConfig"),
        "zonalShiftConfig": found.get("zonalShiftConfig"),
        "certificateAuthority": {"data": cluster.get("certificateAuthority", {}).get("data", "")},
        "clusterId": cluster.get("id", ""),
        "createdAt": cluster["createdAt"].isoformat(),
        "enabledClusterLogTypes": [kind for part in logging if part["enabled"] for kind in part["types"]],
        "encryptionConfig": encryption[0] if encryption else None,
        "endpoint": cluster.get("endpoint", ""),
        "identities": [{"oidcs": [{"issuer": issuer}]}] if issuer else [],
        "kubernetesNetworkConfig": network or None,
        "remoteNetworkConfig": {
            name: {"cidrs": [block for part in remote[name] for block in part.get("cidrs", [])]}
            for name in ("remoteNodeNetworks", "remotePodNetworks")
            if remote.get(name)
        },
        "tags": cluster.get("tags", {}),
        "vpcConfig": cluster.get("resourcesVpcConfig"),
    }


def _vpc_request(vpc: Values) -> Values:
    names = (
        "controlPlaneEgressMode",
        "endpointPrivateAccess",
        "endpointPublicAccess",
        "publicAccessCidrs",
        "securityGroupIds",
        "subnetIds",
    )
    return pick(vpc, {name: name for name in names})


def _remote_networks(config: Values) -> Values:
    return {
        name: [{"cidrs": config[name].get("cidrs", [])}] if config.get(name) else []
        for name in ("remoteNodeNetworks", "remotePodNetworks")
    }


def _is_downgrade(old: Any, new: Any) -> bool:
    if not isinstance(old, str) or not isinstance(new, str):
        return False
    return tuple(map(int, new.split("."))) < tuple(map(int, old.split(".")))


class NodeGroup(EksResource):
    """``aws.eks.NodeGroup``."""

    token = "aws:eks/nodeGroup:NodeGroup"
    identity = ("clusterName", "nodeGroupName")
    timeouts = Timeouts(create=3600, update=3600, delete=3600)
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "amiType": computed(Str(), replace=True),
        "capacityType": computed(Str(choices=("CAPACITY_BLOCK", "ON_DEMAND", "SPOT")), replace=True),
        "clusterName": required(_CLUSTER_NAME, replace=True),
        "diskSize": computed(Int(least=1), replace=True),
        "forceUpdateVersion": optional(Bool()),
        "instanceTypes": computed(List(Str()), replace=True),
        "labels": optional(Map(Str(longest=63))),
        "launchTemplate": optional(
            Object(
                {
                    "id": computed(Str(), replace=True, conflicts=("name",)),
                    "name": computed(Str(), replace=True),
                    "version": required(Str(longest=255)),
                }
            )
        ),
        "nodeGroupName": computed(
            Str(longest=63), replace=True, autoname=AutoName(63), conflicts=("nodeGroupNamePrefix",)
        ),
        "nodeGroupNamePrefix": optional(Str(longest=37), replace=True, imported=False),
        "nodeRepairConfig": computed(
            Object(
                {
                    "enabled": optional(Bool()),
                    "maxParallelNodesRepairedCount": optional(Int(least=1)),
                    "maxParallelNodesRepairedPercentage": optional(Int(least=1, most=100)),
                    "maxUnhealthyNodeThresholdCount": optional(Int(least=1)),
                    "maxUnhealthyNodeThresholdPercentage": optional(Int(least=1, most=100)),
                    "nodeRepairConfigOverrides": optional(
                        List(
                            Object(
                                {
                                    "minRepairWaitTimeMins": required(Int(least=1)),
                                    "nodeMonitoringCondition": required(Str()),
                                    "nodeUnhealthyReason": required(Str()),
                                    "repairAction": required(Str(choices=("NoAction", "Reboot", "Replace"))),
                                }
                            )
                        )
                    ),
                }
            )
        ),
        "nodeRoleArn": required(arn(), replace=True),
        "releaseVersion": computed(Str(), imported=False),
        "remoteAccess": optional(
            Object({"ec2SshKey": optional(Str()), "sourceSecurityGroupIds": optional(Set(Str()))}), replace=True
        ),
        "scalingConfig": required(
            Object(
                {
                    "desiredSize": required(Int(least=0)),
                    "maxSize": required(Int(least=1)),
                    "minSize": required(Int(least=0)),
                }
            )
        ),
        "subnetIds": required(Set(Str(), least=1), replace=True),
        "taints": optional(
            Set(
                Object(
                    {
                        "effect": required(Str(choices=("NO_EXECUTE", "NO_SCHEDULE", "PREFER_NO_SCHEDULE"))),
                        "key": required(Str(longest=63)),
                        "value": optional(Str(longest=63)),
                    }
                ),
                most=50,
            )
        ),
        "updateConfig": computed(
            Object(
                {
                    "maxUnavailable": optional(Int(least=1, most=100), conflicts=("maxUnavailablePercentage",)),
                    "maxUnavailablePercentage": optional(Int(least=1, most=100)),
                    "updateStrategy": computed(Str(choices=("DEFAULT", "MINIMAL"))),
                }
            )
        ),
        "version": computed(Str(pattern=r"\d+\.\d+"), imported=False),
        "arn": output(Str()),
        "resources": output(
            List(
                Object(
                    {
                        "autoscalingGroups": output(List(Object({"name": output(Str())}))),
                        "remoteAccessSecurityGroupId": output(Str()),
                    }
                )
            )
        ),
        "status": output(Str()),
    }
    not_served = frozenset({"warmPoolConfig"})

    @staticmethod
    def _sizes_fit(new: Values) -> Iterator[tuple[str, str]]:
        sizes = new.get("scalingConfig")
        if not isinstance(sizes, dict) or has_unknown(sizes):
            return
        if not all(isinstance(sizes.get(name), int) for name in ("minSize", "desiredSize", "maxSize")):
            return
        least, wanted, most = sizes["minSize"], sizes["desiredSize"], sizes["maxSize"]
        if not least <= wanted <= most:
            yield "scalingConfig", f"minSize {least} ≤ desiredSize {wanted} ≤ maxSize {most} does not hold"

    @staticmethod
    def _one_template(new: Values) -> Iterator[tuple[str, str]]:
        template = new.get("launchTemplate")
        if isinstance(template, dict):
            if template.get("id") is None and template.get("name") is None:
                yield "launchTemplate", "give the id or the name of a launch template"
            if new.get("diskSize") is not None:
                yield "diskSize", "with a launch template the disk's size is given there"

    rules = (_sizes_fit, _one_template)

    def create(self, call: Call, new: Values) -> str:
        cluster = new["clusterName"]
        name = new["nodeGroupName"] if "nodeGroupName" in new else with_prefix(new["nodeGroupNamePrefix"])
        same = (
            "amiType",
            "capacityType",
            "diskSize",
            "instanceTypes",
            "labels",
            "launchTemplate",
            "nodeRepairConfig",
            "releaseVersion",
            "remoteAccess",
            "scalingConfig",
            "taints",
            "updateConfig",
            "version",
        )
        api = self.api(call, new)
        self.late(
            call,
            lambda: api.create_nodegroup(
                clusterName=cluster,
                nodegroupName=name,
                nodeRole=new["nodeRoleArn"],
                subnets=new["subnetIds"],
                **pick(new, dict(zip(same, same, strict=True))),
                tags=self.tags_of(call, new),
            ),
        )
        identifier = f"{cluster}:{name}"
        call.exists(identifier)
        self.await_status(call, f"node group {identifier}", lambda: self._find(call, identifier, new))
        return identifier

    def _find(self, call: Call, identifier: str, state: Values) -> Any | None:
        cluster, name = self.two_part(identifier, "node group")
        api = self.api(call, state)
        answer = _or_none(lambda: api.describe_nodegroup(clusterName=cluster, nodegroupName=name))
        return answer and answer["nodegroup"]

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        group = self._find(call, identifier, state)
        return None if group is None or group["status"] == "DELETING" else nodegroup_properties(group)

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        cluster, name = self.two_part(identifier, "node group")
        of = {"clusterName": cluster, "nodegroupName": name}
        api = self.api(call, new)
        self.await_status(call, f"node group {identifier}", lambda: self._find(call, identifier, new))
        if changed & {"version", "releaseVersion", "launchTemplate"}:
            request = pick(
                {key: new.get(key) for key in changed},
                {"version": "version", "releaseVersion": "releaseVersion", "launchTemplate": "launchTemplate"},
            )
            if new.get("launchTemplate"):
                template = new["launchTemplate"]
                key = "id" if template.get("id") else "name"
                request["launchTemplate"] = {key: template[key], "version": template["version"]}
            answer = api.update_nodegroup_version(**of, **request, force=bool(new.get("forceUpdateVersion")))
            self.await_update(call, answer, new, name=cluster, nodegroupName=name)
        request = {}
        if "labels" in changed:
            before, after = old.get("labels") or {}, new.get("labels") or {}
            request["labels"] = {
                "addOrUpdateLabels": {key: value for key, value in after.items() if before.get(key) != value},
                "removeLabels": sorted(before.keys() - after.keys()),
            }
        if "taints" in changed:
            # A taint is identified by its key and effect; its value can change.
            before = {(taint["key"], taint["effect"]): taint for taint in old.get("taints") or ()}
            after = {(taint["key"], taint["effect"]): taint for taint in new.get("taints") or ()}
            request["taints"] = {
                "addOrUpdateTaints": [taint for key, taint in after.items() if before.get(key) != taint],
                "removeTaints": [taint for key, taint in before.items() if key not in after],
            }
        for key in ("scalingConfig", "updateConfig", "nodeRepairConfig"):
            if key in changed and new.get(key):
                request[key] = new[key]
        if request:
            answer = api.update_nodegroup_config(**of, **request)
            self.await_update(call, answer, new, name=cluster, nodegroupName=name)

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        cluster, name = self.two_part(identifier, "node group")
        api = self.api(call, state)
        _or_none(lambda: api.delete_nodegroup(clusterName=cluster, nodegroupName=name))
        self.await_deletion(call, f"node group {identifier}", lambda: self._find(call, identifier, state))


def nodegroup_properties(group: Any) -> Values:
    """Read a node group's properties out of EKS's description of it."""
    resources = group.get("resources") or {}
    same = (
        "amiType",
        "capacityType",
        "clusterName",
        "diskSize",
        "instanceTypes",
        "nodeRepairConfig",
        "releaseVersion",
        "scalingConfig",
        "status",
        "updateConfig",
        "version",
    )
    template, access = group.get("launchTemplate"), group.get("remoteAccess")
    return {
        **pick(group, dict(zip(same, same, strict=True))),
        "arn": group["nodegroupArn"],
        "labels": group.get("labels", {}),
        "launchTemplate": template and pick(template, {"id": "id", "name": "name", "version": "version"}),
        "nodeGroupName": group["nodegroupName"],
        "nodeRoleArn": group["nodeRole"],
        "remoteAccess": access
        and {
            "ec2SshKey": access.get("ec2SshKey"),
            "sourceSecurityGroupIds": access.get("sourceSecurityGroups", []),
        },
        "resources": [
            {
                "autoscalingGroups": [{"name": part["name"]} for part in resources.get("autoScalingGroups", [])],
                "remoteAccessSecurityGroupId": resources.get("remoteAccessSecurityGroup", ""),
            }
        ]
        if resources
        else [],
        "subnetIds": group.get("subnets", []),
        "taints": group.get("taints", []),
        "tags": group.get("tags", {}),
    }


class Addon(EksResource):
    """``aws.eks.Addon``."""

    token = "aws:eks/addon:Addon"
    identity = ("clusterName", "addonName")
    timeouts = Timeouts(create=1200, update=1200, delete=2400)
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "addonName": required(Str(), replace=True),
        "addonVersion": computed(Str()),
        "clusterName": required(_CLUSTER_NAME, replace=True),
        "configurationValues": computed(json_object()),
        "namespaceConfig": computed(Object({"namespace": computed(Str())}), replace=True),
        "podIdentityAssociations": optional(
            Set(Object({"roleArn": required(arn()), "serviceAccount": required(Str())}))
        ),
        "preserve": optional(Bool()),
        "resolveConflictsOnCreate": optional(Str(choices=("NONE", "OVERWRITE"))),
        "resolveConflictsOnUpdate": optional(Str(choices=("NONE", "OVERWRITE", "PRESERVE"))),
        "serviceAccountRoleArn": optional(arn()),
        "arn": output(Str()),
        "createdAt": output(Str()),
        "modifiedAt": output(Str(), "*"),
    }

    def create(self, call: Call, new: Values) -> str:
        cluster, name = new["clusterName"], new["addonName"]
        members = {
            "addonVersion": "addonVersion",
            "configurationValues": "configurationValues",
            "namespaceConfig": "namespaceConfig",
            "podIdentityAssociations": "podIdentityAssociations",
            "resolveConflictsOnCreate": "resolveConflicts",
            "serviceAccountRoleArn": "serviceAccountRoleArn",
        }
        api = self.api(call, new)
        self.late(
            call,
            lambda: api.create_addon(
                clusterName=cluster, addonName=name, **pick(new, members), tags=self.tags_of(call, new)
            ),
        )
        identifier = f"{cluster}:{name}"
        call.exists(identifier)
        self.await_status(call, f"add-on {identifier}", lambda: self._find(call, identifier, new))
        return identifier

    def _find(self, call: Call, identifier: str, state: Values) -> Any | None:
        cluster, name = self.two_part(identifier, "add-on")
        api = self.api(call, state)
        answer = _or_none(lambda: api.describe_addon(clusterName=cluster, addonName=name))
        return answer and answer["addon"]

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        addon = self._find(call, identifier, state)
        if addon is None or addon["status"] == "DELETING":
            return None
        return addon_properties(self.api(call, state), addon)

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        api = self.api(call, new)
        cluster, name = self.two_part(identifier, "add-on")
        request = {}
        for key in ("addonVersion", "configurationValues", "serviceAccountRoleArn"):
            if key in changed:
                request[key] = new.get(key, "")
        if "podIdentityAssociations" in changed:
            request["podIdentityAssociations"] = new.get("podIdentityAssociations", [])
        if not request:
            self.await_status(call, f"add-on {identifier}", lambda: self._find(call, identifier, new))
            return
        request |= pick(new, {"resolveConflictsOnUpdate": "resolveConflicts"})
        answer = self.late(call, lambda: api.update_addon(clusterName=cluster, addonName=name, **request))
        self.await_update(call, answer, new, name=cluster, addonName=name)

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        cluster, name = self.two_part(identifier, "add-on")
        api = self.api(call, state)
        preserve = bool(state.get("preserve", False))
        _or_none(lambda: api.delete_addon(clusterName=cluster, addonName=name, preserve=preserve))
        self.await_deletion(call, f"add-on {identifier}", lambda: self._find(call, identifier, state))


def addon_properties(api: Any, addon: Any) -> Values:
    """Read an add-on's properties out of EKS's description of it."""
    associations = []
    for association_arn in addon.get("podIdentityAssociations", []):
        answer = api.describe_pod_identity_association(
            clusterName=addon["clusterName"], associationId=association_arn.rpartition("/")[2]
        )["association"]
        associations.append({"roleArn": answer["roleArn"], "serviceAccount": answer["serviceAccount"]})
    return {
        "addonName": addon["addonName"],
        "addonVersion": addon["addonVersion"],
        "arn": addon["addonArn"],
        "clusterName": addon["clusterName"],
        "configurationValues": addon.get("configurationValues", ""),
        "createdAt": addon["createdAt"].isoformat(),
        "modifiedAt": addon["modifiedAt"].isoformat(),
        "namespaceConfig": addon.get("namespaceConfig"),
        "podIdentityAssociations": associations,
        "serviceAccountRoleArn": addon.get("serviceAccountRoleArn", ""),
        "tags": addon.get("tags", {}),
    }


class AccessEntry(EksResource):
    """``aws.eks.AccessEntry``."""

    token = "aws:eks/accessEntry:AccessEntry"
    identity = ("clusterName", "principalArn")
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "clusterName": required(_CLUSTER_NAME, replace=True),
        "kubernetesGroups": computed(Set(Str()), removable=True),
        "principalArn": required(arn(), replace=True),
        "type": optional(
            Str(
                choices=(
                    "EC2",
                    "EC2_LINUX",
                    "EC2_WINDOWS",
                    "FARGATE_LINUX",
                    "HYBRID_LINUX",
                    "HYPERPOD_LINUX",
                    "STANDARD",
                )
            ),
            "STANDARD",
            replace=True,
        ),
        "userName": computed(Str()),
        "accessEntryArn": output(Str()),
        "createdAt": output(Str()),
        "modifiedAt": output(Str(), "*"),
    }

    def arn_of(self, state: Values) -> str:
        return state["accessEntryArn"]

    def create(self, call: Call, new: Values) -> str:
        api = self.api(call, new)
        members = {"kubernetesGroups": "kubernetesGroups", "type": "type", "userName": "username"}
        self.late(
            call,
            lambda: api.create_access_entry(
                clusterName=new["clusterName"],
                principalArn=new["principalArn"],
                **pick(new, members),
                tags=self.tags_of(call, new),
            ),
        )
        identifier = f"{new['clusterName']}:{new['principalArn']}"
        call.exists(identifier)
        return identifier

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        cluster, principal = self.two_part(identifier, "access entry")
        api = self.api(call, state)
        answer = _or_none(lambda: api.describe_access_entry(clusterName=cluster, principalArn=principal))
        return None if answer is None else access_entry_properties(answer["accessEntry"])

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        cluster, principal = self.two_part(identifier, "access entry")
        request = {}
        if "kubernetesGroups" in changed:
            request["kubernetesGroups"] = new.get("kubernetesGroups", [])
        if "userName" in changed and new.get("userName"):
            request["username"] = new["userName"]
        if request:
            self.api(call, new).update_access_entry(clusterName=cluster, principalArn=principal, **request)

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        cluster, principal = self.two_part(identifier, "access entry")
        api = self.api(call, state)
        _or_none(lambda: api.delete_access_entry(clusterName=cluster, principalArn=principal))


def access_entry_properties(entry: Any) -> Values:
    """Read an access entry's properties out of EKS's description of it."""
    return {
        "accessEntryArn": entry["accessEntryArn"],
        "clusterName": entry["clusterName"],
        "createdAt": entry["createdAt"].isoformat(),
        "kubernetesGroups": entry.get("kubernetesGroups", []),
        "modifiedAt": entry["modifiedAt"].isoformat(),
        "principalArn": entry["principalArn"],
        "type": entry.get("type", "STANDARD"),
        "userName": entry.get("username", ""),
        "tags": entry.get("tags", {}),
    }


class AccessPolicyAssociation(EksResource):
    """``aws.eks.AccessPolicyAssociation``."""

    token = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
    identity = ("clusterName", "principalArn", "policyArn")
    properties: ClassVar = {
        **REGION,
        "accessScope": required(
            Object(
                {
                    "namespaces": optional(Set(Str())),
                    "type": required(Str(choices=("cluster", "namespace"))),
                }
            ),
            replace=True,
        ),
        "clusterName": required(_CLUSTER_NAME, replace=True),
        "policyArn": required(arn(), replace=True),
        "principalArn": required(arn(), replace=True),
        "associatedAt": output(Str()),
        "modifiedAt": output(Str()),
    }

    @staticmethod
    def _namespaces_fit(new: Values) -> Iterator[tuple[str, str]]:
        scope = new.get("accessScope")
        if not isinstance(scope, dict) or has_unknown(scope):
            return
        if scope.get("type") == "namespace" and not scope.get("namespaces"):
            yield "accessScope", "a scope of type namespace needs namespaces"
        if scope.get("type") == "cluster" and scope.get("namespaces"):
            yield "accessScope", "a scope of type cluster takes no namespaces"

    rules = (_namespaces_fit,)

    def create(self, call: Call, new: Values) -> str:
        api = self.api(call, new)
        names = ("clusterName", "principalArn", "policyArn")
        call.retry(
            lambda: api.associate_access_policy(**{name: new[name] for name in names}, accessScope=new["accessScope"]),
            # The access entry may not be known everywhere yet.
            lambda error: _GONE(error) or self.aws(call).may_pass(error),
            within=60,
        )
        identifier = "#".join(new[name] for name in names)
        call.exists(identifier)
        return identifier

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        cluster, principal, policy = self._parts(identifier)
        api = self.api(call, state)

        def policies() -> list[Any]:
            pages = api.get_paginator("list_associated_access_policies").paginate(
                clusterName=cluster, principalArn=principal
            )
            return [found for page in pages for found in page["associatedAccessPolicies"]]

        associated = next((found for found in _or_none(policies) or () if found["policyArn"] == policy), None)
        return associated and {
            "accessScope": pick(associated["accessScope"], {"type": "type", "namespaces": "namespaces"}),
            "associatedAt": associated["associatedAt"].isoformat(),
            "clusterName": cluster,
            "modifiedAt": associated["modifiedAt"].isoformat(),
            "policyArn": policy,
            "principalArn": principal,
        }

    def _parts(self, identifier: str) -> list[str]:
        parts = identifier.split("#")
        if len(parts) != 3:
            raise ProviderError(f"{identifier!r} is no association: write it as cluster#principalArn#policyArn")
        return parts

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        cluster, principal, policy = self._parts(identifier)
        api = self.api(call, state)
        _or_none(lambda: api.disassociate_access_policy(clusterName=cluster, principalArn=principal, policyArn=policy))


class PodIdentityAssociation(EksResource):
    """``aws.eks.PodIdentityAssociation``."""

    token = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
    identity = ("clusterName", "namespace", "serviceAccount")
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "clusterName": required(_CLUSTER_NAME, replace=True),
        "disableSessionTags": computed(Bool()),
        "namespace": required(Str(), replace=True),
        "policy": optional(policy_document(longest=2048)),
        "roleArn": required(arn()),
        "serviceAccount": required(Str(), replace=True),
        "targetRoleArn": optional(arn()),
        "associationArn": output(Str()),
        "associationId": output(Str()),
        # EKS makes it up for the association with a target role, and it is empty without one.
        "externalId": output(Str(), "targetRoleArn"),
    }

    def arn_of(self, state: Values) -> str:
        return state["associationArn"]

    def create(self, call: Call, new: Values) -> str:
        names = (
            "clusterName",
            "disableSessionTags",
            "namespace",
            "policy",
            "roleArn",
            "serviceAccount",
            "targetRoleArn",
        )
        api = self.api(call, new)
        answer = self.late(
            call,
            lambda: api.create_pod_identity_association(
                **pick(new, dict(zip(names, names, strict=True))), tags=self.tags_of(call, new)
            ),
        )
        identifier = answer["association"]["associationId"]
        call.exists(identifier)
        return identifier

    def parse(self, call: Call, identifier: str, seed: Values) -> tuple[str, Values]:
        cluster, _, association = identifier.partition(",")
        if not association:
            raise ProviderError(f"{identifier!r} is no association: write it as cluster,a-0123456789")
        return association, {"clusterName": cluster}

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        api = self.api(call, state)
        cluster = state["clusterName"]
        answer = _or_none(lambda: api.describe_pod_identity_association(clusterName=cluster, associationId=identifier))
        if answer is None:
            return None
        association = answer["association"]
        return {
            "associationArn": association["associationArn"],
            "associationId": association["associationId"],
            "clusterName": association["clusterName"],
            "disableSessionTags": association.get("disableSessionTags", False),
            "externalId": association.get("externalId", ""),
            "namespace": association["namespace"],
            "policy": association.get("policy", ""),
            "roleArn": association["roleArn"],
            "serviceAccount": association["serviceAccount"],
            "targetRoleArn": association.get("targetRoleArn", ""),
            "tags": association.get("tags", {}),
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        api = self.api(call, new)
        request: Values = {}
        if "roleArn" in changed:
            request["roleArn"] = new["roleArn"]
        if "disableSessionTags" in changed:
            request["disableSessionTags"] = bool(new.get("disableSessionTags"))
        for key in ("policy", "targetRoleArn"):
            if key in changed:
                # The empty text takes it away.
                request[key] = new.get(key, "")
        if request:
            self.late(
                call,
                lambda: api.update_pod_identity_association(
                    clusterName=new["clusterName"], associationId=identifier, **request
                ),
            )

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        api = self.api(call, state)
        _or_none(
            lambda: api.delete_pod_identity_association(clusterName=state["clusterName"], associationId=identifier)
        )


RESOURCES = by_token(Cluster, NodeGroup, Addon, AccessEntry, AccessPolicyAssociation, PodIdentityAssociation)
