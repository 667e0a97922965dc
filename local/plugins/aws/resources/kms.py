"""KMS keys and aliases. See https://docs.aws.amazon.com/kms/latest/APIReference/."""

import re
from typing import Any, ClassVar

from ...base.calls import Call
from ...base.naming import with_prefix
from ...base.properties import AutoName, Bool, Int, Str, computed, optional, output, required
from ...base.wire import Values
from ..backend import is_code
from ..documents import policy as policy_document
from ..resource import REGION, TAGS, AwsResource, by_token, pick
from .logs import unless

_GONE = is_code("NotFoundException")


class Key(AwsResource):
    """``aws.kms.Key``."""

    token = "aws:kms/key:Key"
    service = "kms"
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "bypassPolicyLockoutSafetyCheck": optional(Bool(), False, imported=False),
        "customerMasterKeySpec": optional(Str(), "SYMMETRIC_DEFAULT", replace=True),
        "deletionWindowInDays": optional(Int(least=7, most=30), imported=False),
        "description": computed(Str(longest=8192)),
        "enableKeyRotation": optional(Bool(), False),
        "isEnabled": optional(Bool(), True),
        "keyUsage": optional(
            Str(choices=("ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "SIGN_VERIFY")),
            "ENCRYPT_DECRYPT",
            replace=True,
        ),
        "multiRegion": computed(Bool(), replace=True),
        "policy": computed(policy_document(longest=32768)),
        "rotationPeriodInDays": computed(Int(least=90, most=2560)),
        "arn": output(Str()),
        "keyId": output(Str()),
    }
    not_served = frozenset({"customKeyStoreId", "xksKeyId"})

    def create(self, call: Call, new: Values) -> str:
        members = {
            "bypassPolicyLockoutSafetyCheck": "BypassPolicyLockoutSafetyCheck",
            "customerMasterKeySpec": "KeySpec",
            "description": "Description",
            "keyUsage": "KeyUsage",
            "multiRegion": "MultiRegion",
            "policy": "Policy",
        }
        api = self.api(call, new)
        tags = [{"TagKey": key, "TagValue": value} for key, value in self.tags_of(call, new).items()]
        identifier = call.retry(lambda: api.create_key(**pick(new, members), Tags=tags), self.aws(call).may_pass)[
            "KeyMetadata"
        ]["KeyId"]
        call.exists(identifier)
        if new.get("enableKeyRotation"):
            self._rotate(api, identifier, new)
        if not new["isEnabled"]:
            api.disable_key(KeyId=identifier)
        return identifier

    def _rotate(self, api: Any, identifier: str, new: Values) -> None:
        api.enable_key_rotation(KeyId=identifier, **pick(new, {"rotationPeriodInDays": "RotationPeriodInDays"}))

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        api = self.api(call, state)
        answer = unless(_GONE, lambda: api.describe_key(KeyId=identifier))
        if answer is None or answer["KeyMetadata"]["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
            return None
        key = answer["KeyMetadata"]
        rotation = api.get_key_rotation_status(KeyId=identifier)
        tags = api.list_resource_tags(KeyId=identifier).get("Tags", [])
        return {
            "arn": key["Arn"],
            "customerMasterKeySpec": key.get("KeySpec", "SYMMETRIC_DEFAULT"),
            "description": key.get("Description", ""),
            "enableKeyRotation": rotation["KeyRotationEnabled"],
            "isEnabled": key["Enabled"],
            "keyId": key["KeyId"],
            "keyUsage": key["KeyUsage"],
            "multiRegion": key.get("MultiRegion", False),
            "policy": api.get_key_policy(KeyId=identifier, PolicyName="default")["Policy"],
            "rotationPeriodInDays": rotation.get("RotationPeriodInDays"),
            "tags": {tag["TagKey"]: tag["TagValue"] for tag in tags},
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        api = self.api(call, new)
        # A disabled key can only be enabled; so that comes first, and disabling it last.
        if "isEnabled" in changed and new["isEnabled"]:
            api.enable_key(KeyId=identifier)
        if changed & {"enableKeyRotation", "rotationPeriodInDays"}:
            if new.get("enableKeyRotation"):
                self._rotate(api, identifier, new)
            else:
                api.disable_key_rotation(KeyId=identifier)
        if "description" in changed:
            api.update_key_description(KeyId=identifier, Description=new["description"])
        if "policy" in changed:
            bypass = bool(new.get("bypassPolicyLockoutSafetyCheck"))
            call.retry(
                lambda: api.put_key_policy(
                    KeyId=identifier,
                    PolicyName="default",
                    Policy=new["policy"],
                    BypassPolicyLockoutSafetyCheck=bypass,
                ),
                self.aws(call).may_pass,
            )
        if "isEnabled" in changed and not new["isEnabled"]:
            api.disable_key(KeyId=identifier)

    def tag(self, call: Call, identifier: str, state: Values, added: dict[str, str], removed: list[str]) -> None:
        api = self.api(call, state)
        if removed:
            api.untag_resource(KeyId=identifier, TagKeys=removed)
        if added:
            tags = [{"TagKey": key, "TagValue": value} for key, value in added.items()]
            api.tag_resource(KeyId=identifier, Tags=tags)

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        api = self.api(call, state)
        window = pick(state, {"deletionWindowInDays": "PendingWindowInDays"})
        unless(
            lambda error: _GONE(error) or "pending deletion" in str(error),
            lambda: api.schedule_key_deletion(KeyId=identifier, **window),
        )


class Alias(AwsResource):
    """``aws.kms.Alias``."""

    token = "aws:kms/alias:Alias"
    service = "kms"
    identity = ("name",)
    properties: ClassVar = {
        **REGION,
        "name": computed(
            Str(pattern=r"alias/[A-Za-z0-9/_-]+", longest=256),
            replace=True,
            autoname=AutoName(256, "alias/", lambda name: re.sub(r"[^A-Za-z0-9/_-]", "-", name)),
            conflicts=("namePrefix",),
        ),
        "namePrefix": optional(Str(pattern=r"alias/.+"), replace=True, imported=False),
        "targetKeyId": required(
            # The key's ARN and its id name the same key.
            Str(equal=lambda left, right: left.rpartition("/")[2] == right.rpartition("/")[2])
        ),
        "arn": output(Str()),
        "targetKeyArn": output(Str(), "targetKeyId"),
    }

    def create(self, call: Call, new: Values) -> str:
        name = new["name"] if "name" in new else with_prefix(new["namePrefix"])
        api = self.api(call, new)
        call.retry(lambda: api.create_alias(AliasName=name, TargetKeyId=new["targetKeyId"]), _GONE, within=60)
        call.exists(name)
        return name

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        api = self.api(call, state)
        pages = api.get_paginator("list_aliases").paginate()
        alias = next((alias for page in pages for alias in page["Aliases"] if alias["AliasName"] == identifier), None)
        if alias is None:
            return None
        prefix = alias["AliasArn"].rpartition(":")[0]
        return {
            "arn": alias["AliasArn"],
            "name": identifier,
            "targetKeyArn": f"{prefix}:key/{alias['TargetKeyId']}",
            "targetKeyId": alias["TargetKeyId"],
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        if "targetKeyId" in changed:
            self.api(call, new).update_alias(AliasName=identifier, TargetKeyId=new["targetKeyId"])

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        api = self.api(call, state)
        unless(_GONE, lambda: api.delete_alias(AliasName=identifier))


RESOURCES = by_token(Key, Alias)
