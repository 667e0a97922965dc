"""Constructs components under Pulumi's mocks and gives back what was registered and what came out."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.output import UNKNOWN
from pulumi.runtime import mocks

from local.plugins.eks.cluster import Cluster
from local.plugins.eks.wire import Inputs

ISSUER = "https://oidc.eks.eu-west-1.amazonaws.com/id/0123"
# No server listens there, so waiting for the endpoint ends at once.
ENDPOINT = "https://127.0.0.1:1"
MINIMAL = {
    "name": "demo",
    "version": "1.36",
    "vpcId": "vpc-1",
    "subnetIds": ["subnet-1", "subnet-2"],
    "authenticationMode": "API",
    "skipDefaultNodeGroup": True,
}


@dataclass
class Registered:
    type: str
    name: str
    inputs: dict[str, Any]


@dataclass
class Recorder(mocks.Mocks):
    """An aws provider that remembers; its outputs are unknown at preview, as those of a resource to create are."""

    preview: bool
    resources: list[Registered] = field(default_factory=list)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.resources.append(Registered(args.typ, args.name, args.inputs))
        if self.preview:
            return None, dict(args.inputs)
        computed = {
            "name": args.name,
            "arn": f"arn:aws:any:eu-west-1:123456789012:{args.name}",
            "securityGroupRuleId": f"sgr-{args.name}",
        }
        if args.typ == "aws:eks/cluster:Cluster":
            computed |= {
                "version": "1.36",
                "endpoint": ENDPOINT,
                "certificateAuthority": {"data": "Q0E="},
                "identities": [{"oidcs": [{"issuer": ISSUER}]}],
            }
        state = {**computed, **args.inputs}
        if "vpcConfig" in state:
            state["vpcConfig"] = {**state["vpcConfig"], "clusterSecurityGroupId": "sg-of-eks"}
        return f"{args.name}-id", state

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        found = {
            "aws:index/getPartition:getPartition": {"partition": "aws"},
            "aws:eks/getAddonVersion:getAddonVersion": {"version": f"newest-{args.args.get('addonName')}"},
            "aws:ec2/getVpc:getVpc": {"id": "vpc-default"},
            "aws:ec2/getSubnets:getSubnets": {"ids": ["subnet-default"]},
        }[args.token]
        return found, []


@dataclass
class Result:
    resources: list[Registered]
    outputs: dict[str, Any]

    def named(self, name: str) -> Registered:
        """The last one of that name: a component is registered before its child of the same name."""
        return [resource for resource in self.resources if resource.name == name][-1]

    @property
    def names(self) -> set[str]:
        return {resource.name for resource in self.resources}


def unknown() -> pulumi.Output[Any]:
    """An Output whose value is not known yet."""
    return pulumi.Output.from_input(UNKNOWN)


def run(build: Callable[[], Mapping[str, Any]], *, preview: bool = False) -> Result:
    """Build something and resolve its outputs; an unknown one is `UNKNOWN`."""
    recorder = Recorder(preview)
    outputs: dict[str, Any] = {}
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pulumi.runtime.set_mocks(recorder, project="project", stack="stack", preview=preview)

    @pulumi.runtime.test
    def build_and_resolve() -> pulumi.Output[None]:
        built = {key: pulumi.Output.from_input(value) for key, value in build().items()}

        async def resolve() -> None:
            for key, value in built.items():
                outputs[key] = await value.future() if await value.is_known() else UNKNOWN

        return pulumi.Output.from_input(resolve())

    try:
        build_and_resolve()
    finally:
        _end(loop)
    return Result(recorder.resources, outputs)


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop; what a refused construction left pending or failed in it is nobody's business any more."""
    loop.set_exception_handler(lambda loop, context: None)
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()
    asyncio.set_event_loop(None)


def cluster(args: Inputs | None = None, *, preview: bool = False, **more: Any) -> Result:
    """Construct a cluster named `c` of the minimal arguments and some more.

    None takes an argument away. A function is called for its result when the cluster is built, as Outputs can be
    made only then.
    """
    inputs = {**MINIMAL, **(args or {}), **more}

    def build() -> dict[str, Any]:
        made = {key: value() if callable(value) else value for key, value in inputs.items()}
        return Cluster("c", {key: value for key, value in made.items() if value is not None}).outputs

    return run(build, preview=preview)
