"""The provider protocol, served from declarations.

See https://pulumi-developer-docs.readthedocs.io/latest/docs/architecture/providers/README.html and, for each method,
the comments in the SDK's ``provider.proto``.
"""

import functools
import json
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from . import schema
from .calls import Call as Operation
from .engine import Engine
from .errors import Cancelled, NotYet, ProviderError, abort
from .naming import name_for
from .paths import Path, is_covered, parse, render
from .properties import (
    DEFAULTS,
    Failure,
    Kind,
    Str,
    check_properties,
    inputs_of,
    keep_unset,
    unknown_where_unset,
    without_defaults,
)
from .resource import Backend, Function, Package, Resource, compose_state, inputs_from_state
from .wire import UNKNOWN, Values, WireError, decode, encode, has_unknown

# How long what was created may be invisible to the reads that follow.
_VISIBLE_WITHIN = 60.0

# The engine's own members of a provider's configuration.
_ENGINE_CONFIG = frozenset({"version", "pluginDownloadURL", "pluginChecksums", "__internal"})

_KINDS = {
    (Kind.ADD, False): provider_pb2.PropertyDiff.ADD,
    (Kind.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (Kind.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (Kind.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
    (Kind.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (Kind.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
}


class InitFailed(ProviderError):
    """A resource that exists, but not as it should: it goes into the state together with the reason."""

    def __init__(self, identifier: str, state: Values, secrets: frozenset[Path], inputs: Values, reason: str) -> None:
        super().__init__(reason)
        self.detail = provider_pb2.ErrorResourceInitFailed(
            id=identifier, properties=encode(state, secrets), reasons=[reason], inputs=encode(inputs, secrets)
        )


def answers(method: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what a method raises into the protocol's errors."""

    @functools.wraps(method)
    def answer(self: "Servicer", request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except InitFailed as failure:
            abort(context, grpc.StatusCode.UNKNOWN, str(failure), [failure.detail])
        except Cancelled as error:
            abort(context, grpc.StatusCode.CANCELLED, str(error))
        except (ProviderError, WireError) as error:
            abort(context, grpc.StatusCode.UNKNOWN, str(error))
        except Exception as error:
            if not context.is_active():
                raise
            explained = self.explain(error)
            if explained is None:
                self.engine.debug(traceback.format_exc())
                explained = f"a fault in the plugin {self.package.name}: {error!r}\n{traceback.format_exc()}"
                abort(context, grpc.StatusCode.INTERNAL, explained)
            abort(context, grpc.StatusCode.UNKNOWN, explained)

    return answer


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Serves a package.

    Args:
        package: The package.
        engine: The engine to log to.
    """

    def __init__(self, package: Package, engine: Engine) -> None:
        self.package = package
        self.engine = engine
        self._backend: Backend | None = None
        self._cancelled = threading.Event()

    # The plugin itself

    @answers
    def Handshake(self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext) -> Any:
        self.engine.connect(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, accept_resources=True, accept_outputs=True, supports_autonaming_configuration=True
        )

    @answers
    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.engine.connect(request.address)
        return empty_pb2.Empty()

    @answers
    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=self.package.version)

    @answers
    def GetSchema(self, request: provider_pb2.GetSchemaRequest, context: grpc.ServicerContext) -> Any:
        if request.version not in (0, 1):
            raise ProviderError(f"unsupported schema version {request.version}")
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema.of(self.package)))

    @answers
    def GetMapping(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.GetMappingResponse()

    @answers
    def GetMappings(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.GetMappingsResponse()

    @answers
    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._cancelled.set()
        return empty_pb2.Empty()

    # Configuration

    @answers
    def CheckConfig(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> Any:
        news = decode(request.news)
        _, failures = self._config(news.values)
        return provider_pb2.CheckResponse(inputs=encode(news.values, news.secrets), failures=check_failures(failures))

    @answers
    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> Any:
        before = request.old_inputs if request.HasField("old_inputs") else request.olds
        old, new = decode(before).values, decode(request.news).values
        changed = [name for name in {**old, **new} if old.get(name) != new.get(name) and name not in _ENGINE_CONFIG]
        return diff_response({(name,): (Kind.UPDATE, False) for name in changed}, False)

    @answers
    def Configure(self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext) -> Any:
        given = decode(request.args).values
        if not given and request.variables:
            # Before it had `args`, the request had only texts, by "package:config:key".
            given = {key.rpartition(":")[2]: value for key, value in request.variables.items()}
        config, failures = self._config(given)
        if failures:
            raise ProviderError("; ".join(str(failure) for failure in failures))
        self._backend = self.package.configure(config, self.engine.warning)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True,
            supportsPreview=True,
            acceptResources=True,
            acceptOutputs=True,
            supports_autonaming_configuration=True,
        )

    def _config(self, given: Values) -> tuple[Values, list[Failure]]:
        values: Values = {}
        failures: list[Failure] = []
        for key, value in given.items():
            if key in _ENGINE_CONFIG:
                continue
            declared = self.package.config.get(key)
            # What is not a string arrives as JSON text.
            if isinstance(value, str) and declared is not None and not isinstance(declared.type, Str):
                try:
                    value = json.loads(value)
                except ValueError:
                    failures.append(Failure((key,), f"expected JSON for {declared.type.noun}, got {value!r}"))
                    continue
            values[key] = value
        checked, _ = check_properties(
            self.package.config, values, (), lambda path, reason: failures.append(Failure(path, reason))
        )
        return without_defaults(checked), failures

    # Resources

    @answers
    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> Any:
        resource = self._resource(request.urn)
        olds, news = decode(request.olds), decode(request.news)
        failures: list[Failure] = []

        def report(path: Path, reason: str) -> None:
            failures.append(Failure(path, reason))

        values = dict(news.values)
        for name in resource.not_served & values.keys():
            report((name,), f"only the official {self.package.name} plugin serves this property")
            del values[name]
        checked, filled = check_properties(resource.properties, values, (), report)
        for name, value in resource.defaults(self.backend).items():
            if name not in checked:
                checked[name] = value
                filled.append(name)
        for name, declared in inputs_of(resource.properties).items():
            if declared.autoname is None or name in checked or any(other in checked for other in declared.conflicts):
                continue
            filled.append(name)
            if name in olds.values.get(DEFAULTS, ()) and name in olds.values:
                checked[name] = olds.values[name]
                continue
            checked[name], reason = name_for(request, declared.autoname)
            if reason is None:
                declared.type.check(checked[name], (name,), report)
            else:
                report((name,), reason)
        for rule in resource.rules:
            for name, reason in rule(checked):
                report((name,) if name else (), reason)
        checked[DEFAULTS] = sorted(filled)
        secrets = news.secrets | {
            (name,) for name in checked if name in resource.properties and resource.properties[name].secret
        }
        return provider_pb2.CheckResponse(inputs=encode(checked, secrets), failures=check_failures(failures))

    @answers
    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> Any:
        resource = self._resource(request.urn)
        old, checked = decode(request.olds).values, decode(request.news).values
        new = without_defaults(checked)
        ignored = [parse(path) for path in request.ignoreChanges]
        changes = {
            change.path: (change.kind, change.replace)
            for change in resource.diff(self.backend, without_defaults(old), new)
            if not is_covered(change.path, ignored)
        }
        replaced = any(replace for _, replace in changes.values())
        first = replaced and resource.deletes_before_replace(old, new, checked.get(DEFAULTS, []))
        return diff_response(changes, first)

    @answers
    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> Any:
        resource = self._resource(request.urn)
        properties = decode(request.properties)
        new = without_defaults(properties.values)
        secrets = _output_secrets(resource, properties.secrets)
        if request.preview:
            state = {**unknown_where_unset(resource.properties, new), **resource.planned(self.backend, new)}
            return provider_pb2.CreateResponse(properties=encode(state, secrets))
        call = self._call(request, resource.timeouts.create)
        try:
            identifier = resource.create(call, new)
            call.exists(identifier)
            state = self._read_created(resource, call, identifier, new)
        except Exception as error:
            if call.created is None:
                raise
            state = self._read_failed(resource, call, call.created, new)
            raise InitFailed(call.created, state, secrets, properties.values, self._reason(error)) from error
        return provider_pb2.CreateResponse(id=identifier, properties=encode(state, secrets))

    def _read_created(self, resource: Resource, call: Operation, identifier: str, new: Values) -> Values:
        def read() -> Values:
            actual = resource.read(call, identifier, new)
            if actual is None:
                raise NotYet("it was created and cannot be found")
            return actual

        return compose_state(resource, new, call.poll(f"reading {identifier}", read, within=_VISIBLE_WITHIN))

    def _read_failed(self, resource: Resource, call: Operation, identifier: str, new: Values) -> Values:
        try:
            return compose_state(resource, new, resource.read(call, identifier, new) or {})
        except Exception as error:  # noqa: BLE001 - the failure that led here is the one to report
            self.engine.debug(f"reading {identifier} after a failure: {error}")
            return compose_state(resource, new, {})

    @answers
    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> Any:
        resource = self._resource(request.urn)
        properties, inputs = decode(request.properties), decode(request.inputs)
        call = self._call(request, resource.timeouts.read)
        importing = not properties.values
        identifier, known = (
            resource.locate(call, request.id) if importing else (request.id, without_defaults(properties.values))
        )
        actual = resource.read(call, identifier, known)
        if actual is None:
            return provider_pb2.ReadResponse()
        state = compose_state(resource, known, actual)
        given = inputs.values if inputs.values else {}
        found = inputs_from_state(resource.properties, given, state, importing=importing and not given)
        secrets = properties.secrets | inputs.secrets
        return provider_pb2.ReadResponse(
            id=identifier,
            properties=encode(state, _output_secrets(resource, secrets)),
            inputs=encode(found, secrets),
        )

    @answers
    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> Any:
        resource = self._resource(request.urn)
        olds, properties = decode(request.olds), decode(request.news)
        old, new = without_defaults(olds.values), without_defaults(properties.values)
        secrets = _output_secrets(resource, properties.secrets)
        ignored = [parse(path) for path in request.ignoreChanges]
        changes = [c for c in resource.diff(self.backend, old, new) if not is_covered(c.path, ignored)]
        changed = frozenset(str(change.path[0]) for change in changes)
        if request.preview:
            state = {**keep_unset(resource.properties, old, new), **resource.planned(self.backend, new)}
            for name, declared in resource.properties.items():
                follows = declared.follows
                if not declared.output and name in new:
                    continue
                if ("*" in follows and changed) or changed.intersection(follows):
                    state[name] = UNKNOWN
            return provider_pb2.UpdateResponse(properties=encode(state, secrets))
        call = self._call(request, resource.timeouts.update)
        # An ignored property keeps the value it has, whatever the inputs say.
        wanted = {**new, **{path[0]: old[path[0]] for path in ignored if len(path) == 1 and path[0] in old}}
        try:
            resource.update(call, request.id, old, wanted, changed)
            state = self._read_created(resource, call, request.id, wanted)
        except Exception as error:
            # What was done of the update is in the state, so that the next one does the rest.
            state = self._read_failed(resource, call, request.id, old)
            if state == compose_state(resource, old, {}):
                raise
            raise InitFailed(request.id, state, secrets, properties.values, self._reason(error)) from error
        return provider_pb2.UpdateResponse(properties=encode(state, secrets))

    @answers
    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Any:
        resource = self._resource(request.urn)
        state = without_defaults(decode(request.properties).values)
        resource.delete(self._call(request, resource.timeouts.delete), request.id, state)
        return empty_pb2.Empty()

    @answers
    def Construct(self, request: Any, context: grpc.ServicerContext) -> Any:
        raise ProviderError(f"{self.package.name} has no component {request.type}")

    @answers
    def Call(self, request: Any, context: grpc.ServicerContext) -> Any:
        raise ProviderError(f"{self.package.name} has no method {request.tok}")

    # Functions

    @answers
    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> Any:
        function = self._function(request.tok)
        given = decode(request.args)
        failures: list[Failure] = []
        arguments, _ = check_properties(
            function.arguments, given.values, (), lambda path, reason: failures.append(Failure(path, reason))
        )
        if not failures:
            for rule in function.rules:
                failures += (Failure((name,) if name else (), reason) for name, reason in rule(arguments))
        if failures:
            return provider_pb2.InvokeResponse(failures=check_failures(failures))
        results: Values
        if has_unknown(arguments):
            results = {name: UNKNOWN for name in function.results}
        else:
            results = function.invoke(self._new_call(Resource.timeouts.read, ""), without_defaults(arguments))
        secrets: set[Path] = {(name,) for name, declared in function.results.items() if declared.secret}
        if given.secrets:
            # What is computed from a secret is one.
            secrets.update((name,) for name in results)
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(encode(results, secrets))
        return response

    # Helpers

    @property
    def backend(self) -> Backend:
        """What `Configure` made.

        Raises:
            ProviderError: It was not called, or failed.
        """
        if self._backend is None:
            raise ProviderError(f"the plugin {self.package.name} is not configured")
        return self._backend

    def explain(self, error: Exception) -> str | None:
        """Say what an error means, if it is one that users can understand."""
        return self._backend.explain(error) if self._backend else None

    def _reason(self, error: Exception) -> str:
        return self.explain(error) or (str(error) if isinstance(error, ProviderError) else repr(error))

    def _resource(self, urn: str) -> Resource:
        # The last type of the chain of parents is the resource's own.
        token = urn.split("::")[2].rpartition("$")[2]
        resource = self.package.resources.get(token)
        if resource is None:
            raise ProviderError(self._not_served("resource type", token))
        return resource

    def _function(self, token: str) -> Function:
        function = self.package.functions.get(token)
        if function is None:
            raise ProviderError(self._not_served("function", token))
        return function

    def _not_served(self, what: str, token: str) -> str:
        return (
            f"the {what} {token} is not served by this {self.package.name} plugin, which stands in for the official "
            f"one: install that with `pulumi plugin install resource {self.package.name} {self.package.version}`"
        )

    def _call(self, request: Any, timeout: float) -> Operation:
        return self._new_call(request.timeout or timeout, request.urn)

    def _new_call(self, timeout: float, urn: str) -> Operation:
        return Operation(
            self.backend, timeout, self._cancelled, info=functools.partial(self.engine.info, urn=urn, ephemeral=True)
        )


def check_failures(failures: Iterable[Failure]) -> list[provider_pb2.CheckFailure]:
    """Tell the engine what is wrong with a resource's inputs."""
    return [provider_pb2.CheckFailure(property=render(failure.path), reason=failure.reason) for failure in failures]


def diff_response(changes: dict[Path, tuple[Kind, bool]], delete_before_replace: bool) -> provider_pb2.DiffResponse:
    """Tell the engine of changes, and which of them replace the resource."""
    response = provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
        hasDetailedDiff=True,
        deleteBeforeReplace=delete_before_replace,
        diffs=sorted({str(path[0]) for path in changes}),
        replaces=sorted({render(path) for path, (_, replace) in changes.items() if replace}),
    )
    for path, kind in changes.items():
        response.detailedDiff[render(path)].kind = _KINDS[kind]
    return response


def _output_secrets(resource: Resource, secrets: frozenset[Path]) -> frozenset[Path]:
    """Say what is secret in a resource's state, given what is secret in its inputs."""
    found: set[Path] = {(name,) for name, declared in resource.properties.items() if declared.secret}
    for path in secrets:
        # The elements of a list may come back in another order.
        fixed = next((index for index, part in enumerate(path) if isinstance(part, int)), len(path))
        found.add(path[:fixed])
    tops = {path[0] for path in found}
    found.update((output,) for output, source in resource.derived.items() if source in tops)
    return frozenset(found)
