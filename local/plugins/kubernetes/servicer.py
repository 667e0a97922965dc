"""The provider protocol, for objects of any kind that the cluster's API has.

Resource types are not declared here, as in other plugins: the API server knows them, and it judges, fills in and
compares objects itself when it is asked to apply them without keeping the result (dry run).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from ..base.calls import Call as Operation
from ..base.engine import Engine
from ..base.errors import ProviderError
from ..base.paths import Path, is_covered, parse
from ..base.properties import Failure
from ..base.properties import Kind as ChangeKind
from ..base.resource import Package
from ..base.servicer import InitFailed, Servicer, answers, check_failures, diff_response
from ..base.wire import UNKNOWN, Properties, Values, decode, encode, has_unknown
from . import checks, objects, ownership, readiness, secrecy, spelling
from .changes import compare, merge_patch
from .client import ApiError, Unreachable
from .cluster import CLIENT_SIDE_MANAGER, Cluster, Conflict, NoSuchKind
from .conditions import Failed, condition_for
from .defaults import without_defaults
from .identity import other_cluster
from .kinds import ApiResource, Token, parse_token
from .kubeconfig import Json, KubeconfigError, choose, load
from .replacement import immutable_fields, is_immutable, replacing

_INPUTS, _MANAGER = "__inputs", "__fieldManager"
_INITIAL_VERSION, _INITIAL_KIND = "__initialApiVersion", "__initialKind"
_NOTES = frozenset({_INPUTS, _MANAGER, _INITIAL_VERSION, _INITIAL_KIND})

_ASSIGNED = ("uid", "creationTimestamp", "resourceVersion", "generation")
"""Metadata that the API server assigns."""

_SERVICE_ACCOUNT_SECONDS = 15.0


class KubernetesServicer(Servicer):
    """Serves the kubernetes package.

    Args:
        package: The package.
        engine: The engine to log to.
    """

    def __init__(self, package: Package, engine: Engine) -> None:
        super().__init__(package, engine)
        self._warned = threading.Event()

    @property
    def cluster(self) -> Cluster:
        """The configured cluster."""
        return cast(Cluster, self.backend)

    # Configuration

    @answers
    def CheckConfig(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> Any:
        news = decode(request.news)
        _, failures = self._config(news.values)
        given = news.values.get("kubeconfig")
        if isinstance(given, str) and "\n" in given.strip():
            try:
                names = (news.values.get(name) for name in ("context", "cluster"))
                choose(load(given), *(name if isinstance(name, str) else None for name in names))
            except KubeconfigError as error:
                failures.append(Failure(("kubeconfig",), str(error)))
        secrets = news.secrets | {("kubeconfig",)}
        return provider_pb2.CheckResponse(inputs=encode(news.values, secrets), failures=check_failures(failures))

    @answers
    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> Any:
        before = request.old_inputs if request.HasField("old_inputs") else request.olds
        old, new = decode(before).values, decode(request.news).values
        changed = {name for name in self.package.config if old.get(name) != new.get(name)}
        return diff_response(
            {(name,): (ChangeKind.UPDATE, name in other_cluster(old, new, changed)) for name in changed}, False
        )

    # Check and Diff

    @answers
    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> Any:
        asked = self._asked(request.urn)
        olds, news = decode(request.olds).values, decode(request.news)
        values, failures = dict(news.values), list[Failure]()
        for name, expected in (("apiVersion", asked.kind.api_version), ("kind", asked.kind.name)):
            given = values.setdefault(name, expected)
            if given is not UNKNOWN and given != expected:
                failures.append(Failure((name,), f"{given!r} is not that of the type {asked.kind}, {expected!r}"))
        metadata = values.get("metadata", {})
        if metadata is not UNKNOWN and not isinstance(metadata, dict):
            failures.append(Failure(("metadata",), "expected an object"))
        elif metadata is not UNKNOWN:
            values["metadata"] = dict(metadata)
            failures += checks.complete_metadata(asked, request, olds, values, self.cluster)
        failures += checks.judge_annotations(values)
        secrets = secrecy.of_inputs(asked.kind, news.secrets)
        return provider_pb2.CheckResponse(inputs=encode(values, secrets), failures=check_failures(failures))

    @answers
    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> Any:
        asked = self._asked(request.urn)
        state, new = decode(request.olds).values, decode(request.news).values
        old = decode(request.old_inputs).values if request.HasField("old_inputs") else state.get(_INPUTS, {})
        ignored = [parse(path) for path in request.ignoreChanges]
        before, after = without_defaults(asked.kind, old), without_defaults(asked.kind, new)
        changes: dict[Path, ChangeKind] = {
            path: kind for path, kind in compare(before, after) if not is_covered(path, ignored)
        }
        replaced: set[Path] = set()
        if changes:
            patterns, kept = replacing(asked.kind, old, self.cluster.mutable)
            if asked.patch:
                patterns, kept = patterns[:2], []
            replaced = {path for path in changes if is_covered(path, patterns) and not is_covered(path, kept)}
            if not replaced and not asked.patch:
                replaced = self._refused_changes(asked, state, new, changes)
        if objects.is_set(new, objects.REPLACE_UNREADY):
            if asked.kind.name != "Job":
                self.engine.warning(f"{request.urn}: {objects.REPLACE_UNREADY} is heeded for Jobs only")
            elif self._is_unready(asked, state):
                unready: Path = ("metadata", "annotations", objects.REPLACE_UNREADY)
                changes[unready] = ChangeKind.UPDATE
                replaced.add(unready)
        same_place = all(objects.text(state, part) == objects.text(new, part) for part in ("name", "namespace"))
        return diff_response(
            {path: (kind, path in replaced) for path, kind in changes.items()},
            bool(replaced) and same_place and not objects.is_set(new, objects.AUTONAMED),
        )

    def _refused_changes(self, asked: Token, state: Values, new: Values, changes: dict[Path, ChangeKind]) -> set[Path]:
        """Ask the API server to try a change; say what of it can never be made in place."""
        if has_unknown(new) or self.cluster.failure() is not None:
            return set()
        try:
            resource = self.cluster.resource(asked.kind)
            self._put(resource, state, new, _manager_of(state) or objects.new_field_manager(), dry_run=True)
        except ApiError as error:
            if is_immutable(error):
                # It names a field that has changed, or the whole that the change is in; or nothing of use.
                named = immutable_fields(error)
                return {path for path in changes if is_covered(path, named)} or set(changes)
            # What else is wrong, the update says, with its preview.
            return set()
        except ProviderError:
            return set()
        return set()

    def _is_unready(self, asked: Token, state: Values) -> bool:
        """Whether an object is there and not ready: a Job that has failed, and one that still works."""
        with suppress(ProviderError):
            resource = self.cluster.resource(asked.kind)
            live = self.cluster.find(resource, objects.text(state, "namespace"), objects.text(state, "name"))
            judge = condition_for(self.cluster, resource, {})
            try:
                return live is not None and judge is not None and judge(live) is not None
            except Failed:
                return True
        return False

    # Create, Update, Delete

    @answers
    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> Any:
        asked = self._asked(request.urn)
        given = decode(request.properties)
        if self.cluster.server_side:
            manager = objects.annotation(given.values, objects.PATCH_FIELD_MANAGER) or objects.new_field_manager()
        else:
            manager = CLIENT_SIDE_MANAGER
        if request.preview:
            live = _predicted(self._foresee_creation(asked, given, manager))
            return provider_pb2.CreateResponse(properties=self._encode(asked, given, live, manager))
        resource = self.cluster.resource(asked.kind)
        wanted = _placed(resource, given.values, self.cluster)
        call = self._call_for(request, resource, wanted)
        with _redacting(asked, given):
            live = call.retry(
                lambda: self._put_new(asked, resource, wanted, manager),
                _waits_for_service_account,
                within=_SERVICE_ACCOUNT_SECONDS,
            )
        live = self._await(call, asked, resource, Properties(wanted, given.secrets), live, manager)
        return provider_pb2.CreateResponse(
            id=objects.identifier(live),
            properties=self._encode(asked, Properties(wanted, given.secrets), live, manager),
        )

    def _put_new(self, asked: Token, resource: ApiResource, wanted: Values, manager: str) -> Json:
        namespace, name = objects.text(wanted, "namespace"), objects.text(wanted, "name")
        body = spelling.for_api(asked.kind, wanted)
        if not self.cluster.server_side:
            return self.cluster.create(resource, body, manager)
        existing = self.cluster.find(resource, namespace, name)
        if asked.patch and existing is None:
            raise ProviderError(
                f"there is no {resource.kind.name} {objects.identifier(wanted)} to patch: a Patch resource changes "
                "fields of an object that exists already"
            )
        if existing is not None and not asked.patch and not self.cluster.upsert:
            raise ProviderError(
                f"{resource.kind.name} {objects.identifier(wanted)} exists already. Import it (`pulumi import`, or "
                "the option `import_`), patch it by the type's Patch resource, rename a resource by `aliases`, or let "
                "the provider take what exists by `upsertExistingObjects`"
            )
        return self.cluster.apply(resource, body, manager, force=self._is_forced(wanted))

    def _foresee_creation(self, asked: Token, given: Properties, manager: str) -> Values:
        """Say what a creation would make, as far as that can be known."""
        if has_unknown(given.values) or self._is_offline() or not objects.text(given.values, "name"):
            return given.values

        def attempt() -> Values:
            resource = self.cluster.resource(asked.kind)
            wanted = _placed(resource, given.values, self.cluster)
            if not asked.patch and self.cluster.find(resource, *_place(wanted)) is not None:
                # It may be on its way out, to be replaced by this one.
                return given.values
            body = spelling.for_api(asked.kind, wanted)
            if not self.cluster.server_side:
                return self.cluster.create(resource, body, manager, dry_run=True)
            return self.cluster.apply(resource, body, manager, force=self._is_forced(wanted), dry_run=True)

        return _tried(attempt, asked, given, given.values)

    @answers
    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> Any:
        asked = self._asked(request.urn)
        state, given = decode(request.olds).values, decode(request.news)
        before = _manager_of(state)
        manager = self._manager_for(given.values, before)
        if self.cluster.skip_unreachable and (failure := self.cluster.failure(again=not request.preview)) is not None:
            self.engine.warning(f"{failure}: {request.urn} is left as it is (skipUpdateUnreachable)")
            return provider_pb2.UpdateResponse(properties=request.olds)
        if request.preview:
            live = self._foresee_update(asked, state, given, manager)
            return provider_pb2.UpdateResponse(properties=self._encode(asked, given, live, manager, state))
        resource = self.cluster.resource(asked.kind)
        call = self._call_for(request, resource, given.values)
        with _redacting(asked, given):
            self._take_over(asked, resource, given.values, before, manager)
            live = self._put(resource, state, given.values, manager)
        if before is not None and not _is_to_adopt(before) and before != manager and self.cluster.server_side:
            self.cluster.relinquish(resource, *_place(live), before)
        live = self._await(call, asked, resource, given, live, manager, state)
        return provider_pb2.UpdateResponse(properties=self._encode(asked, given, live, manager, state))

    def _manager_for(self, values: Values, before: str | None) -> str:
        if not self.cluster.server_side:
            return CLIENT_SIDE_MANAGER
        asked_for = objects.annotation(values, objects.PATCH_FIELD_MANAGER)
        kept = before if before != CLIENT_SIDE_MANAGER else None
        return asked_for or kept or objects.new_field_manager()

    def _take_over(self, asked: Token, resource: ApiResource, values: Values, before: str | None, manager: str) -> None:
        """Make what was imported ours, so that what the program leaves out is taken away again."""
        live = self.cluster.find(resource, *_place(values))
        if live is None:
            raise ProviderError(
                f"{resource.kind.name} {objects.identifier(values)} is gone: somebody has deleted it. "
                "`pulumi refresh` takes note of that, and the next update creates it anew"
            )
        if not self.cluster.server_side or asked.patch or not _is_to_adopt(before):
            return
        adopted = ownership.adopt(live, manager)
        if adopted is not None:
            self.cluster.set_managed_fields(resource, live, adopted)

    def _put(self, resource: ApiResource, state: Values, new: Values, manager: str, *, dry_run: bool = False) -> Json:
        body = spelling.for_api(resource.kind, new)
        if self.cluster.server_side:
            return self.cluster.apply(resource, body, manager, force=self._is_forced(new), dry_run=dry_run)
        patch = merge_patch(spelling.for_api(resource.kind, state.get(_INPUTS, {})), body)
        return self.cluster.merge(resource, new, patch, manager, dry_run=dry_run)

    def _foresee_update(self, asked: Token, state: Values, given: Properties, manager: str) -> Values:
        """Say what an update would make, as far as that can be known."""
        metadata = objects.metadata(state)
        kept = {name: metadata[name] for name in ("uid", "creationTimestamp") if name in metadata}
        merged = {**{name: value for name, value in state.items() if name not in _NOTES}, **given.values}
        # What was imported gets us as its manager first, and that cannot be tried.
        if has_unknown(given.values) or self._is_offline() or _is_to_adopt(_manager_of(state)):
            return _predicted(merged, kept)

        def attempt() -> Values:
            resource = self.cluster.resource(asked.kind)
            return self._put(resource, state, given.values, manager, dry_run=True)

        return _predicted(_tried(attempt, asked, given, merged), kept)

    def _is_forced(self, values: Values) -> bool:
        said = objects.annotation(values, objects.PATCH_FORCE)
        return said.lower() == "true" if said else self.cluster.force

    def _await(
        self,
        call: Operation,
        asked: Token,
        resource: ApiResource,
        given: Properties,
        live: Json,
        manager: str,
        state: Values | None = None,
    ) -> Json:
        """Wait until an object is ready; a failure keeps what there is in the stack's state."""
        try:
            return readiness.await_ready(call, self.cluster, resource, given.values, live)
        except Exception as error:
            # Whatever went wrong, the object is there, and without a note in the state nobody would delete it.
            seen = error.live if isinstance(error, readiness.NotReady) else live
            values = self._state(asked, given, seen, manager, state)
            secrets = _secrets(asked, given)
            said = str(error) if isinstance(error, ProviderError) else repr(error)
            message = secrecy.redact(said, given.values, secrets)
            failure = InitFailed(
                objects.identifier(live), values, secrecy.of_state(asked.kind, given.secrets), given.values, message
            )
            # In the inputs, other paths are secret than in the state.
            failure.detail.inputs.CopyFrom(encode(given.values, secrets))
            raise failure from error

    @answers
    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Any:
        asked = self._asked(request.urn)
        state = decode(request.properties).values
        namespace, name = objects.parse_identifier(request.id)
        if (failure := self.cluster.failure(again=True)) is not None:
            if self.cluster.delete_unreachable:
                self.engine.warning(f"{failure}: {request.id} counts as deleted (deleteUnreachable)")
                return empty_pb2.Empty()
            raise Unreachable(
                f"{failure}. If the cluster does not exist any more, its objects are dropped from the state by the "
                "provider's `deleteUnreachable`, or by PULUMI_K8S_DELETE_UNREACHABLE=true"
            )
        try:
            resource = self.cluster.resource(asked.kind)
        except NoSuchKind:
            # Its definition is gone, and with it every object of it.
            return empty_pb2.Empty()
        manager = _manager_of(state)
        if asked.patch:
            if manager:
                self.cluster.relinquish(resource, namespace, name, manager)
            return empty_pb2.Empty()
        live = self.cluster.find(resource, namespace, name)
        if live is None:
            return empty_pb2.Empty()
        asked_for = objects.annotation(state, objects.DELETION_PROPAGATION).lower()
        self.cluster.delete(resource, namespace, name, checks.PROPAGATION.get(asked_for, "Foreground"))
        if not objects.is_set(state, objects.SKIP_AWAIT):
            readiness.await_gone(self._call_for(request, resource, state), self.cluster, resource, live)
        return empty_pb2.Empty()

    # Read

    @answers
    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> Any:
        asked = self._asked(request.urn)
        state, inputs = decode(request.properties), decode(request.inputs)
        namespace, name = objects.parse_identifier(request.id)
        try:
            resource = self.cluster.resource(asked.kind)
        except NoSuchKind:
            return provider_pb2.ReadResponse()
        if resource.namespaced:
            namespace = namespace or self.cluster.default_namespace
        elif namespace:
            raise ProviderError(f"{resource.kind.name} has no namespace: its id is just its name, {name!r}")
        live = self.cluster.find(resource, namespace, name)
        if live is None:
            return provider_pb2.ReadResponse()
        known = inputs.values or state.values.get(_INPUTS, {})
        manager = _manager_of(state.values)
        if known:
            found = self._inputs_now(asked, known, live, manager)
        else:
            # An import, or a look at what is no resource of this stack.
            found = without_defaults(asked.kind, spelling.from_api(asked.kind, ownership.set_by_people(live)))
        secrets = inputs.secrets or frozenset(path[1:] for path in state.secrets if path[:1] == (_INPUTS,))
        given = Properties(found, frozenset(path for path in secrets if path))
        return provider_pb2.ReadResponse(
            id=objects.identifier(live),
            properties=self._encode(asked, given, live, manager, state.values),
            inputs=encode(found, _secrets(asked, given)),
        )

    def _inputs_now(self, asked: Token, known: Values, live: Json, manager: str | None) -> Values:
        fields = ownership.fields_of(live, manager) if manager else {}
        if "f:data" in fields:
            fields = {**fields, "f:stringData": fields["f:data"]}
        shown = spelling.with_string_data(known, spelling.from_api(asked.kind, live))
        found = ownership.reconcile(known, shown, fields or None)
        return found if isinstance(found, dict) else known

    # Components and methods

    @answers
    def Construct(self, request: Any, context: grpc.ServicerContext) -> Any:
        raise ProviderError(self._not_served("component", request.type))

    @answers
    def Call(self, request: Any, context: grpc.ServicerContext) -> Any:
        raise ProviderError(self._not_served("method", request.tok))

    # Helpers

    def _asked(self, urn: str) -> Token:
        token = urn.split("::")[2].rpartition("$")[2]
        asked = parse_token(token)
        if asked is None:
            raise ProviderError(self._not_served("resource type", token))
        return asked

    def _is_offline(self) -> bool:
        """Whether a preview has to do without the cluster; says so once."""
        failure = self.cluster.failure()
        if failure is not None and not self.cluster.is_unknown and not self._warned.is_set():
            self._warned.set()
            self.engine.warning(f"{failure}. The preview goes on without asking the cluster")
        return failure is not None

    def _call_for(self, request: Any, resource: ApiResource, values: Values) -> Operation:
        return self._new_call(request.timeout or readiness.timeout_for(resource, values), request.urn)

    def _state(
        self, asked: Token, given: Properties, live: Values, manager: str | None, before: Values | None = None
    ) -> Values:
        shown = live
        if metadata := objects.metadata(live):
            # Longer than the object itself, and different after every change: of use to the API server only.
            shown = {**live, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
        return {
            **spelling.from_api(asked.kind, shown),
            _INPUTS: given.values,
            _MANAGER: manager,
            _INITIAL_VERSION: (before or {}).get(_INITIAL_VERSION, asked.kind.api_version),
            _INITIAL_KIND: asked.kind.name,
        }

    def _encode(
        self, asked: Token, given: Properties, live: Values, manager: str | None, before: Values | None = None
    ) -> Any:
        return encode(self._state(asked, given, live, manager, before), secrecy.of_state(asked.kind, given.secrets))


def _placed(resource: ApiResource, values: Values, cluster: Cluster) -> Values:
    """Correct the namespace, which before the first contact with the cluster may have been a guess."""
    metadata = dict(values["metadata"])
    if not resource.namespaced:
        metadata.pop("namespace", None)
    elif not metadata.get("namespace"):
        metadata["namespace"] = cluster.default_namespace
    return {**values, "metadata": metadata}


def _place(values: Values) -> tuple[str, str]:
    return objects.text(values, "namespace"), objects.text(values, "name")


def _manager_of(state: Values) -> str | None:
    return state.get(_MANAGER)


def _secrets(asked: Token, given: Properties) -> frozenset[Path]:
    return secrecy.of_inputs(asked.kind, given.secrets)


def _is_to_adopt(manager: str | None) -> bool:
    """Whether a manager of the state's is none under which fields were applied: after an import, or client-side."""
    return manager in (None, CLIENT_SIDE_MANAGER)


def _predicted(live: Values, kept: Values | None = None) -> Values:
    """Put right what the API server only makes up in a dry run, or what is missing where it was not asked.

    Args:
        live: What an object will be.
        kept: What an existing object keeps of its metadata.
    """
    metadata = live.get("metadata", {})
    if isinstance(metadata, dict):
        metadata = {name: value for name, value in metadata.items() if name != "managedFields"}
        metadata = {**metadata, **dict.fromkeys(_ASSIGNED, UNKNOWN), **(kept or {})}
    return {**{name: value for name, value in live.items() if name != "status"}, "metadata": metadata}


def _tried(attempt: Callable[[], Values], asked: Token, given: Properties, otherwise: Values) -> Values:
    """Let the API server try something, for a preview.

    Args:
        attempt: What.
        asked: The type of what it is done to.
        given: The inputs.
        otherwise: What to go by where the attempt says nothing of what will be.
    """
    try:
        return attempt()
    except NoSuchKind:
        # The same program may bring the definition.
        return otherwise
    except (ApiError, Conflict) as error:
        # Its namespace or ServiceAccount may be created before it, and rights may come with a role; and who may only
        # look is to see a preview, too.
        if isinstance(error, ApiError) and error.code in (403, 404):
            return otherwise
        raise ProviderError(secrecy.redact(str(error), given.values, _secrets(asked, given))) from None


def _waits_for_service_account(error: Exception) -> bool:
    """Whether a Pod was refused because its ServiceAccount, which its namespace gets by itself, is not there yet."""
    return isinstance(error, ApiError) and error.code == 403 and "error looking up service account" in str(error)


@contextmanager
def _redacting(asked: Token, given: Properties) -> Iterator[None]:
    """Take secret values out of errors."""
    try:
        yield
    except (ApiError, Conflict) as error:
        raise ProviderError(secrecy.redact(str(error), given.values, _secrets(asked, given))) from None
