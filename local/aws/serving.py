"""From a request to a reply, for the services that this endpoint has itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from .front import Request
from .protocol import (
    CommonError,
    HttpReply,
    Operation,
    Router,
    ServiceError,
    bad_parameter,
    operations_of,
    parse_request,
    render_common_error,
    render_error,
    violations,
)

log = logging.getLogger(__name__)

Answer = Callable[[Operation, dict[str, Any], Request], HttpReply]
"""Answers an operation, given its judged parameters; raises what the operation models, or a `CommonError`."""


class Serving:
    """A service by botocore's model of it: routes, parameters and errors.

    Args:
        service: its name in botocore.
        title: what it is called in messages.
        answer: answers its operations.

    Attributes:
        operations: its operations by name.
    """

    def __init__(self, service: str, title: str, answer: Answer) -> None:
        self.operations: Mapping[str, Operation] = operations_of(service)
        self._title = title
        self._answer = answer
        self._router = Router(self.operations)

    def handle(self, request: Request) -> HttpReply:
        """Answer one request; never raises."""
        found = self._router.match(request.method, request.raw_path)
        if found is None:
            message = f"{self._title} has no operation at {request.method} {request.raw_path}"
            return render_common_error(CommonError("UnknownOperationException", message, 404))
        name, labels = found
        operation = self.operations[name]
        try:
            params = parse_request(operation, labels, request.query, request.headers, request.body)
            if operation.input_shape is not None:
                for problem in violations(operation.input_shape, params):
                    raise bad_parameter(operation, problem)
            return self._answer(operation, params, request)
        except ServiceError as error:
            try:
                return render_error(operation, error)
            except AssertionError:  # the operation models no such error
                return _fault(name)
        except CommonError as error:
            return render_common_error(error)
        except Exception:  # noqa: BLE001 - a fault of ours must reach the client as one, not as a lost connection
            return _fault(name)


def _fault(name: str) -> HttpReply:
    log.exception("%s failed", name)
    message = f"{name} failed inside the local endpoint; its log has the trace"
    return render_common_error(CommonError("InternalFailure", message, 500))
