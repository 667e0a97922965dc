"""Parts that can be tested by themselves: variables, token files, the judge's keys, the work queue, the parameter, delays."""

from __future__ import annotations

import base64
import datetime as dt
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from local.aws.protocol import ServiceError
from local.kubernetes.pod_identity.admission import Admission, policy_objects
from local.kubernetes.pod_identity.api_server import ApiError, ApiUnavailable
from local.kubernetes.pod_identity.commands import Commands
from local.kubernetes.pod_identity.environment import Unresolvable, container_environment, decoded_secret
from local.kubernetes.pod_identity.propagation import Associations, EffectiveAssociations
from local.kubernetes.pod_identity.tokens import TokenJudge
from local.kubernetes.pod_identity.workqueue import WorkQueue
from tests.twin.pod_identity.support import AUDIENCE, eventually

# --- variables ---

POD: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "u-1", "annotations": {"team": "a"}},
    "spec": {"nodeName": "node", "serviceAccountName": "app", "containers": []},
    "status": {"podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}, {"ip": "fd00::7"}], "hostIP": "10.0.0.1"},
}


def lookup(kind: str, name: str) -> Mapping[str, str] | None:
    return {("configMap", "settings"): {"mode": "fast"}, ("secret", "keys"): {"key": "hidden"}}.get((kind, name))


def variables(**container: Any) -> dict[str, str]:
    found = container_environment(POD, container, lookup)
    assert found.pop("HOSTNAME") == "web"
    return found


def field(path: str) -> dict[str, Any]:
    return {"name": "V", "valueFrom": {"fieldRef": {"fieldPath": path}}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.uid", "u-1"),
        ("metadata.annotations['team']", "a"),
        ("metadata.labels['none']", ""),
        ("spec.nodeName", "node"),
        ("status.podIP", "10.0.0.7"),
        ("status.podIPs", "10.0.0.7,fd00::7"),
        ("status.hostIP", "10.0.0.1"),
        ("status.hostIPs", ""),
    ],
)
def test_fields(path: str, value: str) -> None:
    assert variables(env=[field(path)]) == {"V": value}


@pytest.mark.parametrize(
    ("value", "expanded"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(LATER)", "$(LATER)"),
        ("$A ${A}", "$A ${A}"),
        ("$(A", "$(A"),
    ],
)
def test_expansion(value: str, expanded: str) -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": value}, {"name": "LATER", "value": "x"}]
    assert variables(env=env)["B"] == expanded


@pytest.mark.parametrize(
    "container",
    [
        {"envFrom": [{"configMapRef": {"name": "none"}}]},
        {"envFrom": [{"secretRef": {"name": "none"}}]},
        {"env": [{"name": "V", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k"}}}]},
        {"env": [{"name": "V", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "none"}}}]},
    ],
)
def test_what_is_missing(container: dict[str, Any]) -> None:
    with pytest.raises(Unresolvable):
        variables(**container)
    for source in container.get("envFrom", []) or [container["env"][0]["valueFrom"]]:
        next(iter(source.values()))["optional"] = True
    assert variables(**container) == {}


def test_env_wins_over_env_from() -> None:
    found = variables(envFrom=[{"configMapRef": {"name": "settings"}}], env=[{"name": "mode", "value": "slow"}])
    assert found == {"mode": "slow"}


def test_secrets_are_decoded() -> None:
    assert decoded_secret({"data": {"k": base64.b64encode(b"v\xc3\xa9").decode()}}) == {"k": "vé"}
    assert decoded_secret({}) == {}


# --- token files ---


class FakeApi:
    """Signs tokens that last as long as a test wants, and takes kwok's objects."""

    def __init__(self, life: float) -> None:
        self.life = life
        self.asked: list[dict[str, Any]] = []
        self.applied: dict[str, dict[str, Any]] = {}
        self.deleted: list[str] = []
        self.failures = 0

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == "/api/v1/namespaces/shop/serviceaccounts/app/token"
        if self.failures:
            self.failures -= 1
            raise ApiUnavailable("away")
        self.asked.append(body["spec"])
        expires = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.life)
        return {"status": {"token": f"token-{len(self.asked)}", "expirationTimestamp": expires.isoformat()}}

    def apply(self, path: str, body: dict[str, Any]) -> None:
        self.applied[path] = body

    def delete(self, path: str) -> None:
        self.deleted.append(path)

    def find(self, path: str) -> None:
        return None


FILE = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"
VARIABLE = {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": FILE}
TOKEN = {"audience": AUDIENCE, "expirationSeconds": 86_400, "path": "eks-pod-identity-token"}
INJECTED: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "u-1"},
    "spec": {
        "serviceAccountName": "app",
        "containers": [
            {
                "name": "app",
                "env": [VARIABLE],
                "volumeMounts": [{"name": "eks-pod-identity-token", "mountPath": FILE.rpartition("/")[0]}],
            },
            {"name": "skipped", "env": [VARIABLE]},
        ],
        "volumes": [{"name": "eks-pod-identity-token", "projected": {"sources": [{"serviceAccountToken": TOKEN}]}}],
    },
}
KEY = ("shop", "web")
EXEC = "/apis/kwok.x-k8s.io/v1alpha1/namespaces/shop/execs/web"


@pytest.fixture
def pods() -> dict[tuple[str, str], dict[str, Any]]:
    return {KEY: INJECTED}


def commands(api: FakeApi, pods: Mapping[Any, Any], folder: Path) -> Iterator[Commands]:
    found = Commands(api, pods.get, folder, "http://127.0.0.1:1")  # type: ignore[arg-type]
    found.start()
    yield found
    found.stop()


@pytest.fixture
def short(pods: dict[Any, Any], tmp_path: Path) -> Iterator[tuple[FakeApi, Commands, Path]]:
    """Commands whose tokens last half a second."""
    api = FakeApi(0.5)
    for found in commands(api, pods, tmp_path / "pods"):
        found.pod_changed(KEY, INJECTED)
        file = tmp_path / "pods/u-1/.tokens/eks-pod-identity-token/eks-pod-identity-token"
        eventually(lambda: EXEC in api.applied)
        yield api, found, file


def test_a_token_is_asked_for_as_the_volume_says(short: tuple[FakeApi, Commands, Path]) -> None:
    api, _, file = short
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "u-1"}
    assert api.asked[0] == {"audiences": [AUDIENCE], "expirationSeconds": 86_400, "boundObjectRef": bound}
    execs = {item["containers"][0]: item["local"]["envs"] for item in api.applied[EXEC]["spec"]["execs"]}
    token_files = {
        name: next(item["value"] for item in envs if item["name"] == VARIABLE["name"]) for name, envs in execs.items()
    }
    # The container without the mount has no such file, here as there.
    assert token_files == {"app": str(file), "skipped": FILE}


def test_tokens_are_renewed_at_four_fifths_of_their_life(short: tuple[FakeApi, Commands, Path]) -> None:
    api, _, file = short
    begun = time.monotonic()
    first = len(api.asked)
    eventually(lambda: len(api.asked) >= first + 5)
    # Five renewals of a token of half a second: 0.4 seconds each.
    assert 1.6 < time.monotonic() - begun < 5
    assert file.read_text().startswith("token-")
    eventually(lambda: file.read_text() == f"token-{len(api.asked)}")
    assert list(file.parent.iterdir()) == [file]


def test_a_renewal_that_fails_is_tried_again(short: tuple[FakeApi, Commands, Path]) -> None:
    api, _, file = short
    before = file.read_text()
    api.failures = 1
    eventually(lambda: api.failures == 0)
    assert file.read_text() in (before, f"token-{len(api.asked)}")
    eventually(lambda: file.read_text() != before)


@pytest.mark.parametrize("end", ["deleted", "finished"])
def test_files_go_with_the_pod(
    short: tuple[FakeApi, Commands, Path], pods: dict[tuple[str, str], dict[str, Any]], end: str
) -> None:
    api, found, file = short
    if end == "deleted":
        del pods[KEY]
    else:
        pods[KEY] = {**INJECTED, "status": {"phase": "Succeeded"}}
    found.pod_changed(KEY, None)
    eventually(lambda: not file.parents[2].exists())
    eventually(lambda: EXEC in api.deleted)
    count = len(api.asked)
    time.sleep(0.6)
    assert len(api.asked) == count


def test_a_stop_removes_everything(pods: dict[tuple[str, str], dict[str, Any]], tmp_path: Path) -> None:
    api = FakeApi(600)
    for found in commands(api, pods, tmp_path / "pods"):
        found.pod_changed(KEY, INJECTED)
        eventually(lambda: EXEC in api.applied)
    assert not (tmp_path / "pods").exists()


# --- the judge's keys ---


class KeyServer:
    """Serves one key set, and counts how often."""

    def __init__(self, *keys: RSAKey) -> None:
        self.keys = list(keys)
        self.reads = 0
        self.away = False

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/openid/v1/jwks"
        self.reads += 1
        if self.away:
            raise ApiUnavailable("away")
        return dict(KeySet([*self.keys]).as_dict(private=False))

    def find(self, _path: str) -> None:
        return None


def judged(judge: TokenJudge, key: RSAKey) -> ServiceError:
    token = jwt.encode({"alg": "RS256", "kid": key.kid}, {"iss": "other"}, key)
    with pytest.raises(ServiceError) as caught:
        judge.pod_of(token)
    return caught.value


def test_keys_are_read_once_and_anew_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, unknown = (RSAKey.generate_key(2048, {"kid": kid}) for kid in ("old", "new", "unknown"))
    server = KeyServer(old)
    judge = TokenJudge(server, "me")  # type: ignore[arg-type]
    for _ in range(3):
        assert "issuer" in judged(judge, old).message
    assert server.reads == 1
    # Unknown names do not make it ask again and again.
    for _ in range(3):
        assert "not signed with a key of the cluster" in judged(judge, unknown).message
    assert server.reads == 1
    server.keys.append(new)
    monkeypatch.setattr(TokenJudge, "_KEYS_SECONDS", 0.0)
    assert "issuer" in judged(judge, new).message


def test_a_lost_api_server_is_not_the_tokens_fault() -> None:
    key = RSAKey.generate_key(2048, {"kid": "k"})
    server = KeyServer(key)
    server.away = True
    assert judged(TokenJudge(server, "me"), key).code == "ServiceUnavailableException"  # type: ignore[arg-type]


# --- the work queue ---


def test_a_key_is_handed_out_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(100):
        queue.add("a")
    queue.add("b", 0.05)
    assert [queue.get(), queue.get()] == ["a", "b"]
    queue.close()
    assert queue.get() is None


def test_the_earlier_time_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", 60)
    queue.add("a", 0.05)
    queue.add("a", 60)
    begun = time.monotonic()
    assert queue.get() == "a"
    assert 0.05 <= time.monotonic() - begun < 2


def test_a_closed_queue_lets_its_worker_go() -> None:
    queue: WorkQueue[str] = WorkQueue()
    worker = threading.Thread(target=queue.get)
    worker.start()
    queue.close()
    worker.join(2)
    assert not worker.is_alive()


# --- the policy's parameter ---


def test_the_parameter() -> None:
    admission = Admission(None, "eu-west-1", "http://127.0.0.1:1/v1/credentials")  # type: ignore[arg-type]
    admission.set_associations({("shop", "web"): {}, ("shop", "api"): {}, ("default", "a.b"): {}})
    annotations = {"eks.amazonaws.com/token-expiration": "3600", "eks.amazonaws.com/sts-regional-endpoints": "False"}
    admission.service_account_changed(("shop", "web"), {"metadata": {"annotations": annotations}})
    nonsense = {"eks.amazonaws.com/token-expiration": "1,shop/api=1", "eks.amazonaws.com/sts-regional-endpoints": "no"}
    admission.service_account_changed(("shop", "api"), {"metadata": {"annotations": nonsense}})
    assert admission.parameter()["data"] == {
        "REGION": "eu-west-1",
        "FULL_URI": "http://127.0.0.1:1/v1/credentials",
        "shop": "api,web",
        "default": "a.b",
        "TOKEN_EXPIRATION": "shop/web=3600",
        "NO_REGIONAL_STS": "shop/web",
    }
    admission.service_account_changed(("shop", "web"), None)
    assert "TOKEN_EXPIRATION" not in admission.parameter()["data"]


def test_the_policy_is_tried_until_it_is_there() -> None:
    class Starting:
        def __init__(self) -> None:
            self.applied: list[str] = []

        def apply(self, path: str, _body: dict[str, Any]) -> None:
            self.applied.append(path.rpartition("/")[2])
            if len(self.applied) == 1:
                raise ApiUnavailable("starting")
            if len(self.applied) == 2:
                raise ApiError(429, "TooManyRequests", "starting")

    api = Starting()
    admission = Admission(api, "eu-west-1", "http://127.0.0.1:1")  # type: ignore[arg-type]
    admission.set_associations({})
    admission.start()
    assert admission.installed.wait(10)
    eventually(lambda: "eks-pod-identity-associations" in api.applied)
    admission.stop()
    assert [item["kind"] for item in policy_objects()] == ["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"]


# --- propagation ---


def test_each_change_keeps_its_own_delay() -> None:
    seen: list[tuple[float, Associations]] = []
    effective = EffectiveAssociations(0.3, {}, lambda found: seen.append((time.monotonic(), found)))
    effective.start()
    begun = time.monotonic()
    effective.change({("ns", "a"): {"n": 1}})
    time.sleep(0.15)
    effective.change({})
    assert effective.get("ns", "a") is None
    eventually(lambda: len(seen) == 3)
    effective.stop()
    assert [found for _, found in seen] == [{}, {("ns", "a"): {"n": 1}}, {}]
    assert 0.3 <= seen[1][0] - begun < seen[2][0] - begun
    assert seen[2][0] - begun >= 0.45


def test_changes_that_are_due_together_are_one() -> None:
    told: list[Associations] = []
    ready, go = threading.Event(), threading.Event()

    def slow(found: Associations) -> None:
        told.append(found)
        ready.set()
        go.wait(5)

    effective = EffectiveAssociations(0.0, {}, slow)
    effective.start()
    ready.wait(5)
    for number in range(100):
        effective.change({("ns", str(number)): {}})
    go.set()
    eventually(lambda: effective.get("ns", "99") is not None)
    effective.stop()
    assert len(told) == 2


def test_what_was_there_before_is_effective_at_once() -> None:
    told: list[Associations] = []
    effective = EffectiveAssociations(60.0, {("ns", "a"): {"n": 1}}, told.append)
    assert effective.get("ns", "a") == {"n": 1}
    effective.start()
    eventually(lambda: told)
    effective.stop()
    assert told == [{("ns", "a"): {"n": 1}}]


def test_a_stop_does_not_wait_for_what_is_coming() -> None:
    effective = EffectiveAssociations(60.0, {}, lambda _: None)
    effective.start()
    effective.change({("ns", "a"): {}})
    begun = time.monotonic()
    effective.stop()
    assert time.monotonic() - begun < 1
    assert effective.get("ns", "a") is None
