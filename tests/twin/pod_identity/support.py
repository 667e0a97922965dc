"""What the tests of pod identity share: a running twin, its clusters, and pods and tokens in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from local import toolchain
from local.kubernetes.pod_identity.api_server import ApiError, ApiServer
from tests.twin.aws.support import ACCOUNT, REGION, World, client, unique
from tests.twin.conftest import dying_with_this_process

ROOT = Path(__file__).resolve().parents[3]
AGENT = "eks-pod-identity-agent"
AUDIENCE = "pods.eks.amazonaws.com"
NODE_POLICY = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"
URI, TOKEN_FILE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"


class Twin:
    """The endpoint with Kubernetes, as users run it: a process of its own.

    Args:
        folder: for its state.
        propagation: seconds until a change of associations is effective.
    """

    def __init__(self, folder: Path, propagation: float) -> None:
        self.folder = folder
        self._log = (folder / "endpoint.log").open("w+")
        options = ["--kubernetes", f"--state={folder}", f"--propagation={propagation}", "--transition=0.05"]
        # What an operator may have around; nothing of it may reach a pod.
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "operator",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_PROFILE": "missing",
            "AWS_CONFIG_FILE": str(folder / "no-such-file"),
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_CA_BUNDLE": str(folder / "no-such-bundle"),
            "AWS_REGION": "nowhere",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "LD_LIBRARY_PATH": str(folder),
            "PYTHONPATH": str(folder),
        }
        self._process = subprocess.Popen(
            dying_with_this_process(sys.executable, "-m", "local.aws", *options),
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("ready "), (folder / "endpoint.log").read_text()
        self.world = World(line.split()[1])

    @property
    def node_role(self) -> str:
        """The name of the nodes' role."""
        return self.world.node_role.rpartition("/")[2]

    def begin_cluster(self, name: str) -> None:
        """Ask for a cluster."""
        self.world.eks.create_cluster(
            name=name,
            roleArn=self.world.cluster_role,
            resourcesVpcConfig={"subnetIds": self.world.subnets},
            accessConfig={"authenticationMode": "API"},
        )

    def cluster(self, name: str, nodes: int) -> TestCluster:
        """Await a cluster that was asked for; with nodes, if any."""

        def active() -> bool:
            return self.world.eks.describe_cluster(name=name)["cluster"]["status"] == "ACTIVE"

        eventually(active, seconds=60)
        if nodes:
            # Else the agents, which act as their nodes, may not ask EKS Auth.
            self.world.iam.attach_role_policy(RoleName=self.node_role, PolicyArn=NODE_POLICY)
            self.world.eks.create_nodegroup(
                clusterName=name,
                nodegroupName="nodes",
                subnets=self.world.subnets,
                nodeRole=self.world.node_role,
                instanceTypes=["m5.4xlarge"],  # which has room for many pods
                scalingConfig={"minSize": nodes, "maxSize": nodes, "desiredSize": nodes},
            )
        return TestCluster(name, self)

    def stop(self) -> str:
        """End it, unless it has ended; return what it logged."""
        self._process.terminate()
        assert self._process.wait(60) == 0
        self._log.seek(0)
        return self._log.read()


@dataclass
class TestCluster:
    """One cluster of a twin."""

    name: str
    twin: Twin

    __test__ = False

    @property
    def folder(self) -> Path:
        """Where its control plane keeps its files."""
        return self.twin.folder / "kubernetes" / REGION / self.name

    @property
    def eks(self) -> Any:
        return self.twin.world.eks

    @property
    def iam(self) -> Any:
        return self.twin.world.iam

    @property
    def arn(self) -> str:
        return f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{self.name}"

    @cached_property
    def api(self) -> ApiServer:
        """A client with all permissions."""
        pki = self.folder / "pki"
        return ApiServer(self.issuer, pki / "ca.crt", (pki / "admin.crt", pki / "admin.key"))

    @cached_property
    def issuer(self) -> str:
        return self.eks.describe_cluster(name=self.name)["cluster"]["identity"]["oidc"]["issuer"]

    @property
    def signing_key(self) -> Path:
        """The private key of its service account tokens, PEM."""
        return self.folder / "pki" / "service-account.key"

    @cached_property
    def full_uri(self) -> str:
        """URL of the cluster's agent."""
        path = "/api/v1/namespaces/kube-system/configmaps/eks-pod-identity-associations"
        eventually(lambda: self.api.find(path) is not None)
        return self.api.get(path)["data"]["FULL_URI"]

    def kubectl(
        self, *arguments: str, timeout: float = 60, stdin: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl with all permissions."""
        return subprocess.run(
            self._kubectl(*arguments),
            input=stdin,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def begin_kubectl(
        self, *arguments: str, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Begin to run kubectl with all permissions."""
        return subprocess.Popen(
            self._kubectl(*arguments), stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, text=True
        )

    def _kubectl(self, *arguments: str) -> list[str]:
        return [str(tool("kubectl")), f"--kubeconfig={self.folder / 'admin.conf'}", *arguments]

    # --- Kubernetes objects ---

    def namespace(self) -> str:
        """Make a namespace that no other test has."""
        name = unique("ns")
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        eventually(lambda: self.api.find(f"/api/v1/namespaces/{name}/serviceaccounts/default") is not None)
        return name

    def service_account(self, namespace: str, name: str = "app", **annotations: str) -> str:
        """Make a ServiceAccount; underscores in annotations' names stand for hyphens, after eks.amazonaws.com/."""
        metadata = {
            "name": name,
            "annotations": {f"eks.amazonaws.com/{key.replace('_', '-')}": value for key, value in annotations.items()},
        }
        self.api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": metadata})
        return name

    def create_pod(self, namespace: str, pod: Mapping[str, Any], dry_run: bool = False) -> dict[str, Any]:
        """Create a pod and return it as it was admitted."""
        query = {"dryRun": "All"} if dry_run else {}
        return self.api.create(f"/api/v1/namespaces/{namespace}/pods", dict(pod), **query)

    def pod(self, namespace: str, service_account: str = "app", name: str | None = None) -> dict[str, Any]:
        """Create a simple pod."""
        return self.create_pod(namespace, simple_pod(service_account, name or unique("pod")))

    def delete_pod(self, pod: Mapping[str, Any]) -> None:
        """Delete a pod at once."""
        path = _pod_path(pod)
        self.api.delete(path, gracePeriodSeconds="0")
        eventually(lambda: self.api.find(path) is None)

    def token(
        self,
        pod: Mapping[str, Any],
        audiences: tuple[str, ...] = (AUDIENCE,),
        bound: Mapping[str, str] | None = None,
        unbound: bool = False,
    ) -> str:
        """Have the API server sign a token for a pod, as a kubelet does."""
        about = pod["metadata"]
        reference = bound or {"apiVersion": "v1", "kind": "Pod", "name": about["name"], "uid": about["uid"]}
        spec = {
            "audiences": list(audiences),
            "expirationSeconds": 600,
            **({} if unbound else {"boundObjectRef": reference}),
        }
        account = pod["spec"]["serviceAccountName"]
        path = f"/api/v1/namespaces/{about['namespace']}/serviceaccounts/{account}/token"
        return self.api.create(path, {"spec": spec})["status"]["token"]

    # --- AWS ---

    def role(self, *statements: Mapping[str, Any], trust: Mapping[str, Any] | None = None) -> str:
        """Make a role that pods may use; return its ARN."""
        name = unique("pod-role")
        document = trust_policy(trust or {})
        arn = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            self.iam.put_role_policy(RoleName=name, PolicyName="permissions", PolicyDocument=policy)
        return arn

    def associate(self, namespace: str, service_account: str = "app", role: str = "", **arguments: Any) -> str:
        """Make an association and await that it is effective; return its id."""
        found = self.eks.create_pod_identity_association(
            clusterName=self.name,
            namespace=namespace,
            serviceAccount=service_account,
            roleArn=role or self.role(),
            **arguments,
        )["association"]["associationId"]
        eventually(lambda: self.injects(namespace, service_account))
        return found

    def injects(self, namespace: str, service_account: str = "app") -> bool:
        """Tell, by a server-side dry-run, whether a pod of a service account would be changed."""
        try:
            pod = self.create_pod(namespace, simple_pod(service_account, "probe"), dry_run=True)
        except ApiError as error:
            if error.status == 403:  # the service account does not exist yet
                return False
            raise
        return URI in environment(pod["spec"]["containers"][0])

    def associated_pod(self, role: str = "", **arguments: Any) -> dict[str, Any]:
        """Make a namespace, a ServiceAccount, an association and a pod."""
        namespace = self.namespace()
        self.service_account(namespace)
        self.associate(namespace, role=role, **arguments)
        return self.pod(namespace)

    def eks_auth(self) -> Any:
        """Return a client of EKS Auth."""
        return client(self.twin.world.url, "eks-auth", parameter_validation=False)

    def run_agent(self) -> None:
        """Install the agent's add-on, and await it."""
        self.eks.create_addon(clusterName=self.name, addonName=AGENT)
        eventually(lambda: self.addon_status() == "ACTIVE", seconds=30)

    def stop_agent(self) -> None:
        """Remove the agent's add-on, and await that it is gone."""
        self.eks.delete_addon(clusterName=self.name, addonName=AGENT)
        eventually(lambda: self.addon_status() == "", seconds=30)

    def addon_status(self) -> str:
        """Return the status of the agent's add-on, empty when it is not there."""
        try:
            return self.eks.describe_addon(clusterName=self.name, addonName=AGENT)["addon"]["status"]
        except self.eks.exceptions.ResourceNotFoundException:
            return ""

    def agent_answers(self) -> bool:
        """Tell whether the agent answers."""
        try:
            ask(self.full_uri)
        except (ConnectionRefusedError, urllib.error.URLError):
            return False
        return True


def simple_pod(service_account: str, name: str) -> dict[str, Any]:
    """Return a pod with one container."""
    return {
        "metadata": {"name": name},
        "spec": {
            "serviceAccountName": service_account,
            "automountServiceAccountToken": False,
            "containers": [{"name": "app", "image": "app"}],
        },
    }


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    """Return a container's variables that have values."""
    return {variable["name"]: variable.get("value", "") for variable in container.get("env", [])}


def trust_policy(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trust policy for pods, with something more in its statement."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": AUDIENCE},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        **extra,
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def ask(url: str, token: str | None = None, **headers: str) -> tuple[int, str, Message]:
    """Ask an agent; return status, body and headers."""
    if token is not None:
        headers["Authorization"] = token
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def eventually(holds: Callable[[], object], seconds: float = 15) -> None:
    """Ask until a condition holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"still not so after {seconds} s"
        time.sleep(0.05)


@cache
def tool(name: str) -> Path:
    """Return the path of a pinned tool."""
    return toolchain.ensure([name], quiet=True).path(name)


def seconds_until(holds: Callable[[], object], within: float) -> float:
    """Return how long it takes until a condition holds."""
    begun = time.monotonic()
    eventually(holds, within)
    return time.monotonic() - begun


def _pod_path(pod: Mapping[str, Any]) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
