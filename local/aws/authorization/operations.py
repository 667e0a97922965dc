"""From an HTTP request to the operation that it calls, for every protocol that AWS speaks.

https://smithy.io/2.0/aws/protocols/index.html
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from ..protocol import CommonError, Router, operations_of, parse_request, service_model

# Services are signed for under one name, modelled by botocore under a second and named in policies by a third.
_MODEL_NAMES = {"elasticfilesystem": "efs", "aps": "amp", "ses": "sesv2"}
_IAM_PREFIXES = {"monitoring": "cloudwatch", "email": "ses", "tagging": "tag"}
# Where the action of a policy is not named as the operation is.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
_ACTION_NAMES = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("lambda", "InvokeAsync"): "InvokeAsync",
    ("lambda", "GetLayerVersionByArn"): "GetLayerVersion",
}


@dataclass(frozen=True)
class HttpRequest:
    """A request as it arrived.

    Attributes:
        raw_path: the path, still percent-encoded.
        query: the raw query string.
        headers: by lower-case name.
        service: the service that it is signed for.
    """

    method: str
    raw_path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    service: str
    region: str

    @staticmethod
    def of(
        environ: Mapping[str, Any], raw_path: str, query: str, body: bytes, service: str, region: str
    ) -> HttpRequest:
        """Read the rest from a WSGI environment."""
        headers = {
            key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")
        }
        headers["content-length"] = str(len(body))
        if content_type := environ.get("CONTENT_TYPE"):
            headers["content-type"] = content_type
        return HttpRequest(environ["REQUEST_METHOD"], raw_path, query, headers, body, service, region)

    @property
    def content(self) -> bytes:
        """The body as services read it: unpacked, where a client has packed it."""
        if self.headers.get("content-encoding") != "gzip":
            return self.body
        try:
            return gzip.decompress(self.body)
        except (OSError, EOFError, zlib.error):
            return b""  # The service itself will refuse it.

    @property
    def carries_form(self) -> bool:
        """Whether the body is a form of the query protocol."""
        return self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")

    def parameters(self) -> list[tuple[str, str]]:
        """Return the parameters of the query protocol, from the query string and the body."""
        given = parse_qsl(self.query, keep_blank_values=True)
        if self.carries_form:
            given += parse_qsl(self.content.decode("utf-8", "replace"), keep_blank_values=True)
        return given

    def form(self) -> dict[str, str]:
        """Return the parameters of the query protocol by name."""
        return dict(self.parameters())


@dataclass(frozen=True)
class Operation:
    """A call of an operation.

    Attributes:
        prefix: the service's prefix in policies.
        params: its parameters, nested as they were sent.
    """

    prefix: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def action(self) -> str:
        """The action that a policy must allow."""
        return f"{self.prefix}:{_ACTION_NAMES.get((self.prefix, self.name), self.name)}"


def iam_prefix(service: str) -> str:
    """Return the prefix in policies of the service that is signed for under a name."""
    return _IAM_PREFIXES.get(service, service)


def read_operation(http: HttpRequest) -> Operation | None:
    """Return the operation that a request of any service but S3 calls; None when it cannot be told.

    It is read only where the service's own protocol has it: what stands where another has it must not be judged.
    """
    prefix = iam_prefix(http.service)
    described = _description(http.service)
    # Some names stand for services of several protocols; those without paths are all at the root.
    if http.raw_path != "/" and described.get("protocol", "rest").startswith("rest"):
        return _read_rest(prefix, http) if described else None
    if "x-amz-target" in http.headers and (not described or "targetPrefix" in described):
        return Operation(prefix, http.headers["x-amz-target"].rpartition(".")[2], _json(http.content))
    form = http.form()
    # Of a parameter that is given twice, or in a body of another kind, the service may read another value.
    plain = len(form) == len(http.parameters()) and (http.carries_form or not http.body)
    return Operation(prefix, form["Action"], nested(form)) if plain and "Action" in form else None


def _read_rest(prefix: str, http: HttpRequest) -> Operation | None:
    found = route(http.service, http)
    if found is None:
        return None
    name, labels = found
    try:
        operation = operations_of(_model(http.service))[name]
        params = parse_request(operation, labels, http.query, http.headers, http.content)
    except CommonError:
        params = dict(labels)  # The service itself will refuse a body that cannot be read.
    return Operation(prefix, name, params)


def route(service: str, http: HttpRequest) -> tuple[str, dict[str, str]] | None:
    """Return the operation of a REST service at a request's method and path, and its decoded path labels, or None."""
    return _router(service).match(http.method, http.raw_path)


def must_be_signed(service: str, operation: str) -> bool:
    """Tell whether AWS wants an operation's requests signed; so it does of any that is not known."""
    known = operations_of(_model(service)).get(operation) if _description(service) else None
    return known is None or known.signed


@cache
def _router(service: str) -> Router:
    return Router(operations_of(_model(service)))


def _model(service: str) -> str:
    return _MODEL_NAMES.get(service, service)


def _description(service: str) -> Mapping[str, Any]:
    """Return what botocore's model says of a service as a whole; nothing when there is no such model."""
    from botocore.exceptions import UnknownServiceError

    try:
        return service_model(_model(service)).metadata
    except UnknownServiceError:
        return {}


def _json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def nested(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the flat names of the query protocol as structures and lists: ``Tag.1.Key``, say."""
    root: dict[str, Any] = {}
    for name, value in form.items():
        parts = [part for part in name.split(".") if part not in ("member", "entry")]
        here = root
        for part in parts[:-1]:
            inner = here.setdefault(part, {})
            if not isinstance(inner, dict):
                break
            here = inner
        else:
            here[parts[-1]] = value
    return {name: _listed(value) for name, value in root.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    return {key: _listed(item) for key, item in value.items()}


def tags_given(params: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the tags that a request gives, in whichever of AWS's ways; None when it knows none."""
    found: dict[str, str] | None = None
    for name, value in params.items():
        lowered = name.lower()
        if lowered in ("tags", "tag", "taglist", "tagset"):
            found = {**(found or {}), **_as_tags(value)}
        elif lowered in ("tagspecification", "tagspecifications") and isinstance(value, list):
            for specification in value:
                if isinstance(specification, dict):
                    found = {**(found or {}), **(tags_given(specification) or {})}
    return found


def _as_tags(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items() if isinstance(item, str)}
    tags = {}
    for item in value if isinstance(value, list) else ():
        if isinstance(item, Mapping):
            fields = {key.lower(): text for key, text in item.items()}
            key = fields.get("key", fields.get("tagkey"))
            if isinstance(key, str):
                tags[key] = str(fields.get("value", fields.get("tagvalue", "")))
    return tags


def tags_removed(params: Mapping[str, Any]) -> list[str]:
    """Return the keys of tags that a request takes away."""
    for name, value in params.items():
        if name.lower() == "tagkeys" and isinstance(value, list):
            return [key for key in value if isinstance(key, str)]
    return []
