"""The running plugin: configuration, secrets, names, failures, functions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.session
import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from local.plugins.aws.package import AwsPackage
from local.plugins.base.calls import Call
from local.plugins.base.properties import DEFAULTS
from local.plugins.base.wire import UNKNOWN, decode, encode

from .cases import CASES, policy
from .conftest import REGION, Surroundings, environment, trust
from .driver import CREDENTIALS, LAUNCH, CheckFailed, Driver, Made, init_failed

VPC, ROLE = "aws:ec2/vpc:Vpc", "aws:iam/role:Role"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"


def client(service: str, endpoint: str) -> Any:
    return botocore.session.Session().create_client(
        service, region_name=REGION, endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test"
    )


@pytest.fixture
def fresh(aws_endpoint: str) -> Iterator[Driver]:
    """A plugin that is not configured, with the endpoint in its environment."""
    driver = Driver(environment(aws_endpoint))
    yield driver
    driver.stop()


@pytest.fixture
def lonely() -> Iterator[Driver]:
    """A plugin that knows of no AWS at all."""
    driver = Driver(environment())
    yield driver
    driver.stop()


# Configuration


def configuring(driver: Driver, **config: Any) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        driver.configure(**config)
    assert isinstance(caught.value, grpc.Call)
    return caught.value.details() or ""


def test_what_is_missing_is_named(lonely: Driver, aws_endpoint: str) -> None:
    assert "pulumi config set aws:region" in configuring(lonely)
    assert "'nowhere' is no AWS region" in configuring(lonely, region="nowhere")
    assert "AWS_ACCESS_KEY_ID" in configuring(lonely, region=REGION)
    assert "aws:profile" in configuring(lonely, region=REGION, profile="nope")
    assert "set both or neither" in configuring(lonely, region=REGION, accessKey="a")
    unreachable = json.dumps([{"sts": "http://127.0.0.1:9"}])
    started = time.monotonic()
    assert "cannot be reached" in configuring(lonely, region=REGION, endpoints=unreachable, **CREDENTIALS)
    assert time.monotonic() - started < 15
    here = json.dumps([{"sts": aws_endpoint}])
    wrong = configuring(lonely, region=REGION, endpoints=here, allowedAccountIds='["999999999999"]', **CREDENTIALS)
    assert "of the AWS account 123456789012" in wrong
    assert "999999999999" in wrong
    forbidden = '["123456789012"]'
    assert "forbids" in configuring(lonely, region=REGION, endpoints=here, forbiddenAccountIds=forbidden, **CREDENTIALS)


def test_all_that_is_wrong_is_said_at_once(lonely: Driver) -> None:
    news = encode({"regoin": "x", "endpoints": '[{"ec2": "nope"}]', "maxRetries": "many", "version": "7.51.1"})
    answer = lonely.stub.CheckConfig(provider_pb2.CheckRequest(urn="urn:x", news=news))
    found = {failure.property: failure.reason for failure in answer.failures}
    assert found.keys() == {"regoin", "endpoints[0].ec2", "maxRetries"}
    assert "did you mean region?" in found["regoin"]
    assert "is no URL" in found["endpoints[0].ec2"]


def test_endpoints_region_and_credentials_of_the_configuration(lonely: Driver, aws_endpoint: str) -> None:
    lonely.configure(
        region="eu-central-1",
        endpoints=json.dumps([{"sts": aws_endpoint, "ec2": aws_endpoint}]),
        maxRetries="3",
        skipMetadataApiCheck="true",
        allowedAccountIds='["123456789012"]',
        **CREDENTIALS,
    )
    assert lonely.invoke("aws:index/getRegion:getRegion")["region"] == "eu-central-1"
    assert lonely.invoke("aws:index/getCallerIdentity:getCallerIdentity")["accountId"] == "123456789012"
    names = lonely.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", state="available")["names"]
    assert names == ["eu-central-1a", "eu-central-1b", "eu-central-1c"]


def test_without_validation_nobody_is_asked(lonely: Driver) -> None:
    lonely.configure(region="us-gov-west-1", skipCredentialsValidation="true", **CREDENTIALS)
    partition = lonely.invoke("aws:index/getPartition:getPartition")
    assert (partition["partition"], partition["dnsSuffix"]) == ("aws-us-gov", "amazonaws.com")


def test_a_role_is_assumed(fresh: Driver, aws_endpoint: str) -> None:
    iam = client("iam", aws_endpoint)
    name = f"assumed-{os.getpid()}"
    document = trust("ec2.amazonaws.com").replace('"Service": "ec2.amazonaws.com"', '"AWS": "123456789012"')
    role_arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    roles = [{"roleArn": role_arn, "sessionName": "from-test", "duration": "15m"}]
    fresh.configure(region=REGION, assumeRoles=json.dumps(roles), **CREDENTIALS)
    arn = fresh.invoke("aws:index/getCallerIdentity:getCallerIdentity")["arn"]
    assert arn.endswith(f"assumed-role/{name}/from-test")


def test_what_is_not_configured_says_so(fresh: Driver) -> None:
    with pytest.raises(grpc.RpcError, match="not configured"):
        fresh.invoke("aws:index/getRegion:getRegion")


def test_default_and_ignored_tags(fresh: Driver, aws_endpoint: str) -> None:
    fresh.configure(
        region=REGION,
        defaultTags=json.dumps({"tags": {"team": "a", "stage": "dev"}}),
        ignoreTags=json.dumps({"keyPrefixes": ["kubernetes.io/"], "keys": ["seen"]}),
        **CREDENTIALS,
    )
    assert fresh.invoke("aws:index/getDefaultTags:getDefaultTags")["tags"] == {"team": "a", "stage": "dev"}
    inputs = {"cidrBlock": "10.0.0.0/16", "tags": {"stage": "test", "team": "a"}}
    preview = fresh.preview(VPC, "tagged", inputs)
    assert preview["tagsAll"] == {"team": "a", "stage": "test"}
    made = fresh.create(VPC, "tagged", inputs)
    assert made.state["tagsAll"] == {"team": "a", "stage": "test"}
    assert made.state["tags"] == {"stage": "test", "team": "a"}, "a tag that is given as well is the resource's own"
    assert fresh.diff(made, made.inputs).changes == provider_pb2.DiffResponse.DIFF_NONE

    ec2 = client("ec2", aws_endpoint)
    ec2.create_tags(
        Resources=[made.id], Tags=[{"Key": key, "Value": "x"} for key in ("kubernetes.io/cluster/c", "seen", "drift")]
    )
    drifted = fresh.read(made)
    assert drifted is not None
    assert drifted.state["tags"] == {"stage": "test", "team": "a", "drift": "x"}
    diff = fresh.diff(drifted, made.inputs)
    assert set(diff.detailedDiff) == {"tags.drift"}
    repaired = fresh.update(drifted, inputs)
    assert repaired.state["tagsAll"] == {"team": "a", "stage": "test"}
    fresh.configure(region=REGION, defaultTags=json.dumps({"tags": {"team": "b", "owner": "o"}}), **CREDENTIALS)
    diff = fresh.diff(made, made.inputs)
    assert dict(diff.detailedDiff).keys() == {"tagsAll.owner"}
    assert not diff.replaces
    fresh.delete(made)


def test_another_region_of_the_provider_replaces(plugin: Driver, around: Surroundings) -> None:
    made = around.made(VPC, {"cidrBlock": "10.0.0.0/16"})
    elsewhere = {**made.inputs, "region": "eu-central-1"}
    assert plugin.diff(made, elsewhere).replaces == ["region"]
    # What version 6 of the provider made has no region in its state.
    del made.state["region"]
    assert plugin.diff(made, made.inputs).changes == provider_pb2.DiffResponse.DIFF_NONE


# Names and inputs


def test_a_name_is_kept(plugin: Driver) -> None:
    inputs = {"assumeRolePolicy": trust("ec2.amazonaws.com")}
    first, _ = plugin.check(ROLE, "app", inputs, seed=b"1")
    assert first["name"].startswith("app-")
    assert "name" in first[DEFAULTS]
    again, _ = plugin.check(ROLE, "app", inputs, olds=first, seed=b"2")
    assert again["name"] == first["name"]
    replaced, _ = plugin.check(ROLE, "app", inputs, seed=b"2")
    assert replaced["name"] != first["name"]
    prefixed, _ = plugin.check(ROLE, "app", {**inputs, "namePrefix": "p-"}, seed=b"1")
    assert "name" not in prefixed


def test_a_prefix_makes_a_name(plugin: Driver, around: Surroundings) -> None:
    made = around.made(ROLE, {"assumeRolePolicy": trust("ec2.amazonaws.com"), "namePrefix": "pre-"})
    assert made.state["name"].startswith("pre-")
    assert made.state["namePrefix"] == "pre-"
    assert plugin.diff(made, made.inputs).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_a_name_in_use_is_freed_before_it_is_taken(plugin: Driver, around: Surroundings) -> None:
    inputs = {"assumeRolePolicy": trust("ec2.amazonaws.com"), "path": "/a/"}
    for name, first in ((around.unique("fixed"), True), (None, False)):
        given = {**inputs, **({"name": name} if name else {})}
        made = around.made(ROLE, given)
        checked, _ = plugin.check(ROLE, made.name, {**given, "path": "/b/"}, olds=made.inputs)
        diff = plugin.diff(made, checked)
        assert diff.replaces == ["path"]
        assert diff.deleteBeforeReplace is first


def test_all_that_is_wrong_with_a_resource_is_said_at_once(plugin: Driver) -> None:
    with pytest.raises(CheckFailed) as caught:
        plugin.check(
            "aws:eks/nodeGroup:NodeGroup",
            "n",
            {
                "clusterNam": "c",
                "nodeRoleArn": "role",
                "scalingConfig": {"minSize": 3, "desiredSize": 1, "maxSize": 2},
                "subnetIds": [],
                "capacityType": "SPOTTY",
                "warmPoolConfig": {},
            },
        )
    assert caught.value.failures.keys() == {
        "clusterNam",
        "clusterName",
        "nodeRoleArn",
        "scalingConfig",
        "subnetIds",
        "capacityType",
        "warmPoolConfig",
    }
    assert "official aws plugin" in caught.value.failures["warmPoolConfig"]


@pytest.mark.parametrize(
    ("token", "inputs", "where"),
    [
        (VPC, {}, "cidrBlock"),
        (VPC, {"cidrBlock": "10.0.0.1/16"}, "cidrBlock"),
        (VPC, {"cidrBlock": "fd00::/64"}, "cidrBlock"),
        (VPC, {"cidrBlock": "10.0.0.0/16", "tags": {"aws:x": "1"}}, 'tags["aws:x"]'),
        (ROLE, {"assumeRolePolicy": "{"}, "assumeRolePolicy"),
        (ROLE, {"assumeRolePolicy": "{}", "path": "x"}, "path"),
        (ROLE, {"assumeRolePolicy": "{}", "maxSessionDuration": 60}, "maxSessionDuration"),
        ("aws:ec2/route:Route", {"routeTableId": "r", "gatewayId": "g"}, ""),
        (
            "aws:ec2/route:Route",
            {"routeTableId": "r", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "g", "natGatewayId": "n"},
            "gatewayId",
        ),
        ("aws:ec2/natGateway:NatGateway", {"subnetId": "s"}, "allocationId"),
        ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 2}, "retentionInDays"),
        (
            "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
            {
                "clusterName": "c",
                "policyArn": "arn:aws:eks::aws:cluster-access-policy/x",
                "principalArn": "arn:aws:iam::123456789012:role/x",
                "accessScope": {"type": "namespace"},
            },
            "accessScope",
        ),
        (
            "aws:ec2/securityGroupRule:SecurityGroupRule",
            {"type": "ingress", "securityGroupId": "s", "protocol": "tcp", "fromPort": 1, "toPort": 1},
            "cidrBlocks",
        ),
    ],
)
def test_wrong_inputs_are_refused_at_preview(plugin: Driver, token: str, inputs: dict[str, Any], where: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        plugin.check(token, "x", inputs)
    assert list(caught.value.failures) == [where]


def test_rules_wait_for_what_is_unknown(plugin: Driver) -> None:
    scaling = {"minSize": 3, "desiredSize": UNKNOWN, "maxSize": 2}
    arn = "arn:aws:iam::123456789012:role/x"
    checked, _ = plugin.check(
        "aws:eks/nodeGroup:NodeGroup",
        "n",
        {"clusterName": "c", "nodeRoleArn": arn, "scalingConfig": scaling, "subnetIds": UNKNOWN},
    )
    assert checked["scalingConfig"]["desiredSize"] is UNKNOWN


# Secrets


def test_a_secret_tag_stays_secret(plugin: Driver, around: Surroundings) -> None:
    inputs = {"cidrBlock": "10.0.0.0/16", "tags": {"Name": "plain", "key": "hidden"}}
    made = plugin.create(VPC, around.unique("secret"), inputs, secrets={("tags", "key")})
    assert made.secrets == {("tags", "key"), ("tagsAll",)}
    refreshed = plugin.read(made)
    assert refreshed is not None
    assert refreshed.secrets == made.secrets


def test_check_keeps_secrets_where_they_are(plugin: Driver) -> None:
    checked, secrets = plugin.check(
        ROLE, "r", {"assumeRolePolicy": "{}", "tags": {"a": "1"}}, secrets={("assumeRolePolicy",), ("tags", "a")}
    )
    assert secrets == {("assumeRolePolicy",), ("tags", "a")}
    assert checked["tags"] == {"a": "1"}


def test_what_comes_of_a_secret_argument_is_secret(plugin: Driver) -> None:
    request = provider_pb2.InvokeRequest(
        tok="aws:iam/getPolicyDocument:getPolicyDocument",
        args=encode({"policyId": "hidden"}, {("policyId",)}),
    )
    answer = decode(getattr(plugin.stub.Invoke(request), "return"))
    assert ("json",) in answer.secrets


# Diff


def test_a_policy_written_differently_is_no_change(plugin: Driver, around: Surroundings) -> None:
    document = json.loads(policy("s3:GetObject", "s3:PutObject"))
    made = around.made("aws:iam/policy:Policy", {"policy": json.dumps(document)})
    document["Statement"][0]["Action"].reverse()
    rewritten = {**made.inputs, "policy": json.dumps(document, indent=2)}
    assert plugin.diff(made, rewritten).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_ignored_changes(plugin: Driver, around: Surroundings) -> None:
    made = around.made(VPC, {"cidrBlock": "10.0.0.0/16", "tags": {"a": "1"}})
    new = {**made.inputs, "cidrBlock": "10.1.0.0/16", "tags": {"a": "2"}}
    assert set(plugin.diff(made, new, ignore=("tags",)).detailedDiff) == {"cidrBlock"}
    assert not plugin.diff(made, new, ignore=("tags.a", "cidrBlock", "tagsAll")).detailedDiff


def test_unknown_inputs_update_or_replace(plugin: Driver, around: Surroundings) -> None:
    made = around.made(VPC, {"cidrBlock": "10.0.0.0/16"})
    diff = plugin.diff(made, {**made.inputs, "enableDnsHostnames": UNKNOWN})
    assert (diff.diffs, diff.replaces) == (["enableDnsHostnames"], [])
    assert plugin.diff(made, {**made.inputs, "cidrBlock": UNKNOWN}).replaces == ["cidrBlock"]
    assert set(plugin.diff(made, {**made.inputs, "tags": UNKNOWN}).diffs) <= {"tags", "tagsAll"}


def test_an_association_unlike_its_program_is_seen_and_repaired(
    plugin: Driver, around: Surroundings, aws_endpoint: str
) -> None:
    role, other = around.role(), around.role()
    inputs = {
        "clusterName": around.cluster.id,
        "namespace": around.unique("drift"),
        "serviceAccount": "sa",
        "roleArn": role.state["arn"],
    }
    made = around.made(ASSOCIATION, inputs)
    eks = client("eks", aws_endpoint)
    eks.update_pod_identity_association(
        clusterName=around.cluster.id, associationId=made.id, roleArn=other.state["arn"]
    )
    drifted = plugin.read(made)
    assert drifted is not None
    assert drifted.inputs["roleArn"] == other.state["arn"]
    assert plugin.diff(drifted, made.inputs).diffs == ["roleArn"]
    repaired = plugin.update(drifted, inputs)
    assert repaired.state["roleArn"] == role.state["arn"]
    eks.delete_pod_identity_association(clusterName=around.cluster.id, associationId=made.id)
    assert plugin.read(made) is None


# Previews


def test_a_preview_of_everything_makes_nothing(plugin: Driver, around: Surroundings, aws_endpoint: str) -> None:
    prepared = [(case.token, case.inputs(around)) for case in CASES]

    def counts() -> list[int]:
        ec2, iam, eks = (client(service, aws_endpoint) for service in ("ec2", "iam", "eks"))
        return [
            len(ec2.describe_vpcs()["Vpcs"]),
            len(ec2.describe_subnets()["Subnets"]),
            len(ec2.describe_security_groups()["SecurityGroups"]),
            len(iam.list_roles(MaxItems=1000)["Roles"]),
            len(eks.list_clusters()["clusters"]),
        ]

    before = counts()
    for token, inputs in prepared:
        state = plugin.preview(token, "seen", inputs)
        outputs = {k for k, declared in AwsPackage().resources[token].properties.items() if declared.output}
        assert all(state[output] is UNKNOWN for output in outputs - {"tagsAll"}), token
    assert counts() == before


# Failures


def test_a_type_or_function_that_is_not_served(plugin: Driver) -> None:
    with pytest.raises(grpc.RpcError, match=r"aws:rds/instance:Instance is not served .*pulumi plugin install"):
        plugin.check("aws:rds/instance:Instance", "x", {})
    with pytest.raises(grpc.RpcError, match="aws:rds/getInstance:getInstance is not served"):
        plugin.invoke("aws:rds/getInstance:getInstance")


def test_an_error_of_aws_is_told(plugin: Driver, around: Surroundings) -> None:
    role = around.role()
    with pytest.raises(grpc.RpcError, match=r"CreateRole: EntityAlreadyExists: .*HTTP 409"):
        plugin.create(ROLE, "again", {"name": role.id, "assumeRolePolicy": trust("ec2.amazonaws.com")})


def test_what_is_half_made_is_kept(plugin: Driver, around: Surroundings) -> None:
    """The role can be created and its policy cannot be attached."""
    inputs = {
        "name": around.unique("half"),
        "assumeRolePolicy": trust("ec2.amazonaws.com"),
        "managedPolicyArns": ["arn:aws:iam::123456789012:policy/missing"],
    }
    with pytest.raises(grpc.RpcError) as caught:
        plugin.create(ROLE, "half", inputs, timeout=1.5)
    detail = init_failed(caught.value)
    assert detail.id == inputs["name"]
    assert "NoSuchEntity" in detail.reasons[0]
    state = decode(detail.properties).values
    assert state["arn"].endswith(f"role/{detail.id}")
    made = Made(ROLE, "half", detail.id, state, decode(detail.inputs).values)
    assert plugin.diff(made, made.inputs).diffs == ["managedPolicyArns"], "the rest is still to be done"
    good = {**inputs, "managedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
    assert plugin.update(made, good).state["managedPolicyArns"] == good["managedPolicyArns"]
    plugin.delete(plugin.update(made, good))


def test_cancelling_ends_what_is_waited_for(fresh: Driver, around: Surroundings) -> None:
    fresh.configure(region=REGION, **CREDENTIALS)
    inputs = {
        "name": around.unique("cancelled"),
        "assumeRolePolicy": trust("ec2.amazonaws.com"),
        "managedPolicyArns": ["arn:aws:iam::123456789012:policy/missing"],
    }
    threading.Timer(0.7, lambda: fresh.stub.Cancel(empty_pb2.Empty())).start()
    started = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        fresh.create(ROLE, "cancelled", inputs)
    assert time.monotonic() - started < 20
    assert init_failed(caught.value).id == inputs["name"]


def test_a_late_role_is_waited_for(plugin: Driver, around: Surroundings, aws_endpoint: str) -> None:
    """IAM may know a policy only after the resource that attaches it was asked for."""
    role, name = around.role(), around.unique("late")

    def make() -> None:
        client("iam", aws_endpoint).create_policy(PolicyName=name, PolicyDocument=policy("s3:GetObject"))

    threading.Timer(0.5, make).start()
    made = around.made(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        {"role": role.id, "policyArn": f"arn:aws:iam::123456789012:policy/{name}"},
    )
    assert made.id


class Recorder:
    """An API that writes down what it is asked to do."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def client(self, service: str, region: str | None = None) -> Recorder:
        return self

    def __getattr__(self, operation: str) -> Any:
        return lambda **arguments: self.asked.append((operation, arguments["ClientID"]))


def test_an_oidc_provider_is_at_no_time_without_a_client() -> None:
    """Against a recorder, because moto does not have these operations."""
    api = Recorder()
    resource = AwsPackage().resources["aws:iam/openIdConnectProvider:OpenIdConnectProvider"]
    old, new = {"clientIdLists": ["a", "b"]}, {"clientIdLists": ["b", "c"]}
    resource.update(Call(api, 5, threading.Event()), "arn", old, new, frozenset({"clientIdLists"}))
    assert api.asked == [
        ("add_client_id_to_open_id_connect_provider", "c"),
        ("remove_client_id_from_open_id_connect_provider", "a"),
    ]


def test_malformed_import_ids_are_explained(plugin: Driver) -> None:
    for token, identifier, example in (
        (ASSOCIATION, "a-123", "cluster,a-"),
        ("aws:ec2/route:Route", "rtb-1", "rtb-0123_"),
        ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "role", "role/arn:"),
        ("aws:eks/nodeGroup:NodeGroup", "ng", "cluster:"),
        ("aws:eks/accessPolicyAssociation:AccessPolicyAssociation", "a#b", "cluster#"),
        ("aws:ec2/securityGroupRule:SecurityGroupRule", "sg-1", "sg-0123_ingress"),
    ):
        with pytest.raises(grpc.RpcError, match=example):
            plugin.import_(token, "x", identifier)


def test_an_import_of_nothing_finds_nothing(plugin: Driver, around: Surroundings) -> None:
    for token, identifier in (
        (VPC, "vpc-0123456789abcdef0"),
        (ROLE, "missing"),
        ("aws:eks/cluster:Cluster", "missing"),
        (ASSOCIATION, f"{around.cluster.id},a-missing0000000000"),
        ("aws:s3/bucket:Bucket", "missing-bucket-of-mine"),
    ):
        assert plugin.import_(token, "x", identifier) is None


def test_an_import_from_another_region(plugin: Driver) -> None:
    made = plugin.create(VPC, "there", {"cidrBlock": "10.0.0.0/16", "region": "eu-central-1"})
    assert plugin.import_(VPC, "there", made.id) is None
    imported = plugin.import_(VPC, "there", f"{made.id}@eu-central-1")
    assert imported is not None
    assert imported.state["region"] == "eu-central-1"
    plugin.delete(made)


def test_many_at_once(plugin: Driver, around: Surroundings) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: around.role(), range(48)))
        assert len({role.id for role in made}) == 48
        list(pool.map(plugin.delete, made))
    assert all(plugin.read(role) is None for role in made)


# The process


def test_it_ends_with_its_engine(aws_endpoint: str) -> None:
    """The engine is killed: nothing tells the plugin, and it goes all the same."""
    script = (
        "import subprocess, sys\n"
        f"p = subprocess.Popen([sys.executable, '-I', {str(LAUNCH)!r}, 'aws'], stdout=subprocess.PIPE, text=True)\n"
        "print(p.pid, p.stdout.readline(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    engine = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    plugin = int(engine.stdout.readline().split()[0])
    engine.kill()
    engine.wait()
    engine.stdout.close()
    deadline = time.monotonic() + 10
    while _is_running(plugin):
        assert time.monotonic() < deadline, "the plugin outlives its engine"
        time.sleep(0.1)
    assert engine.stdin is not None
    engine.stdin.close()


def _is_running(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_schema_is_of_what_is_served(plugin: Driver) -> None:
    schema = json.loads(plugin.stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)
    package = AwsPackage()
    assert schema["version"] == package.version == plugin.stub.GetPluginInfo(empty_pb2.Empty()).version
    assert schema["resources"].keys() == package.resources.keys()
    assert schema["functions"].keys() == package.functions.keys()
    cluster = schema["resources"]["aws:eks/cluster:Cluster"]
    assert cluster["requiredInputs"] == ["roleArn", "vpcConfig"]
    reference = cluster["inputProperties"]["vpcConfig"]["$ref"].removeprefix("#/types/")
    assert schema["types"][reference]["required"] == ["subnetIds"]
