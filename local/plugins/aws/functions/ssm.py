"""Functions about Systems Manager's parameters."""

from typing import ClassVar

from ...base.calls import Call
from ...base.properties import Bool, Int, Str, optional, output, required
from ...base.wire import Values
from .function import REGION, AwsFunction, by_token, results


class GetParameter(AwsFunction):
    """``aws.ssm.get_parameter``."""

    token = "aws:ssm/getParameter:getParameter"
    service = "ssm"
    arguments: ClassVar = {**REGION, "name": required(Str()), "withDecryption": optional(Bool(), True)}
    results: ClassVar = {
        **arguments,
        **results(arn=Str(), id=Str(), insecureValue=Str(), type=Str(), version=Int()),
        "value": output(Str(), secret=True),
    }

    def invoke(self, call: Call, arguments: Values) -> Values:
        name = arguments["name"]
        parameter = self.api(call, arguments).get_parameter(Name=name, WithDecryption=arguments["withDecryption"])[
            "Parameter"
        ]
        found = {
            "arn": parameter["ARN"],
            "id": name,
            "name": name,
            "region": self.region(call, arguments),
            "type": parameter["Type"],
            "value": parameter["Value"],
            "version": parameter["Version"],
            "withDecryption": arguments["withDecryption"],
        }
        # What is no secret to Systems Manager need not be one here.
        return found if parameter["Type"] == "SecureString" else {**found, "insecureValue": parameter["Value"]}


FUNCTIONS = by_token(GetParameter)
