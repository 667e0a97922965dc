"""What functions of AWS have in common."""

from typing import Any, ClassVar

from ...base.calls import Call
from ...base.properties import Property, Str, computed, output
from ...base.resource import Function
from ...base.wire import Values
from ..backend import Aws

REGION: dict[str, Property] = {"region": computed(Str())}
"""The argument of every function that looks something up in a region."""


class AwsFunction(Function):
    """A function that asks AWS.

    Attributes:
        service: The API that it asks, by botocore's name.
    """

    service: ClassVar[str] = ""

    def aws(self, call: Call) -> Aws:
        """The connection."""
        return call.backend

    def region(self, call: Call, arguments: Values) -> str:
        """The region to ask in."""
        return arguments.get("region") or self.aws(call).region

    def api(self, call: Call, arguments: Values) -> Any:
        """The client."""
        return self.aws(call).client(self.service, self.region(call, arguments))


def results(**properties: Any) -> dict[str, Property]:
    """Declare what a function returns beside its arguments, by name and type."""
    return {name: output(type) for name, type in properties.items()}


def by_token(*types: type[Function]) -> dict[str, Function]:
    """Functions by their tokens."""
    return {kind.token: kind() for kind in types}
