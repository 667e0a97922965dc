"""Functions that look up clusters and what is in them."""

from typing import Any, ClassVar

from ...base.calls import Call
from ...base.errors import ProviderError
from ...base.properties import Bool, Int, List, Map, Object, Set, Str, computed, optional, output, required
from ...base.wire import Values
from ..resource import pick
from ..resources import eks as resources
from .function import REGION, AwsFunction, by_token, results

_TAGS = {"tags": computed(Map(Str()))}


def _strings(*names: str) -> List:
    return List(Object({name: output(Str()) for name in names}))


class GetCluster(AwsFunction):
    """``aws.eks.get_cluster``."""

    token = "aws:eks/getCluster:getCluster"
    service = "eks"
    arguments: ClassVar = {**REGION, **_TAGS, "name": required(Str())}
    results: ClassVar = {
        **arguments,
        **results(
            accessConfigs=List(
                Object(
                    {
                        "authenticationMode": output(Str()),
                        "bootstrapClusterCreatorAdminPermissions": output(Bool()),
                    }
                )
            ),
            arn=Str(),
            certificateAuthorities=_strings("data"),
            clusterId=Str(),
            computeConfigs=List(
                Object({"enabled": output(Bool()), "nodePools": output(List(Str())), "nodeRoleArn": output(Str())})
            ),
            createdAt=Str(),
            deletionProtection=Bool(),
            enabledClusterLogTypes=List(Str()),
            endpoint=Str(),
            id=Str(),
            identities=List(Object({"oidcs": output(_strings("issuer"))})),
            kubernetesNetworkConfigs=List(
                Object(
                    {
                        "elasticLoadBalancings": output(List(Object({"enabled": output(Bool())}))),
                        "ipFamily": output(Str()),
                        "serviceIpv4Cidr": output(Str()),
                        "serviceIpv6Cidr": output(Str()),
                    }
                )
            ),
            platformVersion=Str(),
            roleArn=Str(),
            status=Str(),
            storageConfigs=List(Object({"blockStorages": output(List(Object({"enabled": output(Bool())})))})),
            upgradePolicies=_strings("supportType"),
            version=Str(),
            vpcConfig=Object(
                {
                    "clusterSecurityGroupId": output(Str()),
                    "controlPlaneEgressMode": output(Str()),
                    "endpointPrivateAccess": output(Bool()),
                    "endpointPublicAccess": output(Bool()),
                    "publicAccessCidrs": output(List(Str())),
                    "securityGroupIds": output(List(Str())),
                    "subnetIds": output(List(Str())),
                    "vpcId": output(Str()),
                }
            ),
            zonalShiftConfigs=List(Object({"enabled": output(Bool())})),
        ),
    }

    def invoke(self, call: Call, arguments: Values) -> Values:
        cluster = self.api(call, arguments).describe_cluster(name=arguments["name"])["cluster"]
        found = resources.cluster_properties(cluster)

        def listed(name: str) -> list[Any]:
            return [found[name]] if found.get(name) else []

        same = (
            "arn",
            "clusterId",
            "createdAt",
            "enabledClusterLogTypes",
            "endpoint",
            "identities",
            "name",
            "platformVersion",
            "roleArn",
            "status",
            "version",
            "vpcConfig",
        )
        network = dict(found.get("kubernetesNetworkConfig") or {})
        balancing = network.pop("elasticLoadBalancing", None)
        storage = (found.get("storageConfig") or {}).get("blockStorage")
        return {
            **{name: found.get(name) for name in same},
            "accessConfigs": listed("accessConfig"),
            "certificateAuthorities": listed("certificateAuthority"),
            "computeConfigs": listed("computeConfig"),
            "deletionProtection": found.get("deletionProtection", False),
            "id": found["name"],
            "kubernetesNetworkConfigs": [{**network, "elasticLoadBalancings": [balancing] if balancing else []}],
            "region": self.region(call, arguments),
            "storageConfigs": [{"blockStorages": [storage]}] if storage else [],
            "tags": cluster.get("tags", {}),
            "upgradePolicies": listed("upgradePolicy"),
            "zonalShiftConfigs": listed("zonalShiftConfig"),
        }


class GetClusters(AwsFunction):
    """``aws.eks.get_clusters``."""

    token = "aws:eks/getClusters:getClusters"
    service = "eks"
    arguments: ClassVar = {**REGION}
    results: ClassVar = {**arguments, **results(id=Str(), names=List(Str()))}

    def invoke(self, call: Call, arguments: Values) -> Values:
        pages = self.api(call, arguments).get_paginator("list_clusters").paginate()
        region = self.region(call, arguments)
        return {"id": region, "names": [name for page in pages for name in page["clusters"]], "region": region}


class GetAddon(AwsFunction):
    """``aws.eks.get_addon``."""

    token = "aws:eks/getAddon:getAddon"
    service = "eks"
    arguments: ClassVar = {**REGION, **_TAGS, "addonName": required(Str()), "clusterName": required(Str())}
    results: ClassVar = {
        **arguments,
        **results(
            addonVersion=Str(),
            arn=Str(),
            configurationValues=Str(),
            createdAt=Str(),
            id=Str(),
            modifiedAt=Str(),
            podIdentityAssociations=_strings("roleArn", "serviceAccount"),
            serviceAccountRoleArn=Str(),
        ),
    }

    def invoke(self, call: Call, arguments: Values) -> Values:
        api = self.api(call, arguments)
        cluster, name = arguments["clusterName"], arguments["addonName"]
        addon = api.describe_addon(clusterName=cluster, addonName=name)["addon"]
        found = resources.addon_properties(api, addon)
        found.pop("namespaceConfig")
        return {**found, "id": f"{cluster}:{name}", "region": self.region(call, arguments)}


class GetAddonVersion(AwsFunction):
    """``aws.eks.get_addon_version``."""

    token = "aws:eks/getAddonVersion:getAddonVersion"
    service = "eks"
    arguments: ClassVar = {
        **REGION,
        "addonName": required(Str()),
        "kubernetesVersion": required(Str()),
        "mostRecent": optional(Bool()),
    }
    results: ClassVar = {**arguments, **results(id=Str(), version=Str())}

    def invoke(self, call: Call, arguments: Values) -> Values:
        name, kubernetes = arguments["addonName"], arguments["kubernetesVersion"]
        pages = (
            self.api(call, arguments)
            .get_paginator("describe_addon_versions")
            .paginate(addonName=name, kubernetesVersion=kubernetes)
        )
        # EKS lists the newest first.
        versions = [
            version
            for page in pages
            for addon in page["addons"]
            if addon["addonName"] == name
            for version in addon["addonVersions"]
        ]
        if not arguments.get("mostRecent"):
            versions = [
                version
                for version in versions
                if any(
                    fit.get("defaultVersion") and fit.get("clusterVersion") == kubernetes
                    for fit in version["compatibilities"]
                )
            ]
        if not versions:
            raise ProviderError(f"EKS has no add-on {name} for Kubernetes {kubernetes}")
        return {
            **arguments,
            "id": name,
            "region": self.region(call, arguments),
            "version": versions[0]["addonVersion"],
        }


class GetClusterVersions(AwsFunction):
    """``aws.eks.get_cluster_versions``."""

    token = "aws:eks/getClusterVersions:getClusterVersions"
    service = "eks"
    arguments: ClassVar = {
        **REGION,
        "clusterType": optional(Str()),
        "clusterVersionsOnlies": optional(Set(Str())),
        "defaultOnly": optional(Bool()),
        "includeAll": optional(Bool()),
        "versionStatus": optional(Str(choices=("EXTENDED_SUPPORT", "STANDARD_SUPPORT", "UNSUPPORTED"))),
    }
    results: ClassVar = {
        **arguments,
        **results(
            clusterVersions=List(
                Object(
                    {
                        "clusterType": output(Str()),
                        "clusterVersion": output(Str()),
                        "defaultPlatformVersion": output(Str()),
                        "defaultVersion": output(Bool()),
                        "endOfExtendedSupportDate": output(Str()),
                        "endOfStandardSupportDate": output(Str()),
                        "kubernetesPatchVersion": output(Str()),
                        "releaseDate": output(Str()),
                        "versionStatus": output(Str()),
                    }
                )
            )
        ),
    }

    def invoke(self, call: Call, arguments: Values) -> Values:
        members = {
            "clusterType": "clusterType",
            "clusterVersionsOnlies": "clusterVersions",
            "defaultOnly": "defaultOnly",
            "includeAll": "includeAll",
            "versionStatus": "versionStatus",
        }
        pages = (
            self.api(call, arguments).get_paginator("describe_cluster_versions").paginate(**pick(arguments, members))
        )
        same = (
            "clusterType",
            "clusterVersion",
            "defaultPlatformVersion",
            "defaultVersion",
            "kubernetesPatchVersion",
            "versionStatus",
        )
        dates = ("endOfExtendedSupportDate", "endOfStandardSupportDate", "releaseDate")
        return {
            **arguments,
            "clusterVersions": [
                {
                    **{name: version.get(name) for name in same},
                    **{name: version[name].isoformat() for name in dates if version.get(name)},
                }
                for page in pages
                for version in page["clusterVersions"]
            ],
            "region": self.region(call, arguments),
        }


class GetAccessEntry(AwsFunction):
    """``aws.eks.get_access_entry``."""

    token = "aws:eks/getAccessEntry:getAccessEntry"
    service = "eks"
    arguments: ClassVar = {
        **REGION,
        **_TAGS,
        "clusterName": required(Str()),
        "principalArn": required(Str()),
        "tagsAll": computed(Map(Str())),
    }
    results: ClassVar = {
        **arguments,
        **results(
            accessEntryArn=Str(),
            createdAt=Str(),
            id=Str(),
            kubernetesGroups=List(Str()),
            modifiedAt=Str(),
            type=Str(),
            userName=Str(),
        ),
    }

    def invoke(self, call: Call, arguments: Values) -> Values:
        cluster, principal = arguments["clusterName"], arguments["principalArn"]
        answer = self.api(call, arguments).describe_access_entry(clusterName=cluster, principalArn=principal)
        found = resources.access_entry_properties(answer["accessEntry"])
        return {
            **found,
            "id": f"{cluster}:{principal}",
            "region": self.region(call, arguments),
            "tagsAll": found["tags"],
        }


class GetNodeGroup(AwsFunction):
    """``aws.eks.get_node_group``."""

    token = "aws:eks/getNodeGroup:getNodeGroup"
    service = "eks"
    arguments: ClassVar = {**REGION, **_TAGS, "clusterName": required(Str()), "nodeGroupName": required(Str())}
    results: ClassVar = {
        **arguments,
        **results(
            amiType=Str(),
            arn=Str(),
            capacityType=Str(),
            diskSize=Int(),
            id=Str(),
            instanceTypes=List(Str()),
            labels=Map(Str()),
            launchTemplates=_strings("id", "name", "version"),
            nodeRoleArn=Str(),
            releaseVersion=Str(),
            scalingConfigs=List(Object({name: output(Int()) for name in ("desiredSize", "maxSize", "minSize")})),
            status=Str(),
            subnetIds=List(Str()),
            taints=_strings("effect", "key", "value"),
            version=Str(),
        ),
    }

    def invoke(self, call: Call, arguments: Values) -> Values:
        cluster, name = arguments["clusterName"], arguments["nodeGroupName"]
        answer = self.api(call, arguments).describe_nodegroup(clusterName=cluster, nodegroupName=name)
        found = resources.nodegroup_properties(answer["nodegroup"])
        template, scaling = found.get("launchTemplate"), found.get("scalingConfig")
        return {
            **{name: value for name, value in found.items() if name in self.results},
            "id": f"{cluster}:{name}",
            "launchTemplates": [template] if template else [],
            "region": self.region(call, arguments),
            "scalingConfigs": [scaling] if scaling else [],
        }


class GetNodeGroups(AwsFunction):
    """``aws.eks.get_node_groups``."""

    token = "aws:eks/getNodeGroups:getNodeGroups"
    service = "eks"
    arguments: ClassVar = {**REGION, "clusterName": required(Str())}
    results: ClassVar = {**arguments, **results(id=Str(), names=List(Str()))}

    def invoke(self, call: Call, arguments: Values) -> Values:
        cluster = arguments["clusterName"]
        pages = self.api(call, arguments).get_paginator("list_nodegroups").paginate(clusterName=cluster)
        return {
            "clusterName": cluster,
            "id": cluster,
            "names": [name for page in pages for name in page["nodegroups"]],
            "region": self.region(call, arguments),
        }


FUNCTIONS = by_token(
    GetCluster,
    GetClusters,
    GetAddon,
    GetAddonVersion,
    GetClusterVersions,
    GetAccessEntry,
    GetNodeGroup,
    GetNodeGroups,
)
