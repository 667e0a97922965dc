"""A plugin for the whole session, on the shared endpoint, and what resources need around them."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from functools import cached_property

import botocore.session
import pytest

from local.plugins.base.wire import Values

from .driver import CREDENTIALS, Driver, Made

REGION = "eu-west-1"


def trust(service: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": service},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                }
            ],
        }
    )


class Surroundings:
    """What resources are made in: made once, through the plugin, when a test asks for it."""

    def __init__(self, plugin: Driver, endpoint: str) -> None:
        self._plugin = plugin
        self._endpoint = endpoint
        self._numbers = itertools.count(1)

    def unique(self, stem: str) -> str:
        return f"{stem}-{os.getpid()}-{next(self._numbers)}"

    def made(self, token: str, inputs: Values) -> Made:
        return self._plugin.create(token, self.unique("made"), inputs)

    def role(self, service: str = "pods.eks.amazonaws.com") -> Made:
        name = self.unique("role")
        return self._plugin.create("aws:iam/role:Role", name, {"name": name, "assumeRolePolicy": trust(service)})

    @cached_property
    def vpc(self) -> str:
        return self.new_vpc()

    def new_vpc(self) -> str:
        return self._plugin.create("aws:ec2/vpc:Vpc", self.unique("vpc"), {"cidrBlock": "10.0.0.0/16"}).id

    @cached_property
    def subnets(self) -> list[str]:
        return [
            self._plugin.create(
                "aws:ec2/subnet:Subnet",
                self.unique("subnet"),
                {"vpcId": self.vpc, "cidrBlock": f"10.0.{200 + index}.0/24", "availabilityZone": f"{REGION}{zone}"},
            ).id
            for index, zone in enumerate("ab")
        ]

    @cached_property
    def gateway(self) -> str:
        return self._plugin.create(
            "aws:ec2/internetGateway:InternetGateway", self.unique("gateway"), {"vpcId": self.vpc}
        ).id

    @cached_property
    def cluster(self) -> Made:
        name = self.unique("cluster")
        return self._plugin.create(
            "aws:eks/cluster:Cluster",
            name,
            {
                "name": name,
                "roleArn": self.role("eks.amazonaws.com").state["arn"],
                "vpcConfig": {"subnetIds": self.subnets},
                "accessConfig": {"authenticationMode": "API"},
            },
        )

    @cached_property
    def nat_gateway(self) -> str:
        address = self.made("aws:ec2/eip:Eip", {"domain": "vpc"})
        inputs = {"allocationId": address.id, "subnetId": self.subnets[0]}
        return self.made("aws:ec2/natGateway:NatGateway", inputs).id

    @cached_property
    def access_entry(self) -> Made:
        inputs = {"clusterName": self.cluster.id, "principalArn": self.role("ec2.amazonaws.com").state["arn"]}
        return self.made("aws:eks/accessEntry:AccessEntry", inputs)

    def other_addon_version(self, addon: str) -> str:
        """A version of an add-on that is not the default one."""
        client = botocore.session.Session().create_client(
            "eks",
            region_name=REGION,
            endpoint_url=self._endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        version = self.cluster.state["version"]
        answer = client.describe_addon_versions(addonName=addon, kubernetesVersion=version)
        return next(
            found["addonVersion"]
            for found in answer["addons"][0]["addonVersions"]
            if not any(fit["defaultVersion"] for fit in found["compatibilities"])
        )

    def key(self) -> Made:
        return self._plugin.create("aws:kms/key:Key", self.unique("key"), {})

    def security_group(self) -> str:
        return self._plugin.create("aws:ec2/securityGroup:SecurityGroup", self.unique("group"), {"vpcId": self.vpc}).id


def environment(endpoint: str = "") -> dict[str, str]:
    """The environment of a plugin: nothing of AWS from the machine that the tests run on."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    clean |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
    clean |= {"AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**clean, "AWS_ENDPOINT_URL": endpoint} if endpoint else clean


@pytest.fixture(scope="session")
def plugin(aws_endpoint: str) -> Iterator[Driver]:
    """The configured plugin."""
    driver = Driver(environment(aws_endpoint))
    driver.configure(region=REGION, **CREDENTIALS)
    yield driver
    driver.stop()


@pytest.fixture(scope="session")
def around(plugin: Driver, aws_endpoint: str) -> Surroundings:
    return Surroundings(plugin, aws_endpoint)
