"""The cluster, as configured: where its objects are, and the requests that read, apply and delete them."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from ..base.errors import ProviderError
from ..base.resource import Backend
from ..base.wire import UNKNOWN, Values
from .client import APPLY, JSON_PATCH, MERGE, ApiError, Client, Unreachable
from .kinds import ApiResource, Kind
from .kubeconfig import Json, KubeconfigError, choose, load

CLIENT_SIDE_MANAGER = "pulumi-resource-kubernetes"
"""The field manager where server-side apply is off."""


class NoSuchKind(ProviderError):
    """The cluster has no such kind of object (any more, or yet)."""


class Conflict(ProviderError):
    """Others manage fields that would be changed."""


class Cluster(Backend):
    """A configured connection to a cluster, which need not exist yet.

    Args:
        config: The checked configuration.
        warn: Shows the user a warning.

    Attributes:
        server_side: Whether objects are changed by server-side apply.
        force: Whether fields are taken from other managers.
        mutable: Kinds whose data is changed in place although a replacement is safer.
        upsert: Whether a creation may take an object that exists already.
        delete_unreachable: Whether what is in an unreachable cluster counts as deleted.
        skip_unreachable: Whether updates in an unreachable cluster are left out.
        default_namespace: The namespace of objects that name none.
        is_unknown: Whether the cluster itself is still to be created.
    """

    def __init__(self, config: Values, warn: Callable[[str], None]) -> None:
        self._config = config
        self._warn = warn
        self.server_side: bool = _flag(config, "enableServerSideApply", True)
        self.force: bool = _flag(config, "enablePatchForce")
        self.mutable = frozenset(
            kind
            for kind, option in (("ConfigMap", "enableConfigMapMutable"), ("Secret", "enableSecretMutable"))
            if _flag(config, option)
        )
        self.upsert: bool = _flag(config, "upsertExistingObjects")
        self.delete_unreachable: bool = _flag(config, "deleteUnreachable")
        self.skip_unreachable: bool = _flag(config, "skipUpdateUnreachable")
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, str], dict[str, ApiResource]] = {}
        self._client: Client | None = None
        self.is_unknown = any(config.get(name) is UNKNOWN for name in ("kubeconfig", "context", "cluster"))
        self._failure: ProviderError | None = None
        self._probe = threading.Thread(target=self._reach, name="probe", daemon=True)
        namespace = config.get("namespace")
        self.default_namespace: str = "" if namespace is None or namespace is UNKNOWN else namespace
        if self.is_unknown:
            self._failure = Unreachable(
                "the cluster is not known yet: the provider's kubeconfig is known only once it has been created"
            )
            self.default_namespace = self.default_namespace or "default"
            return
        try:
            # No context is no configuration mistake yet: a stack may configure the provider and not use it.
            settings = config.get("kubeClientSettings") or {}
            target = choose(load(config.get("kubeconfig")), config.get("context"), config.get("cluster"))
            self._client = Client(target, self._show, settings.get("timeout"))
            self.default_namespace = self.default_namespace or target.namespace
        except KubeconfigError as error:
            self._failure = error
        self.default_namespace = self.default_namespace or "default"
        # By the time of the first resource, a credential command has answered and the core group is known.
        self._probe.start()

    def explain(self, error: Exception) -> str | None:
        return str(error) if isinstance(error, ProviderError) else None

    def may_pass(self, error: Exception) -> bool:
        return False

    # Reachability

    def _reach(self) -> None:
        if self._client is None:
            return
        try:
            self._discover("", "v1")
        except ApiError:
            # Whoever is refused this has still reached the API server.
            return
        except ProviderError as error:
            self._failure = error

    def failure(self, *, again: bool = False) -> ProviderError | None:
        """Why the cluster cannot be reached; None if it can.

        Args:
            again: Try again, where it could not be reached before.
        """
        if not self.is_unknown:
            self._probe.join()
        if again and self._client is not None and self._failure is not None:
            self._failure = None
            self._reach()
        return self._failure

    @property
    def client(self) -> Client:
        """The client.

        Raises:
            Unreachable: The kubeconfig is not known yet.
            KubeconfigError: It is malformed.
        """
        if self._client is None:
            raise self._failure or Unreachable("the cluster is not known")
        return self._client

    def _show(self, warning: str) -> None:
        if not _flag(self._config, "suppressDeprecationWarnings") or "deprecated" not in warning:
            self._warn(warning)

    # Discovery

    def resource(self, kind: Kind) -> ApiResource:
        """Where the objects of a kind are.

        Raises:
            NoSuchKind: The cluster does not have it.
            Unreachable: The cluster cannot be asked.
        """
        found = self._known(kind) or self._discover(kind.group, kind.version).get(kind.name)
        if found is None:
            raise NoSuchKind(
                f"the cluster's API has no {kind}: correct apiVersion and kind, or create the CustomResourceDefinition "
                "first (depends_on)"
            )
        return found

    def is_namespaced(self, kind: Kind) -> bool | None:
        """Whether objects of a kind are in namespaces; None if nobody can say yet."""
        if self.failure() is None:
            try:
                return self.resource(kind).namespaced
            except ProviderError:
                return kind.built_in_scope
        return kind.built_in_scope

    def _known(self, kind: Kind) -> ApiResource | None:
        with self._lock:
            return self._kinds.get((kind.group, kind.version), {}).get(kind.name)

    def _discover(self, group: str, version: str) -> dict[str, ApiResource]:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        # Not remembered when it is missing: a CustomResourceDefinition may bring it at any time.
        listed = (self.client.find(path) or {}).get("resources", [])
        found = {
            entry["kind"]: ApiResource(Kind(group, version, entry["kind"]), entry["name"], entry["namespaced"])
            for entry in listed
            # A subresource may have the kind of another resource.
            if "/" not in entry["name"]
        }
        with self._lock:
            self._kinds[group, version] = found
        return found

    # Objects

    def find(self, resource: ApiResource, namespace: str | None, name: str) -> Json | None:
        """Read an object; None if it does not exist."""
        return self.client.find(resource.path(namespace, name))

    def create(self, resource: ApiResource, wanted: Json, manager: str, *, dry_run: bool = False) -> Json:
        """Create an object by a plain request."""
        path = resource.path(wanted["metadata"].get("namespace"))
        return self.client.request("POST", path, _options(manager, dry_run), wanted)

    def merge(self, resource: ApiResource, wanted: Json, patch: Json, manager: str, *, dry_run: bool = False) -> Json:
        """Change an object by a merge patch."""
        return self.client.request("PATCH", _path(resource, wanted), _options(manager, dry_run), patch, MERGE)

    def apply(
        self, resource: ApiResource, wanted: Json, manager: str, *, force: bool = False, dry_run: bool = False
    ) -> Json:
        """Apply an object on the server's side.

        See https://kubernetes.io/docs/reference/using-api/server-side-apply/.

        Raises:
            Conflict: Other managers have other values in fields that are given.
            ApiError: The API server refused it.
        """
        query = {**_options(manager, dry_run), "force": "true" if force else "false"}
        try:
            return self.client.request("PATCH", _path(resource, wanted), query, wanted, APPLY)
        except ApiError as error:
            fields = [cause for cause in error.causes if cause.get("reason") == "FieldManagerConflict"]
            if not fields:
                raise
            listed = "; ".join(f"{cause.get('field')}: {cause.get('message')}" for cause in fields)
            name = wanted["metadata"]["name"]
            raise Conflict(
                f"other field managers have other values in {resource.kind.name} {name}: {listed}. Leave these fields "
                'out of the program, or take them over by the annotation `pulumi.com/patchForce: "true"`'
            ) from None

    def relinquish(self, resource: ApiResource, namespace: str | None, name: str, manager: str) -> None:
        """Give up every field that a manager has in an object; what nobody else has goes back to its default."""
        wanted = {"apiVersion": resource.kind.api_version, "kind": resource.kind.name, "metadata": {"name": name}}
        if namespace:
            wanted["metadata"]["namespace"] = namespace
        if self.find(resource, namespace, name) is not None:
            self.apply(resource, wanted, manager, force=True)

    def set_managed_fields(self, resource: ApiResource, live: Json, entries: list[Json]) -> Json:
        """Write who manages the fields of an object, unless it has been changed in the meantime."""
        patch = [
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
        ]
        return self.client.request("PATCH", _path(resource, live), None, patch, JSON_PATCH)

    def delete(self, resource: ApiResource, namespace: str | None, name: str, propagation: str) -> None:
        """Ask for an object's deletion; that it is gone already is no error."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        try:
            self.client.request("DELETE", resource.path(namespace, name), None, body)
        except ApiError as error:
            if error.code != 404:
                raise


def _path(resource: ApiResource, wanted: Mapping[str, Any]) -> str:
    metadata = wanted["metadata"]
    return resource.path(metadata.get("namespace"), metadata["name"])


def _options(manager: str, dry_run: bool) -> dict[str, str]:
    options = {"fieldManager": manager, "fieldValidation": "Warn"}
    return {**options, "dryRun": "All"} if dry_run else options


def _flag(config: Values, name: str, default: bool = False) -> bool:
    value = config.get(name, default)
    return default if value is UNKNOWN else value
