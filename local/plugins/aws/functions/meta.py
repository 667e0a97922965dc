"""Functions about where and who one is: caller, region, partition, zones, default tags."""

from typing import Any, ClassVar

from ...base.calls import Call
from ...base.properties import Bool, List, Map, Object, Set, Str, optional, required
from ...base.wire import Values
from .function import REGION, AwsFunction, by_token, results

FILTERS = optional(Set(Object({"name": required(Str()), "values": required(Set(Str()))})))
"""The argument of functions that list things by EC2's filters."""


def ec2_filters(arguments: Values) -> list[dict[str, Any]]:
    """EC2's filters of a function's arguments."""
    filters = [{"Name": item["name"], "Values": item["values"]} for item in arguments.get("filters") or ()]
    filters += ({"Name": f"tag:{key}", "Values": [value]} for key, value in (arguments.get("tags") or {}).items())
    return filters


class GetCallerIdentity(AwsFunction):
    """``aws.get_caller_identity``."""

    token = "aws:index/getCallerIdentity:getCallerIdentity"
    arguments: ClassVar = {"id": optional(Str())}
    results = results(accountId=Str(), arn=Str(), id=Str(), userId=Str())

    def invoke(self, call: Call, arguments: Values) -> Values:
        identity = self.aws(call).identity()
        account = identity["Account"]
        return {"accountId": account, "arn": identity["Arn"], "id": account, "userId": identity["UserId"]}


class GetRegion(AwsFunction):
    """``aws.get_region``."""

    token = "aws:index/getRegion:getRegion"
    arguments: ClassVar = {**REGION, "endpoint": optional(Str()), "id": optional(Str()), "name": optional(Str())}
    results = results(description=Str(), endpoint=Str(), id=Str(), name=Str(), region=Str())

    def invoke(self, call: Call, arguments: Values) -> Values:
        aws = self.aws(call)
        region = arguments.get("region") or arguments.get("name")
        if region is None and arguments.get("endpoint"):
            region = arguments["endpoint"].split(".")[1]
        region = region or aws.region
        return {
            "description": aws.region_name(region),
            "endpoint": f"ec2.{region}.{aws.dns_suffix}",
            "id": region,
            "name": region,
            "region": region,
        }


class GetPartition(AwsFunction):
    """``aws.get_partition``."""

    token = "aws:index/getPartition:getPartition"
    arguments: ClassVar = {"id": optional(Str())}
    results = results(dnsSuffix=Str(), id=Str(), partition=Str(), reverseDnsPrefix=Str())

    def invoke(self, call: Call, arguments: Values) -> Values:
        aws = self.aws(call)
        return {
            "dnsSuffix": aws.dns_suffix,
            "id": aws.partition,
            "partition": aws.partition,
            "reverseDnsPrefix": aws.reverse_dns_prefix,
        }


class GetAvailabilityZones(AwsFunction):
    """``aws.get_availability_zones``."""

    token = "aws:index/getAvailabilityZones:getAvailabilityZones"
    service = "ec2"
    arguments: ClassVar = {
        **REGION,
        "allAvailabilityZones": optional(Bool()),
        "excludeNames": optional(Set(Str())),
        "excludeZoneIds": optional(Set(Str())),
        "filters": FILTERS,
        "state": optional(Str(choices=("available", "information", "impaired", "unavailable"))),
    }
    results: ClassVar = {
        **arguments,
        **results(groupNames=List(Str()), id=Str(), names=List(Str()), zoneIds=List(Str())),
    }

    def invoke(self, call: Call, arguments: Values) -> Values:
        filters = ec2_filters(arguments)
        if "state" in arguments:
            filters.append({"Name": "state", "Values": [arguments["state"]]})
        answer = self.api(call, arguments).describe_availability_zones(
            AllAvailabilityZones=arguments.get("allAvailabilityZones", False), Filters=filters
        )
        zones = sorted(
            (
                zone
                for zone in answer["AvailabilityZones"]
                if zone["ZoneName"] not in arguments.get("excludeNames", ())
                and zone.get("ZoneId") not in arguments.get("excludeZoneIds", ())
            ),
            key=lambda zone: zone["ZoneName"],
        )
        region = self.region(call, arguments)
        return {
            **arguments,
            "groupNames": sorted({zone.get("GroupName") or region for zone in zones}),
            "id": region,
            "names": [zone["ZoneName"] for zone in zones],
            "region": region,
            "zoneIds": [zone.get("ZoneId", "") for zone in zones],
        }


class GetDefaultTags(AwsFunction):
    """``aws.get_default_tags``."""

    token = "aws:index/getDefaultTags:getDefaultTags"
    arguments: ClassVar = {"id": optional(Str())}
    results = results(id=Str(), tags=Map(Str()))

    def invoke(self, call: Call, arguments: Values) -> Values:
        aws = self.aws(call)
        return {"id": aws.partition, "tags": aws.default_tags}


FUNCTIONS = by_token(GetCallerIdentity, GetRegion, GetPartition, GetAvailabilityZones, GetDefaultTags)
