"""Who must not get credentials, and what AWS says to them.

Each case goes both ways: to EKS Auth directly, for its error, and through the agent, for the status of it.
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.twin.aws.support import REGION, unique
from tests.twin.pod_identity.support import TestCluster, ask, eventually

Pod = dict[str, Any]


def encode(value: bytes | Mapping[str, Any]) -> str:
    """Return base64url of bytes, or of JSON."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(part: str) -> dict[str, Any]:
    """Return the JSON of a token's part."""
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Forge:
    """Makes tokens that are wrong in one thing, from one that is right.

    It has what no attacker has: the cluster's private key. So each check is met by itself.
    """

    def __init__(self, cluster: TestCluster, pod: Pod) -> None:
        self.good = cluster.token(pod)
        header, payload, self.signature = self.good.split(".")
        self.header, self.claims = decode(header), decode(payload)
        self.key = RSAKey.import_key(cluster.signing_key.read_bytes())
        self.own_key = RSAKey.generate_key(2048)

    def claim(self, **changes: Any) -> str:
        """Sign claims with some of them changed; None leaves one out."""
        claims = {name: value for name, value in {**self.claims, **changes}.items() if value is not None}
        return jwt.encode(self.header, claims, self.key, algorithms=["RS256"])

    def bound(self, **changes: Any) -> str:
        """Change what Kubernetes says of itself in a token."""
        inner = {
            name: value for name, value in {**self.claims["kubernetes.io"], **changes}.items() if value is not None
        }
        return self.claim(**{"kubernetes.io": inner})

    def head(self, **changes: Any) -> str:
        """Change the header, and sign with the cluster's key as RS256."""
        header = {name: value for name, value in {**self.header, **changes}.items() if value is not None}
        return self.sign(f"{encode(header)}.{encode(self.claims)}", self.key)

    def sign(self, signed: str, key: RSAKey) -> str:
        """Sign as RS256, whatever the header says."""
        private = key.private_key
        assert private is not None
        return f"{signed}.{encode(private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def own(self, **header: Any) -> str:
        """Sign with a key that is not the cluster's."""
        return self.sign(f"{encode({**self.header, **header})}.{encode(self.claims)}", self.own_key)

    def hmac(self, secret: bytes) -> str:
        """Sign as HS256 with something that everybody knows as the secret."""
        signed = f"{encode({**self.header, 'alg': 'HS256'})}.{encode(self.claims)}"
        code = hmac.HMAC(secret, hashes.SHA256())
        code.update(signed.encode())
        return f"{signed}.{encode(code.finalize())}"

    def public_pem(self) -> bytes:
        """Return the cluster's public key."""
        return self.key.as_pem(private=False)

    def payload(self, raw: bytes) -> str:
        """Sign something that is not a JSON object."""
        return self.sign(f"{encode(self.header)}.{encode(raw)}", self.key)


@pytest.fixture(scope="module")
def pod(cluster: TestCluster) -> Pod:
    """A pod that gets credentials, if it asks in the right way."""
    return cluster.associated_pod()


@pytest.fixture(scope="module")
def forge(cluster: TestCluster, pod: Pod) -> Forge:
    return Forge(cluster, pod)


def refusal(cluster: TestCluster, token: str, name: str | None = None) -> tuple[str, str, int]:
    """Ask EKS Auth; return code, message and HTTP status of its refusal."""
    with pytest.raises(ClientError) as caught:
        cluster.eks_auth().assume_role_for_pod_identity(clusterName=name or cluster.name, token=token)
    response: Any = caught.value.response
    assert "credentials" not in response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


STATUS = {"ResourceNotFoundException": 404}


def refused(cluster: TestCluster, token: str, code: str, message: str) -> None:
    """Expect a refusal both ways."""
    found, said, status = refusal(cluster, token)
    assert (found, message in said) == (code, True), (found, said)
    assert status == STATUS.get(code, 400)
    through_agent, body, _ = ask(cluster.full_uri, token)
    assert (through_agent, "AccessKeyId" in body) == (status, False), body


INVALID = "InvalidTokenException"


def test_the_right_token_is_right(cluster: TestCluster, forge: Forge) -> None:
    """Otherwise all the others would be refused for nothing."""
    for token in (forge.good, forge.claim(), forge.head(), forge.bound()):
        answer = cluster.eks_auth().assume_role_for_pod_identity(clusterName=cluster.name, token=token)
        assert answer["audience"] == "pods.eks.amazonaws.com"
        assert ask(cluster.full_uri, token)[0] == 200


FORGED: dict[str, tuple[Callable[[Forge], str], str, str]] = {
    # --- claims ---
    "another audience": (lambda f: f.claim(aud=["sts.amazonaws.com"]), INVALID, "audience"),
    "one audience too many": (lambda f: f.claim(aud=["pods.eks.amazonaws.com", "vault"]), INVALID, "audience"),
    "no audience": (lambda f: f.claim(aud=None), INVALID, "audience"),
    "an audience that only begins so": (lambda f: f.claim(aud="pods.eks.amazonaws.com.cn"), INVALID, "audience"),
    "another issuer": (lambda f: f.claim(iss="https://oidc.eks.eu-west-1.amazonaws.com/id/X"), INVALID, "issuer"),
    "the issuer with a slash": (lambda f: f.claim(iss=f.claims["iss"] + "/"), INVALID, "issuer"),
    "expired": (lambda f: f.claim(exp=f.claims["iat"] - 1), "ExpiredTokenException", "must be before the expiration"),
    "no expiry": (lambda f: f.claim(exp=None), INVALID, "exp"),
    "an expiry that is true": (lambda f: f.claim(exp=True), INVALID, "exp"),
    "not valid yet": (lambda f: f.claim(nbf=f.claims["exp"]), INVALID, "not valid yet"),
    "issued in the future": (lambda f: f.claim(iat=f.claims["exp"]), INVALID, "not valid yet"),
    "another subject": (lambda f: f.claim(sub="system:serviceaccount:default:admin"), INVALID, "subject"),
    "a user": (lambda f: f.claim(sub="admin"), INVALID, "subject"),
    "not of Kubernetes": (lambda f: f.claim(**{"kubernetes.io": None}), INVALID, "not bound to a pod"),
    "another pod's UID": (
        lambda f: f.bound(pod={**f.claims["kubernetes.io"]["pod"], "uid": "0" * 36}),
        INVALID,
        "pod does not exist",
    ),
    "another pod's name": (
        lambda f: f.bound(pod={**f.claims["kubernetes.io"]["pod"], "name": "nobody"}),
        INVALID,
        "pod does not exist",
    ),
    "another service account's UID": (
        lambda f: f.bound(serviceaccount={**f.claims["kubernetes.io"]["serviceaccount"], "uid": "0" * 36}),
        INVALID,
        "service account does not exist",
    ),
    "a namespace that would leave its path": (
        lambda f: f.bound(namespace="../../x"),
        INVALID,
        "subject",
    ),
    "a name that is a list": (
        lambda f: f.bound(pod={"name": ["a"], "uid": "b"}),
        INVALID,
        "not bound to a pod",
    ),
    # --- signatures ---
    "another signature": (
        lambda f: f.good.rpartition(".")[0] + "." + encode(bytes(256)),
        INVALID,
        "could not be verified",
    ),
    "a signature cut short": (lambda f: f.good[:-20], INVALID, "could not be verified"),
    "other claims under a good signature": (
        lambda f: ".".join((encode(f.header), encode({**f.claims, "exp": f.claims["exp"] + 1}), f.signature)),
        INVALID,
        "could not be verified",
    ),
    "a key of one's own": (lambda f: f.own(), INVALID, "could not be verified"),
    "an unknown key": (lambda f: f.own(kid="mine"), INVALID, "not signed with a key of the cluster"),
    "a key in the token itself": (
        lambda f: f.own(kid="mine", jwk=f.own_key.as_dict(private=False)),
        INVALID,
        "",
    ),
    "a key at one's own address": (
        lambda f: f.own(kid="mine", jku="https://example.com/keys"),
        INVALID,
        "not signed with a key of the cluster",
    ),
    "no key named": (lambda f: f.head(kid=None), INVALID, ""),
    "a key named by a number": (lambda f: f.head(kid=1), INVALID, ""),
    "not signed": (
        lambda f: f"{encode({**f.header, 'alg': 'none'})}.{encode(f.claims)}.{encode(b'x')}",
        INVALID,
        "algorithm is not supported",
    ),
    "the public key as a secret": (lambda f: f.hmac(f.public_pem()), INVALID, "algorithm is not supported"),
    "another algorithm": (
        lambda f: jwt.encode({**f.header, "alg": "RS512"}, f.claims, f.key, algorithms=["RS512"]),
        INVALID,
        "algorithm is not supported",
    ),
    "a padding that is not agreed": (
        lambda f: jwt.encode({**f.header, "alg": "PS256"}, f.claims, f.key, algorithms=["PS256"]),
        INVALID,
        "algorithm is not supported",
    ),
    "a critical extension": (lambda f: f.head(crit=["exp"], exp=1), INVALID, ""),
    # --- no tokens at all ---
    "claims that are a list": (lambda f: f.payload(b"[1, 2]"), INVALID, ""),
    "claims that are no JSON": (lambda f: f.payload(b"hello"), INVALID, ""),
    "three words": (lambda _: "not.a.token", INVALID, "cannot be parsed"),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged(cluster: TestCluster, forge: Forge, name: str) -> None:
    make, code, message = FORGED[name]
    refused(cluster, make(forge), code, message)


NO_TOKENS = {
    "nothing": lambda _: "",
    "one word": lambda _: "token",
    "two parts": lambda f: f.good.rpartition(".")[0],
    "four parts": lambda f: f.good + ".x",
    "an empty signature": lambda f: f"{encode({**f.header, 'alg': 'none'})}.{encode(f.claims)}.",
    "a scheme before it": lambda f: f"Bearer {f.good}",
    "a blank after it": lambda f: f"{f.good}.\t ",
}


@pytest.mark.parametrize("name", NO_TOKENS)
def test_what_has_not_the_form_of_a_token(cluster: TestCluster, forge: Forge, name: str) -> None:
    token = NO_TOKENS[name](forge)
    code, _, status = refusal(cluster, token)
    assert (code, status) == ("InvalidParameterException", 400)
    through_agent, body, _ = ask(cluster.full_uri, token)
    assert (through_agent, "AccessKeyId" in body) == (400, False), body


# --- tokens that the API server did sign ---


def test_for_another_audience(cluster: TestCluster, pod: Pod) -> None:
    refused(cluster, cluster.token(pod, ("sts.amazonaws.com",)), INVALID, "audience")


def test_for_the_api_server(cluster: TestCluster, pod: Pod) -> None:
    refused(cluster, cluster.token(pod, ()), INVALID, "audience")


def test_not_bound(cluster: TestCluster, pod: Pod) -> None:
    refused(cluster, cluster.token(pod, unbound=True), INVALID, "not bound to a pod")


def test_bound_to_a_secret(cluster: TestCluster, pod: Pod) -> None:
    namespace = pod["metadata"]["namespace"]
    secret = cluster.api.create(f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": "bound"}})
    bound = {"apiVersion": "v1", "kind": "Secret", "name": "bound", "uid": secret["metadata"]["uid"]}
    refused(cluster, cluster.token(pod, bound=bound), INVALID, "not bound to a pod")


def test_of_another_cluster(cluster: TestCluster, other_cluster: TestCluster) -> None:
    """Of a pod with the same names, with an association in both clusters."""
    pod = cluster.associated_pod()
    about = pod["metadata"]
    other_cluster.api.create("/api/v1/namespaces", {"metadata": {"name": about["namespace"]}})
    other_cluster.service_account(about["namespace"])
    other_cluster.associate(about["namespace"])
    foreign = other_cluster.token(other_cluster.pod(about["namespace"], name=about["name"]))
    refused(cluster, foreign, INVALID, "not signed with a key of the cluster")
    code, said, _ = refusal(cluster, cluster.token(pod), other_cluster.name)
    assert (code, "not signed with a key of the cluster" in said) == (INVALID, True)
    answer = other_cluster.eks_auth().assume_role_for_pod_identity(clusterName=other_cluster.name, token=foreign)
    assert answer["subject"]["namespace"] == about["namespace"]


def test_of_a_cluster_that_does_not_exist(cluster: TestCluster, forge: Forge) -> None:
    code, said, status = refusal(cluster, forge.good, "nowhere")
    assert (code, said, status) == ("ResourceNotFoundException", "No cluster found for name: nowhere.", 404)


def test_of_a_deleted_pod(cluster: TestCluster) -> None:
    pod = cluster.associated_pod()
    token = cluster.token(pod)
    cluster.delete_pod(pod)
    refused(cluster, token, INVALID, "pod does not exist")


def test_of_an_earlier_pod_of_that_name(cluster: TestCluster) -> None:
    pod = cluster.associated_pod()
    token, about = cluster.token(pod), pod["metadata"]
    cluster.delete_pod(pod)
    cluster.pod(about["namespace"], name=about["name"])
    refused(cluster, token, INVALID, "pod does not exist")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_of_a_pod_that_has_ended(cluster: TestCluster, phase: str) -> None:
    pod = cluster.associated_pod()
    token, about = cluster.token(pod), pod["metadata"]
    done = cluster.kubectl(
        *("-n", about["namespace"], "patch", "pod", about["name"]),
        *("--subresource=status", "--type=merge", "-p", json.dumps({"status": {"phase": phase}})),
    )
    assert done.returncode == 0, done.stderr
    refused(cluster, token, INVALID, "pod has ended")


def test_of_a_deleted_service_account(cluster: TestCluster) -> None:
    pod = cluster.associated_pod()
    token, path = cluster.token(pod), f"/api/v1/namespaces/{pod['metadata']['namespace']}/serviceaccounts/app"
    cluster.api.delete(path)
    eventually(lambda: cluster.api.find(path) is None)
    refused(cluster, token, INVALID, "service account does not exist")
    cluster.service_account(pod["metadata"]["namespace"])
    refused(cluster, token, INVALID, "service account does not exist")


# --- associations ---


def test_another_service_account(cluster: TestCluster, pod: Pod) -> None:
    namespace = pod["metadata"]["namespace"]
    cluster.service_account(namespace, "neighbour")
    token = cluster.token(cluster.pod(namespace, "neighbour"))
    refused(cluster, token, "ResourceNotFoundException", "No association found")


def test_the_same_service_account_in_another_namespace(cluster: TestCluster) -> None:
    namespace = cluster.namespace()
    cluster.service_account(namespace)
    refused(cluster, cluster.token(cluster.pod(namespace)), "ResourceNotFoundException", "No association found")


def test_after_the_association_is_deleted(cluster: TestCluster) -> None:
    namespace = cluster.namespace()
    cluster.service_account(namespace)
    association = cluster.associate(namespace)
    pod = cluster.pod(namespace)
    cluster.eks.delete_pod_identity_association(clusterName=cluster.name, associationId=association)
    eventually(lambda: not cluster.injects(namespace))
    refused(cluster, cluster.token(pod), "ResourceNotFoundException", "No association found")


# --- roles ---

UNAUTHORIZED = "EKS does not have permissions to assume the associated role"
TRUSTS: dict[str, dict[str, Any]] = {
    "another account": {"Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}}},
    "another cluster": {
        "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:eks:eu-west-1:123456789012:cluster/other"}}
    },
    "another namespace": {"Condition": {"StringEquals": {"aws:RequestTag/kubernetes-namespace": "elsewhere"}}},
    "another service account": {"Condition": {"StringEquals": {"aws:RequestTag/kubernetes-service-account": "x"}}},
    "another cluster's name": {"Condition": {"StringLike": {"aws:RequestTag/eks-cluster-name": "prod-*"}}},
    "a tag that is not there": {"Condition": {"StringEquals": {"aws:RequestTag/team": "a"}}},
    "no session tags": {"Action": "sts:AssumeRole"},
    "nobody": {"Effect": "Deny"},
    "another service": {"Principal": {"Service": "ec2.amazonaws.com"}},
}


@pytest.mark.parametrize("name", TRUSTS)
def test_a_trust_policy_that_means_somebody_else(cluster: TestCluster, name: str) -> None:
    role = cluster.role()
    pod = cluster.associated_pod(role)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        **TRUSTS[name],
    }
    # After the association was made, because EKS refuses some of them at once.
    cluster.iam.update_assume_role_policy(
        RoleName=role.rpartition("/")[2],
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    refused(cluster, cluster.token(pod), "AccessDeniedException", UNAUTHORIZED)


def test_conditions_that_are_met(cluster: TestCluster) -> None:
    """The same conditions let the right pod in."""
    namespace = cluster.namespace()
    conditions = {
        "StringEquals": {
            "aws:SourceAccount": "123456789012",
            "aws:RequestTag/kubernetes-namespace": namespace,
            "aws:RequestTag/kubernetes-service-account": "app",
        },
        "ArnEquals": {"aws:SourceArn": cluster.arn},
    }
    cluster.service_account(namespace)
    cluster.associate(namespace, role=cluster.role(trust={"Condition": conditions}))
    answer = cluster.eks_auth().assume_role_for_pod_identity(
        clusterName=cluster.name, token=cluster.token(cluster.pod(namespace))
    )
    assert answer["subject"] == {"namespace": namespace, "serviceAccount": "app"}


def test_a_role_that_is_gone(cluster: TestCluster) -> None:
    role = cluster.role()
    pod = cluster.associated_pod(role)
    cluster.iam.delete_role(RoleName=role.rpartition("/")[2])
    refused(cluster, cluster.token(pod), "AccessDeniedException", UNAUTHORIZED)


def test_a_target_role_that_does_not_trust_the_first(cluster: TestCluster) -> None:
    allowed = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"}
    target = cluster.iam.create_role(
        RoleName=unique("target"),
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ],
            }
        ),
    )["Role"]["Arn"]
    pod = cluster.associated_pod(cluster.role(allowed), targetRoleArn=target)
    message = "EKS does not have permissions to assume the target role"
    refused(cluster, cluster.token(pod), "AccessDeniedException", message)


def test_a_target_role_that_wants_another_external_id(cluster: TestCluster) -> None:
    allowed = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"}
    first = cluster.role(allowed)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": first},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": {"sts:ExternalId": "of-somebody-else"}},
    }
    target = cluster.iam.create_role(
        RoleName=unique("target"),
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )["Role"]["Arn"]
    pod = cluster.associated_pod(first, targetRoleArn=target)
    message = "EKS does not have permissions to assume the target role"
    refused(cluster, cluster.token(pod), "AccessDeniedException", message)


def test_conditions_on_tags_that_are_switched_off(cluster: TestCluster) -> None:
    """The very conditions that are met while the association sends session tags."""
    namespace = cluster.namespace()
    conditions = {"StringEquals": {"aws:RequestTag/kubernetes-namespace": namespace}}
    cluster.service_account(namespace)
    identifier = cluster.associate(namespace, role=cluster.role(trust={"Condition": conditions}))
    pod = cluster.pod(namespace)
    assert ask(cluster.full_uri, cluster.token(pod))[0] == 200
    cluster.eks.update_pod_identity_association(
        clusterName=cluster.name, associationId=identifier, disableSessionTags=True
    )
    eventually(lambda: ask(cluster.full_uri, cluster.token(pod))[0] == 400)
    refused(cluster, cluster.token(pod), "AccessDeniedException", UNAUTHORIZED)


# --- who asks EKS Auth: the agent does so as its node, and a pod's token alone is worth nothing there ---


def asked_by(cluster: TestCluster, token: str, **keys: str) -> tuple[str, int]:
    """Ask EKS Auth as somebody; return its refusal's code and status."""
    eks_auth = boto3.client("eks-auth", endpoint_url=cluster.twin.world.url, region_name=REGION, **keys)  # type: ignore[call-overload]
    with pytest.raises(ClientError) as caught:
        eks_auth.assume_role_for_pod_identity(clusterName=cluster.name, token=token)
    response: Any = caught.value.response
    assert "credentials" not in response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_nobody_asks(cluster: TestCluster, forge: Forge) -> None:
    """The same request without a signature."""
    path = f"{cluster.twin.world.url}/clusters/{cluster.name}/assume-role-for-pod-identity"
    body = json.dumps({"token": forge.good}).encode()
    request = urllib.request.Request(path, body, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 403
    assert caught.value.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    assert "accessKeyId" not in caught.value.read().decode()


def test_a_stranger_asks(cluster: TestCluster, forge: Forge) -> None:
    unknown = {"aws_access_key_id": "ASIA" + "X" * 16, "aws_secret_access_key": "s", "aws_session_token": "t"}
    assert asked_by(cluster, forge.good, **unknown) == ("UnrecognizedClientException", 400)


def test_somebody_asks_with_a_wrong_secret(cluster: TestCluster, forge: Forge) -> None:
    user = unique("user")
    cluster.iam.create_user(UserName=user)
    key = cluster.iam.create_access_key(UserName=user)["AccessKey"]
    wrong = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": "guessed"}
    assert asked_by(cluster, forge.good, **wrong) == ("InvalidSignatureException", 400)
    # And with the right one: a user who may do nothing.
    right = {**wrong, "aws_secret_access_key": key["SecretAccessKey"]}
    assert asked_by(cluster, forge.good, **right) == ("AccessDeniedException", 400)


def test_the_pod_itself_asks(cluster: TestCluster, forge: Forge) -> None:
    """With the credentials that it got: its role is not the node's."""
    status, body, _ = ask(cluster.full_uri, forge.good)
    assert status == 200
    own = json.loads(body)
    keys = {
        "aws_access_key_id": own["AccessKeyId"],
        "aws_secret_access_key": own["SecretAccessKey"],
        "aws_session_token": own["Token"],
    }
    assert asked_by(cluster, forge.good, **keys) == ("AccessDeniedException", 400)
