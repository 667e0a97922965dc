"""Node groups as nodes, add-ons as objects."""

from __future__ import annotations

import json
import re
import time

import pytest

from local.kubernetes.pod_identity.api_server import ApiError
from tests.twin.aws.support import World, unique, wait
from tests.twin.kubernetes.support import Kubernetes, eventually

AGENT = "/apis/apps/v1/namespaces/kube-system/daemonsets/eks-pod-identity-agent"


def own_nodes(kubernetes: Kubernetes, group: str) -> list[dict]:
    return [node for node in kubernetes.nodes() if node["metadata"]["labels"]["eks.amazonaws.com/nodegroup"] == group]


def conditions(node: dict) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in node["status"]["conditions"]}


def test_nodes_look_like_ekss(kubernetes: Kubernetes) -> None:
    nodes = [node for node in kubernetes.nodes() if node["metadata"]["labels"].get("team") == "blue"]
    assert len(nodes) == 2
    assert len({node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes}) == 2, "spread over zones"
    for node in nodes:
        labels, zone = node["metadata"]["labels"], node["metadata"]["labels"]["topology.kubernetes.io/zone"]
        assert re.fullmatch(r"ip-10-0-\d+-\d+\.eu-west-1\.compute\.internal", node["metadata"]["name"])
        assert labels["kubernetes.io/hostname"] == node["metadata"]["name"]
        assert re.fullmatch(rf"aws:///{zone}/i-[0-9a-f]{{17}}", node["spec"]["providerID"])
        assert labels["node.kubernetes.io/instance-type"] == "t3.medium"
        assert labels["eks.amazonaws.com/capacityType"] == "ON_DEMAND"
        assert re.fullmatch(r"ami-[0-9a-f]{17}", labels["eks.amazonaws.com/nodegroup-image"])
        assert (labels["kubernetes.io/os"], labels["kubernetes.io/arch"]) == ("linux", "amd64")
        assert labels["topology.kubernetes.io/region"] == "eu-west-1"
        assert node["status"]["capacity"]["cpu"] == "2"
        assert node["status"]["capacity"]["pods"] == "17"
        assert conditions(node)["Ready"] == "True"
        assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.36.")
        address = next(entry["address"] for entry in node["status"]["addresses"] if entry["type"] == "InternalIP")
        assert node["metadata"]["name"].startswith("ip-" + address.replace(".", "-"))


def test_scaling_labels_and_taints_reach_the_nodes(kubernetes: Kubernetes, world: World) -> None:
    taint = {"key": "dedicated", "value": "batch", "effect": "NO_SCHEDULE"}
    group = world.nodegroup(
        kubernetes.name,
        scalingConfig={"minSize": 0, "maxSize": 3, "desiredSize": 1},
        labels={"tier": "one", "old": "yes"},
        taints=[taint],
        instanceTypes=["m6g.large"],
        amiType="AL2023_ARM_64_STANDARD",
    )
    (node,) = own_nodes(kubernetes, group)
    assert node["spec"]["taints"] == [{"key": "dedicated", "value": "batch", "effect": "NoSchedule"}]
    assert node["metadata"]["labels"]["kubernetes.io/arch"] == "arm64"

    def update(**change: object) -> None:
        world.eks.update_nodegroup_config(clusterName=kubernetes.name, nodegroupName=group, **change)
        wait(world.eks, "nodegroup_active", clusterName=kubernetes.name, nodegroupName=group)

    update(scalingConfig={"desiredSize": 3})
    assert [conditions(node)["Ready"] for node in own_nodes(kubernetes, group)] == ["True"] * 3
    update(
        labels={"addOrUpdateLabels": {"tier": "two"}, "removeLabels": ["old"]},
        taints={"removeTaints": [taint]},
    )
    for node in own_nodes(kubernetes, group):
        assert node["metadata"]["labels"]["tier"] == "two"
        assert "old" not in node["metadata"]["labels"]
        assert "taints" not in node["spec"]
    survivors = {node["metadata"]["name"] for node in own_nodes(kubernetes, group)}
    update(scalingConfig={"desiredSize": 1})
    (left,) = own_nodes(kubernetes, group)
    assert left["metadata"]["name"] in survivors
    world.eks.delete_nodegroup(clusterName=kubernetes.name, nodegroupName=group)
    wait(world.eks, "nodegroup_deleted", clusterName=kubernetes.name, nodegroupName=group)
    assert own_nodes(kubernetes, group) == []


def test_a_node_is_drained_before_it_goes(kubernetes: Kubernetes, world: World) -> None:
    group = world.nodegroup(kubernetes.name, scalingConfig={"minSize": 0, "maxSize": 1, "desiredSize": 1})
    (node,) = own_nodes(kubernetes, group)
    client, name = kubernetes.client(), unique("held")
    labels = {"app": name}
    pod = {
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "containers": [{"name": "main", "image": "busybox"}],
            "nodeSelector": {"kubernetes.io/hostname": node["metadata"]["name"]},
        },
    }
    pods, budgets = "/api/v1/namespaces/default/pods", "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    client.create(
        budgets, {"metadata": {"name": name}, "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}}}
    )
    client.create(pods, pod)
    eventually(lambda: client.get(f"{pods}/{name}")["status"], lambda status: status["phase"] == "Running")
    eventually(
        lambda: client.get(f"{budgets}/{name}"), lambda budget: budget.get("status", {}).get("currentHealthy") == 1
    )
    world.eks.update_nodegroup_config(
        clusterName=kubernetes.name, nodegroupName=group, scalingConfig={"desiredSize": 0}
    )
    eventually(lambda: own_nodes(kubernetes, group)[0]["spec"], lambda spec: spec.get("unschedulable") is True)
    time.sleep(0.5)  # nothing to wait for: that nothing happens is what is looked for
    assert client.get(f"{pods}/{name}")["status"]["phase"] == "Running", "the budget protects it"
    client.delete(f"{budgets}/{name}")
    wait(world.eks, "nodegroup_active", clusterName=kubernetes.name, nodegroupName=group)
    assert client.find(f"{pods}/{name}") is None
    assert own_nodes(kubernetes, group) == []
    world.eks.delete_nodegroup(clusterName=kubernetes.name, nodegroupName=group)
    wait(world.eks, "nodegroup_deleted", clusterName=kubernetes.name, nodegroupName=group)


def test_the_agent_is_active_when_its_pods_are_ready(kubernetes: Kubernetes, world: World) -> None:
    values = {"agent": {"additionalArgs": {"-b": "169.254.170.23"}}, "podLabels": {"team": "security"}}
    world.eks.create_addon(
        clusterName=kubernetes.name, addonName="eks-pod-identity-agent", configurationValues=json.dumps(values)
    )
    wait(world.eks, "addon_active", clusterName=kubernetes.name, addonName="eks-pod-identity-agent")
    client = kubernetes.client()
    daemonset = client.get(AGENT)
    assert (
        daemonset["status"]["numberReady"] == daemonset["status"]["desiredNumberScheduled"] == len(kubernetes.nodes())
    )
    assert daemonset["metadata"]["labels"]["app.kubernetes.io/name"] == "eks-pod-identity-agent"
    spec = daemonset["spec"]["template"]["spec"]
    assert (spec["hostNetwork"], spec["automountServiceAccountToken"]) == (True, False)
    assert spec["tolerations"] == [{"operator": "Exists"}]
    (server,) = spec["containers"]
    assert server["args"][-2:] == ["-b", "169.254.170.23"]
    probes = [server[f"{kind}Probe"] for kind in ("liveness", "readiness")]
    assert [(probe["initialDelaySeconds"], probe["failureThreshold"]) for probe in probes] == [(30, 3), (1, 30)]
    assert {(probe["httpGet"]["port"], probe["timeoutSeconds"]) for probe in probes} == {("probes-port", 10)}
    assert server["args"][server["args"].index("--cluster-name") + 1] == kubernetes.name
    assert daemonset["spec"]["template"]["metadata"]["labels"]["team"] == "security"
    (terms,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    excluded = next(rule for rule in terms["matchExpressions"] if rule["operator"] == "NotIn")
    assert set(excluded["values"]) == {"fargate", "hybrid", "auto"}

    client.delete(AGENT)
    restored = eventually(
        lambda: client.find(AGENT),
        lambda found: found is not None and found["metadata"]["uid"] != daemonset["metadata"]["uid"],
    )
    assert restored is not None

    update = world.eks.update_addon(
        clusterName=kubernetes.name, addonName="eks-pod-identity-agent", configurationValues="{}"
    )["update"]
    wait(world.eks, "addon_active", clusterName=kubernetes.name, addonName="eks-pod-identity-agent")
    assert (
        world.eks.describe_update(name=kubernetes.name, updateId=update["id"], addonName="eks-pod-identity-agent")[
            "update"
        ]["status"]
        == "Successful"
    )
    assert "-b" not in client.get(AGENT)["spec"]["template"]["spec"]["containers"][0]["args"]

    world.eks.delete_addon(clusterName=kubernetes.name, addonName="eks-pod-identity-agent")
    wait(world.eks, "addon_deleted", clusterName=kubernetes.name, addonName="eks-pod-identity-agent")
    assert client.find(AGENT) is None


@pytest.mark.parametrize(
    ("addon", "collections"), [("vpc-cni", "daemonsets/aws-node"), ("kube-proxy", "daemonsets/kube-proxy")]
)
def test_network_addons_run_on_every_node(kubernetes: Kubernetes, world: World, addon: str, collections: str) -> None:
    world.eks.create_addon(clusterName=kubernetes.name, addonName=addon)
    wait(world.eks, "addon_active", clusterName=kubernetes.name, addonName=addon)
    status = kubernetes.client().get(f"/apis/apps/v1/namespaces/kube-system/{collections}")["status"]
    assert status["numberReady"] == len(kubernetes.nodes())
    world.eks.delete_addon(clusterName=kubernetes.name, addonName=addon)
    wait(world.eks, "addon_deleted", clusterName=kubernetes.name, addonName=addon)


def test_a_kubeconfig_of_the_aws_cli_works_as_it_is(kubernetes: Kubernetes) -> None:
    kubernetes.run("aws", "eks", "update-kubeconfig", "--name", kubernetes.name)
    names = kubernetes.run("kubectl", "get", "nodes", "-o", "name").split()
    assert sorted(names) == sorted(f"node/{node['metadata']['name']}" for node in kubernetes.nodes())
    assert "arn:aws:iam::123456789012:root" in kubernetes.run("kubectl", "auth", "whoami")


def test_anybody_can_read_the_issuers_keys(kubernetes: Kubernetes) -> None:
    anonymous = type(kubernetes.client())(kubernetes.endpoint, kubernetes.ca)
    discovery = anonymous.get("/.well-known/openid-configuration")
    assert discovery["issuer"] == kubernetes.issuer
    path = discovery["jwks_uri"].removeprefix(kubernetes.endpoint)
    (key,) = anonymous.get(path)["keys"]
    assert (key["kty"], key["alg"]) == ("RSA", "RS256")
    with pytest.raises(ApiError) as refused:
        anonymous.get("/api/v1/namespaces")
    assert refused.value.status == 403


def test_pods_get_tokens_of_that_issuer(kubernetes: Kubernetes) -> None:
    import base64

    account = "/api/v1/namespaces/default/serviceaccounts/default"
    request = {"spec": {"audiences": ["pods.eks.amazonaws.com"], "expirationSeconds": 3600}}
    issued = kubernetes.client().create(f"{account}/token", request)["status"]["token"]
    claims = json.loads(base64.urlsafe_b64decode(issued.split(".")[1] + "=="))
    assert claims["iss"] == kubernetes.issuer
    assert claims["aud"] == ["pods.eks.amazonaws.com"]
