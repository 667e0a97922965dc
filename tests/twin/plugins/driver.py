"""Does to a plugin what the engine does, and says what came of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from local.plugins.base.properties import DEFAULTS
from local.plugins.base.wire import Values, decode, encode

ROOT = Path(__file__).resolve().parents[3]
LAUNCH = ROOT / "local" / "plugins" / "launch.py"
CREDENTIALS = {"accessKey": "test", "secretKey": "test"}

Diff = provider_pb2.DiffResponse


@dataclass
class Made:
    """A resource, as it would be in the engine's state."""

    token: str
    name: str
    id: str
    state: Values
    inputs: Values
    secrets: frozenset[Any] = field(default_factory=frozenset)


class CheckFailed(AssertionError):
    """The plugin refused the inputs."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        super().__init__(str(failures))
        self.failures = failures


class Driver:
    """A running plugin."""

    def __init__(self, environment: Mapping[str, str], package: str = "aws") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(LAUNCH), package], stdout=subprocess.PIPE, env=environment, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self._channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self._channel)

    def stop(self) -> None:
        self._channel.close()
        self.process.kill()
        self.process.wait(timeout=10)

    def configure(self, **config: Any) -> None:
        self.stub.Configure(provider_pb2.ConfigureRequest(args=encode(config), acceptSecrets=True))

    @staticmethod
    def urn(token: str, name: str) -> str:
        return f"urn:pulumi:test::project::{token}::{name}"

    def check(
        self, token: str, name: str, inputs: Values, olds: Values | None = None, secrets: Any = (), seed: bytes = b"s"
    ) -> tuple[Values, frozenset[Any]]:
        answer = self.stub.Check(
            provider_pb2.CheckRequest(
                urn=self.urn(token, name),
                name=name,
                type=token,
                randomSeed=seed,
                olds=encode(olds or {}),
                news=encode(inputs, secrets),
            )
        )
        if answer.failures:
            raise CheckFailed({failure.property: failure.reason for failure in answer.failures})
        checked = decode(answer.inputs)
        return checked.values, checked.secrets

    def diff(self, made: Made, new: Values, ignore: tuple[str, ...] = ()) -> Diff:
        return self.stub.Diff(
            provider_pb2.DiffRequest(
                id=made.id,
                urn=self.urn(made.token, made.name),
                olds=encode(made.state),
                old_inputs=encode(made.inputs),
                news=encode(new),
                ignoreChanges=ignore,
            )
        )

    def preview(self, token: str, name: str, inputs: Values) -> Values:
        """What a preview of the creation shows."""
        checked, _ = self.check(token, name, inputs)
        answer = self.stub.Create(
            provider_pb2.CreateRequest(urn=self.urn(token, name), properties=encode(checked), preview=True)
        )
        assert answer.id == ""
        return decode(answer.properties).values

    def create(self, token: str, name: str, inputs: Values, secrets: Any = (), timeout: float = 0) -> Made:
        checked, marked = self.check(token, name, inputs, secrets=secrets)
        answer = self.stub.Create(
            provider_pb2.CreateRequest(urn=self.urn(token, name), properties=encode(checked, marked), timeout=timeout)
        )
        properties = decode(answer.properties)
        return Made(token, name, answer.id, properties.values, checked, properties.secrets)

    def read(self, made: Made) -> Made | None:
        """Refresh."""
        answer = self.stub.Read(
            provider_pb2.ReadRequest(
                id=made.id,
                urn=self.urn(made.token, made.name),
                properties=encode(made.state, made.secrets),
                inputs=encode(made.inputs),
            )
        )
        if not answer.id:
            return None
        properties = decode(answer.properties)
        return Made(
            made.token, made.name, answer.id, properties.values, decode(answer.inputs).values, properties.secrets
        )

    def import_(self, token: str, name: str, identifier: str) -> Made | None:
        answer = self.stub.Read(provider_pb2.ReadRequest(id=identifier, urn=self.urn(token, name)))
        if not answer.id:
            return None
        return Made(token, name, answer.id, decode(answer.properties).values, decode(answer.inputs).values)

    def update(self, made: Made, inputs: Values, *, preview: bool = False) -> Made:
        checked, marked = self.check(made.token, made.name, inputs, olds=made.inputs)
        answer = self.stub.Update(
            provider_pb2.UpdateRequest(
                id=made.id,
                urn=self.urn(made.token, made.name),
                olds=encode(made.state),
                old_inputs=encode(made.inputs),
                news=encode(checked, marked),
                preview=preview,
            )
        )
        properties = decode(answer.properties)
        return Made(made.token, made.name, made.id, properties.values, checked, properties.secrets)

    def delete(self, made: Made) -> None:
        self.stub.Delete(
            provider_pb2.DeleteRequest(id=made.id, urn=self.urn(made.token, made.name), properties=encode(made.state))
        )

    def invoke(self, token: str, **arguments: Any) -> Values:
        answer = self.stub.Invoke(provider_pb2.InvokeRequest(tok=token, args=encode(arguments)))
        if answer.failures:
            raise CheckFailed({failure.property: failure.reason for failure in answer.failures})
        return decode(getattr(answer, "return")).values


def init_failed(error: grpc.RpcError) -> provider_pb2.ErrorResourceInitFailed:
    """What an error says of a resource that was half made."""
    assert isinstance(error, grpc.Call)
    metadata: Any = error.trailing_metadata()
    status = status_pb2.Status.FromString(dict(metadata)["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail


def without_notes(inputs: Values) -> Values:
    """Inputs without what the plugin notes in them."""
    return {key: value for key, value in inputs.items() if key != DEFAULTS}
