"""From an HTTP request to the operation that it calls, for every protocol that AWS speaks.

https://smithy.io/2.0/aws/protocols/index.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from ..protocol import CommonError, Router, operations_of, parse_request

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

    def form(self) -> dict[str, str]:
        """Return the parameters of the query protocol, from the query string and the body."""
        given = dict(parse_qsl(self.query, keep_blank_values=True))
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            given.update(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        return given


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
    """Return the operation that a request of any service but S3 calls; None when it cannot be told."""
    prefix = iam_prefix(http.service)
    if target := http.headers.get("x-amz-target"):
        return Operation(prefix, target.rpartition(".")[2], _json(http.body))
    form = http.form()
    if "Action" in form:
        return Operation(prefix, form["Action"], nested(form))
    model = _MODEL_NAMES.get(http.service, http.service)
    try:
        router = _router(model)
    except LookupError:
        return None
    found = router.match(http.method, http.raw_path)
    if found is None:
        return None
    name, labels = found
    try:
        params = parse_request(operations_of(model)[name], labels, http.query, http.headers, http.body)
    except CommonError:
        params = dict(labels)  # The service itself will refuse a body that cannot be read.
    return Operation(prefix, name, params)


@cache
def _router(model: str) -> Router:
    from botocore.exceptions import UnknownServiceError

    try:
        return Router(operations_of(model))
    except UnknownServiceError as error:
        raise LookupError(model) from error


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
