"""Log groups of CloudWatch Logs.

See https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from botocore.exceptions import ClientError

from ...base.calls import Call
from ...base.naming import with_prefix
from ...base.properties import AutoName, Bool, Int, Str, computed, optional, output
from ...base.wire import Values
from ..backend import is_code
from ..resource import REGION, TAGS, AwsResource, arn, by_token

T = TypeVar("T")

_GONE = is_code("ResourceNotFoundException")
_RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545),
    *(731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


def unless(gone: Callable[[BaseException], bool], action: Callable[[], T]) -> T | None:
    """Do something with what may be gone: None if it is."""
    try:
        return action()
    except ClientError as error:
        if gone(error):
            return None
        raise


def _retention(days: int) -> str | None:
    return None if days in (0, *_RETENTIONS) else f"{days} is none of {', '.join(map(str, _RETENTIONS))}, 0 (for ever)"


class LogGroup(AwsResource):
    """``aws.cloudwatch.LogGroup``."""

    token = "aws:cloudwatch/logGroup:LogGroup"
    service = "logs"
    identity = ("name",)
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "name": computed(
            Str(pattern=r"[\w./#-]{1,512}"), replace=True, autoname=AutoName(512), conflicts=("namePrefix",)
        ),
        "namePrefix": optional(Str(longest=486), replace=True, imported=False),
        "kmsKeyId": optional(arn()),
        "logGroupClass": computed(Str(choices=("STANDARD", "INFREQUENT_ACCESS", "DELIVERY")), replace=True),
        "retentionInDays": optional(Int(rule=_retention), 0),
        "skipDestroy": optional(Bool(), False),
        "arn": output(Str()),
    }
    not_served = frozenset({"deletionProtectionEnabled"})

    def create(self, call: Call, new: Values) -> str:
        api = self.api(call, new)
        name = new["name"] if "name" in new else with_prefix(new["namePrefix"])
        request: dict[str, Any] = {"logGroupName": name}
        for key in ("kmsKeyId", "logGroupClass"):
            if new.get(key) is not None:
                request[key] = new[key]
        if tags := self.tags_of(call, new):
            request["tags"] = tags
        api.create_log_group(**request)
        call.exists(name)
        if new.get("retentionInDays"):
            api.put_retention_policy(logGroupName=name, retentionInDays=new["retentionInDays"])
        return name

    def parse(self, call: Call, identifier: str, seed: Values) -> tuple[str, Values]:
        return identifier, {"name": identifier}

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        api = self.api(call, state)
        groups = (
            group
            for page in api.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=identifier)
            for group in page["logGroups"]
        )
        group = next((group for group in groups if group["logGroupName"] == identifier), None)
        if group is None:
            return None
        # The API writes `:*` behind the ARN, which stands for the streams in the group.
        group_arn = group["arn"].removesuffix(":*")
        return {
            "arn": group_arn,
            "name": identifier,
            "kmsKeyId": group.get("kmsKeyId", ""),
            "logGroupClass": group.get("logGroupClass", "STANDARD"),
            "retentionInDays": group.get("retentionInDays", 0),
            "skipDestroy": state.get("skipDestroy", False),
            "tags": api.list_tags_for_resource(resourceArn=group_arn)["tags"],
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        api = self.api(call, new)
        if "retentionInDays" in changed or not changed:
            if new.get("retentionInDays"):
                api.put_retention_policy(logGroupName=identifier, retentionInDays=new["retentionInDays"])
            else:
                api.delete_retention_policy(logGroupName=identifier)
        if "kmsKeyId" in changed:
            if new.get("kmsKeyId"):
                api.associate_kms_key(logGroupName=identifier, kmsKeyId=new["kmsKeyId"])
            else:
                api.disassociate_kms_key(logGroupName=identifier)

    def tag(self, call: Call, identifier: str, state: Values, added: dict[str, str], removed: list[str]) -> None:
        api = self.api(call, state)
        if removed:
            api.untag_resource(resourceArn=state["arn"], tagKeys=removed)
        if added:
            api.tag_resource(resourceArn=state["arn"], tags=added)

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        if state.get("skipDestroy"):
            return
        api = self.api(call, state)
        unless(_GONE, lambda: api.delete_log_group(logGroupName=identifier))


RESOURCES = by_token(LogGroup)
