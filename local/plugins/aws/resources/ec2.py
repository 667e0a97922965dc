"""What the resource types of EC2 have in common."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from ...base.calls import Call
from ...base.errors import NotYet
from ...base.wire import Values
from ..backend import code_of, is_code, message_of
from ..resource import AwsResource, tag_list


class Ec2Resource(AwsResource):
    """A resource type of EC2."""

    service = "ec2"

    def tag(self, call: Call, identifier: str, state: Values, added: dict[str, str], removed: list[str]) -> None:
        api = self.api(call, state)
        if removed:
            api.delete_tags(Resources=[identifier], Tags=[{"Key": key} for key in removed])
        if added:
            api.create_tags(Resources=[identifier], Tags=tag_list(added))

    def tag_specifications(self, call: Call, kind: str, new: Values) -> list[Any]:
        """The resource's tags, for the request that creates it."""
        tags = self.tags_of(call, new)
        return [{"ResourceType": kind, "Tags": tag_list(tags)}] if tags else []

    def arn(self, call: Call, kind: str, identifier: str, owner: str, state: Values) -> str:
        """The ARN of a resource of EC2, which the API does not return."""
        aws = self.aws(call)
        return f"arn:{aws.partition}:ec2:{state.get('region') or aws.region}:{owner}:{kind}/{identifier}"


def is_missing(error: BaseException) -> bool:
    """Say whether an error means that the resource is not there."""
    code = code_of(error)
    return code.endswith((".NotFound", ".Malformed", "NotFoundException")) or code in (
        "NatGatewayNotFound",
        "InvalidLaunchTemplateId.VersionNotFound",
    )


def look_up(action: Callable[[], list[Any]]) -> Any | None:
    """The only element of what a describe call lists, or None if there is none."""
    try:
        found = action()
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    return found[0] if found else None


def delete(call: Call, action: Callable[[], Any], within: float) -> None:
    """Delete something that others may still depend on for a while."""

    def attempt() -> None:
        try:
            action()
        except ClientError as error:
            if not is_missing(error):
                raise

    call.retry(attempt, is_code("DependencyViolation", "InvalidParameterValue.InUse", "ResourceInUse"), within=within)


def await_gone(call: Call, what: str, find: Callable[[], Any | None]) -> None:
    """Wait until a describe call finds nothing any more."""

    def probe() -> None:
        if find() is not None:
            raise NotYet("it is still there")

    call.poll(f"deleting {what}", probe)


__all__ = ["Ec2Resource", "await_gone", "code_of", "delete", "is_missing", "look_up", "message_of"]
