"""What users have made on an AWS endpoint, counted through its API: to prove that nothing is left."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

Lister = Callable[["_Clients"], Iterator[str]]


class _Clients:
    """Clients of one endpoint and region, made when first used."""

    def __init__(self, endpoint_url: str, region: str) -> None:
        self._session = boto3.Session(
            aws_access_key_id="inventory", aws_secret_access_key="inventory", region_name=region
        )
        self._url = endpoint_url
        self._made: dict[str, Any] = {}

    def __getitem__(self, service: str) -> Any:
        if service not in self._made:
            config = Config(s3={"addressing_style": "path"})
            self._made[service] = self._session.client(service, endpoint_url=self._url, config=config)  # type: ignore[call-overload]
        return self._made[service]

    def items(self, service: str, operation: str, member: str, **arguments: Any) -> Iterator[Any]:
        """Yield a listing's items over all its pages."""
        client = self[service]
        if client.can_paginate(operation):
            for page in client.get_paginator(operation).paginate(**arguments):
                yield from page.get(member, [])
        else:
            yield from getattr(client, operation)(**arguments).get(member, [])


def _of_clusters(operation: str, member: str, identify: Callable[[Any], str] = str) -> Lister:
    """List something in every cluster."""

    def lister(clients: _Clients) -> Iterator[str]:
        for cluster in clients.items("eks", "list_clusters", "clusters"):
            try:
                for item in clients.items("eks", operation, member, clusterName=cluster):
                    yield f"{cluster}/{identify(item)}"
            except ClientError as error:
                # Clusters that use the aws-auth ConfigMap have no access entries; deleted ones nothing.
                if error.response["Error"]["Code"] not in ("InvalidRequestException", "ResourceNotFoundException"):
                    raise

    return lister


def _ec2(operation: str, member: str, key: str, keep: Callable[[dict[str, Any]], bool] = lambda item: True) -> Lister:
    """List something of EC2's, except what belongs to default VPCs."""

    def lister(clients: _Clients) -> Iterator[str]:
        defaults = {vpc["VpcId"] for vpc in clients.items("ec2", "describe_vpcs", "Vpcs") if vpc.get("IsDefault")}
        for item in clients.items("ec2", operation, member):
            attached = {attachment.get("VpcId") for attachment in item.get("Attachments", [])}
            if item.get("VpcId") not in defaults and not attached & defaults and keep(item):
                yield item[key]

    return lister


def _instances(clients: _Clients) -> Iterator[str]:
    for reservation in clients.items("ec2", "describe_instances", "Reservations"):
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] != "terminated":
                yield instance["InstanceId"]


def _roles(clients: _Clients) -> Iterator[str]:
    for role in clients.items("iam", "list_roles", "Roles"):
        if not role["Path"].startswith("/aws-service-role/"):
            yield role["RoleName"]


def _keys(clients: _Clients) -> Iterator[str]:
    for key in clients.items("kms", "list_keys", "Keys"):
        metadata = clients["kms"].describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if metadata["KeyState"] != "PendingDeletion" and metadata["KeyManager"] == "CUSTOMER":
            yield key["KeyId"]


def _simple(service: str, operation: str, member: str, key: str, **arguments: Any) -> Lister:
    def lister(clients: _Clients) -> Iterator[str]:
        for item in clients.items(service, operation, member, **arguments):
            yield item[key]

    return lister


_LISTERS: dict[str, Lister] = {
    "eks clusters": lambda clients: clients.items("eks", "list_clusters", "clusters"),
    "eks node groups": _of_clusters("list_nodegroups", "nodegroups"),
    "eks fargate profiles": _of_clusters("list_fargate_profiles", "fargateProfileNames"),
    "eks add-ons": _of_clusters("list_addons", "addons"),
    "eks access entries": _of_clusters("list_access_entries", "accessEntries"),
    "eks pod identity associations": _of_clusters(
        "list_pod_identity_associations", "associations", lambda item: item["associationId"]
    ),
    "vpcs": _ec2("describe_vpcs", "Vpcs", "VpcId"),
    "subnets": _ec2("describe_subnets", "Subnets", "SubnetId"),
    "nat gateways": _ec2(
        "describe_nat_gateways", "NatGateways", "NatGatewayId", lambda item: item["State"] != "deleted"
    ),
    "internet gateways": _ec2("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    "elastic ips": _ec2("describe_addresses", "Addresses", "AllocationId"),
    "route tables": _ec2(
        "describe_route_tables",
        "RouteTables",
        "RouteTableId",
        lambda item: not any(association.get("Main") for association in item["Associations"]),
    ),
    "security groups": _ec2(
        "describe_security_groups", "SecurityGroups", "GroupId", lambda item: item["GroupName"] != "default"
    ),
    "network interfaces": _ec2("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    "network acls": _ec2("describe_network_acls", "NetworkAcls", "NetworkAclId", lambda item: not item["IsDefault"]),
    "vpc endpoints": _ec2(
        "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", lambda item: item["State"] != "deleted"
    ),
    "volumes": _ec2("describe_volumes", "Volumes", "VolumeId"),
    "key pairs": _simple("ec2", "describe_key_pairs", "KeyPairs", "KeyName"),
    "launch templates": _simple("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    "instances": _instances,
    "iam roles": _roles,
    "iam policies": _simple("iam", "list_policies", "Policies", "Arn", Scope="Local"),
    "iam users": _simple("iam", "list_users", "Users", "UserName"),
    "iam instance profiles": _simple("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    "iam oidc providers": _simple("iam", "list_open_id_connect_providers", "OpenIDConnectProviderList", "Arn"),
    "log groups": _simple("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "kms keys": _keys,
    "s3 buckets": _simple("s3", "list_buckets", "Buckets", "Name"),
}


def inventory(endpoint_url: str, region: str = "eu-west-1") -> dict[str, list[str]]:
    """List what users have made, by kind; kinds of which there is nothing are left out.

    What AWS makes by itself is not counted: default VPCs and what is in them, each VPC's main route table,
    default security group and network ACL, service-linked roles, AWS managed policies and keys, keys that
    are pending deletion.

    Args:
        endpoint_url: URL of the endpoint.
        region: the region to look into.
    """
    clients = _Clients(endpoint_url, region)
    found = {kind: sorted(lister(clients)) for kind, lister in _LISTERS.items()}
    return {kind: names for kind, names in found.items() if names}


def main(argv: list[str] | None = None) -> int:
    """Print the inventory as JSON; return 0 when there is nothing, 1 when there is something."""
    parser = argparse.ArgumentParser(prog="python -m local.aws.inventory", description=main.__doc__)
    parser.add_argument("endpoint_url")
    parser.add_argument("--region", default="eu-west-1")
    arguments = parser.parse_args(argv)
    found = inventory(arguments.endpoint_url, arguments.region)
    print(json.dumps(found, indent=2))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
