"""The pack as the engine runs it: `pulumi_policy`'s own analyzer, on messages as the engine sends them."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import struct_pb2
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy import policy as sdk
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

if TYPE_CHECKING:
    from policies.eks_pod_identity_policies import policies, rules
    from policies.eks_pod_identity_policies._checks import renamed as renamed
else:
    # As the engine has it: the pack's folder is on the path, and the repository's is not.
    sys.path.insert(0, str(Path(__file__).parents[2] / "policies"))
    from eks_pod_identity_policies import policies, rules
    from eks_pod_identity_policies._checks import renamed as renamed

TODAY = date(2026, 11, 25)
_SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def secret(value: Any) -> dict[str, Any]:
    """A secret value as the engine sends it."""
    return {**_SECRET, "value": value}


def sent(value: Any) -> Any:
    """A value as the engine sends it: what is not known yet, at whatever depth, is a text that says so."""
    if value is rules.UNKNOWN:
        return UNKNOWN_STRING_VALUE
    if isinstance(value, Mapping):
        return {key: sent(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [sent(item) for item in value]
    return value


def struct(props: Mapping[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(sent(props))
    return made


@dataclass(frozen=True)
class Made:
    """One resource of a stack: its type, name and properties, the names of those that a property depends on, and that
    of its provider."""

    type: str
    name: str
    props: Mapping[str, Any]
    depends: Mapping[str, Sequence[str]] | None = None
    provider: str = ""


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:test::project::{kind}::{name}"


@dataclass(frozen=True)
class Violation:
    """What a policy reported."""

    policy: str
    urn: str
    message: str
    mandatory: bool

    @property
    def finding(self) -> str:
        """What was found; before it the message has what the policy asks for."""
        return self.message.partition("\n")[2]


class Analyzer:
    """The pack, with a configuration as `--policy-pack-config` gives it."""

    def __init__(self, config: Mapping[str, Any] | None = None):
        self.policies = policies(lambda: TODAY)
        self._servicer = sdk._PolicyAnalyzerServicer("test", "1.0.0", self.policies, sdk.EnforcementLevel.MANDATORY)
        self._servicer._configure_runtime_settings = lambda: None
        request = analyzer_pb2.ConfigureAnalyzerRequest()
        for policy in self.policies:
            given = dict((config or {}).get(policy.name, {}))
            assert policy.enforcement_level is not None
            level = sdk.EnforcementLevel(given.pop("enforcementLevel", policy.enforcement_level))
            request.policyConfig[policy.name].enforcementLevel = self._servicer._map_enforcement_level(level)
            request.policyConfig[policy.name].properties.update(given)
        self._servicer.Configure(request, None)

    def resource(self, kind: str, props: Mapping[str, Any], name: str = "r") -> list[Violation]:
        """What the policies for resources say of one."""
        request = analyzer_pb2.AnalyzeRequest(type=kind, name=name, urn=urn(kind, name), properties=struct(props))
        return [_violation(found, urn(kind, name)) for found in self._servicer.Analyze(request, None).diagnostics]

    def stack(self, resources: Sequence[Made]) -> list[Violation]:
        """What the policies for stacks say of these."""
        kinds = {made.name: made.type for made in resources}
        request = analyzer_pb2.AnalyzeStackRequest()
        for made in resources:
            message = analyzer_pb2.AnalyzerResource(
                type=made.type, name=made.name, urn=urn(made.type, made.name), properties=struct(made.props)
            )
            if made.provider:
                message.provider.urn = urn(kinds[made.provider], made.provider)
            for prop, names in (made.depends or {}).items():
                urns = [urn(kinds[name], name) for name in names]
                message.propertyDependencies[prop].urns.extend(urns)
                message.dependencies.extend(urns)
            request.resources.append(message)
        return [_violation(found, found.urn) for found in self._servicer.AnalyzeStack(request, None).diagnostics]


def _violation(found: Any, of: str) -> Violation:
    return Violation(found.policyName, of, found.message, found.enforcementLevel == analyzer_pb2.MANDATORY)


@pytest.fixture(scope="session")
def analyzer() -> Analyzer:
    return Analyzer()
