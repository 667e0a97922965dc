"""The configuration of the VPC CNI add-on."""

import json
from typing import Any

import pytest

from local.plugins.eks.addons import cni_configuration

from .construct import cluster, run

DEFAULTS = {
    "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "false",
    "AWS_VPC_K8S_CNI_EXTERNALSNAT": "false",
    "AWS_VPC_K8S_CNI_LOGLEVEL": "DEBUG",
    "AWS_VPC_K8S_CNI_LOG_FILE": "/host/var/log/aws-routed-eni/ipamd.log",
    "AWS_VPC_K8S_CNI_VETHPREFIX": "eni",
    "AWS_VPC_K8S_PLUGIN_LOG_FILE": "/var/log/aws-routed-eni/plugin.log",
    "AWS_VPC_K8S_PLUGIN_LOG_LEVEL": "DEBUG",
    "AWS_VPC_ENI_MTU": "9001",
    "ENABLE_POD_ENI": "false",
    "WARM_ENI_TARGET": "1",
}
INIT_DEFAULTS = {"DISABLE_TCP_EARLY_DEMUX": "false"}


def configuration(**args: Any) -> Any:
    return run(lambda: {"values": cni_configuration(args)}).outputs["values"]


def test_defaults() -> None:
    assert configuration() == {"env": DEFAULTS, "init": {"env": INIT_DEFAULTS}}


@pytest.mark.parametrize(
    ("option", "value", "variable", "expected"),
    [
        ("warmEniTarget", 0.0, "WARM_ENI_TARGET", "0"),
        ("warmIpTarget", 5.0, "WARM_IP_TARGET", "5"),
        ("enablePrefixDelegation", True, "ENABLE_PREFIX_DELEGATION", "true"),
        ("externalSnat", True, "AWS_VPC_K8S_CNI_EXTERNALSNAT", "true"),
        ("cniExternalSnat", True, "AWS_VPC_K8S_CNI_EXTERNALSNAT", "true"),
        ("eniMtu", 1500.0, "AWS_VPC_ENI_MTU", "1500"),
        ("logLevel", "INFO", "AWS_VPC_K8S_CNI_LOGLEVEL", "INFO"),
    ],
)
def test_options(option: str, value: Any, variable: str, expected: str) -> None:
    assert configuration(**{option: value})["env"] == {**DEFAULTS, variable: expected}


def test_own_configuration_wins() -> None:
    own = {
        "enableNetworkPolicy": "false",
        "env": {"WARM_ENI_TARGET": "7", "MINE": "1"},
        "init": {"image": "i", "env": {"DISABLE_TCP_EARLY_DEMUX": "true"}},
    }
    assert configuration(enableNetworkPolicy=True, configurationValues=own) == {
        "enableNetworkPolicy": "false",
        "env": {**DEFAULTS, "WARM_ENI_TARGET": "7", "MINE": "1"},
        "init": {"image": "i", "env": {"DISABLE_TCP_EARLY_DEMUX": "true"}},
    }


def test_network_policy() -> None:
    assert configuration(enableNetworkPolicy=True)["enableNetworkPolicy"] == "true"


def test_text_is_sorted_and_the_same_every_time() -> None:
    texts = {cluster().named("c-vpc-cni").inputs["configurationValues"] for _ in range(2)}
    assert len(texts) == 1
    values = json.loads(texts.pop())
    assert list(values["env"]) == sorted(values["env"])
