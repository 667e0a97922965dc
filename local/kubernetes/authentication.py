"""Who a token speaks for, as EKS finds it out.

A token is a presigned request for STS's GetCallerIdentity, signed together with the cluster's name. It is checked
before it is used, and then used: who STS says is calling is looked up in the cluster's access entries.

https://docs.aws.amazon.com/eks/latest/userguide/cluster-auth.html
https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import http.client
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import yaml

from local.aws.eks.access import NODE_TYPES
from local.aws.eks.store import AccessEntry, Cluster

PREFIX = "k8s-aws-v1."
NAME_HEADER = "x-k8s-aws-id"
# STS takes a presigned request for so long, whatever a smaller X-Amz-Expires in it says.
LIFETIME = dt.timedelta(minutes=15)
_CLOCK_SKEW = dt.timedelta(minutes=5)
_LONGEST_TOKEN = 16 * 1024
_STS_HOST = re.compile(r"sts(-fips)?(\.[a-z0-9-]+)?\.(amazonaws\.com(\.cn)?|api\.aws)")
_PARAMETERS = {
    "action",
    "version",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
    "x-amz-user-agent",
}
_REQUIRED = {"action", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "x-amz-signedheaders"}
_CALLER = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):(?:iam|sts)::(?P<account>\d{12}):"
    r"(?:(?P<root>root)|(?P<kind>user|assumed-role|federated-user)/(?P<rest>.+))"
)
_PRINCIPAL_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role/(?:.+/)?(?P<name>[^/]+)")


class Refused(Exception):
    """A token is worth nothing; the message says why."""


@dataclass(frozen=True)
class PresignedCall:
    """A token's request, as it goes to STS."""

    host: str
    target: str
    access_key: str


@dataclass(frozen=True)
class Caller:
    """Who STS says is calling."""

    arn: str
    account: str
    user_id: str
    access_key: str

    @property
    def session_name(self) -> str:
        """The session's name; empty for users."""
        found = _CALLER.fullmatch(self.arn)
        return found["rest"].partition("/")[2] if found and found["kind"] == "assumed-role" else ""

    @property
    def canonical_arn(self) -> str:
        """The ARN of the principal in IAM; that of a role without its path, which a session's ARN does not have."""
        found = _CALLER.fullmatch(self.arn)
        if found is None or found["kind"] != "assumed-role":
            return self.arn
        return f"arn:{found['partition']}:iam::{found['account']}:role/{found['rest'].partition('/')[0]}"


@dataclass(frozen=True)
class User:
    """What a caller is to Kubernetes."""

    name: str
    groups: list[str]
    uid: str
    extra: dict[str, list[str]]


def read_token(token: str, endpoint_host: str, now: dt.datetime) -> PresignedCall:
    """Check all of a token but its signature.

    Args:
        endpoint_host: host and port of the AWS endpoint, whose STS is as good as AWS's own.

    Raises:
        Refused: it is no token, too old, or for something else than GetCallerIdentity.
    """
    if not token.startswith(PREFIX):
        raise Refused(f"the token does not begin with {PREFIX}")
    if len(token) > _LONGEST_TOKEN:
        raise Refused("the token is too long")
    text = token.removeprefix(PREFIX)
    try:
        url = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Refused("the token does not hold a URL") from None
    _check_place(parts.scheme, parts.netloc, parts.path, endpoint_host)
    parameters = {name.lower(): value for name, value in pairs}
    if len(parameters) != len(pairs):
        raise Refused("the request has a parameter twice")
    if unknown := set(parameters) - _PARAMETERS:
        raise Refused(f"the request has the parameter {sorted(unknown)[0]}")
    if missing := _REQUIRED - set(parameters):
        raise Refused(f"the request has no {sorted(missing)[0]}")
    if parameters["action"] != "GetCallerIdentity":
        raise Refused("the request is not for GetCallerIdentity")
    signed = set(parameters["x-amz-signedheaders"].lower().split(";"))
    if not {"host", NAME_HEADER} <= signed:
        raise Refused(f"the request is not signed with {NAME_HEADER}")
    _check_age(parameters["x-amz-date"], parameters.get("x-amz-expires", ""), now)
    scope = parameters["x-amz-credential"].rsplit("/", 4)
    if len(scope) != 5 or scope[3] != "sts" or scope[1] != parameters["x-amz-date"][:8]:
        raise Refused("the request's credential scope is not of STS and that day")
    return PresignedCall(parts.netloc, f"/?{parts.query}", scope[0])


def _check_place(scheme: str, host: str, path: str, endpoint_host: str) -> None:
    if host != endpoint_host and not (scheme == "https" and _STS_HOST.fullmatch(host)):
        raise Refused(f"{scheme}://{host} is not STS")
    if path not in ("", "/"):
        raise Refused(f"the request has the path {path}")


def _check_age(date: str, expires: str, now: dt.datetime) -> None:
    try:
        begin = dt.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    except ValueError:
        raise Refused("the request's date cannot be read") from None
    if not expires.isdigit() or int(expires) > LIFETIME.total_seconds():
        raise Refused("the request's X-Amz-Expires is not within 15 minutes")
    if now > begin + LIFETIME:
        raise Refused("the token has expired")
    if now < begin - _CLOCK_SKEW:
        raise Refused("the token is from the future")


def ask_sts(call: PresignedCall, cluster_name: str, endpoint_host: str) -> Caller:
    """Use a token's request at the endpoint's STS, which verifies its signature.

    Args:
        cluster_name: what must have been signed as the cluster's name.

    Raises:
        Refused: STS refuses it.
    """
    connection = http.client.HTTPConnection(endpoint_host, timeout=10)
    try:
        connection.putrequest("GET", call.target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", call.host)
        connection.putheader(NAME_HEADER, cluster_name)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise Refused(f"STS answered {response.status}")
    found = {element.tag.rpartition("}")[2]: element.text or "" for element in ElementTree.fromstring(body).iter()}
    return Caller(found["Arn"], found["Account"], found["UserId"], call.access_key)


def entry_of(entries: Mapping[str, AccessEntry], canonical_arn: str) -> AccessEntry | None:
    """Return a caller's access entry; a role's is found whatever path the role has."""
    if canonical_arn in entries:
        return entries[canonical_arn]
    wanted = _PRINCIPAL_ROLE.fullmatch(canonical_arn)
    if wanted is None:
        return None
    for principal, entry in entries.items():
        found = _PRINCIPAL_ROLE.fullmatch(principal)
        if found is not None and (found["account"], found["name"]) == (wanted["account"], wanted["name"]):
            return entry
    return None


def user_of(
    cluster: Cluster,
    caller: Caller,
    aws_auth: Callable[[], Mapping[str, str]],
    node_of_instance: Callable[[str], str | None],
) -> User:
    """Return what a caller is in a cluster.

    Args:
        aws_auth: returns the data of the ConfigMap ``aws-auth``, for the modes that heed it.
        node_of_instance: returns the private DNS name of an EC2 instance.

    Raises:
        Refused: the caller is nobody there.
    """
    access = cluster.description["accessConfig"]
    mode = access["authenticationMode"]
    if mode != "CONFIG_MAP" and (entry := entry_of(cluster.access_entries, caller.canonical_arn)) is not None:
        name, groups = entry.description["username"], entry.description["kubernetesGroups"]
        if entry.description["type"] in NODE_TYPES:
            groups = ["system:bootstrappers", *groups] if "system:bootstrappers" not in groups else groups
        return _user(name, groups, caller, node_of_instance)
    if mode != "API":
        # In these modes the creator is an administrator without being mentioned anywhere.
        bootstrap = access["bootstrapClusterCreatorAdminPermissions"]
        if mode == "CONFIG_MAP" and bootstrap and _same_principal(cluster.creator, caller.canonical_arn):
            return _user("kubernetes-admin", ["system:masters"], caller, node_of_instance)
        if (mapped := _mapped(aws_auth(), caller.canonical_arn)) is not None:
            name = mapped.get("username") or caller.canonical_arn
            return _user(name, list(mapped.get("groups") or []), caller, node_of_instance)
    raise Refused(f"{caller.canonical_arn} has no access entry in {cluster.name}")


def _same_principal(principal: str, canonical_arn: str) -> bool:
    return entry_of({principal: AccessEntry({})}, canonical_arn) is not None


def _mapped(data: Mapping[str, str], canonical_arn: str) -> dict[str, Any] | None:
    """Return a caller's mapping in the ConfigMap ``aws-auth``, where roles stand without their path.

    https://docs.aws.amazon.com/eks/latest/userguide/auth-configmap.html
    """
    for key, member in (("mapRoles", "rolearn"), ("mapUsers", "userarn")):
        try:
            mappings = yaml.safe_load(data.get(key) or "") or []
        except yaml.YAMLError:
            continue  # EKS goes on without a part that it cannot read
        for mapping in mappings if isinstance(mappings, list) else []:
            if isinstance(mapping, dict) and mapping.get(member) == canonical_arn:
                return mapping
    return None


def _user(template: str, groups: list[str], caller: Caller, node_of_instance: Callable[[str], str | None]) -> User:
    name = template
    if "{{EC2PrivateDNSName}}" in name:
        # The session of an instance's role is named after the instance.
        node = node_of_instance(caller.session_name)
        if node is None:
            raise Refused(f"{caller.arn} is not the role of an instance of the cluster")
        name = name.replace("{{EC2PrivateDNSName}}", node)
    replacements = {
        "{{SessionName}}": caller.session_name.replace("@", "-"),
        "{{SessionNameRaw}}": caller.session_name,
        "{{AccountID}}": caller.account,
        "{{AccessKeyID}}": caller.access_key,
    }
    for placeholder, value in replacements.items():
        name = name.replace(placeholder, value)
    principal_id = caller.user_id.partition(":")[0]
    extra = {
        "accessKeyId": [caller.access_key],
        "arn": [caller.arn],
        "canonicalArn": [caller.canonical_arn],
        "principalId": [principal_id],
        "sessionName": [caller.session_name],
    }
    return User(name, groups, f"aws-iam-authenticator:{caller.account}:{principal_id}", extra)
