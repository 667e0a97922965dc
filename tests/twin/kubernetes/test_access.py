"""Who gets in, as whom, and what they may do."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator

import pytest

from local.aws.eks.access_policies import RULES
from local.aws.eks.store import AccessEntry
from local.kubernetes.authentication import Caller, Refused, entry_of, read_token
from local.kubernetes.authorization import allowing_policy
from local.kubernetes.pod_identity.api_server import ApiError, ApiServer
from tests.twin.aws.support import ACCOUNT, World, unique
from tests.twin.kubernetes.support import (
    Credentials,
    Kubernetes,
    assume,
    encoded,
    eventually,
    iam_user,
    presigned,
    token,
)

HOST = "127.0.0.1:4599"
NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
URL = (
    f"http://{HOST}/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIA%2F20261124%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date=20261124T115900Z"
    "&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=abc"
)


# What a token must be, before anybody is asked


def test_a_good_token_is_read() -> None:
    call = read_token(encoded(URL), HOST, NOW)
    assert (call.host, call.access_key) == (HOST, "AKIA")
    aws = encoded(URL.replace(f"http://{HOST}", "https://sts.eu-west-1.amazonaws.com"))
    assert read_token(aws, HOST, NOW).host == "sts.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (f"http://{HOST}", "https://sts.amazonaws.com.example.org", "is not STS"),
        (f"http://{HOST}", "http://sts.eu-west-1.amazonaws.com", "is not STS"),
        (f"http://{HOST}", "https://s3.amazonaws.com", "is not STS"),
        (f"http://{HOST}", "http://127.0.0.1:4600", "is not STS"),
        (f"{HOST}/", f"{HOST}/other", "has the path"),
        ("Action=GetCallerIdentity", "Action=AssumeRole", "not for GetCallerIdentity"),
        ("&Version", "&Action=GetCallerIdentity&Version", "twice"),
        ("&Version", "&RoleArn=arn&Version", "parameter rolearn"),
        ("&X-Amz-Signature=abc", "", "no x-amz-signature"),
        ("&X-Amz-Date=20261124T115900Z", "", "no x-amz-date"),
        ("%3Bx-k8s-aws-id", "", "not signed with x-k8s-aws-id"),
        ("host%3B", "", "not signed with"),
        ("X-Amz-Expires=60", "X-Amz-Expires=901", "not within 15 minutes"),
        ("X-Amz-Expires=60", "X-Amz-Expires=-1", "not within 15 minutes"),
        ("20261124T115900Z", "20261124T114459Z", "expired"),
        ("20261124T115900Z", "20261124T120501Z", "from the future"),
        ("20261124T115900Z", "yesterday", "date cannot be read"),
        ("Fsts%2F", "Fs3%2F", "not of STS"),
        ("AKIA%2F20261124", "AKIA%2F20261123", "not of STS and that day"),
    ],
)
def test_what_is_not_quite_that_is_refused(old: str, new: str, why: str) -> None:
    assert old in URL
    with pytest.raises(Refused, match=why):
        read_token(encoded(URL.replace(old, new, 1)), HOST, NOW)


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "k8s-aws-v1.",
        "k8s-aws-v2." + encoded(URL)[11:],
        "k8s-aws-v1.!!!!",
        "k8s-aws-v1." + base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        "k8s-aws-v1." + base64.urlsafe_b64encode(b"no address at all").decode(),
        "k8s-aws-v1." + "A" * 20_000,
    ],
)
def test_garbage_is_refused(garbage: str) -> None:
    with pytest.raises(Refused):
        read_token(garbage, HOST, NOW)


def test_a_role_is_found_whatever_its_path() -> None:
    caller = Caller(f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/jane@example.org", ACCOUNT, "AROA:jane", "ASIA")
    assert caller.canonical_arn == f"arn:aws:iam::{ACCOUNT}:role/deployer"
    entry = AccessEntry({})
    assert entry_of({f"arn:aws:iam::{ACCOUNT}:role/team/a/deployer": entry}, caller.canonical_arn) is entry
    others = {
        "arn:aws:iam::999999999999:role/deployer": entry,
        f"arn:aws:iam::{ACCOUNT}:user/deployer": entry,
        f"arn:aws:iam::{ACCOUNT}:role/deployer/more": entry,
    }
    assert entry_of(others, caller.canonical_arn) is None


# In a cluster


def status_of(client: ApiServer, path: str) -> int:
    """Return the HTTP status of reading something."""
    try:
        client.get(path)
    except ApiError as error:
        return error.status
    return 200


def creation_status(client: ApiServer, path: str, body: dict) -> int:
    """Return the HTTP status of creating something, on trial."""
    try:
        client.create(path, body, dryRun="All")
    except ApiError as error:
        return error.status
    return 201


NODES = "/api/v1/nodes"
PODS = "/api/v1/namespaces/{}/pods"
SECRETS = "/api/v1/namespaces/{}/secrets"
CONFIG = {"metadata": {"name": "one"}}


class Visitor:
    """An IAM user, and the access entry that tests give them."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self.kubernetes = kubernetes
        self.eks = kubernetes.world.eks
        self.arn, self.credentials = iam_user(kubernetes.world, unique("visitor"))

    def admit(self, **settings: object) -> None:
        self.eks.create_access_entry(clusterName=self.kubernetes.name, principalArn=self.arn, **settings)

    def attach(self, policy: str, *namespaces: str) -> None:
        scope = {"type": "namespace", "namespaces": list(namespaces)} if namespaces else {"type": "cluster"}
        self.eks.associate_access_policy(
            clusterName=self.kubernetes.name,
            principalArn=self.arn,
            policyArn=f"arn:aws:eks::aws:cluster-access-policy/{policy}",
            accessScope=scope,
        )

    def client(self) -> ApiServer:
        return self.kubernetes.as_user(self.credentials)


@pytest.fixture
def visitor(kubernetes: Kubernetes) -> Iterator[Visitor]:
    """A user without an access entry."""
    found = Visitor(kubernetes)
    yield found
    if found.arn in found.eks.list_access_entries(clusterName=kubernetes.name)["accessEntries"]:
        found.eks.delete_access_entry(clusterName=kubernetes.name, principalArn=found.arn)


def test_nobody_comes_in_without_an_entry(visitor: Visitor) -> None:
    assert status_of(visitor.client(), NODES) == 401
    visitor.admit()
    assert status_of(visitor.client(), NODES) == 403
    visitor.eks.delete_access_entry(clusterName=visitor.kubernetes.name, principalArn=visitor.arn)
    # The API server remembers a token for a second, and every client here makes its own.
    eventually(lambda: status_of(visitor.client(), NODES), lambda status: status == 401, seconds=3)


def test_a_token_is_good_for_fifteen_minutes(visitor: Visitor) -> None:
    """Although its request says sixty seconds, as every token's does."""
    visitor.admit()
    visitor.attach("AmazonEKSClusterAdminPolicy")
    kubernetes = visitor.kubernetes

    def status(age: float) -> int:
        return status_of(
            kubernetes.client(token(kubernetes.world.url, kubernetes.name, visitor.credentials, age)), NODES
        )

    assert [status(age) for age in (0, 61, 14 * 60)] == [200] * 3
    assert status(15 * 60 + 5) == 401


def test_wrong_tokens_are_refused(visitor: Visitor) -> None:
    kubernetes, credentials = visitor.kubernetes, visitor.credentials
    url = kubernetes.world.url
    visitor.admit()
    visitor.attach("AmazonEKSClusterAdminPolicy")
    good = presigned(url, kubernetes.name, credentials)
    assert status_of(kubernetes.client(encoded(good)), NODES) == 200
    signature = good.rpartition("X-Amz-Signature=")[2]
    wrong = {
        "another cluster's": token(url, "another", credentials),
        "of another secret": token(url, kubernetes.name, Credentials(credentials.key, "guessed")),
        "with a changed signature": encoded(good, **{signature: signature[::-1]}),
        "without a signature": encoded(good.partition("&X-Amz-Signature")[0]),
        "without the cluster's name": encoded(good, **{"%3Bx-k8s-aws-id": ""}),
        "of an unknown session": token(url, kubernetes.name, Credentials("ASIA" + "Y" * 16, "secret", "token")),
        "garbage": "k8s-aws-v1.garbage",
        "nothing": "nothing",
    }
    statuses = {what: status_of(kubernetes.client(bad), NODES) for what, bad in wrong.items()}
    assert statuses == dict.fromkeys(wrong, 401)


def test_the_creator_is_an_administrator(kubernetes: Kubernetes) -> None:
    assert status_of(kubernetes.client(), SECRETS.format("kube-system")) == 200


# policy, may read: pods, secrets, nodes; may create: config maps, role bindings
@pytest.mark.parametrize(
    ("policy", "pods", "secrets", "nodes", "config", "bindings"),
    [
        ("AmazonEKSClusterAdminPolicy", 200, 200, 200, 201, 201),
        # Kubernetes lets nobody grant more than RBAC grants them, and access policies are not RBAC; only the
        # verbs `bind` and `escalate`, which are the cluster administrator's, lift that.
        ("AmazonEKSAdminPolicy", 200, 200, 403, 201, 403),
        ("AmazonEKSEditPolicy", 200, 200, 403, 201, 403),
        ("AmazonEKSViewPolicy", 200, 403, 403, 403, 403),
        ("AmazonEKSAdminViewPolicy", 200, 200, 200, 403, 403),
        ("AmazonEKSSecretAdminPolicy", 403, 200, 403, 403, 403),
        ("AmazonEKSSecretReaderPolicy", 403, 200, 403, 403, 403),
    ],
)
def test_access_policies(
    visitor: Visitor, policy: str, pods: int, secrets: int, nodes: int, config: int, bindings: int
) -> None:
    visitor.admit()
    visitor.attach(policy)
    client = visitor.client()
    rbac = "rbac.authorization.k8s.io"
    binding = {**CONFIG, "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "view"}}
    found = (
        status_of(client, PODS.format("default")),
        status_of(client, SECRETS.format("default")),
        status_of(client, NODES),
        creation_status(client, "/api/v1/namespaces/default/configmaps", CONFIG),
        creation_status(client, f"/apis/{rbac}/v1/namespaces/default/rolebindings", binding),
    )
    assert found == (pods, secrets, nodes, config, bindings)


@pytest.mark.parametrize(
    ("verb", "group", "resource", "allowed"),
    [
        ("get", "", "pods/log", "View Edit Admin AdminView"),
        ("create", "", "pods/exec", "Edit Admin"),
        ("get", "", "secrets", "Edit Admin AdminView SecretAdmin SecretReader"),
        ("update", "", "secrets", "Edit Admin SecretAdmin"),
        ("impersonate", "", "serviceaccounts", "Edit Admin"),
        ("create", "rbac.authorization.k8s.io", "roles", "Admin"),
        ("list", "rbac.authorization.k8s.io", "clusterroles", "AdminView"),
        # What Kubernetes' own roles allow and these policies do not.
        ("create", "", "serviceaccounts/token", ""),
        ("create", "", "pods/eviction", ""),
        ("get", "example.com", "widgets", "AdminView"),
    ],
)
def test_the_rules_are_those_that_aws_documents(verb: str, group: str, resource: str, allowed: str) -> None:
    name, _, subresource = resource.partition("/")
    review = {"resourceAttributes": {"verb": verb, "group": group, "resource": name, "subresource": subresource}}

    def allows(policy: str) -> bool:
        arn = f"arn:aws:eks::aws:cluster-access-policy/{policy}"
        return allowing_policy(AccessEntry({}, {arn: {"accessScope": {"type": "cluster"}}}), review) is not None

    found = {policy.removeprefix("AmazonEKS").removesuffix("Policy") for policy in RULES if allows(policy)}
    assert found == {"ClusterAdmin", *allowed.split()}


def test_a_namespace_scope_is_a_scope(visitor: Visitor) -> None:
    visitor.admit()
    visitor.attach("AmazonEKSAdminPolicy", "default", "team-*")
    client = visitor.client()
    assert status_of(client, SECRETS.format("default")) == 200
    assert status_of(client, SECRETS.format("team-one")) == 200
    assert status_of(client, SECRETS.format("kube-system")) == 403
    assert status_of(client, "/api/v1/secrets") == 403


def test_changes_count_within_a_second(visitor: Visitor) -> None:
    visitor.admit()
    client = visitor.client()
    path = PODS.format("default")
    assert status_of(client, path) == 403
    visitor.attach("AmazonEKSViewPolicy")
    eventually(lambda: status_of(client, path), lambda status: status == 200, seconds=1)
    visitor.attach("AmazonEKSViewPolicy", "kube-system")
    eventually(lambda: status_of(client, path), lambda status: status == 403, seconds=1)


def whoami(client: ApiServer) -> dict:
    """Return who the API server takes a client for."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    return client.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)["status"]["userInfo"]


def test_groups_of_an_entry_are_rbacs(visitor: Visitor) -> None:
    visitor.admit(kubernetesGroups=["readers"], username="visitor:{{AccountID}}")
    assert whoami(visitor.client())["username"] == f"visitor:{ACCOUNT}"
    rbac, name = "rbac.authorization.k8s.io", unique("readers")
    admin = visitor.kubernetes.client()
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": rbac, "kind": "Group", "name": "readers"}],
    }
    admin.create(f"/apis/{rbac}/v1/clusterrolebindings", binding)
    assert status_of(visitor.client(), PODS.format("default")) == 200
    admin.delete(f"/apis/{rbac}/v1/clusterrolebindings/{name}")
    eventually(lambda: status_of(visitor.client(), PODS.format("default")), lambda status: status == 403)


def role_of_the_account(world: World, path: str = "/") -> str:
    """Make a role that the account's principals may assume."""
    import json

    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    return world.iam.create_role(
        RoleName=unique("assumed"),
        Path=path,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )["Role"]["Arn"]


def test_a_roles_session_comes_in_by_the_roles_entry(kubernetes: Kubernetes, world: World) -> None:
    role = role_of_the_account(world, path="/teams/blue/")
    session = assume(world, role, "jane@example.org")
    assert status_of(kubernetes.as_user(session), NODES) == 401
    world.eks.create_access_entry(clusterName=kubernetes.name, principalArn=role)
    found = whoami(kubernetes.as_user(session))
    name = role.rpartition("/")[2]
    assert found["username"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/jane-example.org"
    assert found["extra"]["sessionName"] == ["jane@example.org"]
    assert found["extra"]["canonicalArn"] == [f"arn:aws:iam::{ACCOUNT}:role/{name}"]
    world.eks.delete_access_entry(clusterName=kubernetes.name, principalArn=role)


def test_a_nodes_role_is_that_node(kubernetes: Kubernetes, world: World) -> None:
    role = role_of_the_account(world)
    world.eks.create_access_entry(clusterName=kubernetes.name, principalArn=role, type="EC2_LINUX")
    node = kubernetes.nodes()[0]
    instance = node["spec"]["providerID"].rpartition("/")[2]
    client = kubernetes.as_user(assume(world, role, instance))
    found = whoami(client)
    assert found["username"] == f"system:node:{node['metadata']['name']}"
    assert "system:nodes" in found["groups"]
    # The node authorizer: a kubelet may read its own node, and no secrets that no pod of its mounts.
    assert status_of(client, f"{NODES}/{node['metadata']['name']}") == 200
    assert status_of(client, SECRETS.format("kube-system")) == 403
    stranger = kubernetes.as_user(assume(world, role, "i-00000000000000000"))
    assert status_of(stranger, NODES) == 401
    world.eks.delete_access_entry(clusterName=kubernetes.name, principalArn=role)


def test_the_config_map_is_heeded_where_the_mode_says_so(world: World, tmp_path) -> None:  # type: ignore[no-untyped-def]
    kubernetes = Kubernetes(world, world.cluster(mode="CONFIG_MAP"), tmp_path)
    assert "system:masters" in whoami(kubernetes.client())["groups"], "its creator, without any entry"
    arn, credentials = iam_user(world, unique("mapped"))
    assert status_of(kubernetes.as_user(credentials), NODES) == 401
    mapping = f"- userarn: {arn}\n  username: mapped\n  groups: [system:masters]\n"
    kubernetes.client().create(
        "/api/v1/namespaces/kube-system/configmaps", {"metadata": {"name": "aws-auth"}, "data": {"mapUsers": mapping}}
    )
    assert whoami(kubernetes.as_user(credentials))["username"] == "mapped"
    assert status_of(kubernetes.as_user(credentials), NODES) == 200
    world.eks.delete_cluster(name=kubernetes.name)
