"""The rest-json protocol, server side, driven by botocore's own service model.

botocore ships for every service the model that AWS publishes: routes, shapes, required members, enums,
patterns, sizes and errors. This module reads requests and writes replies by it, so none of that is
written by hand and none of it can drift from what clients expect. Both directions are validated: a client
gets AWS's kind of error for a bad request, and a behaviour that returns something the model does not
know fails loudly as a fault of ours.

Protocol: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

import botocore.loaders
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

JSON = "application/json"


class ServiceError(Exception):
    """A refusal that the operation models, for example ``ResourceInUseException``.

    Args:
        code: the error's shape name in the service model.
        message: what the client shows its user.
        details: further members of the error's shape, such as ``clusterName``.
    """

    def __init__(self, code: str, message: str, **details: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = details


class CommonError(Exception):
    """One of the errors that any AWS operation may answer without modelling it.

    https://docs.aws.amazon.com/eks/latest/APIReference/CommonErrors.html
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class HttpReply:
    """A complete reply, kept whole so that it can be sent again."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One operation of a service, as its model describes it.

    Attributes:
        http: method, path and status code.
        input_shape: botocore's shape of the parameters, or None.
        output_shape: botocore's shape of the result, or None.
        errors: the shapes of the errors that the operation models, by name.
        signed: whether its requests must be signed, as those of nearly all are.
    """

    name: str
    http: dict[str, Any]
    input_shape: Any
    output_shape: Any
    errors: dict[str, Any]
    signed: bool


@cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service, such as ``sts``."""
    description = botocore.loaders.Loader().load_service_model(service, "service-2")
    return ServiceModel(description, service_name=service)


@cache
def operations_of(service: str) -> dict[str, Operation]:
    """Return a service's operations by name, from botocore's model of it, such as ``eks``."""
    model = service_model(service)
    names: Any = model.operation_names
    return {name: _operation(model.operation_model(name)) for name in names}


def _operation(model: Any) -> Operation:
    # botocore's lazy attributes are opaque to type checkers; here they end.
    errors = {shape.name: shape for shape in model.error_shapes}
    return Operation(
        model.name, model.http, model.input_shape, model.output_shape, errors, signed=model.auth_type != "none"
    )


# --- routes -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Route:
    """One operation's method and path."""

    method: str
    pattern: re.Pattern[str]
    literals: int
    operation: str


class Router:
    """Finds the operation that a method and a still percent-encoded path address."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        routes = [self._route(operation) for operation in operations.values()]
        # A literal segment is more specific than a label: /clusters/{name}/updates before a catch-all.
        self._routes = sorted(routes, key=lambda route: -route.literals)

    @staticmethod
    def _route(operation: Operation) -> Route:
        http = operation.http
        path = http["requestUri"].split("?")[0].rstrip("/") or "/"
        expression, literals = "", 0
        for segment in path.strip("/").split("/"):
            label = re.fullmatch(r"\{([^}+]+)(\+?)\}", segment)
            if label is None:
                expression += "/" + re.escape(segment)
                literals += 1
            else:
                expression += f"/(?P<{label[1]}>{'.+' if label[2] else '[^/]+'})"
        return Route(http["method"], re.compile(expression + "/?"), literals, operation.name)

    def match(self, method: str, raw_path: str) -> tuple[str, dict[str, str]] | None:
        """Return the operation's name and its decoded path labels, or None when nothing is there."""
        for route in self._routes:
            if route.method == method and (found := route.pattern.fullmatch(raw_path)):
                return route.operation, {key: unquote(value) for key, value in found.groupdict().items()}
        return None


# --- requests -----------------------------------------------------------------------------------------


def parse_request(
    operation: Operation, labels: Mapping[str, str], query: str, headers: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    """Read a request into the operation's parameters.

    Args:
        operation: the operation that the router found.
        labels: decoded path labels.
        query: the raw query string.
        headers: the request's headers by lower-case name.
        body: the whole body.

    Raises:
        CommonError: the body is no JSON object.
    """
    shape = operation.input_shape
    if shape is None:
        return {}
    arguments: dict[str, list[str]] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        arguments.setdefault(key, []).append(value)
    params: dict[str, Any] = {}
    in_body: dict[str, Any] = {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire_name = member.serialization.get("name", name)
        if location == "uri":
            params[name] = labels[wire_name]
        elif location == "querystring":
            if values := arguments.get(wire_name):
                params[name] = _from_text(member, values)
        elif location == "header":
            if (text := headers.get(wire_name.lower())) is not None:
                params[name] = _from_text(member, [text])
        else:
            in_body[name] = member
    if in_body and body.strip():
        try:
            document = json.loads(body)
        except ValueError:
            raise CommonError("SerializationException", "The request body is not valid JSON.") from None
        if not isinstance(document, dict):
            raise CommonError("SerializationException", "The request body is not a JSON object.")
        for name, member in in_body.items():
            wire_name = member.serialization.get("name", name)
            if document.get(wire_name) is not None:
                params[name] = _from_json(member, document[wire_name])
    return params


def _from_text(shape: Any, values: list[str]) -> Any:
    """Convert text from a path, query string or header to the shape's type; leave what does not convert."""
    if shape.type_name == "list":
        return list(values)
    text = values[-1]
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if shape.type_name in ("integer", "long") and re.fullmatch(r"-?\d+", text):
        return int(text)
    return text


def _from_json(shape: Any, value: Any) -> Any:
    """Rename members from the wire, drop what the model does not know, and read timestamps."""
    if value is None:
        return None
    if shape.type_name == "structure" and isinstance(value, dict):
        known = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        return {
            known[key]: _from_json(shape.members[known[key]], item)
            for key, item in value.items()
            if key in known and item is not None
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [_from_json(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: _from_json(shape.value, item) for key, item in value.items()}
    if shape.type_name == "timestamp" and isinstance(value, int | float):
        return dt.datetime.fromtimestamp(value, dt.UTC)
    if shape.type_name == "blob" and isinstance(value, str):
        return base64.b64decode(value)
    return value


# --- validation ---------------------------------------------------------------------------------------


def violations(shape: Any, value: Any) -> Iterator[str]:
    """Yield what in a value contradicts its shape: types, required members, enums, patterns, sizes.

    botocore's ``ParamValidator`` checks types, required members and minimums; servers check more.
    """
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        yield from report.generate_report().split("\n")
        return
    yield from _limits(shape, value, "")


def _limits(shape: Any, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    where = path or "value"
    if kind == "structure":
        for name, item in value.items():
            if item is not None:
                yield from _limits(shape.members[name], item, f"{path}.{name}" if path else name)
    elif kind == "list":
        yield from _size(shape, len(value), where)
        for index, item in enumerate(value):
            yield from _limits(shape.member, item, f"{path}[{index}]")
    elif kind == "map":
        if value:  # The model wants at least one tag, but EKS takes and answers an empty map of them.
            yield from _size(shape, len(value), where)
        for key, item in value.items():
            yield from _limits(shape.key, key, f"{path} key {key!r}")
            yield from _limits(shape.value, item, f"{path}.{key}")
    elif kind == "string":
        yield from _size(shape, len(value), where)
        if shape.enum and value not in shape.enum:
            allowed = ", ".join(shape.enum)
            yield f"Value '{value}' at '{where}' failed to satisfy constraint: one of [{allowed}]"
        pattern = shape.metadata.get("pattern")
        if pattern and not _expression(pattern).fullmatch(value):
            yield f"Value '{value}' at '{where}' failed to satisfy constraint: pattern {pattern}"
    elif kind in ("integer", "long"):
        yield from _size(shape, value, where)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    # Models are written for Java, whose classes of letters, numbers and separators Python spells otherwise.
    return re.compile(re.sub(r"\\p\{[LN]\}", r"\\w", pattern).replace(r"\p{Z}", r"\s"))


def _size(shape: Any, size: int, where: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"Value at '{where}' failed to satisfy constraint: minimum {low}, got {size}"
    if high is not None and size > high:
        yield f"Value at '{where}' failed to satisfy constraint: maximum {high}, got {size}"


# What EKS calls a malformed parameter, in order of preference. The last is for the few operations that model
# no other error of the caller's.
_BAD_PARAMETER = (
    "InvalidParameterException",
    "InvalidRequestException",
    "BadRequestException",
    "ClientException",
    "ResourceNotFoundException",
)


def bad_parameter(operation: Operation, message: str) -> ServiceError | CommonError:
    """Return the error with which this operation refuses a malformed parameter."""
    for code in _BAD_PARAMETER:
        if code in operation.errors:
            return ServiceError(code, message)
    return CommonError("ValidationException", message)


# --- replies ------------------------------------------------------------------------------------------


def render_result(operation: Operation, result: dict[str, Any]) -> HttpReply:
    """Serialise what a behaviour returned.

    Raises:
        AssertionError: the result contradicts the model, which is a fault of this endpoint.
    """
    shape = operation.output_shape
    document: dict[str, Any] = {}
    if shape is not None:
        result = _without_none(result)
        unknown = _unknown_members(shape, result, "")
        problems = [*unknown, *([] if unknown else violations(shape, result))]
        assert not problems, f"{operation.name} returned what its model does not allow: {problems}"
        document = _to_json(shape, result)
    else:
        assert not result, f"{operation.name} models no result"
    return HttpReply(operation.http.get("responseCode", 200), _encode(document), _headers())


def render_error(operation: Operation, error: ServiceError) -> HttpReply:
    """Serialise a refusal in the error shape that the operation models.

    Raises:
        AssertionError: the operation does not model that error, which is a fault of this endpoint.
    """
    assert error.code in operation.errors, f"{operation.name} does not model {error.code} ({error.message})"
    shape = operation.errors[error.code]
    details = {key: value for key, value in error.details.items() if key in shape.members}
    document = {"__type": error.code, "message": error.message, **details}
    return HttpReply(shape.metadata["error"]["httpStatusCode"], _encode(document), _headers(error.code))


def render_common_error(error: CommonError) -> HttpReply:
    """Serialise an error that needs no modelling."""
    document = {"__type": error.code, "message": error.message}
    return HttpReply(error.status, _encode(document), _headers(error.code))


def _headers(error_code: str | None = None) -> dict[str, str]:
    headers = {"Content-Type": JSON, "x-amzn-RequestId": str(uuid.uuid4())}
    if error_code is not None:
        headers["x-amzn-ErrorType"] = error_code
    return headers


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _unknown_members(shape: Any, value: Any, path: str) -> list[str]:
    if shape.type_name == "structure" and isinstance(value, dict):
        found = [f"unknown member {path}.{name}" for name in value if name not in shape.members]
        for name in value.keys() & shape.members.keys():
            found += _unknown_members(shape.members[name], value[name], f"{path}.{name}")
        return found
    if shape.type_name == "list" and isinstance(value, list):
        return [text for item in value for text in _unknown_members(shape.member, item, path + "[]")]
    return []


def _without_none(value: Any) -> Any:
    """Drop members without a value: in rest-json they are absent, not null."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


def _to_json(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure":
        return {
            shape.members[name].serialization.get("name", name): _to_json(shape.members[name], item)
            for name, item in value.items()
        }
    if shape.type_name == "list":
        return [_to_json(shape.member, item) for item in value]
    if shape.type_name == "map":
        return {key: _to_json(shape.value, item) for key, item in value.items()}
    if shape.type_name == "timestamp":
        # The SDKs read seconds since the epoch; EKS sends milliseconds after the point.
        return round(value.timestamp(), 3)
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    return value
