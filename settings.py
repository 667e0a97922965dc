"""The demo's configuration: read whole, judged whole, before anything is made.

Keys, types and defaults are declared in Pulumi.yaml. Here they become the arguments of the components, judged by the
rules that the components themselves obey, so that everything that is wrong with a stack's file is said in one go.
"""

import difflib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime.config import CONFIG, get_config_env

from components import (
    DemoAppArgs,
    EksClusterArgs,
    InvalidArgs,
    NetworkArgs,
    PodIdentitiesArgs,
    PodIdentityAgentArgs,
    PodIdentityAssociationArgs,
    PodIdentityRoleArgs,
    documents,
    rules,
)
from components.pod_identity import judge_workloads

PROJECT = "eks-pod-identity"

# An empty text or list stands for a key that is not set: the component's own default holds.
_NOT_SET: tuple[Any, ...] = ("", [])

# What each component is given, by the name of its argument, and the key of the configuration that it comes from.
ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    "network": {
        "cidr": "vpcCidr",
        "private_subnet_cidrs": "privateSubnetCidrs",
        "public_subnet_cidrs": "publicSubnetCidrs",
        "availability_zones": "availabilityZones",
        "nat_gateways": "natGateways",
        "tags": "tags",
    },
    "cluster": {
        "cluster_name": "clusterName",
        "kubernetes_version": "kubernetesVersion",
        "endpoint_private_access": "endpointPrivateAccess",
        "endpoint_public_access": "endpointPublicAccess",
        "public_access_cidrs": "publicAccessCidrs",
        "administrators": "administrators",
        "viewers": "viewers",
        "log_types": "logTypes",
        "log_retention_days": "logRetentionDays",
        "deletion_protection": "deletionProtection",
        "auto_mode": "autoMode",
        "node_group_name": "nodeGroupName",
        "node_instance_types": "nodeInstanceTypes",
        "node_min_size": "nodeMinSize",
        "node_max_size": "nodeMaxSize",
        "node_desired_size": "nodeDesiredSize",
        "tags": "tags",
    },
    "agent": {
        "auto_mode": "autoMode",
        "addon_version": "agentVersion",
        "ipv4_only": "agentIpv4Only",
        "tags": "tags",
    },
    "role": {
        "role_name": "roleName",
        "policy_name": "policyName",
        "path": "rolePath",
        "permissions_boundary": "permissionsBoundary",
        "max_session_duration": "maxSessionDuration",
        "tags": "tags",
    },
    "association": {
        "namespace": "namespace",
        "service_account": "serviceAccount",
        "create_namespace": "createNamespace",
        "create_service_account": "createServiceAccount",
        "ready_timeout": "readyTimeout",
        "tags": "tags",
    },
    "demo_app": {"pod_name": "podName", "image": "podImage", "command": "podCommand"},
}

WORKLOADS: Mapping[str, str] = {"workloads": "workloads", "defaults": "workloadDefaults"}
"""The same for the other workloads, which are judged with the presets and not by a rule alone."""

# By which the workloads call the stack's one cluster.
_CLUSTER = "demo"

_COMMANDS: Mapping[str, str] = {
    "kubeconfig": "aws eks update-kubeconfig --name {clusterName} --region {region}",
    "associations": "aws eks list-pod-identity-associations --cluster-name {clusterName} --region {region}",
    "buckets": "kubectl -n {namespace} exec {podName} -- aws s3 ls",
}


class Settings:
    """The stack's configuration, as the arguments of each component; `more` are those that only the program can
    give."""

    def __init__(self, values: Mapping[str, Any]):
        self._values = values

    def network(self, **more: Any) -> NetworkArgs:
        return self._arguments("network", more)

    def cluster(self, **more: Any) -> EksClusterArgs:
        # An empty list of logs means none, and not the component's default.
        return self._arguments("cluster", {"log_types": self._values["logTypes"], **more})

    def agent(self, **more: Any) -> PodIdentityAgentArgs:
        return self._arguments("agent", more)

    def role(self, **more: Any) -> PodIdentityRoleArgs:
        return self._arguments("role", more)

    def s3_read_only(self, partition: str) -> list[documents.Statement]:
        """What the pod may do: list all buckets, and read objects in those that the configuration names."""
        return documents.s3_read_only(partition, self._values["readableBuckets"])

    def association(self, **more: Any) -> PodIdentityAssociationArgs:
        return self._arguments("association", more)

    def demo_app(self, **more: Any) -> DemoAppArgs:
        return self._arguments("demo_app", more)

    def workloads(
        self, *, name: pulumi.Input[str], arn: pulumi.Input[str], kubeconfig: pulumi.Input[str]
    ) -> PodIdentitiesArgs:
        """The other workloads, in the stack's cluster. They carry the stack's tags beside their own."""
        defaults = self._values["workloadDefaults"]
        return {
            "cluster_names": {_CLUSTER: name},
            "cluster_arns": {_CLUSTER: arn},
            "kubeconfigs": {_CLUSTER: kubeconfig},
            "workloads": self._values["workloads"],
            "defaults": {**defaults, "tags": {**self._values["tags"], **(defaults.get("tags") or {})}},
        }

    def commands(self, region: str) -> dict[str, str]:
        """The blog's commands, for this stack."""
        return {key: text.format(region=region, **self._values) for key, text in _COMMANDS.items()}

    def _arguments(self, component: str, more: Mapping[str, Any]) -> Any:
        named = {argument: self._values[key] for argument, key in ARGUMENTS[component].items()}
        return {**{argument: value for argument, value in named.items() if value not in _NOT_SET}, **more}


def load() -> Settings:
    """Read and judge the stack's configuration. Raises `InvalidArgs` with everything that is wrong with it."""
    declared = yaml.safe_load(Path(__file__).with_name("Pulumi.yaml").read_text())["config"]
    given = {
        key.removeprefix(f"{PROJECT}:"): value
        for key, value in {**get_config_env(), **CONFIG.get()}.items()
        if key.startswith(f"{PROJECT}:")
    }
    findings = [_unknown_key(key, value, declared) for key, value in given.items() if key not in declared]
    values: dict[str, Any] = {}
    for key, declaration in declared.items():
        values[key] = declaration["default"]
        if key in given:
            value, wrong = _parse(key, given[key], declaration["type"])
            findings += wrong
            values[key] = rules.UNKNOWN if wrong else value
    for component, arguments in ARGUMENTS.items():
        judge = getattr(rules, component)
        judged = judge(**{arg: None if values[key] in _NOT_SET else values[key] for arg, key in arguments.items()})
        findings += [_in_terms_of_keys(finding, arguments) for finding in judged]
    findings += rules.judge_bucket_patterns(values["readableBuckets"], "readableBuckets")
    findings += _judge_workloads(values)
    # Tags go to every component: what is wrong with one is wrong with it once.
    findings = list({str(finding): finding for finding in findings}.values())
    # Of what is only a warning the component tells.
    errors = [finding for finding in findings if finding.severity is rules.Severity.ERROR]
    if errors:
        raise InvalidArgs("The stack's configuration", [replace(f, property=f"{PROJECT}:{f.property}") for f in errors])
    return Settings(values)


def _judge_workloads(values: Mapping[str, Any]) -> list[rules.Finding]:
    given = {argument: values[key] for argument, key in WORKLOADS.items()}
    if rules.UNKNOWN in given.values():
        return []
    findings = [
        _in_terms_of_keys(finding, WORKLOADS)
        for finding in judge_workloads(given["workloads"], given["defaults"], [_CLUSTER])
    ]
    for workload, said in given["workloads"].items():
        if isinstance(said, Mapping) and said.get("namespace") == values["namespace"]:
            where, reason = f"workloads.{workload}.namespace", "this is the namespace of the demo's own pod"
            fix = "Give the workload another one"
            findings.append(rules.Finding("workload-namespace", where, said["namespace"], reason, fix))
    return findings


def _unknown_key(key: str, value: Any, declared: Mapping[str, Any]) -> rules.Finding:
    close = difflib.get_close_matches(key, declared, n=1)
    fix = f"Perhaps you mean {close[0]}" if close else f"Remove it: pulumi config rm {PROJECT}:{key}"
    return rules.Finding("config-unknown-key", key, value, "Pulumi.yaml declares no such key", fix)


def _parse(key: str, value: Any, kind: str) -> tuple[Any, list[rules.Finding]]:
    types = {"string": str, "boolean": bool, "integer": int, "array": list, "object": dict}
    if kind != "string" and isinstance(value, str):
        with suppress(ValueError):  # what is no JSON is no such type either, which is what the finding says
            value = json.loads(value)
    right = isinstance(value, types[kind]) and (kind != "integer" or not isinstance(value, bool))
    if right:
        return value, []
    return None, [rules.Finding("config-type", key, value, f"this is not of type {kind}", f"Write {_EXAMPLES[kind]}")]


_EXAMPLES = {
    "string": 'a text, in quotes where it could be a number: "1.36"',
    "boolean": "true or false",
    "integer": "a whole number, as in 3",
    "array": "a list, as in [a, b]",
    "object": "a mapping, as in {key: value}",
}


def _in_terms_of_keys(finding: rules.Finding, arguments: Mapping[str, str]) -> rules.Finding:
    argument = re.match(r"\w+", finding.property)
    assert argument is not None
    prop = arguments[argument[0]] + finding.property[argument.end() :]

    def keys(text: str) -> str:
        return re.sub(r"\b[a-z]+(_[a-z]+)+\b", lambda word: arguments.get(word[0], word[0]), text)

    return replace(finding, property=prop, reason=keys(finding.reason), fix=keys(finding.fix))
