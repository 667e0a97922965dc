"""Runs components under Pulumi's mocks, in a preview or an update, and keeps what they asked the engine for."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown
from pulumi.runtime import mocks, rpc

from components import InvalidArgs

ACCOUNT = "123456789012"
ZONES = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]


@dataclass(frozen=True)
class Registered:
    """One resource, as the engine was asked for it."""

    type: str
    name: str
    parent: str
    inputs: Mapping[str, Any]
    depends_on: frozenset[str]
    delete_before_replace: bool
    replacement_trigger: Any
    aliases: tuple[str, ...] = ()


@dataclass
class Deployment:
    """What a program registered, by (type, name), and what its outputs came to (`Unknown` stays as it is)."""

    resources: dict[tuple[str, str], Registered] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    secret_inputs: set[tuple[str, str, str]] = field(default_factory=set)
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """The functions that were invoked, with their arguments."""

    def of_type(self, type_: str) -> list[Registered]:
        return [resource for (of, _), resource in self.resources.items() if of == type_]

    def only(self, type_: str) -> Registered:
        (resource,) = self.of_type(type_)
        return resource

    def is_secret(self, type_: str, name: str, prop: str) -> bool:
        """Whether an input went to the engine as a secret."""
        return (type_, name, prop) in self.secret_inputs

    def waits_for(self, later: Registered, earlier: Registered) -> bool:
        """Whether `later` is made only after `earlier`, by whatever way."""
        by_urn = {f"{r.type}::{r.name}": r for r in self.resources.values()}

        def key(urn: str) -> str:
            kind, name = urn.split("::")[2:4]
            return f"{kind.split('$')[-1]}::{name}"

        seen: set[str] = set()
        todo = [key(urn) for urn in later.depends_on]
        while todo:
            current = todo.pop()
            if current not in seen and current in by_urn:
                seen.add(current)
                todo += [key(urn) for urn in by_urn[current].depends_on]
        return f"{earlier.type}::{earlier.name}" in seen


def _cluster(name: str) -> dict[str, Any]:
    """What EKS says of a cluster; one whose name begins with `auto` is in Auto Mode."""
    auto = {"enabled": True, "nodeRoleArn": f"arn:aws:iam::{ACCOUNT}:role/nodes", "nodePools": ["system"]}
    return {
        "name": name,
        "arn": f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/{name}",
        "region": "eu-west-1",
        "endpoint": "https://example.eks.amazonaws.com",
        "version": "1.36",
        "certificateAuthorities": [{"data": "Q0E="}],
        "identities": [{"oidcs": [{"issuer": "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC"}]}],
        "kubernetesNetworkConfigs": [{"ipFamily": "ipv4"}],
        "computeConfigs": [auto] if name.startswith("auto") else [],
    }


class _Answers(pulumi.runtime.Mocks):
    """AWS's part: ids and computed outputs, all unknown in a preview."""

    def __init__(self, preview: bool):
        self.preview = preview
        self.monitor: mocks.MockMonitor
        self.calls: list[tuple[str, Mapping[str, Any]]]

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        answers: dict[str, dict[str, Any]] = {
            "aws:index/getAvailabilityZones:getAvailabilityZones": {"names": ZONES},
            "aws:index/getPartition:getPartition": {"partition": "aws"},
            "aws:index/getRegion:getRegion": {"region": "eu-west-1"},
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
            "aws:eks/getCluster:getCluster": _cluster(args.args.get("name", "")),
            "aws:eks/getAddon:getAddon": {"arn": "arn:aws:eks:test:addon", "addonVersion": "v1.3.10-eksbuild.2"},
            "aws:eks/getAddonVersion:getAddonVersion": {"version": "v9.9.9-eksbuild.9"},
        }
        self.calls.append((args.token, args.args))
        return answers[args.token], []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        arn = f"arn:aws:test::{ACCOUNT}:{args.typ}/{args.name}"
        computed: dict[str, Any] = {"arn": arn}
        if args.typ == "aws:eks/podIdentityAssociation:PodIdentityAssociation":
            computed = {"associationArn": arn, "associationId": "a-0123456789abcdefg", "externalId": None}
        elif args.typ == "aws:iam/role:Role":
            name = args.inputs.get("name", args.name)
            computed = {"arn": f"arn:aws:iam::{ACCOUNT}:role{args.inputs.get('path', '/')}{name}", "name": name}
        elif args.typ == "aws:iam/policy:Policy":
            computed = {"arn": f"arn:aws:iam::{ACCOUNT}:policy/{args.inputs.get('name', args.name)}"}
        elif args.typ == "aws:ec2/launchTemplate:LaunchTemplate":
            computed["latestVersion"] = 1
        elif args.typ == "aws:ec2/eip:Eip":
            computed["allocationId"] = "eipalloc-1"
        elif args.typ == "aws:eks/addon:Addon":
            computed["addonVersion"] = args.inputs.get("addonVersion", "v1.0.0-eksbuild.1")
        elif args.typ == "eks:index:Cluster":
            computed = {"kubeconfigJson": '{"kind":"Config"}'}
        if self.preview:
            computed = {key: rpc.UNKNOWN for key in computed}
        if args.typ == "eks:index:Cluster":
            computed["eksCluster"] = self._control_plane(args)
        return ("" if self.preview else f"{args.name}-id"), {**args.inputs, **computed}

    def _control_plane(self, args: mocks.MockResourceArgs) -> dict[str, Any]:
        # pulumi_eks.Cluster gives its control plane as a reference to a resource: register one, as the plugin would.
        urn = self.monitor.make_urn(
            self.monitor.make_urn("", args.typ, args.name), "aws:eks/cluster:Cluster", f"{args.name}-eksCluster"
        )
        computed = {
            "arn": f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/{args.inputs['name']}",
            "endpoint": "https://example.eks.amazonaws.com",
            "certificateAuthority": {"data": "Q0E="},
            "identities": [{"oidcs": [{"issuer": "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC"}]}],
        }
        if self.preview:
            computed = {key: rpc.UNKNOWN for key in computed}
        state = {"name": args.inputs["name"], "version": args.inputs["version"], **computed}
        self.monitor.resources[urn] = mocks.MockMonitor.ResourceRegistration(urn, args.name, state)
        return {rpc._special_sig_key: rpc._special_resource_sig, "urn": urn, "id": args.name}


class _Monitor(mocks.MockMonitor):
    def __init__(self, answers: _Answers, deployment: Deployment):
        super().__init__(answers)
        answers.monitor = self
        answers.calls = deployment.calls
        self.deployment = deployment

    def RegisterResource(self, request: Any) -> Any:
        if request.type == "pulumi:pulumi:Stack":
            # The SDK registers it for the first program of a process only.
            return super().RegisterResource(request)
        self.deployment.secret_inputs |= {
            (request.type, request.name, prop)
            for prop, value in request.object.fields.items()
            if value.HasField("struct_value")
            and rpc._special_sig_key in value.struct_value.fields
            and value.struct_value.fields[rpc._special_sig_key].string_value == rpc._special_secret_sig
        }
        self.deployment.resources[(request.type, request.name)] = Registered(
            request.type,
            request.name,
            request.parent,
            rpc.deserialize_properties(request.object, keep_unknowns=True),
            frozenset(request.dependencies)
            | frozenset(urn for deps in request.propertyDependencies.values() for urn in deps.urns),
            request.deleteBeforeReplace,
            rpc.deserialize_property(request.replacement_trigger, keep_unknowns=True),
            tuple(alias.spec.name for alias in request.aliases),
        )
        return super().RegisterResource(request)


Deploy = Callable[..., Deployment]


@pytest.fixture
def deploy() -> Iterator[Deploy]:
    """`deploy(program, preview=False)` runs the program, which returns Outputs to look at, and gives the `Deployment`."""
    loop = asyncio.new_event_loop()
    # A refused argument fails every Output that hangs on it. The test is told by the first; the others are no news.
    loop.set_exception_handler(
        lambda loop, context: (
            None if isinstance(context.get("exception"), InvalidArgs) else loop.default_exception_handler(context)
        )
    )
    asyncio.set_event_loop(loop)

    def run(program: Callable[[], Mapping[str, Any]], *, preview: bool = False) -> Deployment:
        deployment = Deployment()
        answers = _Answers(preview)
        pulumi.runtime.set_mocks(
            answers, project="test", stack="test", preview=preview, monitor=_Monitor(answers, deployment)
        )

        async def resolve(outputs: Mapping[str, Any]) -> None:
            for key, value in outputs.items():
                output = pulumi.Output.from_input(value)
                deployment.outputs[key] = (
                    await output.future(with_unknowns=True) if await output.is_known() else Unknown()
                )
                if await output.is_secret():
                    deployment.secrets.add(key)

        pulumi.runtime.test(lambda: pulumi.Output.from_input(resolve(program())))()
        return deployment

    yield run
    # A program that ended with an error left the rest of it waiting.
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(params=[True, False], ids=["preview", "update"])
def preview(request: pytest.FixtureRequest) -> bool:
    return request.param
