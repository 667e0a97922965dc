"""Names that are made where a program gives none.

See https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming.
"""

import hashlib
import secrets

from pulumi.runtime.proto import provider_pb2

from .properties import AutoName

_SUFFIX = 7

Options = provider_pb2.CheckRequest.AutonamingOptions


def random_name(logical_name: str, how: AutoName, seed: bytes) -> str:
    """Make a name of a resource's own name and seven hexadecimal characters.

    Args:
        logical_name: The name in the program.
        how: What the API takes.
        seed: Decides the characters, so that a preview and the update that follows agree; random if empty.
    """
    digest = hashlib.sha256(seed).hexdigest() if seed else secrets.token_hex(_SUFFIX)
    room = how.longest - len(how.prefix) - _SUFFIX - 1
    stem = how.transform(logical_name)[:room]
    return f"{how.prefix}{stem}-{digest[:_SUFFIX]}"


def name_for(request: provider_pb2.CheckRequest, how: AutoName) -> tuple[str | None, str | None]:
    """Make the name that a resource gets, with regard to the project's autonaming configuration.

    Returns:
        The name, or what is wrong.
    """
    logical_name = request.name or request.urn.rpartition("::")[2]
    if request.HasField("autonaming"):
        if request.autonaming.mode == Options.DISABLE:
            return None, "automatic naming is disabled by the project's configuration: give a name"
        if request.autonaming.mode == Options.ENFORCE:
            return request.autonaming.proposed_name, None
        if request.autonaming.proposed_name:
            return (how.prefix + how.transform(request.autonaming.proposed_name))[: how.longest], None
    return random_name(logical_name, how, request.randomSeed), None


def with_prefix(prefix: str) -> str:
    """Make a name of a prefix that the program gave, with enough random characters to be nobody else's."""
    return prefix + secrets.token_hex(13)
