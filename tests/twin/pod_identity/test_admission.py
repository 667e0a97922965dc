"""What happens to pods as they are admitted. The cases are those of EKS's webhook, and those that AWS documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from local.kubernetes.pod_identity.admission import LABELS, PARAMETER, Admission
from tests.twin.aws.support import REGION
from tests.twin.pod_identity.support import URI, TestCluster, eventually, simple_pod

CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
POLICIES = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"
FOLDER = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
VOLUME = "eks-pod-identity-token"
STS = {"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "regional"}
REGIONS = [{"name": "AWS_DEFAULT_REGION", "value": REGION}, {"name": "AWS_REGION", "value": REGION}]
# The agent's URL differs from cluster to cluster; it is put in when a case runs.
CREDENTIALS = [
    {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": URI},
    {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": f"{FOLDER}/{VOLUME}"},
]
ALL = [STS, *REGIONS, *CREDENTIALS]
MOUNT = {"name": VOLUME, "readOnly": True, "mountPath": FOLDER}
LABEL = {"eks.amazonaws.com/pod-identity": "enabled"}


def token_volume(seconds: int = 86_400) -> dict[str, Any]:
    """Return the volume that is injected."""
    source = {"audience": "pods.eks.amazonaws.com", "expirationSeconds": seconds, "path": VOLUME}
    return {"name": VOLUME, "projected": {"sources": [{"serviceAccountToken": source}], "defaultMode": 420}}


def container(name: str = "app", env: list[Any] | None = None, mounts: list[Any] | None = None) -> dict[str, Any]:
    """Return a container with what pod identity looks at."""
    found: dict[str, Any] = {"name": name}
    if env is not None:
        found["env"] = env
    if mounts is not None:
        found["volumeMounts"] = mounts
    return found


def variable(name: str, value: str = "mine") -> dict[str, str]:
    """Return a variable of a pod's own."""
    return {"name": name, "value": value}


@dataclass(frozen=True)
class Case:
    """A pod, and what becomes of it.

    Attributes:
        metadata: labels and annotations of the pod, and ``account`` annotations of its ServiceAccount.
        given: its containers; `init` those before them.
        admitted: its containers afterwards, and so on.
    """

    given: list[dict[str, Any]]
    admitted: list[dict[str, Any]]
    init: list[dict[str, Any]] = field(default_factory=list)
    admitted_init: list[dict[str, Any]] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    admitted_labels: dict[str, str] = field(default_factory=lambda: LABEL)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    admitted_volumes: list[dict[str, Any]] = field(default_factory=lambda: [token_volume()])
    spec: dict[str, Any] = field(default_factory=dict)
    account: dict[str, str] = field(default_factory=dict)


INJECTED = container(env=ALL, mounts=[MOUNT])
CONFIG = {"name": "config", "emptyDir": {}}
OWN_MOUNT = {"name": VOLUME, "mountPath": "/some/other/path", "readOnly": True}
CASES = {
    "a plain container gets everything": Case([container()], [INJECTED]),
    "all containers get it": Case(
        [container("a"), container("b")],
        [container("a", ALL, [MOUNT]), container("b", ALL, [MOUNT])],
    ),
    "init containers get it": Case(
        [container()],
        [INJECTED],
        init=[container("first")],
        admitted_init=[container("first", ALL, [MOUNT])],
    ),
    "native sidecars get it": Case(
        [container()],
        [INJECTED],
        init=[container("sidecar") | {"restartPolicy": "Always"}],
        admitted_init=[container("sidecar", ALL, [MOUNT])],
    ),
    "what a container has stays in front": Case(
        [container(env=[variable("MODE")], mounts=[{"name": "config", "mountPath": "/config"}])],
        [container(env=[variable("MODE"), *ALL], mounts=[{"name": "config", "mountPath": "/config"}, MOUNT])],
        volumes=[CONFIG],
        admitted_volumes=[token_volume(), CONFIG],
    ),
    "a skipped container stays as it is": Case(
        [container("sidecar"), container()],
        [container("sidecar"), INJECTED],
        annotations={"eks.amazonaws.com/skip-containers": "sidecar"},
    ),
    "several containers are skipped, also before the start": Case(
        [container("sidecar"), container()],
        [container("sidecar"), INJECTED],
        init=[container("first"), container("second")],
        admitted_init=[container("first"), container("second", ALL, [MOUNT])],
        annotations={"eks.amazonaws.com/skip-containers": "sidecar,first"},
    ),
    "names to skip are not trimmed": Case(
        [container("sidecar"), container()],
        [container("sidecar", ALL, [MOUNT]), INJECTED],
        annotations={"eks.amazonaws.com/skip-containers": "other, sidecar"},
    ),
    "names to skip may stand in quotes": Case(
        [container("sidecar"), container()],
        [container("sidecar"), INJECTED],
        annotations={"eks.amazonaws.com/skip-containers": '"other,one","sidecar"'},
    ),
    "only the first line of names to skip counts": Case(
        [container("sidecar"), container("second"), container()],
        [container("sidecar"), container("second", ALL, [MOUNT]), INJECTED],
        annotations={"eks.amazonaws.com/skip-containers": "\n\nsidecar\r\nsecond"},
    ),
    "what is no list of names skips nothing": Case(
        [container("sidecar"), container()],
        [container("sidecar", ALL, [MOUNT]), INJECTED],
        annotations={"eks.amazonaws.com/skip-containers": 'sidecar,ot"her'},
    ),
    "nor does a quote that is left open": Case(
        [container("sidecar"), container()],
        [container("sidecar", ALL, [MOUNT]), INJECTED],
        annotations={"eks.amazonaws.com/skip-containers": 'sidecar,"other'},
    ),
    "a region of its own stays the only one": Case(
        [container(env=[variable("AWS_REGION")])],
        [container(env=[variable("AWS_REGION"), STS, *CREDENTIALS], mounts=[MOUNT])],
    ),
    "a default region of its own counts as a region": Case(
        [container(env=[variable("AWS_DEFAULT_REGION")])],
        [container(env=[variable("AWS_DEFAULT_REGION"), STS, *CREDENTIALS], mounts=[MOUNT])],
    ),
    "an STS setting of its own stays": Case(
        [container(env=[variable("AWS_STS_REGIONAL_ENDPOINTS", "legacy")])],
        [
            container(
                env=[variable("AWS_STS_REGIONAL_ENDPOINTS", "legacy"), *REGIONS, *CREDENTIALS],
                mounts=[MOUNT],
            )
        ],
    ),
    "credentials of its own stay": Case(
        [container(env=[variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")])],
        [container(env=[variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"), STS, *REGIONS], mounts=[MOUNT])],
    ),
    "a token file of its own counts as credentials": Case(
        [container(env=[variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")])],
        [container(env=[variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), STS, *REGIONS], mounts=[MOUNT])],
    ),
    "a container that has all of it is not touched": Case(
        [
            container(
                env=[
                    variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
                    variable("AWS_REGION"),
                    variable("AWS_STS_REGIONAL_ENDPOINTS"),
                ]
            )
        ],
        [
            container(
                env=[
                    variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
                    variable("AWS_REGION"),
                    variable("AWS_STS_REGIONAL_ENDPOINTS"),
                ]
            )
        ],
    ),
    "a role written by hand is not looked at": Case(
        [container(env=[variable("AWS_ROLE_ARN")])],
        [container(env=[variable("AWS_ROLE_ARN"), *ALL], mounts=[MOUNT])],
    ),
    "a volume of the same name stays": Case(
        [container(mounts=[OWN_MOUNT])],
        [container(env=ALL, mounts=[OWN_MOUNT])],
        volumes=[{"name": VOLUME, "emptyDir": {}}],
        admitted_volumes=[{"name": VOLUME, "emptyDir": {}}],
    ),
    "labels are kept": Case(
        [container()], [INJECTED], labels={"app": "demo"}, admitted_labels={"app": "demo", **LABEL}
    ),
    "the pod says how long its token lasts": Case(
        [container()],
        [INJECTED],
        annotations={"eks.amazonaws.com/token-expiration": "3600"},
        admitted_volumes=[token_volume(3_600)],
    ),
    "a token lasts ten minutes at least": Case(
        [container()],
        [INJECTED],
        annotations={"eks.amazonaws.com/token-expiration": "60"},
        admitted_volumes=[token_volume(600)],
    ),
    "a token never lasts less, whatever is asked": Case(
        [container()],
        [INJECTED],
        annotations={"eks.amazonaws.com/token-expiration": "-3600"},
        admitted_volumes=[token_volume(600)],
    ),
    "nor if the service account asks": Case(
        [container()],
        [INJECTED],
        account={"token_expiration": "-1"},
        admitted_volumes=[token_volume(600)],
    ),
    "what is no number is no wish": Case(
        [container()], [INJECTED], annotations={"eks.amazonaws.com/token-expiration": "an hour"}
    ),
    "the service account says how long tokens last": Case(
        [container()],
        [INJECTED],
        account={"token_expiration": "10000"},
        admitted_volumes=[token_volume(10_000)],
    ),
    "the pod's wish wins over the service account's": Case(
        [container()],
        [INJECTED],
        annotations={"eks.amazonaws.com/token-expiration": "7200"},
        account={"token_expiration": "10000"},
        admitted_volumes=[token_volume(7_200)],
    ),
    "the service account can do without regional STS": Case(
        [container()],
        [container(env=[*REGIONS, *CREDENTIALS], mounts=[MOUNT])],
        account={"sts_regional_endpoints": "false"},
    ),
    "the association wins over the IRSA annotation": Case(
        [container()], [INJECTED], account={"role_arn": "arn:aws:iam::111122223333:role/irsa"}
    ),
    "Windows has another path": Case(
        [container()],
        [
            container(
                env=[
                    STS,
                    *REGIONS,
                    CREDENTIALS[0],
                    variable(CREDENTIALS[1]["name"], "C:" + f"{FOLDER}/{VOLUME}".replace("/", "\\")),
                ],
                mounts=[MOUNT],
            )
        ],
        spec={"nodeSelector": {"kubernetes.io/os": "windows"}},
    ),
    "a pod that opts out stays as it is": Case(
        [container()],
        [container()],
        labels={"eks.amazonaws.com/skip-pod-identity-webhook": "true"},
        admitted_labels={"eks.amazonaws.com/skip-pod-identity-webhook": "true"},
        admitted_volumes=[],
    ),
}


@pytest.fixture(scope="module")
def associated(cluster: TestCluster) -> str:
    """A namespace whose ServiceAccount ``app`` has an association."""
    namespace = cluster.namespace()
    cluster.service_account(namespace)
    cluster.associate(namespace)
    return namespace


def seen(pod: dict[str, Any], uri: str) -> dict[str, Any]:
    """Return of an admitted pod what pod identity can change."""

    def of(item: dict[str, Any]) -> dict[str, Any]:
        env = item.get("env")
        if env is not None:
            env = [{**one, "value": URI} if one.get("value") == uri else one for one in env]
        return container(item["name"], env, item.get("volumeMounts"))

    return {
        "labels": pod["metadata"].get("labels", {}),
        "volumes": pod["spec"].get("volumes", []),
        "containers": [of(item) for item in pod["spec"]["containers"]],
        "init": [of(item) for item in pod["spec"].get("initContainers", [])],
    }


def given(case: Case, service_account: str = "app") -> dict[str, Any]:
    """Return a case's pod as it is created."""
    return {
        "metadata": {"name": "case", "labels": case.labels, "annotations": case.annotations},
        "spec": {
            "serviceAccountName": service_account,
            "automountServiceAccountToken": False,
            "containers": [item | {"image": "app"} for item in case.given],
            **({"initContainers": [item | {"image": "app"} for item in case.init]} if case.init else {}),
            **({"volumes": case.volumes} if case.volumes else {}),
            **case.spec,
        },
    }


@pytest.mark.parametrize("name", CASES)
def test_golden(cluster: TestCluster, associated: str, name: str) -> None:
    case = CASES[name]
    namespace = associated
    if case.account:
        namespace = cluster.namespace()
        cluster.service_account(namespace, **case.account)
        cluster.associate(namespace)
    expected = {
        "labels": case.admitted_labels,
        "volumes": case.admitted_volumes,
        "containers": case.admitted,
        "init": case.admitted_init,
    }
    admitted: dict[str, Any] = {}

    def as_expected() -> bool:
        admitted.update(seen(cluster.create_pod(namespace, given(case), dry_run=True), cluster.full_uri))
        return admitted == expected

    if case.account:
        # What a ServiceAccount says is read by a watch, as the webhook reads it.
        eventually(lambda: as_expected() or not case.account.keys() - {"role_arn"}, seconds=5)
    as_expected()
    assert admitted == expected


def test_a_pod_that_is_created_has_it_too(cluster: TestCluster, associated: str) -> None:
    admitted = cluster.pod(associated)
    found = seen(
        cluster.api.get(f"/api/v1/namespaces/{associated}/pods/{admitted['metadata']['name']}"), cluster.full_uri
    )
    assert found["containers"] == [INJECTED]
    assert found["volumes"] == [token_volume()]


def test_the_token_of_the_api_server_stays_beside_it(cluster: TestCluster, associated: str) -> None:
    pod = simple_pod("app", "both")
    del pod["spec"]["automountServiceAccountToken"]
    admitted = cluster.create_pod(associated, pod, dry_run=True)["spec"]
    assert [volume["name"].partition("-")[0] for volume in admitted["volumes"]] == ["eks", "kube"]
    paths = [mount["mountPath"] for mount in admitted["containers"][0]["volumeMounts"]]
    assert paths == ["/var/run/secrets/kubernetes.io/serviceaccount", FOLDER]


def test_the_default_service_account(cluster: TestCluster) -> None:
    namespace = cluster.namespace()
    cluster.associate(namespace, "default")
    pod = simple_pod("default", "implicit")
    del pod["spec"]["serviceAccountName"]
    admitted = cluster.create_pod(namespace, pod, dry_run=True)
    assert seen(admitted, cluster.full_uri)["containers"] == [INJECTED]


@pytest.mark.parametrize("neighbour", ["other", "ap", "app2", "app.app"])
def test_other_service_accounts_are_left_alone(cluster: TestCluster, associated: str, neighbour: str) -> None:
    cluster.service_account(associated, neighbour)
    assert not cluster.injects(associated, neighbour)


def test_other_namespaces_are_left_alone(cluster: TestCluster, associated: str) -> None:
    namespace = cluster.namespace()
    cluster.service_account(namespace)
    assert not cluster.injects(namespace)
    assert cluster.injects(associated)


def test_long_names(cluster: TestCluster) -> None:
    namespace, account = "n" * 63, "s" * 253
    cluster.api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    cluster.service_account(namespace, account)
    cluster.associate(namespace, account)
    assert not cluster.injects(namespace, "default")


def test_a_deployment_template_is_changed_only_in_its_pods(cluster: TestCluster, associated: str) -> None:
    template = {"metadata": {"labels": {"app": "x"}}, "spec": simple_pod("app", "x")["spec"]}
    body = {"metadata": {"name": "x"}, "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template}}
    created = cluster.api.create(f"/apis/apps/v1/namespaces/{associated}/deployments", body, dryRun="All")
    assert "env" not in created["spec"]["template"]["spec"]["containers"][0]


def test_faults_of_the_policy_never_keep_a_pod_out(cluster: TestCluster) -> None:
    policy = cluster.api.get(f"{POLICIES}/pod-identity.eks.amazonaws.com")
    assert policy["spec"]["failurePolicy"] == "Ignore"
    binding = cluster.api.get(f"{POLICIES.replace('policies', 'policybindings')}/pod-identity.eks.amazonaws.com")
    assert binding["spec"]["paramRef"]["parameterNotFoundAction"] == "Allow"


def test_a_parameter_as_long_as_may_be(cluster: TestCluster, associated: str) -> None:
    """As many associations with the longest names as go into one; see test_parts for how they are spread."""
    path = f"{CONFIG_MAPS}/a-long-parameter"
    names = [f"{number:0253}" for number in range(Admission._LARGEST // 253)]
    namespace = cluster.namespace()
    cluster.service_account(namespace, names[-1])
    data = cluster.api.get(f"{CONFIG_MAPS}/{PARAMETER}")["data"]
    settings = {name: data[name] for name in ("REGION", "FULL_URI")}
    body = {
        "metadata": {"name": "a-long-parameter", "labels": LABELS},
        "data": {namespace: ",".join(names), **settings},
    }
    cluster.api.create(CONFIG_MAPS, body)
    eventually(lambda: cluster.injects(namespace, names[-1]))
    assert cluster.injects(associated)
    cluster.api.delete(path)
    eventually(lambda: not cluster.injects(namespace, names[-1]))


@pytest.mark.parametrize(
    "path",
    [
        f"{CONFIG_MAPS}/{PARAMETER}",
        f"{POLICIES}/pod-identity.eks.amazonaws.com",
        f"{POLICIES.replace('policies', 'policybindings')}/pod-identity.eks.amazonaws.com",
    ],
)
def test_what_is_deleted_comes_back(cluster: TestCluster, associated: str, path: str) -> None:
    before = cluster.api.get(path)["metadata"]["uid"]
    cluster.api.delete(path)
    eventually(lambda: (cluster.api.find(path) or {"metadata": {"uid": before}})["metadata"]["uid"] != before, 5)
    eventually(lambda: cluster.injects(associated), 5)
