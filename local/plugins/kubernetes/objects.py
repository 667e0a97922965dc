"""Objects as programs give them: their metadata, which may be unknown in part, and Pulumi's annotations on them.

The annotations are those of
https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/#pulumi-kubernetes-annotations.
"""

import secrets

from pulumi.runtime.proto import provider_pb2

from ..base.naming import Options
from ..base.wire import Values

AUTONAMED = "pulumi.com/autonamed"
DELETION_PROPAGATION = "pulumi.com/deletionPropagationPolicy"
PATCH_FIELD_MANAGER = "pulumi.com/patchFieldManager"
PATCH_FORCE = "pulumi.com/patchForce"
REPLACE_UNREADY = "pulumi.com/replaceUnready"
SKIP_AWAIT = "pulumi.com/skipAwait"
TIMEOUT_SECONDS = "pulumi.com/timeoutSeconds"
WAIT_FOR = "pulumi.com/waitFor"

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MANAGED_BY = "app.kubernetes.io/managed-by"

_LONGEST_NAME = 253
_SUFFIX = 8


def metadata(values: Values) -> Values:
    """An object's metadata, empty if they are missing or unknown."""
    found = values.get("metadata")
    return found if isinstance(found, dict) else {}


def text(values: Values, member: str) -> str:
    """A member of the metadata; empty if it is missing or unknown."""
    found = metadata(values).get(member)
    return found if isinstance(found, str) else ""


def annotation(values: Values, name: str) -> str:
    """An annotation; empty if it is missing or unknown."""
    annotations = metadata(values).get("annotations")
    found = annotations.get(name) if isinstance(annotations, dict) else None
    return found if isinstance(found, str) else ""


def is_set(values: Values, name: str) -> bool:
    """Whether an annotation says yes."""
    return annotation(values, name).lower() == "true"


def put(metadata: Values, section: str, name: str, value: str) -> None:
    """Set an annotation or a label in metadata, unless they are unknown as a whole."""
    entries = metadata.get(section, {})
    if isinstance(entries, dict):
        metadata[section] = {**entries, name: value}


def identifier(values: Values) -> str:
    """The id that the state has: namespace and name."""
    namespace, name = text(values, "namespace"), text(values, "name")
    return f"{namespace}/{name}" if namespace else name


def parse_identifier(given: str) -> tuple[str, str]:
    """Split an id into namespace (empty if it has none) and name."""
    namespace, _, name = given.rpartition("/")
    return namespace, name


def automatic_name(request: provider_pb2.CheckRequest) -> tuple[str, str | None]:
    """Make the name of an object that the program gives none: the resource's name and eight hexadecimal characters.

    Returns:
        The name, and what is wrong.
    """
    options = request.autonaming
    if request.HasField("autonaming"):
        if options.mode == Options.DISABLE:
            return "", "automatic naming is disabled by the project's configuration: give metadata.name"
        if options.proposed_name:
            return options.proposed_name, None
    stem = (request.name or request.urn.rpartition("::")[2])[: _LONGEST_NAME - _SUFFIX - 1]
    # The seed decides, so that a preview and the update that follows agree.
    if request.randomSeed:
        import hashlib

        return f"{stem}-{hashlib.sha256(request.randomSeed).hexdigest()[:_SUFFIX]}", None
    return f"{stem}-{secrets.token_hex(_SUFFIX // 2)}", None


def new_field_manager() -> str:
    """Make the name under which one resource of a stack owns its fields."""
    return f"pulumi-kubernetes-{secrets.token_hex(4)}"
