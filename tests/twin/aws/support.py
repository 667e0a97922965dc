"""Clients and small worlds for tests of the local AWS endpoint."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "eu-west-1"
ACCOUNT = "123456789012"
_numbers = itertools.count(1)


def client(url: str, service: str, region: str = REGION, **config: Any) -> Any:
    """Return a boto3 client of the endpoint, with botocore's real parsers and, by default, no retries."""
    settings: dict[str, Any] = {"retries": {"max_attempts": 0}, "s3": {"addressing_style": "path"}, **config}
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="secret",
        config=Config(**settings),
    )


def unique(prefix: str) -> str:
    """Return a name that no other test of this process has."""
    return f"{prefix}-{next(_numbers)}"


def trust(service: str, *actions: str) -> str:
    """Return a trust policy for a service."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": list(actions or ("sts:AssumeRole",)),
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@contextmanager
def refused(code: str, message: str = "") -> Iterator[None]:
    """Expect AWS's refusal with this code, and this in its message."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]  # type: ignore[typeddict-item]
    assert (error["Code"], message in error["Message"]) == (code, True), error


def wait(eks: Any, waiter: str, **names: str) -> None:
    """Await a state with botocore's own waiter, asking often."""
    found = eks.get_waiter(waiter)
    found.config.delay, found.config.max_attempts = 0.02, 1500
    found.wait(**names)


@dataclass
class World:
    """A VPC and roles on an endpoint, and what makes clusters in it."""

    url: str
    region: str = REGION

    @cached_property
    def eks(self) -> Any:
        return client(self.url, "eks", self.region)

    @cached_property
    def ec2(self) -> Any:
        return client(self.url, "ec2", self.region)

    @cached_property
    def iam(self) -> Any:
        return client(self.url, "iam")

    @cached_property
    def vpc(self) -> str:
        return self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]

    @cached_property
    def subnets(self) -> list[str]:
        zones = enumerate((f"{self.region}{zone}" for zone in "abc"), 1)
        return [
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"][
                "SubnetId"
            ]
            for number, zone in zones
        ]

    def role(self, service: str, *actions: str, path: str = "/") -> str:
        """Make a role that trusts a service."""
        name = unique("role")
        return self.iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trust(service, *actions))[
            "Role"
        ]["Arn"]

    @cached_property
    def cluster_role(self) -> str:
        return self.role("eks.amazonaws.com")

    @cached_property
    def node_role(self) -> str:
        return self.role("ec2.amazonaws.com")

    @cached_property
    def pod_role(self) -> str:
        return self.role("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")

    def cluster(self, **arguments: Any) -> str:
        """Make a cluster and await it; return its name."""
        name = arguments.pop("name", None) or unique("cluster")
        mode = arguments.pop("mode", "API")
        self.eks.create_cluster(
            **{
                "name": name,
                "roleArn": self.cluster_role,
                "resourcesVpcConfig": {"subnetIds": self.subnets},
                "accessConfig": {"authenticationMode": mode},
                **arguments,
            }
        )
        wait(self.eks, "cluster_active", name=name)
        return name

    def nodegroup(self, cluster: str, **arguments: Any) -> str:
        """Make a node group and await it; return its name."""
        name = unique("group")
        self.eks.create_nodegroup(
            clusterName=cluster, nodegroupName=name, subnets=self.subnets, nodeRole=self.node_role, **arguments
        )
        wait(self.eks, "nodegroup_active", clusterName=cluster, nodegroupName=name)
        return name

    def update_succeeds(self, cluster: str, update: dict[str, Any], **of: str) -> dict[str, Any]:
        """Await an update and return it."""

        def read() -> dict[str, Any]:
            return self.eks.describe_update(name=cluster, updateId=update["id"], **of)["update"]

        assert update["status"] == "InProgress"
        return eventually(read, lambda found: found["status"] == "Successful")


def eventually(read: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    """Read until a condition holds, for at most five seconds; return what was read."""
    import time

    end = time.monotonic() + 5
    while not holds(value := read()):
        assert time.monotonic() < end, value
        time.sleep(0.02)
    return value
