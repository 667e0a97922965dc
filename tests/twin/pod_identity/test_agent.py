"""The agent over HTTP, and its cache."""

from __future__ import annotations

import datetime as dt
import json
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.credentials import ContainerProvider
from joserfc import jwt
from joserfc.jwk import OctKey

from local.kubernetes.pod_identity.agent import PATH, Agent, RateLimit
from local.kubernetes.pod_identity.credential_cache import CacheRules, CredentialCache, Credentials, FetchError
from tests.twin.aws.support import ACCOUNT
from tests.twin.pod_identity.support import NODE_POLICY, TestCluster, Twin, ask, eventually

IDENTITY = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}


# --- with a cluster ---


@pytest.fixture(scope="module")
def pod(cluster: TestCluster) -> dict[str, Any]:
    """A pod that may list buckets."""
    return cluster.associated_pod(cluster.role(IDENTITY))


def test_the_answer(cluster: TestCluster, pod: dict[str, Any]) -> None:
    status, body, headers = ask(cluster.full_uri, cluster.token(pod))
    assert (status, headers["Content-Type"]) == (200, "application/json")
    answer = json.loads(body)
    assert list(answer) == ["AccessKeyId", "SecretAccessKey", "Token", "AccountId", "Expiration"]
    assert answer["AccessKeyId"].startswith("ASIA") and answer["AccountId"] == ACCOUNT
    left = dt.datetime.strptime(answer["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC) - dt.datetime.now(
        dt.UTC
    )
    assert dt.timedelta(hours=5, minutes=55) < left <= dt.timedelta(hours=6)


def test_the_same_token_gets_the_same_credentials(cluster: TestCluster, pod: dict[str, Any]) -> None:
    first, second = cluster.token(pod), cluster.token(pod)
    key = [json.loads(ask(cluster.full_uri, token)[1])["AccessKeyId"] for token in (first, first, second)]
    assert key[0] == key[1] != key[2]


def test_as_the_sdk_asks(
    cluster: TestCluster, pod: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text(cluster.token(pod))
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": cluster.full_uri,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file),
    }
    found: Any = ContainerProvider(environ).load()
    assert found.method == "container-role"
    assert found.get_frozen_credentials().access_key.startswith("ASIA")

    # The whole chain, with nothing else in it.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    sts = boto3.Session(region_name="eu-west-1").client("sts", endpoint_url=cluster.twin.world.url)
    assert ":assumed-role/pod-role-" in sts.get_caller_identity()["Arn"]


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, "Service account token cannot be empty"),
        ("", "Service account token cannot be empty"),
        ("x", "token is malformed: token contains an invalid number of segments"),
        ("a.b", "token is malformed: token contains an invalid number of segments"),
        ("a.b.c", "Service account token cannot be parsed: token is malformed"),
    ],
)
def test_what_it_refuses_by_itself(cluster: TestCluster, token: str | None, message: str) -> None:
    status, body, headers = ask(cluster.full_uri, token)
    assert (status, message in body, body.endswith("\n")) == (400, True, True)
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": 1}, "Service account token failed basic claim validations: token is expired\n"),
        ({"nbf": 9_999_999_999}, "Service account token failed basic claim validations: token is not valid yet\n"),
    ],
)
def test_times_are_checked_before_eks_auth_is_asked(cluster: TestCluster, claims: dict[str, int], message: str) -> None:
    token = jwt.encode({"alg": "HS256"}, claims, OctKey.generate_key(256))
    assert ask(cluster.full_uri, token)[:2] == (400, message)


def test_errors_of_eks_auth_pass_through(cluster: TestCluster) -> None:
    namespace = cluster.namespace()
    cluster.service_account(namespace)
    status, body, _ = ask(cluster.full_uri, cluster.token(cluster.pod(namespace)))
    assert status == 404
    identifier, code, rest = body.split(": ", 2)
    assert identifier.startswith("[") and len(identifier) == 38
    assert code == "(ResourceNotFoundException)"
    assert rest.startswith("No association found") and rest.endswith(", fault: client\n")


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/credentials/", "/v2/credentials"])
def test_other_paths(cluster: TestCluster, path: str) -> None:
    assert ask(urllib.parse.urljoin(cluster.full_uri, path))[:2] == (404, "404 page not found\n")


@pytest.mark.parametrize("host", ["localhost:1", "169.254.170.23", "rebound.example.com"])
def test_other_names(cluster: TestCluster, pod: dict[str, Any], host: str) -> None:
    status, body, _ = ask(cluster.full_uri, cluster.token(pod), Host=host)
    assert (status, body.startswith("Access Denied. Called agent through invalid address")) == (403, True)
    assert body.endswith(f"not {host}\n")


def test_without_the_add_on_nobody_listens(cluster: TestCluster, pod: dict[str, Any]) -> None:
    token = cluster.token(pod)
    before = json.loads(ask(cluster.full_uri, token)[1])["AccessKeyId"]
    port = urllib.parse.urlsplit(cluster.full_uri).port
    assert port is not None
    cluster.stop_agent()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    # Pods are changed all the same, as on EKS.
    assert cluster.injects(pod["metadata"]["namespace"])
    cluster.run_agent()
    eventually(cluster.agent_answers)
    after = json.loads(ask(cluster.full_uri, token)[1])["AccessKeyId"]
    assert after != before


def test_it_acts_as_its_node(cluster: TestCluster, pod: dict[str, Any]) -> None:
    """Without eks-auth:AssumeRoleForPodIdentity in the nodes' role nobody gets anything."""
    node_role = {"RoleName": cluster.twin.node_role, "PolicyArn": NODE_POLICY}
    cluster.iam.detach_role_policy(**node_role)
    try:
        status, body, _ = ask(cluster.full_uri, cluster.token(pod))
    finally:
        cluster.iam.attach_role_policy(**node_role)
    assert status in (400, 403)
    assert "AccessDenied" in body and "eks-auth:AssumeRoleForPodIdentity" in body and "/i-" in body, body
    assert ask(cluster.full_uri, cluster.token(pod))[0] == 200


def test_a_cluster_without_nodes_has_no_agent(other_cluster: TestCluster) -> None:
    assert not other_cluster.agent_answers()


def test_auto_mode_has_it_built_in(other_cluster: TestCluster, twin: Twin) -> None:
    world = twin.world
    world.eks.update_cluster_config(
        name=other_cluster.name,
        computeConfig={"enabled": True, "nodePools": ["general-purpose"], "nodeRoleArn": world.node_role},
        kubernetesNetworkConfig={"elasticLoadBalancing": {"enabled": True}},
        storageConfig={"blockStorage": {"enabled": True}},
    )
    pod = other_cluster.associated_pod(other_cluster.role(IDENTITY))
    eventually(other_cluster.agent_answers)
    status, body, _ = ask(other_cluster.full_uri, other_cluster.token(pod))
    assert (status, json.loads(body)["AccountId"]) == (200, ACCOUNT)


# --- without one ---


class Source:
    """Stands for EKS Auth: gives credentials, or raises what it is told."""

    def __init__(self, life: float = 3_600) -> None:
        self.life = life
        self.calls: list[str] = []
        self.error: FetchError | None = None
        self.gate = threading.Event()
        self.gate.set()

    def fetch(self, token: str) -> Credentials:
        self.calls.append(token)
        assert self.gate.wait(5)
        if self.error is not None:
            raise self.error
        expiration = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.life)
        return Credentials(f"key-{len(self.calls)}", "secret", "token", ACCOUNT, expiration)

    def close(self) -> None:
        """Nothing is open."""


Maker = Callable[..., CredentialCache]


@pytest.fixture
def make() -> Iterator[Maker]:
    """Make caches that end with the test; renewals are not slowed down unless asked for."""
    made: list[CredentialCache] = []

    def maker(source: Source, **rules: Any) -> CredentialCache:
        cache = CredentialCache(source.fetch, CacheRules(**{"renewals_per_second": 1_000, **rules}))
        cache.start()
        made.append(cache)
        return cache

    yield maker
    for cache in made:
        cache.stop()


def test_a_renewal_happens_without_being_asked_for(make: Maker) -> None:
    source = Source()
    cache = make(source, renew_after=0.1)
    assert cache.get("a").access_key_id == "key-1"
    eventually(lambda: len(source.calls) >= 3)
    assert cache.get("a").access_key_id != "key-1"


def test_a_passing_failure_keeps_the_old_credentials(make: Maker) -> None:
    source = Source()
    cache = make(source, renew_after=0.1, retry_after=0.1)
    old = cache.get("a")
    source.error = FetchError(503, "busy")
    eventually(lambda: len(source.calls) >= 3)
    assert cache.get("a").access_key_id.startswith("key-")
    assert cache.get("a").expiration >= old.expiration
    source.error = None
    calls = len(source.calls)
    eventually(lambda: cache.get("a").access_key_id == f"key-{len(source.calls)}" and len(source.calls) > calls)


def test_a_final_failure_removes_them(make: Maker) -> None:
    source = Source()
    cache = make(source, renew_after=0.1)
    cache.get("a")
    source.error = FetchError(404, "no association", irrecoverable=True)
    eventually(lambda: len(source.calls) >= 2)
    calls = len(source.calls)
    time.sleep(0.3)
    assert len(source.calls) == calls
    with pytest.raises(FetchError):
        cache.get("a")


def test_credentials_that_end_soon_are_not_handed_out(make: Maker) -> None:
    source = Source(life=10)
    cache = make(source)
    with pytest.raises(FetchError, match="will expire"):
        cache.get("a")
    source.life = 3_600
    assert cache.get("a").access_key_id == "key-2"


def test_cached_ones_that_end_soon_are_fetched_anew(make: Maker) -> None:
    source = Source(life=15.4)
    cache = make(source)
    cache.get("a")
    source.life = 3_600
    time.sleep(0.5)
    assert cache.get("a").access_key_id == "key-2"


def test_many_at_once_are_one_call(make: Maker) -> None:
    source = Source()
    source.gate.clear()
    cache = make(source)
    found: list[Credentials] = []
    threads = [threading.Thread(target=lambda: found.append(cache.get("a"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    eventually(lambda: source.calls)
    source.gate.set()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found)), source.calls) == (20, 1, ["a"])


def test_failures_are_not_kept(make: Maker) -> None:
    source = Source()
    source.error = FetchError(429, "slow down")
    cache = make(source)
    with pytest.raises(FetchError):
        cache.get("a")
    source.error = None
    assert cache.get("a").access_key_id == "key-2"


def test_the_least_recently_used_goes_first(make: Maker) -> None:
    source = Source()
    cache = make(source, size=2)
    for token in ("a", "b", "a", "c"):
        cache.get(token)
    source.calls.clear()
    for token in ("a", "c", "b"):
        cache.get(token)
    assert source.calls == ["b"]


def test_renewals_are_slowed_down(make: Maker) -> None:
    source = Source()
    cache = make(source, renew_after=0.05, renewals_per_second=5)
    for number in range(10):
        cache.get(str(number))
    source.calls.clear()
    time.sleep(1)
    assert 1 <= len(source.calls) <= 7


def test_too_many_requests() -> None:
    """The agent's bucket is checked before anything else of a request."""
    agent = Agent(Source, limit=lambda: RateLimit(0.001, 3))  # type: ignore[arg-type]
    agent.start()
    try:
        found = [ask(agent.full_uri)[:2] for _ in range(5)]
    finally:
        agent.close()
    assert [status for status, _ in found] == [400, 400, 400, 429, 429]
    assert found[-1][1] == "Too Many Requests\n"


def test_the_bucket_fills_again() -> None:
    now = [0.0]
    limit = RateLimit(10, 5, lambda: now[0])
    assert [limit.allows() for _ in range(6)] == [True] * 5 + [False]
    now[0] += 0.2
    assert [limit.allows() for _ in range(3)] == [True, True, False]
    now[0] += 100
    assert [limit.allows() for _ in range(6)] == [True] * 5 + [False]


def test_the_port_stays_its_own() -> None:
    agent = Agent(Source)  # type: ignore[arg-type]
    try:
        assert agent.full_uri == f"http://127.0.0.1:{agent.port}{PATH}"
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", agent.port))
            with socket.socket() as thief, pytest.raises(OSError, match="in use"):
                thief.bind(("127.0.0.1", agent.port))
            agent.start()
            agent.start()
            assert ask(agent.full_uri)[0] == 400
            agent.stop()
    finally:
        agent.close()


def test_a_lost_eks_auth_is_no_answer() -> None:
    class Lost(Source):
        def fetch(self, token: str) -> Credentials:
            raise FetchError(500, "unable to fetch credentials from EKS Auth: refused")

    agent = Agent(Lost)  # type: ignore[arg-type]
    agent.start()
    try:
        token = jwt.encode({"alg": "HS256"}, {}, OctKey.generate_key(256))
        status, body, headers = ask(agent.full_uri, token)
    finally:
        agent.close()
    assert (status, body) == (500, "unable to fetch credentials from EKS Auth: refused\n")
    assert isinstance(headers, Message)
