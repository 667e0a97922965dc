"""Roles, policies, their attachments, instance profiles and OpenID Connect providers.

See https://docs.aws.amazon.com/IAM/latest/APIReference/.
"""

import json
import re
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import unquote

from botocore.exceptions import ClientError

from ...base.calls import Call
from ...base.errors import ProviderError
from ...base.naming import with_prefix
from ...base.properties import AutoName, Bool, Int, Object, Property, Set, Str, computed, optional, output, required
from ...base.wire import Values
from ..backend import code_of, is_code
from ..documents import policy as policy_document
from ..resource import TAGS, AwsResource, arn, by_token, pick, tag_list, tag_map

# After this many versions of a policy IAM refuses another one.
_VERSIONS = 5
_NAME = r"[\w+=,.@-]+"


def _name(longest: int) -> dict[str, Property]:
    return {
        "name": computed(
            Str(pattern=_NAME, longest=longest),
            replace=True,
            autoname=AutoName(longest, transform=lambda name: re.sub(r"[^\w+=,.@-]", "-", name)),
            conflicts=("namePrefix",),
        ),
        "namePrefix": optional(Str(pattern=_NAME, longest=longest - 26), replace=True, imported=False),
    }


_PATH = optional(Str(pattern=r"/|/[!-~]{1,510}/"), "/", replace=True)


def _name_of(new: Values) -> str:
    return new["name"] if "name" in new else with_prefix(new["namePrefix"])


def _or_none(action: Callable[[], Any]) -> Any | None:
    try:
        return action()
    except ClientError as error:
        if code_of(error) == "NoSuchEntity":
            return None
        raise


def document_text(value: Any) -> str:
    """Spell a policy as text, as the API returns it: percent-encoded, or already parsed by botocore."""
    return (
        value
        if isinstance(value, str) and value.startswith("{")
        else (unquote(value) if isinstance(value, str) else json.dumps(value, separators=(",", ":")))
    )


class IamResource(AwsResource):
    """A resource type of IAM, which is global."""

    service = "iam"
    regional = False

    def _all(self, call: Call, operation: str, key: str, **arguments: Any) -> list[Any]:
        return [
            item
            for page in self.api(call, {}).get_paginator(operation).paginate(**arguments)
            for item in page.get(key, [])
        ]

    def _late(self, call: Call, action: Callable[[], Any], *codes: str) -> Any:
        """Do something that needs what was just made to be known to all of IAM."""
        return call.retry(action, lambda error: code_of(error) in codes or self.aws(call).may_pass(error))


class Role(IamResource):
    """``aws.iam.Role``."""

    token = "aws:iam/role:Role"
    identity = ("name",)
    properties: ClassVar = {
        **TAGS,
        **_name(64),
        "assumeRolePolicy": required(policy_document()),
        "description": optional(Str(longest=1000)),
        "forceDetachPolicies": optional(Bool(), False),
        "inlinePolicies": computed(
            Set(Object({"name": optional(Str()), "policy": optional(policy_document())})), imported=False
        ),
        "managedPolicyArns": computed(Set(arn()), imported=False),
        "maxSessionDuration": optional(Int(least=3600, most=43200), 3600),
        "path": _PATH,
        "permissionsBoundary": optional(arn()),
        "arn": output(Str()),
        "createDate": output(Str()),
        "uniqueId": output(Str()),
    }

    def create(self, call: Call, new: Values) -> str:
        name = _name_of(new)
        members = {
            "assumeRolePolicy": "AssumeRolePolicyDocument",
            "description": "Description",
            "maxSessionDuration": "MaxSessionDuration",
            "path": "Path",
            "permissionsBoundary": "PermissionsBoundary",
        }
        api = self.api(call, new)
        self._late(
            call,
            lambda: api.create_role(RoleName=name, **pick(new, members), Tags=tag_list(self.tags_of(call, new))),
            "NoSuchEntity",
        )
        call.exists(name)
        self._set_policies(call, name, {}, new, frozenset(new))
        return name

    def _set_policies(self, call: Call, name: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        api = self.api(call, new)
        if "managedPolicyArns" in changed:
            before, after = set(old.get("managedPolicyArns") or ()), set(new.get("managedPolicyArns") or ())
            for policy in sorted(before - after):
                _or_none(lambda policy=policy: api.detach_role_policy(RoleName=name, PolicyArn=policy))
            for policy in sorted(after - before):
                self._late(
                    call, lambda policy=policy: api.attach_role_policy(RoleName=name, PolicyArn=policy), "NoSuchEntity"
                )
        if "inlinePolicies" in changed:
            before = {policy.get("name"): policy.get("policy") for policy in old.get("inlinePolicies") or ()}
            after = {policy.get("name"): policy.get("policy") for policy in new.get("inlinePolicies") or ()}
            for policy in before.keys() - after.keys():
                _or_none(lambda policy=policy: api.delete_role_policy(RoleName=name, PolicyName=policy))
            for policy, document in after.items():
                if policy and document:
                    api.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document)

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        api = self.api(call, state)
        answer = _or_none(lambda: api.get_role(RoleName=identifier))
        if answer is None:
            return None
        role = answer["Role"]
        found = {
            "arn": role["Arn"],
            "assumeRolePolicy": document_text(role["AssumeRolePolicyDocument"]),
            "createDate": role["CreateDate"].isoformat(),
            "description": role.get("Description", ""),
            "maxSessionDuration": role.get("MaxSessionDuration", 3600),
            "name": role["RoleName"],
            "path": role["Path"],
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            "uniqueId": role["RoleId"],
            "tags": tag_map(role.get("Tags")),
        }
        # Policies that other resources attach are none of this one's business: they are looked up only where the
        # program gives them here.
        if "managedPolicyArns" in state:
            attached = self._all(call, "list_attached_role_policies", "AttachedPolicies", RoleName=identifier)
            found["managedPolicyArns"] = [policy["PolicyArn"] for policy in attached]
        if "inlinePolicies" in state:
            found["inlinePolicies"] = [
                {
                    "name": name,
                    "policy": document_text(
                        api.get_role_policy(RoleName=identifier, PolicyName=name)["PolicyDocument"]
                    ),
                }
                for name in self._all(call, "list_role_policies", "PolicyNames", RoleName=identifier)
            ]
        return found

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        api = self.api(call, new)
        if "assumeRolePolicy" in changed:
            document = new["assumeRolePolicy"]
            self._late(call, lambda: api.update_assume_role_policy(RoleName=identifier, PolicyDocument=document))
        if changed & {"description", "maxSessionDuration"}:
            api.update_role(
                RoleName=identifier,
                Description=new.get("description", ""),
                MaxSessionDuration=new.get("maxSessionDuration", 3600),
            )
        if "permissionsBoundary" in changed:
            if new.get("permissionsBoundary"):
                api.put_role_permissions_boundary(RoleName=identifier, PermissionsBoundary=new["permissionsBoundary"])
            else:
                api.delete_role_permissions_boundary(RoleName=identifier)
        self._set_policies(call, identifier, old, new, changed)

    def tag(self, call: Call, identifier: str, state: Values, added: dict[str, str], removed: list[str]) -> None:
        api = self.api(call, state)
        if removed:
            api.untag_role(RoleName=identifier, TagKeys=removed)
        if added:
            api.tag_role(RoleName=identifier, Tags=tag_list(added))

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        api = self.api(call, state)
        try:
            # A role in an instance profile cannot be deleted, and no resource type stands for that membership alone.
            for profile in self._all(call, "list_instance_profiles_for_role", "InstanceProfiles", RoleName=identifier):
                api.remove_role_from_instance_profile(
                    InstanceProfileName=profile["InstanceProfileName"], RoleName=identifier
                )
            forced = state.get("forceDetachPolicies", False)
            for policy in self._all(call, "list_attached_role_policies", "AttachedPolicies", RoleName=identifier):
                if forced or policy["PolicyArn"] in (state.get("managedPolicyArns") or ()):
                    api.detach_role_policy(RoleName=identifier, PolicyArn=policy["PolicyArn"])
            inline = {policy.get("name") for policy in state.get("inlinePolicies") or ()}
            for name in self._all(call, "list_role_policies", "PolicyNames", RoleName=identifier):
                if forced or name in inline:
                    api.delete_role_policy(RoleName=identifier, PolicyName=name)
            call.retry(
                lambda: api.delete_role(RoleName=identifier),
                # What was detached a moment ago may still count.
                is_code("DeleteConflict", "ConcurrentModification"),
                within=10,
            )
        except ClientError as error:
            if code_of(error) != "NoSuchEntity":
                raise


class Policy(IamResource):
    """``aws.iam.Policy``."""

    token = "aws:iam/policy:Policy"
    identity = ("name", "path")
    properties: ClassVar = {
        **TAGS,
        **_name(128),
        "policy": required(policy_document()),
        "delayAfterPolicyCreationInMs": optional(Int(least=0)),
        "description": optional(Str(longest=1000), replace=True),
        "path": _PATH,
        "arn": output(Str()),
        "attachmentCount": output(Int()),
        "policyId": output(Str()),
    }

    def create(self, call: Call, new: Values) -> str:
        members = {"policy": "PolicyDocument", "description": "Description", "path": "Path"}
        api = self.api(call, new)
        identifier = api.create_policy(
            PolicyName=_name_of(new), **pick(new, members), Tags=tag_list(self.tags_of(call, new))
        )["Policy"]["Arn"]
        call.exists(identifier)
        call.pause(new.get("delayAfterPolicyCreationInMs", 0) / 1000)
        return identifier

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        api = self.api(call, state)
        answer = _or_none(lambda: api.get_policy(PolicyArn=identifier))
        if answer is None:
            return None
        policy = answer["Policy"]
        version = api.get_policy_version(PolicyArn=identifier, VersionId=policy["DefaultVersionId"])
        return {
            "arn": policy["Arn"],
            "attachmentCount": policy.get("AttachmentCount", 0),
            "description": policy.get("Description", ""),
            "name": policy["PolicyName"],
            "path": policy["Path"],
            "policy": document_text(version["PolicyVersion"]["Document"]),
            "policyId": policy["PolicyId"],
            "tags": tag_map(policy.get("Tags")),
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        if "policy" not in changed:
            return
        api = self.api(call, new)
        versions = self._all(call, "list_policy_versions", "Versions", PolicyArn=identifier)
        spare = sorted(
            (version for version in versions if not version["IsDefaultVersion"]), key=lambda v: v["CreateDate"]
        )
        if len(versions) >= _VERSIONS:
            api.delete_policy_version(PolicyArn=identifier, VersionId=spare[0]["VersionId"])
        api.create_policy_version(PolicyArn=identifier, PolicyDocument=new["policy"], SetAsDefault=True)
        call.pause(new.get("delayAfterPolicyCreationInMs", 0) / 1000)

    def tag(self, call: Call, identifier: str, state: Values, added: dict[str, str], removed: list[str]) -> None:
        api = self.api(call, state)
        if removed:
            api.untag_policy(PolicyArn=identifier, TagKeys=removed)
        if added:
            api.tag_policy(PolicyArn=identifier, Tags=tag_list(added))

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        api = self.api(call, state)
        try:
            for version in self._all(call, "list_policy_versions", "Versions", PolicyArn=identifier):
                if not version["IsDefaultVersion"]:
                    api.delete_policy_version(PolicyArn=identifier, VersionId=version["VersionId"])
            call.retry(lambda: api.delete_policy(PolicyArn=identifier), is_code("DeleteConflict"), within=10)
        except ClientError as error:
            if code_of(error) != "NoSuchEntity":
                raise


class RolePolicyAttachment(IamResource):
    """``aws.iam.RolePolicyAttachment``."""

    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    identity = ("role", "policyArn")
    properties: ClassVar = {"policyArn": required(arn(), replace=True), "role": required(Str(), replace=True)}

    def create(self, call: Call, new: Values) -> str:
        api = self.api(call, new)
        self._late(
            call, lambda: api.attach_role_policy(RoleName=new["role"], PolicyArn=new["policyArn"]), "NoSuchEntity"
        )
        identifier = f"{new['role']}/{new['policyArn']}"
        call.exists(identifier)
        return identifier

    def parse(self, call: Call, identifier: str, seed: Values) -> tuple[str, Values]:
        role, _, policy = identifier.partition("/")
        if not policy.startswith("arn:"):
            raise ProviderError(f"{identifier!r} is no attachment: write it as role/arn:aws:iam::aws:policy/Name")
        return identifier, {"role": role, "policyArn": policy}

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        role, policy = state["role"], state["policyArn"]
        attached = _or_none(lambda: self._all(call, "list_attached_role_policies", "AttachedPolicies", RoleName=role))
        if not any(found["PolicyArn"] == policy for found in attached or ()):
            return None
        return {"role": role, "policyArn": policy}

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        api = self.api(call, state)
        _or_none(lambda: api.detach_role_policy(RoleName=state["role"], PolicyArn=state["policyArn"]))


class RolePolicy(IamResource):
    """``aws.iam.RolePolicy``: a policy inside of a role."""

    token = "aws:iam/rolePolicy:RolePolicy"
    identity = ("role", "name")
    properties: ClassVar = {
        **_name(128),
        "policy": required(policy_document()),
        "role": required(Str(), replace=True),
    }

    def create(self, call: Call, new: Values) -> str:
        name = _name_of(new)
        self._put(call, new["role"], name, new)
        identifier = f"{new['role']}:{name}"
        call.exists(identifier)
        return identifier

    def _put(self, call: Call, role: str, name: str, new: Values) -> None:
        api = self.api(call, new)
        self._late(
            call,
            lambda: api.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=new["policy"]),
            "NoSuchEntity",
        )

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        role, _, name = identifier.partition(":")
        if not name:
            raise ProviderError(f"{identifier!r} is no inline policy: write it as role:policy")
        api = self.api(call, state)
        policy = _or_none(lambda: api.get_role_policy(RoleName=role, PolicyName=name))
        return policy and {"role": role, "name": name, "policy": document_text(policy["PolicyDocument"])}

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        role, _, name = identifier.partition(":")
        self._put(call, role, name, new)

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        role, _, name = identifier.partition(":")
        api = self.api(call, state)
        _or_none(lambda: api.delete_role_policy(RoleName=role, PolicyName=name))


class InstanceProfile(IamResource):
    """``aws.iam.InstanceProfile``."""

    token = "aws:iam/instanceProfile:InstanceProfile"
    identity = ("name",)
    properties: ClassVar = {
        **TAGS,
        **_name(128),
        "path": _PATH,
        "role": optional(Str()),
        "arn": output(Str()),
        "createDate": output(Str()),
        "uniqueId": output(Str()),
    }

    def create(self, call: Call, new: Values) -> str:
        name = _name_of(new)
        api = self.api(call, new)
        api.create_instance_profile(InstanceProfileName=name, Path=new["path"], Tags=tag_list(self.tags_of(call, new)))
        call.exists(name)
        self._add(call, name, new)
        return name

    def _add(self, call: Call, name: str, new: Values) -> None:
        role = new.get("role")
        if role:
            api = self.api(call, new)
            self._late(
                call,
                lambda: api.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role),
                "NoSuchEntity",
            )

    def _remove(self, call: Call, name: str, state: Values) -> None:
        role = state.get("role")
        if role:
            api = self.api(call, state)
            _or_none(lambda: api.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role))

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        api = self.api(call, state)
        answer = _or_none(lambda: api.get_instance_profile(InstanceProfileName=identifier))
        if answer is None:
            return None
        profile = answer["InstanceProfile"]
        return {
            "arn": profile["Arn"],
            "createDate": profile["CreateDate"].isoformat(),
            "name": profile["InstanceProfileName"],
            "path": profile["Path"],
            "role": next((role["RoleName"] for role in profile.get("Roles", [])), ""),
            "uniqueId": profile["InstanceProfileId"],
            "tags": tag_map(profile.get("Tags")),
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        if "role" in changed:
            self._remove(call, identifier, old)
            self._add(call, identifier, new)

    def tag(self, call: Call, identifier: str, state: Values, added: dict[str, str], removed: list[str]) -> None:
        api = self.api(call, state)
        if removed:
            api.untag_instance_profile(InstanceProfileName=identifier, TagKeys=removed)
        if added:
            api.tag_instance_profile(InstanceProfileName=identifier, Tags=tag_list(added))

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        self._remove(call, identifier, state)
        api = self.api(call, state)
        _or_none(lambda: api.delete_instance_profile(InstanceProfileName=identifier))


def _without_scheme(url: str) -> str:
    return url.removeprefix("https://").rstrip("/")


class OpenIdConnectProvider(IamResource):
    """``aws.iam.OpenIdConnectProvider``."""

    token = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    identity = ("url",)
    properties: ClassVar = {
        **TAGS,
        "clientIdLists": required(Set(Str(longest=255), least=1)),
        "thumbprintLists": computed(Set(Str(pattern=r"[0-9a-fA-F]{40}"), most=5)),
        "url": required(
            Str(equal=lambda left, right: _without_scheme(left) == _without_scheme(right), longest=255), replace=True
        ),
        "arn": output(Str()),
    }

    def create(self, call: Call, new: Values) -> str:
        url = new["url"]
        identifier = self.api(call, new).create_open_id_connect_provider(
            # IAM wants the scheme and returns the URL without.
            Url=url if "://" in url else f"https://{url}",
            ClientIDList=new["clientIdLists"],
            ThumbprintList=new.get("thumbprintLists", []),
            Tags=tag_list(self.tags_of(call, new)),
        )["OpenIDConnectProviderArn"]
        call.exists(identifier)
        return identifier

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        api = self.api(call, state)
        provider = _or_none(lambda: api.get_open_id_connect_provider(OpenIDConnectProviderArn=identifier))
        if provider is None:
            return None
        return {
            "arn": identifier,
            "clientIdLists": provider.get("ClientIDList", []),
            "thumbprintLists": provider.get("ThumbprintList", []),
            "url": provider["Url"],
            "tags": tag_map(provider.get("Tags")),
        }

    def modify(self, call: Call, identifier: str, old: Values, new: Values, changed: frozenset[str]) -> None:
        api = self.api(call, new)
        if "thumbprintLists" in changed:
            api.update_open_id_connect_provider_thumbprint(
                OpenIDConnectProviderArn=identifier, ThumbprintList=new.get("thumbprintLists", [])
            )
        if "clientIdLists" in changed:
            before, after = set(old.get("clientIdLists") or ()), set(new["clientIdLists"])
            # Added first, so that the provider is at no time without a client.
            for client in sorted(after - before):
                api.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=identifier, ClientID=client)
            for client in sorted(before - after):
                api.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=identifier, ClientID=client)

    def tag(self, call: Call, identifier: str, state: Values, added: dict[str, str], removed: list[str]) -> None:
        api = self.api(call, state)
        if removed:
            api.untag_open_id_connect_provider(OpenIDConnectProviderArn=identifier, TagKeys=removed)
        if added:
            api.tag_open_id_connect_provider(OpenIDConnectProviderArn=identifier, Tags=tag_list(added))

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        api = self.api(call, state)
        _or_none(lambda: api.delete_open_id_connect_provider(OpenIDConnectProviderArn=identifier))


RESOURCES = by_token(Role, Policy, RolePolicyAttachment, RolePolicy, InstanceProfile, OpenIdConnectProvider)
