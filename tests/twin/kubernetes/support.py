"""A cluster with a real control plane, and what is needed to talk to it as different principals."""

from __future__ import annotations

import base64
import datetime as dt
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import boto3
from botocore.model import ServiceId
from botocore.session import Session
from botocore.signers import RequestSigner

from local import toolchain
from local.kubernetes.pod_identity.api_server import ApiServer
from tests.twin.aws.support import REGION, World
from tests.twin.conftest import RunningEndpoint

T = TypeVar("T")


class KubernetesEndpoint(RunningEndpoint):
    """An endpoint that runs a control plane for each cluster."""

    def __init__(self, *arguments: str) -> None:
        super().__init__("--kubernetes", "--transition", "0.05", *arguments)


@dataclass(frozen=True)
class Credentials:
    """An access key, and the session token that may belong to it."""

    key: str
    secret: str
    token: str | None = None


# Any key that IAM did not issue is the account's root user.
ROOT = Credentials("test", "test")


def token(url: str, cluster: str, credentials: Credentials = ROOT, age: float = 0) -> str:
    """Make a token as `aws eks get-token` does.

    Args:
        url: the AWS endpoint.
        age: how long ago, in seconds.
    """
    signed_at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age)
    with mock.patch("botocore.auth.get_current_datetime", return_value=signed_at):
        return encoded(presigned(url, cluster, credentials))


def presigned(url: str, cluster: str, credentials: Credentials = ROOT) -> str:
    """Presign GetCallerIdentity together with a cluster's name."""
    session = Session()
    session.set_credentials(credentials.key, credentials.secret, credentials.token)
    signer = RequestSigner(
        ServiceId("sts"), REGION, "sts", "v4", session.get_credentials(), session.get_component("event_emitter")
    )
    request = {
        "method": "GET",
        "url": f"{url}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    url_signed = signer.generate_presigned_url(request, region_name=REGION, expires_in=60, operation_name="")
    assert url_signed is not None
    return url_signed


def encoded(text: str, **changes: str) -> str:
    """Make a token of a presigned URL."""
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return "k8s-aws-v1." + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def eventually(read: Callable[[], T], holds: Callable[[T], bool], seconds: float = 15) -> T:
    """Read until a condition holds; return what was read."""
    end = time.monotonic() + seconds
    while not holds(value := read()):
        assert time.monotonic() < end, value
        time.sleep(0.05)
    return value


class Kubernetes:
    """A cluster, as a principal sees it through its API server."""

    def __init__(self, world: World, cluster: str, folder: Path) -> None:
        self.world = world
        self.name = cluster
        self._folder = folder
        description = world.eks.describe_cluster(name=cluster)["cluster"]
        self.endpoint: str = description["endpoint"]
        self.issuer: str = description["identity"]["oidc"]["issuer"]
        self.ca = folder / f"{cluster}.crt"
        self.ca.write_bytes(base64.b64decode(description["certificateAuthority"]["data"]))

    def client(self, bearer: str | None = None) -> ApiServer:
        """Return a client with a token; by default one of the account's root user, who made the cluster."""
        return ApiServer(self.endpoint, self.ca, token=bearer or token(self.world.url, self.name))

    def as_user(self, credentials: Credentials) -> ApiServer:
        """Return a client that is somebody."""
        return self.client(token(self.world.url, self.name, credentials))

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes."""
        return self.client().get("/api/v1/nodes")["items"]

    def run(self, *command: str) -> str:
        """Run a command-line tool as a user would, after `aws eks update-kubeconfig`; return what it prints."""
        environment = self._environment()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def begin(self, *command: str) -> subprocess.Popen[bytes]:
        """Begin to run one."""
        return subprocess.Popen(command, env=self._environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _environment(self) -> dict[str, str]:
        tools = [Path(sys.executable).parent, toolchain.ensure(("kubectl",), quiet=True).path("kubectl").parent]
        return {
            "PATH": os.pathsep.join([*map(str, tools), os.environ["PATH"]]),
            "HOME": str(self._folder),
            "KUBECONFIG": str(self._folder / "kubeconfig"),
            "AWS_ENDPOINT_URL": self.world.url,
            "AWS_ACCESS_KEY_ID": ROOT.key,
            "AWS_SECRET_ACCESS_KEY": ROOT.secret,
            "AWS_DEFAULT_REGION": REGION,
        }


def iam_user(world: World, name: str) -> tuple[str, Credentials]:
    """Make an IAM user with an access key; return its ARN and credentials."""
    arn = world.iam.create_user(UserName=name)["User"]["Arn"]
    key = world.iam.create_access_key(UserName=name)["AccessKey"]
    return arn, Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def assume(world: World, role_arn: str, session: str) -> Credentials:
    """Assume a role as the account's root user."""
    sts = boto3.client(
        "sts",
        endpoint_url=world.url,
        region_name=REGION,
        aws_access_key_id=ROOT.key,
        aws_secret_access_key=ROOT.secret,
    )
    found = sts.assume_role(RoleArn=role_arn, RoleSessionName=session)["Credentials"]
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


def children(pid: int) -> list[int]:
    """Return the process ids of a process's children."""
    answer = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in answer.stdout.split() if int(line)]


def runs(pid: int) -> bool:
    """Tell whether a process runs, and is not just waiting to be forgotten."""
    answer = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(answer.stdout.strip()) and not answer.stdout.startswith("Z")
