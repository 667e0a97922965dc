"""What goes wrong in a plugin, and how the engine is told.

Codes and details are those of
https://pulumi-developer-docs.readthedocs.io/latest/docs/architecture/providers/README.html.
"""

from collections.abc import Sequence
from typing import NoReturn

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from pulumi.runtime.proto import status_pb2


class ProviderError(Exception):
    """Something that the user can read and act on."""


class Cancelled(ProviderError):
    """The engine asked the plugin to stop."""


class NotYet(Exception):
    """What is waited for is not there yet.

    Attributes:
        state: How things stand, for the message that says that time is up.
    """

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


def abort(
    context: grpc.ServicerContext, code: grpc.StatusCode, message: str, details: Sequence[Message] = ()
) -> NoReturn:
    """End a call with an error.

    Args:
        context: The call.
        code: Its status.
        message: What is shown to the user.
        details: Messages that the engine understands, such as ``ErrorResourceInitFailed``.
    """
    if details:
        status = status_pb2.Status(code=code.value[0], message=message)
        for detail in details:
            packed = any_pb2.Any()
            packed.Pack(detail)
            status.details.append(packed)
        # The standard place of a status with details, https://grpc.io/docs/guides/error/#richer-error-model.
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, message)
    raise AssertionError("abort raises")
