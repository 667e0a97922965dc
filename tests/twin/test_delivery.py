"""Delivery's two roles on the twin, with the sessions that jobs would have: what each can do, and what it cannot.

The twin issues no sessions for tokens of GitHub. So the trusts are evaluated as they are, and beside that each role is
given a trust of the test's own, by which the account assumes it.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from components import _delivery_documents as documents
from local.aws.authorization.context import Context
from local.aws.authorization.evaluator import Policies, Request, evaluate
from local.aws.authorization.policy import Policy
from local.aws.authorization.principals import Kind, Principal
from local.aws.inventory import inventory
from local.stack import ROOT, LocalStack
from local.twin import Twin

ACCOUNT, REGION, DEMO = "123456789012", "eu-west-1", "eks-pod-identity-demo"
BUCKET = "pulumi-state"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundaries/workloads"

# What AWS attributes to a resource and the twin does not: which add-on or node group it was that is asked for when it is
# gone, which key a ciphertext is under, and what has the tags and the association of these calls.
_ARN = f"{REGION}:{ACCOUNT}"
UNATTRIBUTED_READS = {
    "eks:DescribeAddon": f"arn:aws:eks:{_ARN}:addon/*",
    "eks:DescribeNodegroup": f"arn:aws:eks:{_ARN}:nodegroup/*",
    "kms:Decrypt": f"arn:aws:kms:{_ARN}:key/*",
}
UNATTRIBUTED_WRITES = {"ec2:CreateTags": "*", "ec2:DeleteTags": "*", "ec2:DisassociateRouteTable": "*"}

BOOTSTRAP = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from components.delivery import GitHubDelivery

config = pulumi.Config()
common = {{
    "repository": "octo-org/octo-repo",
    "repository_owner_id": "123456",
    "repository_id": "456789",
    "cluster_names": [{DEMO!r}],
    "name_prefixes": ["{DEMO}-", "eks-pod-s3-"],
    "resource_tags": {{"project": {DEMO!r}}},
    "state_bucket": {BUCKET!r},
    "secrets_key_arn": config.require("key"),
}}
delivery = GitHubDelivery("delivery", common)
bounded = GitHubDelivery(
    "bounded",
    {{
        **common,
        "oidc_provider_arn": delivery.oidc_provider_arn,
        "name_prefixes": ["bounded-"],
        "permissions_boundary": {BOUNDARY!r},
        "environment": "bounded",
        "deploy_role_name": "bounded-deploy",
    }},
)
for name in ("oidc_provider_arn", "preview_role_arn", "deploy_role_arn", "preview_trust_policy", "deploy_trust_policy"):
    pulumi.export(name, getattr(delivery, name))
pulumi.export("bounded_role_arn", bounded.deploy_role_arn)
"""


class As(LocalStack):
    """A stack that is run with a session's credentials."""

    def __init__(self, twin: Twin, credentials: Mapping[str, str], program: Path = ROOT):
        super().__init__(twin, program)
        self.credentials = credentials

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "AWS_ACCESS_KEY_ID": self.credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self.credentials["SessionToken"],
        }

    def client(self, service: str) -> Any:
        return client(self.twin, service, self.credentials)


def client(twin: Twin, service: str, credentials: Mapping[str, str] | None = None) -> Any:
    """A client of the twin's operator, or of a session."""
    keys = credentials or {"AccessKeyId": "AKIATESTTESTTESTTEST", "SecretAccessKey": "test"}
    return boto3.client(
        service,  # type: ignore[call-overload]
        region_name=REGION,
        endpoint_url=twin.url(),
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("SessionToken"),
        config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
    )


@contextmanager
def refused(*words: str) -> Iterator[None]:
    """Expect AWS's refusal for want of a permission, with words in its message."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response.get("Error", {})
    assert error.get("Code") in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"), error
    for word in words:
        assert word in error.get("Message", ""), error


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    twin = Twin(tmp_path_factory.mktemp("twin") / "state", port=0, propagation=0.5)
    twin.start()
    yield twin
    twin.remove()


@pytest.fixture(scope="module")
def key(twin: Twin) -> str:
    """What an administrator has before: a bucket, a key and a boundary. Returns the key's ARN."""
    client(twin, "s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    document = policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    client(twin, "iam").create_policy(PolicyName="workloads", Path="/boundaries/", PolicyDocument=document)
    return client(twin, "kms").create_key()["KeyMetadata"]["Arn"]


def make_program(folder: Path, name: str, source: str) -> Path:
    folder.mkdir()
    project = {"name": name, "runtime": {"name": "python", "options": {"virtualenv": sys.prefix}}}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    (folder / "__main__.py").write_text(source)
    return folder


@pytest.fixture(scope="module")
def bootstrap(twin: Twin, key: str, tmp_path_factory: pytest.TempPathFactory) -> LocalStack:
    """The administrator's stack, with the two roles."""
    program = make_program(tmp_path_factory.mktemp("programs") / "bootstrap", "bootstrap", BOOTSTRAP)
    local = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())
    local["config"] = {name: value for name, value in local["config"].items() if name.startswith("aws:")}
    (program / "Pulumi.local.yaml").write_text(yaml.safe_dump(local))
    stack = LocalStack(twin, program, {"bootstrap:key": key})
    stack.pulumi("up", "--yes", "--skip-preview", capture=True)
    stack.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True)
    return stack


@pytest.fixture(scope="module")
def outputs(bootstrap: LocalStack) -> dict[str, str]:
    return json.loads(bootstrap.pulumi("stack", "output", "--json", capture=True).stdout)


@pytest.fixture(scope="module")
def preview(twin: Twin, outputs: dict[str, str]) -> As:
    return As(twin, session(twin, outputs["preview_role_arn"]))


@pytest.fixture(scope="module")
def deploy(twin: Twin, outputs: dict[str, str]) -> As:
    return As(twin, session(twin, outputs["deploy_role_arn"]))


def session(twin: Twin, role: str) -> dict[str, str]:
    """A session of a role, by a trust that the test adds to it."""
    iam, name = client(twin, "iam"), role.rpartition("/")[2]
    document = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    here = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    document["Statement"].append(here)
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(document))
    side = {**UNATTRIBUTED_READS, **(UNATTRIBUTED_WRITES if "deploy" in name else {})}
    allowed = [{"Effect": "Allow", "Action": action, "Resource": arn} for action, arn in side.items()]
    iam.put_role_policy(RoleName=name, PolicyName="unattributed", PolicyDocument=policy(*allowed))
    return client(twin, "sts").assume_role(RoleArn=role, RoleSessionName="job")["Credentials"]


def policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def remaining(twin: Twin) -> dict[str, list[str]]:
    return {kind: sorted(names) for kind, names in inventory(twin.url()).items() if names}


# Who gets a session

IMMUTABLE = "repo:octo-org@123456/octo-repo@456789"
STS = "sts.amazonaws.com"


@pytest.mark.parametrize(
    ("subject", "audience", "roles"),
    [
        (f"{IMMUTABLE}:pull_request", STS, {"preview"}),
        (f"{IMMUTABLE}:ref:refs/heads/main", STS, {"preview"}),
        (f"{IMMUTABLE}:environment:production", STS, {"deploy"}),
        (f"{IMMUTABLE}:environment:staging", STS, set()),
        (f"{IMMUTABLE}:ref:refs/heads/other", STS, set()),
        (f"{IMMUTABLE}:ref:refs/tags/main", STS, set()),
        (f"{IMMUTABLE}:pull_request", "https://github.com/octo-org", set()),
        ("repo:octo-org/octo-repo:pull_request", STS, set()),
        ("repo:octo-org@123456/other@456790:pull_request", STS, set()),
        ("repo:octo-org@999999/octo-repo@888888:environment:production", STS, set()),
        ("repo:*", STS, set()),
    ],
)
@pytest.mark.parametrize("provider", ["token.actions.githubusercontent.com", "gitlab.com"])
def test_only_tokens_of_the_repository_get_a_session(
    outputs: dict[str, str], provider: str, subject: str, audience: str, roles: set[str]
) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{provider}"
    job = Principal(Kind.FEDERATED, subject, provider=arn)
    claims = Context({f"{provider}:sub": subject, f"{provider}:aud": audience})
    found = set()
    for role in ("preview", "deploy"):
        trust = Policies.trust(Policy.parse(outputs[f"{role}_trust_policy"]))
        asked = Request(job, "sts:AssumeRoleWithWebIdentity", outputs[f"{role}_role_arn"], claims, ACCOUNT)
        if evaluate(asked, trust).allowed:
            found.add(role)
    assert found == (roles if provider.startswith("token.") else set())


# What the documents mean, where the twin does not say which resource a call is about

SCOPE = documents.Scope(
    "aws",
    REGION,
    ACCOUNT,
    [DEMO],
    ["bounded-", "workloads/app-"],
    {"project": DEMO},
    BOUNDARY,
    secrets_key_arn=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/ours",
)
JOB = Principal(
    Kind.ROLE_SESSION,
    f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/job",
    ACCOUNT,
    role_arn=f"arn:aws:iam::{ACCOUNT}:role/delivery/deploy",
)


def may(action: str, resource: str, **context: Any) -> bool:
    """Whether the deploy role may do something, with condition keys as AWS sets them (`__` stands for their colon)."""
    identity = tuple(Policy.parse(document, key) for key, document in documents.deploy_policies(SCOPE).items())
    keys = {key.replace("__", ":").replace("_slash_", "/"): value for key, value in context.items()}
    return evaluate(Request(JOB, action, resource, Context(keys)), Policies(identity)).allowed


def ec2(resource: str) -> str:
    return f"arn:aws:ec2:{REGION}:{ACCOUNT}:{resource}"


OWN, OTHER = {"aws__ResourceTag_slash_project": DEMO}, {"aws__ResourceTag_slash_project": "other"}
BOUND = {"iam__PermissionsBoundary": BOUNDARY}
ROLE = f"arn:aws:iam::{ACCOUNT}:role"


@pytest.mark.parametrize(
    ("action", "resource", "context", "allowed"),
    [
        ("ec2:CreateTags", ec2("vpc/vpc-1"), OWN, True),
        ("ec2:CreateTags", ec2("vpc/vpc-1"), OTHER, False),
        ("ec2:CreateTags", ec2("vpc/vpc-1"), {}, False),
        ("ec2:CreateTags", ec2("security-group/sg-1"), {}, True),  # a VPC's default group has no tags yet
        ("ec2:CreateTags", ec2("security-group/sg-1"), OTHER, False),
        ("ec2:CreateTags", ec2("subnet/*"), {"ec2__CreateAction": "CreateSubnet"}, True),
        ("ec2:CreateTags", ec2("instance/*"), {"ec2__CreateAction": "RunInstances"}, True),
        ("ec2:CreateTags", ec2("subnet/*"), {"ec2__CreateAction": "CreateVpcEndpoint"}, False),
        ("ec2:DeleteTags", ec2("route-table/rtb-1"), OWN, True),
        ("ec2:DeleteTags", ec2("route-table/rtb-1"), OTHER, False),
        ("ec2:DisassociateRouteTable", ec2("route-table/rtb-1"), OWN, True),
        ("ec2:DisassociateRouteTable", ec2("route-table/rtb-1"), OTHER, False),
        ("ec2:DeleteVpc", ec2("vpc/vpc-1").replace(REGION, "us-east-1"), OWN, False),
        ("ec2:RunInstances", ec2("instance/*"), {"ec2__LaunchTemplate": ec2("launch-template/lt-1")}, True),
        ("ec2:RunInstances", f"arn:aws:ec2:{REGION}::image/ami-1", {"ec2__LaunchTemplate": ec2("launch-template/lt-1")}, True),
        ("ec2:RunInstances", ec2("instance/*"), {}, False),
        ("eks:DescribeAddon", f"arn:aws:eks:{REGION}:{ACCOUNT}:addon/{DEMO}/gone/*", {}, True),
        ("eks:DescribeAddon", f"arn:aws:eks:{REGION}:{ACCOUNT}:addon/other/gone/*", {}, False),
        ("kms:Decrypt", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/ours", {}, True),
        ("kms:Decrypt", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/theirs", {}, False),
        ("iam:AttachRolePolicy", f"{ROLE}/bounded-x", {**BOUND, "iam__PolicyARN": "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"}, True),
        ("iam:AttachRolePolicy", f"{ROLE}/bounded-x", {**BOUND, "iam__PolicyARN": f"arn:aws:iam::{ACCOUNT}:policy/bounded-x"}, True),
        ("iam:AttachRolePolicy", f"{ROLE}/bounded-x", {**BOUND, "iam__PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}, False),
        ("iam:AttachRolePolicy", f"{ROLE}/bounded-x", {"iam__PolicyARN": f"arn:aws:iam::{ACCOUNT}:policy/bounded-x"}, False),
        ("iam:PassRole", f"{ROLE}/bounded-x", {"iam__PassedToService": "ec2.amazonaws.com"}, True),
        ("iam:PassRole", f"{ROLE}/bounded-x", {"iam__PassedToService": "pods.eks.amazonaws.com"}, True),
        ("iam:PassRole", f"{ROLE}/bounded-x", {"iam__PassedToService": "lambda.amazonaws.com"}, False),
        ("iam:PassRole", f"{ROLE}/bounded-x", {}, False),
        ("iam:PassRole", f"{ROLE}/delivery/deploy", {"iam__PassedToService": "ec2.amazonaws.com"}, False),
        ("iam:CreateServiceLinkedRole", f"{ROLE}/aws-service-role/eks.amazonaws.com/x", {"iam__AWSServiceName": "eks.amazonaws.com"}, True),
        ("iam:CreateServiceLinkedRole", f"{ROLE}/aws-service-role/x.amazonaws.com/x", {"iam__AWSServiceName": "x.amazonaws.com"}, False),
    ],
)  # fmt: skip
def test_what_the_deploy_roles_documents_mean(
    action: str, resource: str, context: dict[str, str], allowed: bool
) -> None:
    assert may(action, resource, **context) is allowed


@given(name=st.from_regex(r"([a-z]{1,9}/)?(bounded-|app-|bound|[a-z]{1,5})[a-z-]{0,9}", fullmatch=True))
def test_a_role_is_the_stacks_by_its_name_alone(name: str) -> None:
    assert may("iam:CreateRole", f"{ROLE}/{name}", **BOUND) is name.startswith(tuple(SCOPE.name_prefixes))


# The demo, in the order of its life


def test_the_preview_role_previews_and_makes_nothing(preview: As, twin: Twin) -> None:
    before = remaining(twin)
    planned = preview.pulumi("preview", "--refresh", capture=True)
    assert "to create" in planned.stdout
    up = preview.pulumi("up", "--yes", "--skip-preview", capture=True, check=False)
    assert up.returncode != 0
    assert "is not authorized to perform: ec2:CreateVpc" in up.stdout
    assert remaining(twin) == before


def test_the_deploy_role_deploys_the_demo(deploy: As, twin: Twin) -> None:
    deploy.pulumi("up", "--yes", "--skip-preview", capture=True)
    assert client(twin, "eks").describe_cluster(name=DEMO)["cluster"]["status"] == "ACTIVE"
    deploy.pulumi("preview", "--refresh", "--expect-no-changes", capture=True)


def test_the_preview_role_sees_no_change_and_no_drift(preview: As, twin: Twin, outputs: dict[str, str]) -> None:
    # Objects in the cluster are read by the cluster's own rights, which its administrator gives.
    eks, role = client(twin, "eks"), outputs["preview_role_arn"]
    eks.create_access_entry(clusterName=DEMO, principalArn=role)
    eks.associate_access_policy(
        clusterName=DEMO,
        principalArn=role,
        policyArn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
        accessScope={"type": "cluster"},
    )
    preview.pulumi("preview", "--refresh", "--expect-no-changes", capture=True)
    preview.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True)


def test_an_update_in_place(deploy: As, preview: As) -> None:
    for stack in (deploy, preview):
        stack.config = {
            "eks-pod-identity:maxSessionDuration": 7200,
            "eks-pod-identity:nodeDesiredSize": 2,
            "eks-pod-identity:logTypes": ["api"],
            "eks-pod-identity:logRetentionDays": 7,
            "eks-pod-identity:readableBuckets": ["other-*"],
            "eks-pod-identity:roleName": "eks-pod-s3-other",
            "eks-pod-identity:tags": {"project": DEMO, "team": "platform"},
        }
    changed = preview.pulumi("preview", "--refresh", capture=True)
    assert "to update" in changed.stdout
    deploy.pulumi("up", "--yes", "--skip-preview", capture=True)
    preview.pulumi("preview", "--refresh", "--expect-no-changes", capture=True)


def test_drift_is_seen_by_the_preview_role(preview: As, deploy: As) -> None:
    addon = {"clusterName": DEMO, "addonName": "eks-pod-identity-agent"}
    deploy.client("eks").delete_addon(**addon)
    seen = preview.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True, check=False)
    assert seen.returncode != 0
    assert "no changes were expected" in seen.stdout
    deploy.pulumi("up", "--yes", "--skip-preview", "--refresh", capture=True)
    preview.pulumi("refresh", "--preview-only", "--expect-no-changes", capture=True)


TRUST = policy({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
OURS, FOREIGN = "eks-pod-s3-other", "somebody-elses"


@pytest.fixture(scope="module")
def foreign(twin: Twin) -> dict[str, str]:
    """What is not the stack's: a role, a VPC, a security group that has an owner."""
    ec2 = client(twin, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName=FOREIGN, Description="x", VpcId=vpc)["GroupId"]
    ec2.create_tags(Resources=[group], Tags=[{"Key": "project", "Value": FOREIGN}])
    role = client(twin, "iam").create_role(RoleName=FOREIGN, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    return {"vpc": vpc, "group": group, "role": role}


WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("ec2", "create_vpc", {"CidrBlock": "10.8.0.0/16"}),
    ("ec2", "create_launch_template", {"LaunchTemplateName": "x", "LaunchTemplateData": {}}),
    ("ec2", "allocate_address", {"Domain": "vpc"}),
    ("eks", "delete_cluster", {"name": DEMO}),
    ("eks", "delete_nodegroup", {"clusterName": DEMO, "nodegroupName": "dev"}),
    ("eks", "delete_addon", {"clusterName": DEMO, "addonName": "eks-pod-identity-agent"}),
    ("eks", "update_cluster_config", {"name": DEMO, "deletionProtection": True}),
    ("eks", "tag_resource", {"resourceArn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{DEMO}", "tags": {"a": "b"}}),
    ("eks", "create_access_entry", {"clusterName": DEMO, "principalArn": f"arn:aws:iam::{ACCOUNT}:role/{OURS}"}),
    ("eks", "create_pod_identity_association", {"clusterName": DEMO, "namespace": "a", "serviceAccount": "b", "roleArn": f"arn:aws:iam::{ACCOUNT}:role/{OURS}"}),
    ("iam", "create_role", {"RoleName": "eks-pod-s3-x", "AssumeRolePolicyDocument": TRUST}),
    ("iam", "update_assume_role_policy", {"RoleName": OURS, "PolicyDocument": TRUST}),
    ("iam", "attach_role_policy", {"RoleName": OURS, "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
    ("iam", "put_role_policy", {"RoleName": OURS, "PolicyName": "x", "PolicyDocument": TRUST}),
    ("iam", "create_policy", {"PolicyName": "eks-pod-s3-x", "PolicyDocument": TRUST}),
    ("logs", "delete_log_group", {"logGroupName": f"/aws/eks/{DEMO}/cluster"}),
    ("logs", "put_retention_policy", {"logGroupName": f"/aws/eks/{DEMO}/cluster", "retentionInDays": 1}),
    ("s3", "put_object", {"Bucket": BUCKET, "Key": ".pulumi/x", "Body": b""}),
    ("s3", "delete_object", {"Bucket": BUCKET, "Key": ".pulumi/x"}),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "arguments"), WRITES, ids=[operation for _, operation, _ in WRITES])
def test_the_preview_role_writes_nothing(
    preview: As, twin: Twin, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    before = remaining(twin)
    with refused("is not authorized to perform"):
        getattr(preview.client(service), operation)(**arguments)
    assert remaining(twin) == before


def test_the_deploy_role_stays_among_its_names(deploy: As, foreign: dict[str, str]) -> None:
    iam = deploy.client("iam")
    with refused("iam:CreateRole", "role/outside"):
        iam.create_role(RoleName="outside", AssumeRolePolicyDocument=TRUST)
    with refused("iam:CreateRole", "role/other/eks-pod-s3-x"):
        iam.create_role(RoleName="eks-pod-s3-x", Path="/other/", AssumeRolePolicyDocument=TRUST)
    with refused("iam:DeleteRole"):
        iam.delete_role(RoleName=FOREIGN)
    with refused("iam:CreatePolicy"):
        iam.create_policy(PolicyName="outside", PolicyDocument=TRUST)
    with refused("iam:AttachRolePolicy"):
        iam.attach_role_policy(RoleName=OURS, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    with refused("iam:PutRolePolicy"):
        iam.put_role_policy(RoleName=OURS, PolicyName="x", PolicyDocument=TRUST)
    with refused("iam:CreateUser"):
        iam.create_user(UserName="eks-pod-s3-x")
    with refused("eks:DescribeCluster"):
        deploy.client("eks").describe_cluster(name="other")
    with refused("logs:CreateLogGroup"):
        deploy.client("logs").create_log_group(logGroupName="/aws/eks/other/cluster")
    with refused("s3:PutObject"):
        deploy.client("s3").put_object(Bucket=BUCKET, Key="elsewhere", Body=b"")


def test_the_deploy_role_passes_only_the_stacks_roles_and_only_where_they_belong(
    deploy: As, foreign: dict[str, str], twin: Twin
) -> None:
    eks = deploy.client("eks")
    ours = {"clusterName": DEMO, "namespace": "a", "serviceAccount": "b"}
    with refused("iam:PassRole", FOREIGN):
        eks.create_pod_identity_association(**ours, roleArn=foreign["role"])
    (association,) = eks.list_pod_identity_associations(clusterName=DEMO)["associations"]
    with refused("iam:PassRole", FOREIGN):
        eks.update_pod_identity_association(
            clusterName=DEMO, associationId=association["associationId"], roleArn=foreign["role"]
        )
    template = client(twin, "eks").describe_nodegroup(clusterName=DEMO, nodegroupName="dev")["nodegroup"]
    with refused("iam:PassRole", FOREIGN):
        eks.create_nodegroup(clusterName=DEMO, nodegroupName="x", subnets=template["subnets"], nodeRole=foreign["role"])
    # A role of the stack's, for a service that it is not for.
    side = {"Effect": "Allow", "Action": "eks:CreateFargateProfile", "Resource": "*"}
    iam, name = client(twin, "iam"), client(twin, "sts", deploy.credentials).get_caller_identity()["Arn"].split("/")[1]
    iam.put_role_policy(RoleName=name, PolicyName="fargate", PolicyDocument=policy(side))
    try:
        with refused("iam:PassRole", OURS):
            eks.create_fargate_profile(
                clusterName=DEMO,
                fargateProfileName="x",
                podExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/{OURS}",
                selectors=[{"namespace": "a"}],
            )
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="fargate")


def test_the_deploy_role_cannot_change_delivery(deploy: As, outputs: dict[str, str]) -> None:
    iam = deploy.client("iam")
    for arn in (outputs["deploy_role_arn"], outputs["preview_role_arn"]):
        name = arn.rpartition("/")[2]
        with refused("iam:UpdateAssumeRolePolicy"):
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=TRUST)
        with refused("iam:AttachRolePolicy"):
            iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy")
        with refused("iam:UpdateRole"):
            iam.update_role(RoleName=name, MaxSessionDuration=43200)
    with refused("iam:DeleteOpenIDConnectProvider"):
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=outputs["oidc_provider_arn"])


def test_the_deploy_role_leaves_other_networks_alone(deploy: As, foreign: dict[str, str]) -> None:
    ec2 = deploy.client("ec2")
    specification = [{"ResourceType": "subnet", "Tags": [{"Key": "project", "Value": DEMO}]}]
    with refused("ec2:DeleteVpc"):
        ec2.delete_vpc(VpcId=foreign["vpc"])
    with refused("ec2:CreateSubnet", foreign["vpc"]):
        ec2.create_subnet(VpcId=foreign["vpc"], CidrBlock="10.9.1.0/24", TagSpecifications=specification)
    with refused("ec2:RevokeSecurityGroupEgress"):
        ec2.revoke_security_group_egress(
            GroupId=foreign["group"], IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        )
    with refused("ec2:CreateVpc"):
        ec2.create_vpc(CidrBlock="10.7.0.0/16")  # without the stack's tags
    with refused("ec2:CreateVpc"):
        ec2.create_vpc(
            CidrBlock="10.7.0.0/16",
            TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "project", "Value": "x"}]}],
        )


def test_with_a_boundary_no_role_is_without_it(twin: Twin, outputs: dict[str, str]) -> None:
    iam = As(twin, session(twin, outputs["bounded_role_arn"])).client("iam")
    with refused("iam:CreateRole"):
        iam.create_role(RoleName="bounded-x", AssumeRolePolicyDocument=TRUST)
    with refused("iam:CreateRole"):
        iam.create_role(
            RoleName="bounded-x",
            AssumeRolePolicyDocument=TRUST,
            PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess",
        )
    iam.create_role(RoleName="bounded-x", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=BOUNDARY)
    with refused("iam:DeleteRolePermissionsBoundary"):
        iam.delete_role_permissions_boundary(RoleName="bounded-x")
    with refused("iam:PutRolePermissionsBoundary"):
        iam.put_role_permissions_boundary(
            RoleName="bounded-x", PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess"
        )
    iam.put_role_permissions_boundary(RoleName="bounded-x", PermissionsBoundary=BOUNDARY)
    with refused("iam:CreatePolicyVersion"):
        iam.create_policy_version(PolicyArn=BOUNDARY, PolicyDocument=TRUST, SetAsDefault=True)
    iam.delete_role(RoleName="bounded-x")


def test_the_state_in_a_bucket_with_secrets_under_a_key(
    twin: Twin, preview: As, deploy: As, key: str, tmp_path: Path
) -> None:
    source = "import pulumi\npulumi.export('secret', pulumi.Config().require_secret('secret'))\n"
    program = make_program(tmp_path / "app", "app", source)
    address = twin.url().removeprefix("http://")
    backend = f"s3://{BUCKET}?region={REGION}&endpoint=http://{address}&s3ForcePathStyle=true"

    class Remote(As):
        def environment(self) -> dict[str, str]:
            own = {**super().environment(), "PULUMI_BACKEND_URL": backend}
            del own["PULUMI_CONFIG_PASSPHRASE"]
            return own

    (program / "Pulumi.local.yaml").write_text("config: {}\n")
    reader, writer = Remote(twin, preview.credentials, program), Remote(twin, deploy.credentials, program)
    provider = f"awskms:///{key}?region={REGION}"
    writer.run("pulumi", "stack", "init", "local", "--secrets-provider", provider, "--non-interactive", capture=True)
    writer.run("pulumi", "config", "set", "--secret", "secret", "s3cr3t", "--stack", "local", capture=True)

    first = reader.run("pulumi", "preview", "--stack", "local", "--non-interactive", capture=True)
    assert "[secret]" in first.stdout
    up = ("pulumi", "up", "--yes", "--skip-preview", "--stack", "local", "--non-interactive")
    denied = reader.run(*up, capture=True, check=False)
    assert denied.returncode != 0
    assert "s3:PutObject" in denied.stdout
    writer.run(*up, capture=True)
    check = ("pulumi", "refresh", "--preview-only", "--expect-no-changes", "--stack", "local", "--non-interactive")
    reader.run(*check, capture=True)
    writer.run("pulumi", "destroy", "--yes", "--skip-preview", "--stack", "local", "--non-interactive", capture=True)
    writer.run("pulumi", "stack", "rm", "--yes", "--stack", "local", "--non-interactive", capture=True)


def test_the_deploy_role_destroys_the_demo(deploy: As, bootstrap: LocalStack, twin: Twin) -> None:
    deploy.pulumi("destroy", "--yes", "--skip-preview", capture=True)
    left = remaining(twin)
    assert not [names for kind, names in left.items() if "eks" in kind.lower() or "cluster" in kind.lower()], left
    assert json.loads(deploy.pulumi("stack", "output", "--json", capture=True).stdout) == {}
