"""A role for a ServiceAccount by the cluster's own issuer, from the API server's signature to the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.twin.pod_identity.support import TestCluster, Twin

from .support import ACCOUNT, Aws, allow, refused

STS = "sts.amazonaws.com"
ACTION = "sts:AssumeRoleWithWebIdentity"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    running = Twin(tmp_path_factory.mktemp("twin"), propagation=0)
    running.begin_cluster("demo")
    yield running
    log = running.stop()
    assert "Traceback" not in log, log


def token_of(cluster: TestCluster, account: str, *audiences: str) -> str:
    """Have the API server sign a token, as a kubelet does for a projected volume."""
    path = f"/api/v1/namespaces/default/serviceaccounts/{account}/token"
    return cluster.api.create(path, {"spec": {"audiences": list(audiences)}})["status"]["token"]


def test_roles_for_service_accounts(twin: Twin) -> None:
    cluster = twin.cluster("demo", nodes=0)
    operator = Aws(twin.world.url)
    issuer = cluster.issuer.removeprefix("https://")
    provider = operator.iam.create_open_id_connect_provider(
        Url=cluster.issuer, ClientIDList=[STS], ThumbprintList=["0" * 40]
    )["OpenIDConnectProviderArn"]
    assert provider == f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"
    cluster.service_account("default", "app")
    cluster.service_account("default", "other")
    condition = {"StringEquals": {f"{issuer}:aud": STS, f"{issuer}:sub": "system:serviceaccount:default:app"}}
    trust = {"Principal": {"Federated": provider}, "Action": ACTION, "Condition": condition}
    role = cluster.role(allow("s3:ListAllMyBuckets"), trust=trust)

    def assume(token: str) -> Aws:
        call = operator.anonymous().sts.assume_role_with_web_identity
        made = call(RoleArn=role, RoleSessionName="job", WebIdentityToken=token)
        assert made["SubjectFromWebIdentityToken"] == "system:serviceaccount:default:app"
        return Aws(operator.url, made["Credentials"])

    session = assume(token_of(cluster, "app", STS))
    session.s3.list_buckets()
    with refused("AccessDenied"):
        session.s3.create_bucket(Bucket="never")
    with refused("AccessDenied", f"Not authorized to perform {ACTION}"):
        assume(token_of(cluster, "other", STS))
    with refused("InvalidIdentityToken", "Incorrect token audience"):
        assume(token_of(cluster, "app", "pods.eks.amazonaws.com"))
    last = token_of(cluster, "app", STS)
    twin.world.eks.delete_cluster(name="demo")
    with refused("InvalidIdentityToken", "Couldn't retrieve verification key"):
        assume(last)
