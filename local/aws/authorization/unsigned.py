"""Requests that nobody signed: which service they are for, and what AWS answers to everybody.

A signature names the service that it is made for. Without one AWS tells it by the host, and here all services have
the same. So a request goes by what only one service's protocol has in it, and what has nothing of the kind is S3's:
REST services other than those of this endpoint's own cannot be told from it.

https://docs.aws.amazon.com/general/latest/gr/rande.html
https://smithy.io/2.0/spec/authentication-traits.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from ..protocol import operations_of, service_model
from .operations import HttpRequest, Operation, must_be_signed, read_operation, route
from .s3 import S3Request

# What is none of AWS's: moto's own API and its dashboard's pages, and an instance's metadata, which has another host.
_NO_SERVICE = re.compile(r"/moto-api(/.*)?|/favicon\.ico|/latest/(meta-data|api)/.*")
# What services have for everybody beside the operations of their models, by moto's names: the keys of a pool of users,
# and where the resources of users' own in a stack report to.
_FOR_EVERYBODY = {
    "cognito-idp": (re.compile(r"/[^/]+/\.well-known/jwks\.json"), "ServeJsonWebKey"),
    "cloudformation": (re.compile(r"/cloudformation_[^/]+/cfnresponse"), "ProcessCfnResponse"),
}
# The services of this endpoint's own.
_OWN = ("eks", "eks-auth")
# A name that no service has: of a request that is surely for one, but not known for which.
UNKNOWN = "unknown"


def service_of(http: HttpRequest, is_bucket: Callable[[str], bool]) -> str:
    """Return the service that a request without a signature is for; empty when it is for none of AWS's.

    Args:
        http: the request.
        is_bucket: tells whether there is a bucket of a name.
    """
    if _NO_SERVICE.fullmatch(http.raw_path):
        return ""
    if is_bucket(S3Request.read(http).bucket):
        return "s3"
    for service, (path, _) in _FOR_EVERYBODY.items():
        if path.fullmatch(http.raw_path):
            return service
    if target := http.headers.get("x-amz-target"):
        from moto.moto_server.werkzeug_app import UNSIGNED_REQUESTS

        return UNSIGNED_REQUESTS.get(target.partition(".")[0], (UNKNOWN, ""))[0]
    form = http.form()
    if action := form.get("Action"):
        return _service_of_action(action, form.get("Version", ""))
    return next((service for service in _OWN if route(service, http)), "s3")


def operation_for_everybody(http: HttpRequest) -> Operation | None:
    """Return the operation of a service other than S3 that AWS answers although nobody signed it, or None."""
    if (found := _FOR_EVERYBODY.get(http.service)) and found[0].fullmatch(http.raw_path):
        return Operation(http.service, found[1])
    operation = read_operation(http)
    return None if operation is None or must_be_signed(http.service, operation.name) else operation


def _service_of_action(action: str, version: str) -> str:
    """Return the service that has an operation in a version of its API, for which the query protocol names both."""
    for model in _models().get(version, ()):
        if action in operations_of(model):
            return str(service_model(model).signing_name)
    return UNKNOWN


@cache
def _models() -> dict[str, list[str]]:
    """Return the names of botocore's models by the versions that they describe; that needs none of them read."""
    from botocore.loaders import Loader

    loader, models = Loader(), {}
    for model in loader.list_available_services("service-2"):
        for version in loader.list_api_versions(model, "service-2"):
            models.setdefault(version, []).append(model)
    return models
