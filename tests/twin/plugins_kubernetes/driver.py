"""Talks to a plugin as the engine does, resource by resource."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest
from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from local.plugins.base.wire import Properties, decode, encode

NAMESPACE = "kubernetes:core/v1:Namespace"
SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount"
SERVICE_ACCOUNT_PATCH = "kubernetes:core/v1:ServiceAccountPatch"
NAMESPACE_PATCH = "kubernetes:core/v1:NamespacePatch"
POD = "kubernetes:core/v1:Pod"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SECRET = "kubernetes:core/v1:Secret"
SERVICE = "kubernetes:core/v1:Service"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
DAEMON_SET = "kubernetes:apps/v1:DaemonSet"
JOB = "kubernetes:batch/v1:Job"
ROLE_BINDING = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"
CLUSTER_ROLE = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"
NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
CRD = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"

Values = dict[str, Any]
DiffResponse = provider_pb2.DiffResponse


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:stack::project::{token}::{name}"


@dataclass(frozen=True)
class Diff:
    """What a plugin says of a change."""

    changes: bool
    kinds: dict[str, str]
    replaces: set[str]
    delete_first: bool


@dataclass
class Resource:
    """A resource in a stack's state."""

    token: str
    name: str
    inputs: struct_pb2.Struct
    id: str = ""
    state: struct_pb2.Struct = field(default_factory=struct_pb2.Struct)

    @property
    def values(self) -> Values:
        return decode(self.state).values

    @property
    def given(self) -> Values:
        return decode(self.inputs).values

    @property
    def live_name(self) -> str:
        return self.values["metadata"]["name"]


class Refused(Exception):
    """A check found something wrong."""


@dataclass(frozen=True)
class Plugin:
    """A configured plugin."""

    stub: provider_pb2_grpc.ResourceProviderStub
    said: list[str]

    def configure(self, config: Values) -> None:
        self.stub.Configure(provider_pb2.ConfigureRequest(args=encode(config), acceptSecrets=True))

    def failures(self, token: str, inputs: Values, *, name: str = "r") -> dict[str, str]:
        request = provider_pb2.CheckRequest(urn=urn(token, name), news=encode(inputs), name=name, randomSeed=b"seed")
        return {failure.property: failure.reason for failure in self.stub.Check(request).failures}

    def check(
        self,
        token: str,
        inputs: Values,
        *,
        name: str = "r",
        old: struct_pb2.Struct | None = None,
        secrets: Iterable[tuple[str | int, ...]] = (),
        seed: bytes = b"seed",
    ) -> struct_pb2.Struct:
        request = provider_pb2.CheckRequest(
            urn=urn(token, name), news=encode(inputs, secrets), olds=old, name=name, randomSeed=seed
        )
        response = self.stub.Check(request)
        if response.failures:
            raise Refused({failure.property: failure.reason for failure in response.failures})
        return response.inputs

    def checked(self, token: str, inputs: Values, **more: Any) -> Properties:
        return decode(self.check(token, inputs, **more))

    def create(self, token: str, inputs: Values, *, name: str = "r", timeout: float = 20, **more: Any) -> Resource:
        checked = self.check(token, inputs, name=name, **more)
        request = provider_pb2.CreateRequest(urn=urn(token, name), properties=checked, timeout=timeout)
        response = self.stub.Create(request)
        return Resource(token, name, checked, response.id, response.properties)

    def preview(self, token: str, inputs: Values, *, name: str = "r", **more: Any) -> Values:
        checked = self.check(token, inputs, name=name, **more)
        request = provider_pb2.CreateRequest(urn=urn(token, name), properties=checked, preview=True)
        return decode(self.stub.Create(request).properties).values

    def diff(self, old: Resource, inputs: Values, *, ignore: Iterable[str] = ()) -> Diff:
        checked = self.check(old.token, inputs, name=old.name, old=old.inputs)
        response = self.stub.Diff(
            provider_pb2.DiffRequest(
                id=old.id,
                urn=urn(old.token, old.name),
                olds=old.state,
                old_inputs=old.inputs,
                news=checked,
                ignoreChanges=ignore,
            )
        )
        kind = provider_pb2.PropertyDiff.Kind.Name
        return Diff(
            response.changes == DiffResponse.DIFF_SOME,
            {path: kind(change.kind) for path, change in response.detailedDiff.items()},
            set(response.replaces),
            response.deleteBeforeReplace,
        )

    def update(
        self, old: Resource, inputs: Values, *, timeout: float = 20, preview: bool = False, **more: Any
    ) -> Resource:
        checked = self.check(old.token, inputs, name=old.name, old=old.inputs, **more)
        request = provider_pb2.UpdateRequest(
            id=old.id,
            urn=urn(old.token, old.name),
            olds=old.state,
            old_inputs=old.inputs,
            news=checked,
            timeout=timeout,
            preview=preview,
        )
        return replace(old, inputs=checked, state=self.stub.Update(request).properties)

    def refresh(self, old: Resource) -> Resource | None:
        request = provider_pb2.ReadRequest(
            id=old.id, urn=urn(old.token, old.name), properties=old.state, inputs=old.inputs
        )
        response = self.stub.Read(request)
        return replace(old, inputs=response.inputs, state=response.properties) if response.id else None

    def read(self, token: str, identifier: str, *, name: str = "r") -> Resource | None:
        response = self.stub.Read(provider_pb2.ReadRequest(id=identifier, urn=urn(token, name)))
        return Resource(token, name, response.inputs, response.id, response.properties) if response.id else None

    def delete(self, resource: Resource, *, timeout: float = 20) -> None:
        self.stub.Delete(
            provider_pb2.DeleteRequest(
                id=resource.id,
                urn=urn(resource.token, resource.name),
                properties=resource.state,
                old_inputs=resource.inputs,
                timeout=timeout,
            )
        )


def message(failure: pytest.ExceptionInfo[grpc.RpcError]) -> str:
    """What a failed call says."""
    return failure.value.details()  # type: ignore[attr-defined]


def half_made(failure: pytest.ExceptionInfo[grpc.RpcError]) -> provider_pb2.ErrorResourceInitFailed:
    """The resource that a failed call left."""
    metadata: dict[str, bytes] = dict(failure.value.trailing_metadata())  # type: ignore[attr-defined]
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail


def merged(values: Values, *parts: Values) -> Values:
    """A deep copy of values with others put in."""
    found = copy.deepcopy(values)
    for part in parts:
        for key, value in part.items():
            both = isinstance(value, dict) and isinstance(found.get(key), dict)
            found[key] = merged(found[key], value) if both else value
    return found
