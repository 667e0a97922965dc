"""Launch templates.

See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RequestLaunchTemplateData.html.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ...base.calls import Call
from ...base.naming import with_prefix
from ...base.properties import (
    AutoName,
    Bool,
    Int,
    List,
    Map,
    Object,
    Property,
    Set,
    Str,
    Type,
    computed,
    optional,
    output,
)
from ...base.wire import Values
from ..resource import REGION, TAGS, by_token, tag_list, tag_map
from .ec2 import Ec2Resource, delete, look_up

# Booleans that the SDK types as strings, so that unset can be told from false.
_FLAG = Str(choices=("true", "false"))


def _block(**properties: Type) -> Object:
    return Object({name: optional(type) for name, type in properties.items()})


_DATA: dict[str, Property] = {
    "blockDeviceMappings": optional(
        List(
            _block(
                deviceName=Str(),
                ebs=Object(
                    {
                        "deleteOnTermination": optional(_FLAG),
                        "encrypted": optional(_FLAG),
                        "iops": computed(Int(least=1)),
                        "kmsKeyId": optional(Str()),
                        "snapshotId": optional(Str()),
                        "throughput": computed(Int(least=125, most=2000)),
                        "volumeInitializationRate": optional(Int(least=100, most=300)),
                        "volumeSize": computed(Int(least=1, most=65536)),
                        "volumeType": computed(Str(choices=("gp2", "gp3", "io1", "io2", "sc1", "st1", "standard"))),
                    }
                ),
                noDevice=Str(),
                virtualName=Str(),
            )
        )
    ),
    "cpuOptions": optional(
        _block(
            amdSevSnp=Str(choices=("disabled", "enabled")),
            coreCount=Int(),
            threadsPerCore=Int(),
            nestedVirtualization=Str(),
        )
    ),
    "creditSpecification": optional(_block(cpuCredits=Str(choices=("standard", "unlimited")))),
    "disableApiStop": optional(Bool()),
    "disableApiTermination": optional(Bool()),
    "ebsOptimized": optional(_FLAG),
    "enclaveOptions": optional(_block(enabled=Bool())),
    "iamInstanceProfile": optional(_block(arn=Str(), name=Str())),
    "imageId": optional(Str(pattern=r"(ami-|resolve:ssm:).+")),
    "instanceInitiatedShutdownBehavior": optional(Str(choices=("stop", "terminate"))),
    "instanceType": optional(Str()),
    "kernelId": optional(Str()),
    "keyName": optional(Str()),
    "maintenanceOptions": optional(_block(autoRecovery=Str(choices=("default", "disabled")))),
    "metadataOptions": computed(
        Object(
            {
                "httpEndpoint": computed(Str(choices=("disabled", "enabled"))),
                "httpProtocolIpv6": computed(Str(choices=("disabled", "enabled"))),
                "httpPutResponseHopLimit": computed(Int(least=1, most=64)),
                "httpTokens": computed(Str(choices=("optional", "required"))),
                "instanceMetadataTags": computed(Str(choices=("disabled", "enabled"))),
            }
        )
    ),
    "monitoring": optional(_block(enabled=Bool())),
    "networkInterfaces": optional(
        List(
            _block(
                associateCarrierIpAddress=_FLAG,
                associatePublicIpAddress=_FLAG,
                deleteOnTermination=_FLAG,
                description=Str(),
                deviceIndex=Int(),
                interfaceType=Str(),
                ipv4AddressCount=Int(),
                ipv6AddressCount=Int(),
                networkCardIndex=Int(),
                networkInterfaceId=Str(),
                primaryIpv6=_FLAG,
                privateIpAddress=Str(),
                securityGroups=Set(Str()),
                subnetId=Str(),
            )
        )
    ),
    "placement": optional(
        _block(
            affinity=Str(),
            availabilityZone=Str(),
            groupId=Str(),
            groupName=Str(),
            hostId=Str(),
            hostResourceGroupArn=Str(),
            partitionNumber=Int(),
            spreadDomain=Str(),
            tenancy=Str(choices=("dedicated", "default", "host")),
        )
    ),
    "privateDnsNameOptions": optional(
        _block(
            enableResourceNameDnsARecord=Bool(),
            enableResourceNameDnsAaaaRecord=Bool(),
            hostnameType=Str(choices=("ip-name", "resource-name")),
        )
    ),
    "ramDiskId": optional(Str()),
    "securityGroupNames": optional(Set(Str())),
    "tagSpecifications": optional(List(_block(resourceType=Str(), tags=Map(Str())))),
    "userData": optional(Str()),
    "vpcSecurityGroupIds": optional(Set(Str())),
}

# Where EC2's name is not ours with a capital letter.
_NAMES = {
    "enableResourceNameDnsAaaaRecord": "EnableResourceNameDnsAAAARecord",
    "securityGroupNames": "SecurityGroups",
    "vpcSecurityGroupIds": "SecurityGroupIds",
}
_IN_INTERFACE = {"securityGroups": "Groups", "ipv4AddressCount": "SecondaryPrivateIpAddressCount"}


def _name_in_api(name: str, within: str) -> str:
    special = _IN_INTERFACE if within == "networkInterfaces" else _NAMES
    return special.get(name) or name[0].upper() + name[1:]


def _to_api(properties: Mapping[str, Property], values: Values, within: str = "") -> Values:
    """Spell template data as EC2 takes it."""
    return {
        _name_in_api(name, within): _value_to_api(declared.type, values[name], name)
        for name, declared in properties.items()
        if values.get(name) is not None
    }


def _value_to_api(type: Type, value: Any, name: str) -> Any:
    if type is _FLAG:
        return value == "true"
    if isinstance(type, Object):
        return _to_api(type.properties, value, name)
    if isinstance(type, Map):
        return tag_list(value)
    if isinstance(type, List):
        return [_value_to_api(type.item, item, name) for item in value]
    return value


def _from_api(properties: Mapping[str, Property], data: Mapping[str, Any], within: str = "") -> Values:
    """Read template data as EC2 returns it."""
    return {
        name: _value_from_api(declared.type, data[key], name) if (key := _name_in_api(name, within)) in data else None
        for name, declared in properties.items()
    }


def _value_from_api(type: Type, value: Any, name: str) -> Any:
    if type is _FLAG:
        return "true" if value in (True, "true") else "false"
    if isinstance(type, Object):
        return _from_api(type.properties, value, name)
    if isinstance(type, Map):
        return tag_map(value)
    if isinstance(type, List):
        return [_value_from_api(type.item, item, name) for item in value]
    if isinstance(type, Int) and isinstance(value, str):
        return int(value)
    return value


class LaunchTemplate(Ec2Resource):
    """``aws.ec2.LaunchTemplate``."""

    token = "aws:ec2/launchTemplate:LaunchTemplate"
    identity = ("name",)
    properties: ClassVar = {
        **REGION,
        **TAGS,
        **_DATA,
        "defaultVersion": computed(
            Int(least=1),
            conflicts=("updateDefaultVersion",),
            follows=(*_DATA, "description", "updateDefaultVersion"),
            imported=False,
        ),
        "description": optional(Str(longest=255)),
        "name": computed(
            Str(pattern=r"[A-Za-z0-9()./_-]{3,128}"),
            replace=True,
            autoname=AutoName(128),
            conflicts=("namePrefix",),
        ),
        "namePrefix": optional(Str(longest=99), replace=True, imported=False),
        "updateDefaultVersion": optional(Bool(), imported=False),
        "arn": output(Str()),
        "latestVersion": output(Int(), *_DATA, "description"),
    }
    not_served = frozenset(
        {
            "capacityReservationSpecification",
            "hibernationOptions",
            "instanceMarketOptions",
            "instanceRequirements",
            "licenseSpecifications",
            "networkPerformanceOptions",
            "secondaryInterfaces",
        }
    )

    @staticmethod
    def _groups_by_id_or_name(new: Values) -> Iterator[tuple[str, str]]:
        if new.get("vpcSecurityGroupIds") is not None and new.get("securityGroupNames") is not None:
            yield "securityGroupNames", "conflicts with vpcSecurityGroupIds: give one of them"

    rules = (_groups_by_id_or_name,)

    def create(self, call: Call, new: Values) -> str:
        api = self.api(call, new)
        described = {"VersionDescription": new["description"]} if new.get("description") else {}
        identifier = api.create_launch_template(
            LaunchTemplateName=new["name"] if "name" in new else with_prefix(new["namePrefix"]),
            LaunchTemplateData=_to_api(_DATA, new),
            **described,
            TagSpecifications=self.tag_specifications(call, "launch-template", new),
        )["LaunchTemplate"]["LaunchTemplateId"]
        call.exists(identifier)
        return identifier

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        api = self.api(call, state)
        template = look_up(lambda: api.describe_launch_templates(LaunchTemplateIds=[identifier])["LaunchTemplates"])
        if template is None:
            return None
        latest = template["LatestVersionNumber"]
        version = look_up(
            lambda: api.describe_launch_template_versions(LaunchTemplateId=identifier, Versions=[str(latest)])[
                "LaunchTemplateVersions"
            ]
        )
        if version is None:
            return None
        return {
            **_from_api(_DATA, version["LaunchTemplateData"]),
            "arn": self.arn(call, "launch-template", identifier, self.aws(call).account_id, state),
            "defaultVersion": template["DefaultVersionNumber"],
            "description": version.get("VersionDescription", ""),
            "latestVersion": latest,
            "name": template["LaunchTemplateName"],
            "tags": tag_map(template.get("Tags")),
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        api = self.api(call, new)
        latest = old.get("latestVersion")
        if changed & {*_DATA, "description"}:
            described = {"VersionDescription": new["description"]} if new.get("description") else {}
            latest = api.create_launch_template_version(
                LaunchTemplateId=identifier, LaunchTemplateData=_to_api(_DATA, new), **described
            )["LaunchTemplateVersion"]["VersionNumber"]
        default = latest if new.get("updateDefaultVersion") else new.get("defaultVersion")
        if default is not None and default != old.get("defaultVersion"):
            api.modify_launch_template(LaunchTemplateId=identifier, DefaultVersion=str(default))

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        api = self.api(call, state)
        delete(call, lambda: api.delete_launch_template(LaunchTemplateId=identifier), within=60)


RESOURCES = by_token(LaunchTemplate)
