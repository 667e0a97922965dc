"""Parts that can be tested by themselves: variables, token files, the judge's keys, the work queue, the parameter, delays."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from local.aws.protocol import ServiceError
from local.kubernetes import control_plane
from local.kubernetes.kubelet.commands import Setting
from local.kubernetes.kubelet.containers import IMAGES, is_run
from local.kubernetes.kubelet.environment import Unresolvable, container_environment, decoded_data, quantity
from local.kubernetes.kubelet.logs import Log, Query
from local.kubernetes.kubelet.sandbox import PodIsGone, Sandboxes
from local.kubernetes.pod_identity.admission import Admission, policy_objects
from local.kubernetes.pod_identity.api_server import ApiError, ApiUnavailable
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


class Around:
    """A ConfigMap, a Secret, and a node."""

    def data(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        return {("configMap", "settings"): {"mode": b"fast"}, ("secret", "keys"): {"key": b"hidden"}}.get((kind, name))

    def allocatable(self) -> Mapping[str, str]:
        return {"cpu": "1930m", "memory": "3Gi"}


def variables(**container: Any) -> dict[str, str]:
    found = container_environment(POD, container, Around())
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


def test_data_is_decoded() -> None:
    encoded = base64.b64encode(b"v\xc3\xa9").decode()
    assert decoded_data("secret", {"data": {"k": encoded}}) == {"k": b"v\xc3\xa9"}
    assert decoded_data("configMap", {"data": {"a": "é"}, "binaryData": {"k": encoded}}) == {
        "a": b"\xc3\xa9",
        "k": b"v\xc3\xa9",
    }
    assert decoded_data("secret", {}) == decoded_data("configMap", {}) == {}


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"resource": "limits.cpu"}, "1"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "250"),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "3072"),  # what its node has
        ({"resource": "requests.memory", "divisor": "0"}, "64000000"),
        ({"resource": "requests.cpu"}, "0"),
    ],
)
def test_resources(reference: dict[str, str], value: str) -> None:
    resources = {"limits": {"cpu": "250m"}, "requests": {"memory": "64M"}}
    env = [{"name": "V", "valueFrom": {"resourceFieldRef": reference}}]
    assert variables(env=env, resources=resources) == {"V": value}


@pytest.mark.parametrize(
    ("text", "number"), [("3", 3), ("0.5", 0.5), ("1500m", 1.5), ("2k", 2_000), ("1Ki", 1_024), ("12e3", 12_000), ("1E", 10**18)]
)  # fmt: skip
def test_quantities(text: str, number: float) -> None:
    assert quantity(text) == number


def test_a_path_in_a_volume_is_the_files(tmp_path: Path) -> None:
    setting = Setting({}, tmp_path, {"/data": Path("/real/a"), "/data/deep": Path("/real/b"), "/x/": Path("/real/c")})
    for word, real in {
        "/data": "/real/a",
        "/data/f": "/real/a/f",
        "/data/deep/f": "/real/b/f",
        "/x/f": "/real/c/f",
        "/database": "/database",
        "a /data": "a /data",
    }.items():
        assert setting.real(word) == real


# --- containers that run, and their logs ---


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("amazon/aws-cli", True),
        ("amazon/aws-cli:2.31.13", True),
        ("public.ecr.aws/aws-cli/aws-cli:latest", True),
        ("registry.example:5000/tools/aws-cli", True),
        (f"amazon/aws-cli:2.31.13@sha256:{'0' * 64}", True),
        ("public.ecr.aws/aws-cli/other:1", False),
        ("amazon/aws-cli-tools", False),
        ("nginx:aws-cli", False),
    ],
)
def test_images_that_run(image: str, expected: bool) -> None:
    assert is_run({"image": image}) == expected


def test_kwok_leaves_the_same_images_alone() -> None:
    stages = Path(control_plane.__file__).with_name("stages.yaml").read_text()
    assert stages.count(f'test("{IMAGES}")') == stages.count("test(") == 4


async def read(log: Log, query: Query) -> bytes:
    return b"".join([part async for part in log.read(query)])


def test_a_log(tmp_path: Path) -> None:
    async def write_and_read() -> None:
        log, reader = Log(tmp_path / "log"), asyncio.StreamReader()
        following = asyncio.ensure_future(read(log, Query(follow=True, tail=0)))
        reader.feed_data(b"old\n" * 3)
        await asyncio.sleep(0)
        long = b"x" * 40_000
        reader.feed_data(b"pro\rgress\n" + long + b"\nend")
        reader.feed_eof()
        await log.copy(reader)
        log.close()
        whole = b"old\n" * 3 + b"pro\rgress\n" + long + b"\nend"
        assert await read(log, Query()) == await following == whole
        assert await read(log, Query(tail=0)) == b""

    asyncio.run(write_and_read())


def test_a_log_begins_anew_when_it_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Log, "_LONGEST", 200)

    async def write_and_read() -> None:
        log, reader = Log(tmp_path / "log"), asyncio.StreamReader()
        following = asyncio.ensure_future(read(log, Query(follow=True)))
        copying = asyncio.ensure_future(log.copy(reader))
        for number in range(50):
            reader.feed_data(b"line %d\n" % number)
            await asyncio.sleep(0.001)  # for the follower to keep up
        reader.feed_eof()
        await copying
        log.close()
        assert (await following).splitlines() == [b"line %d" % number for number in range(50)]
        assert (tmp_path / "log").stat().st_size <= 200
        assert (await read(log, Query(tail=1))) == b"line 49\n"

    asyncio.run(write_and_read())


# --- token files ---


class FakeApi:
    """Has one pod, and signs tokens for it that last as long as a test wants."""

    def __init__(self, life: float) -> None:
        self.life = life
        self.pod: dict[str, Any] | None = INJECTED
        self.asked: list[dict[str, Any]] = []
        self.failures = 0

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == "/api/v1/namespaces/shop/serviceaccounts/app/token"
        if self.failures:
            self.failures -= 1
            raise ApiUnavailable("away")
        self.asked.append(body["spec"])
        expires = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.life)
        return {"status": {"token": f"token-{len(self.asked)}", "expirationTimestamp": expires.isoformat()}}

    def find(self, path: str) -> dict[str, Any] | None:
        assert path == "/api/v1/namespaces/shop/pods/web"
        return self.pod


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
APP, SKIPPED = INJECTED["spec"]["containers"]


class Kept:
    """Sandboxes with a pod whose tokens last half a second, and whose commands have been run once."""

    def __init__(self, folder: Path, life: float = 0.5) -> None:
        self.api = FakeApi(life)
        self.gone: list[str] = []
        self.sandboxes = Sandboxes(self.api, folder, "http://127.0.0.1:1", self.gone.append)  # type: ignore[arg-type]
        self.sandboxes.start()
        self.setting = self.sandboxes.setting(INJECTED, APP)
        self.folder = folder / "u-1"
        self.file = self.folder / "volumes/eks-pod-identity-token/eks-pod-identity-token"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    found = Kept(tmp_path / "pods")
    yield found
    found.sandboxes.stop()


def test_a_token_is_asked_for_as_the_volume_says(kept: Kept) -> None:
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "u-1"}
    assert kept.api.asked[0] == {"audiences": [AUDIENCE], "expirationSeconds": 86_400, "boundObjectRef": bound}
    assert kept.setting.variables[VARIABLE["name"]] == str(kept.file)
    assert kept.file.read_text().startswith("token-")
    # The container without the mount has no such file, here as there.
    assert kept.sandboxes.setting(INJECTED, SKIPPED).variables[VARIABLE["name"]] == FILE


def test_tokens_are_renewed_at_four_fifths_of_their_life(kept: Kept) -> None:
    begun = time.monotonic()
    first = len(kept.api.asked)
    eventually(lambda: len(kept.api.asked) >= first + 5)
    # Five renewals of a token of half a second: 0.4 seconds each.
    assert 1.6 < time.monotonic() - begun < 5
    eventually(lambda: kept.file.read_text() == f"token-{len(kept.api.asked)}")
    assert list(kept.file.parent.iterdir()) == [kept.file]


def test_a_renewal_that_fails_is_tried_again(kept: Kept) -> None:
    before = kept.file.read_text()
    kept.api.failures = 1
    eventually(lambda: kept.api.failures == 0)
    assert kept.file.read_text() in (before, f"token-{len(kept.api.asked)}")
    eventually(lambda: kept.file.read_text() != before)


def test_a_command_gets_a_token_or_an_error(tmp_path: Path) -> None:
    found = Kept(tmp_path / "pods", life=-1)  # always due
    found.api.failures = 1_000_000
    with pytest.raises(ApiUnavailable):
        found.sandboxes.setting(INJECTED, APP)
    found.api.failures = 0
    assert found.sandboxes.setting(INJECTED, APP).variables[VARIABLE["name"]] == str(found.file)
    found.sandboxes.stop()


ENDS: dict[str, dict[str, Any] | None] = {
    "deleted": None,
    "finished": {**INJECTED, "status": {"phase": "Succeeded"}},
    "replaced": {**INJECTED, "metadata": {**INJECTED["metadata"], "uid": "u-2"}},
}


@pytest.mark.parametrize("end", ENDS)
def test_files_go_with_the_pod(kept: Kept, end: str) -> None:
    kept.api.pod = ENDS[end]
    kept.sandboxes.pod_changed(KEY, kept.api.pod)
    eventually(lambda: not kept.folder.exists())
    assert kept.gone == ["u-1"]
    count = len(kept.api.asked)
    time.sleep(0.6)
    assert len(kept.api.asked) == count


def test_a_command_that_comes_with_the_pods_end_leaves_nothing(kept: Kept) -> None:
    """It was asked for while the pod was there, and no change will be heard of that comes after it."""
    kept.api.pod = None
    eventually(lambda: not kept.folder.exists())  # by the renewal
    kept.sandboxes.setting(INJECTED, APP)
    eventually(lambda: not kept.folder.exists())
    assert kept.gone == ["u-1", "u-1"]


def test_a_pod_of_the_same_name_is_another(kept: Kept) -> None:
    replaced = kept.api.pod = ENDS["replaced"]
    assert replaced is not None
    fresh = kept.sandboxes.setting(replaced, APP)
    assert (kept.gone, kept.folder.exists()) == (["u-1"], False)
    assert fresh.folder.parent.name == "u-2"


def test_a_stop_removes_everything(kept: Kept, tmp_path: Path) -> None:
    kept.sandboxes.stop()
    assert not (tmp_path / "pods").exists()
    with pytest.raises(PodIsGone):
        kept.sandboxes.setting(INJECTED, APP)


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
    (parameter,) = admission.parameters()
    assert parameter["data"] == {
        "REGION": "eu-west-1",
        "FULL_URI": "http://127.0.0.1:1/v1/credentials",
        "shop": "api,web",
        "default": "a.b",
        "TOKEN_EXPIRATION": "shop/web=3600",
        "NO_REGIONAL_STS": "shop/web",
    }
    admission.service_account_changed(("shop", "web"), None)
    assert "TOKEN_EXPIRATION" not in admission.parameters()[0]["data"]


def test_many_associations_with_long_names_take_more_than_one_parameter() -> None:
    admission = Admission(None, "eu-west-1", "http://127.0.0.1:1/v1/credentials")  # type: ignore[arg-type]
    subjects = [("n" * 63, f"{number:0253}") for number in range(5_000)]
    admission.set_associations({subject: {} for subject in subjects})
    wishes = {"metadata": {"annotations": {"eks.amazonaws.com/token-expiration": "3600"}}}
    for subject in subjects[:1_000]:
        admission.service_account_changed(subject, wishes)
    parameters = admission.parameters()
    assert len({item["metadata"]["name"] for item in parameters}) == 4
    assert all(len(json.dumps(item)) < 1 << 20 for item in parameters)
    found = [name for item in parameters for name in item["data"]["n" * 63].split(",")]
    assert sorted(found) == [name for _, name in subjects]
    assert sum(item["data"]["TOKEN_EXPIRATION"].count("=3600") for item in parameters) == 1_000


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

        def delete(self, _path: str) -> None:
            pass

    api = Starting()
    admission = Admission(api, "eu-west-1", "http://127.0.0.1:1")  # type: ignore[arg-type]
    admission.set_associations({})
    admission.start()
    # The policy and its binding have one name; the first two times failed.
    eventually(lambda: api.applied.count("pod-identity.eks.amazonaws.com") >= 2)
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
