"""Functions about roles and policies."""

import json
import zlib
from typing import Any, ClassVar

from ...base.calls import Call
from ...base.errors import ProviderError
from ...base.properties import Int, List, Map, Object, Property, Set, Str, computed, optional, output, required
from ...base.wire import Values
from ..documents import json_object
from ..resource import tag_map
from ..resources.iam import document_text
from .function import AwsFunction, by_token, results


class GetRole(AwsFunction):
    """``aws.iam.get_role``."""

    token = "aws:iam/getRole:getRole"
    service = "iam"
    arguments: ClassVar = {"name": required(Str()), "tags": computed(Map(Str()))}
    results: ClassVar = {
        **arguments,
        **results(
            arn=Str(),
            assumeRolePolicy=Str(),
            createDate=Str(),
            description=Str(),
            id=Str(),
            maxSessionDuration=Int(),
            path=Str(),
            permissionsBoundary=Str(),
            roleLastUseds=List(Object({"lastUsedDate": output(Str()), "region": output(Str())})),
            uniqueId=Str(),
        ),
    }

    def invoke(self, call: Call, arguments: Values) -> Values:
        role = self.api(call, arguments).get_role(RoleName=arguments["name"])["Role"]
        used = role.get("RoleLastUsed", {})
        return {
            "arn": role["Arn"],
            "assumeRolePolicy": document_text(role["AssumeRolePolicyDocument"]),
            "createDate": role["CreateDate"].isoformat(),
            "description": role.get("Description", ""),
            "id": role["RoleName"],
            "maxSessionDuration": role.get("MaxSessionDuration", 3600),
            "name": role["RoleName"],
            "path": role["Path"],
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            "roleLastUseds": [{"lastUsedDate": used["LastUsedDate"].isoformat(), "region": used.get("Region", "")}]
            if used.get("LastUsedDate")
            else [],
            "tags": tag_map(role.get("Tags")),
            "uniqueId": role["RoleId"],
        }


class GetPolicy(AwsFunction):
    """``aws.iam.get_policy``."""

    token = "aws:iam/getPolicy:getPolicy"
    service = "iam"
    arguments: ClassVar = {
        "arn": computed(Str(), conflicts=("name",)),
        "name": computed(Str()),
        "pathPrefix": optional(Str(), conflicts=("arn",)),
        "tags": computed(Map(Str())),
    }
    results: ClassVar = {
        **arguments,
        **results(attachmentCount=Int(), description=Str(), id=Str(), path=Str(), policy=Str(), policyId=Str()),
    }

    def invoke(self, call: Call, arguments: Values) -> Values:
        api = self.api(call, arguments)
        identifier = arguments.get("arn")
        if identifier is None:
            if "name" not in arguments:
                raise ProviderError("give the arn or the name of the policy")
            prefix = {"PathPrefix": arguments["pathPrefix"]} if "pathPrefix" in arguments else {}
            pages = api.get_paginator("list_policies").paginate(**prefix)
            found = [p["Arn"] for page in pages for p in page["Policies"] if p["PolicyName"] == arguments["name"]]
            if len(found) != 1:
                raise ProviderError(f"{len(found)} policies are named {arguments['name']}")
            identifier = found[0]
        policy = api.get_policy(PolicyArn=identifier)["Policy"]
        version = api.get_policy_version(PolicyArn=identifier, VersionId=policy["DefaultVersionId"])
        return {
            **arguments,
            "arn": policy["Arn"],
            "attachmentCount": policy.get("AttachmentCount", 0),
            "description": policy.get("Description", ""),
            "id": policy["Arn"],
            "name": policy["PolicyName"],
            "path": policy["Path"],
            "policy": document_text(version["PolicyVersion"]["Document"]),
            "policyId": policy["PolicyId"],
            "tags": tag_map(policy.get("Tags")),
        }


_PRINCIPALS = optional(Set(Object({"identifiers": required(Set(Str())), "type": required(Str())})))
_STATEMENT: dict[str, Property] = {
    "actions": optional(Set(Str())),
    "conditions": optional(
        Set(Object({"test": required(Str()), "values": required(List(Str())), "variable": required(Str())}))
    ),
    "effect": optional(Str(choices=("Allow", "Deny")), "Allow"),
    "notActions": optional(Set(Str())),
    "notPrincipals": _PRINCIPALS,
    "notResources": optional(Set(Str())),
    "principals": _PRINCIPALS,
    "resources": optional(Set(Str())),
    "sid": optional(Str()),
}


def _simple(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else values


def _principals(principals: list[Values]) -> Any:
    by_kind: dict[str, list[str]] = {}
    for principal in principals:
        if principal["type"] == "*" and "*" in principal["identifiers"]:
            return "*"
        by_kind.setdefault(principal["type"], []).extend(principal["identifiers"])
    return {kind: _simple(sorted(set(names))) for kind, names in by_kind.items()}


def _statement(given: Values) -> dict[str, Any]:
    # Members stand in the order of the official provider, so that the text is the same.
    statement: dict[str, Any] = {}
    if given.get("sid"):
        statement["Sid"] = given["sid"]
    statement["Effect"] = given["effect"]
    for name, member in (
        ("actions", "Action"),
        ("notActions", "NotAction"),
        ("resources", "Resource"),
        ("notResources", "NotResource"),
    ):
        if given.get(name):
            statement[member] = _simple(sorted(set(given[name])))
    for name, member in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if given.get(name):
            statement[member] = _principals(given[name])
    conditions: dict[str, dict[str, Any]] = {}
    for condition in given.get("conditions") or ():
        conditions.setdefault(condition["test"], {}).setdefault(condition["variable"], []).extend(condition["values"])
    if conditions:
        statement["Condition"] = {
            test: {variable: _simple(values) for variable, values in sorted(keys.items())}
            for test, keys in sorted(conditions.items())
        }
    return statement


class GetPolicyDocument(AwsFunction):
    """``aws.iam.get_policy_document``: writes a policy; asks nobody."""

    token = "aws:iam/getPolicyDocument:getPolicyDocument"
    arguments: ClassVar = {
        "overrideJson": optional(json_object()),
        "overridePolicyDocuments": optional(List(json_object())),
        "policyId": optional(Str()),
        "sourceJson": optional(json_object()),
        "sourcePolicyDocuments": optional(List(json_object())),
        "statements": optional(List(Object(_STATEMENT))),
        "version": optional(Str(choices=("2008-10-17", "2012-10-17")), "2012-10-17"),
    }
    results: ClassVar = {**arguments, **results(id=Str(), json=Str(), minifiedJson=Str())}

    def invoke(self, call: Call, arguments: Values) -> Values:
        def documents(single: str, several: str) -> list[Any]:
            given = [*([arguments[single]] if single in arguments else []), *arguments.get(several, [])]
            return [json.loads(text) for text in given]

        own = [_statement(statement) for statement in arguments.get("statements") or ()]
        sources = documents("sourceJson", "sourcePolicyDocuments")
        merged: list[dict[str, Any]] = []
        for statement in [s for source in sources for s in _statements(source)]:
            sid = statement.get("Sid")
            if sid and any(other.get("Sid") == sid for other in merged):
                raise ProviderError(f"two source policy documents have a statement {sid}: statements' ids are unique")
            merged.append(statement)
        overrides = [s for source in documents("overrideJson", "overridePolicyDocuments") for s in _statements(source)]
        for statement in [*own, *overrides]:
            sid = statement.get("Sid")
            place = next((index for index, other in enumerate(merged) if sid and other.get("Sid") == sid), None)
            if place is None:
                merged.append(statement)
            else:
                merged[place] = statement
        policy: dict[str, Any] = {"Version": arguments["version"]}
        if "policyId" in arguments:
            policy["Id"] = arguments["policyId"]
        if merged:
            policy["Statement"] = merged
        text = json.dumps(policy, indent=2)
        return {
            **arguments,
            "id": str(zlib.crc32(text.encode())),
            "json": text,
            "minifiedJson": json.dumps(policy, separators=(",", ":")),
        }


def _statements(policy: Any) -> list[dict[str, Any]]:
    statements = policy.get("Statement", [])
    return statements if isinstance(statements, list) else [statements]


FUNCTIONS = by_token(GetRole, GetPolicy, GetPolicyDocument)
