from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

from components import EksCluster, InvalidArgs
from tests.unit.conftest import ACCOUNT, Deploy

NETWORK: Any = {"vpc_id": "vpc-1", "private_subnet_ids": ["subnet-1", "subnet-2"], "public_subnet_ids": ["subnet-3"]}


def program(**args: Any) -> Any:
    def run() -> dict[str, pulumi.Output[Any]]:
        merged: Any = {"cluster_name": "demo", **NETWORK, **args}
        cluster = EksCluster("c", merged)
        return {
            "name": cluster.cluster_name,
            "arn": cluster.cluster_arn,
            "ready": cluster.ready,
            "kubeconfig": cluster.kubeconfig,
            "issuer": cluster.oidc_issuer,
        }

    return run


def test_the_control_plane(deploy: Deploy, preview: bool) -> None:
    cluster = deploy(program(), preview=preview).only("eks:index:Cluster").inputs

    assert cluster["version"] == "1.36"
    assert cluster["authenticationMode"] == "API"
    assert cluster["endpointPrivateAccess"] is True
    assert "endpointPublicAccess" not in cluster  # on by default, and polled by pulumi_eks when said
    assert cluster["privateSubnetIds"] == ["subnet-1", "subnet-2"]
    assert cluster["publicSubnetIds"] == ["subnet-3"]
    assert cluster["skipDefaultNodeGroup"]
    assert cluster["enabledClusterLogTypes"] == ["api", "audit", "authenticator"]


def test_a_private_cluster(deploy: Deploy, preview: bool) -> None:
    cluster = deploy(program(endpoint_public_access=False), preview=preview).only("eks:index:Cluster").inputs
    assert cluster["endpointPublicAccess"] is False


def test_the_arn_is_known_before_the_cluster_is(deploy: Deploy) -> None:
    outputs = deploy(program(), preview=True).outputs
    assert outputs["arn"] == f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/demo"
    assert isinstance(outputs["ready"], Unknown)


def test_the_arn_waits_for_an_unknown_name(deploy: Deploy) -> None:
    outputs = deploy(lambda: program(cluster_name=pulumi.Output.from_input(Unknown()))(), preview=True).outputs
    assert isinstance(outputs["arn"], Unknown)


def test_outputs_of_an_update(deploy: Deploy) -> None:
    made = deploy(program())
    assert made.outputs["name"] == made.outputs["ready"] == "demo"
    assert made.outputs["issuer"].startswith("https://oidc.eks.eu-west-1.amazonaws.com/id/")
    assert "kubeconfig" in made.secrets


def test_nodes_cannot_lend_their_credentials_to_pods(deploy: Deploy, preview: bool) -> None:
    template = deploy(program(), preview=preview).only("aws:ec2/launchTemplate:LaunchTemplate").inputs
    assert template["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }
    assert template["blockDeviceMappings"][0]["ebs"]["encrypted"] == "true"


def test_the_node_group_of_the_blog(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(), preview=preview)
    nodes = made.only("aws:eks/nodeGroup:NodeGroup").inputs
    assert nodes["nodeGroupName"] == "dev"
    assert nodes["amiType"] == "AL2023_x86_64_STANDARD"
    assert nodes["scalingConfig"] == {"minSize": 1, "maxSize": 3, "desiredSize": 3}
    policies = {
        r.name: r.inputs["policyArn"] for r in made.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    }
    assert policies["c-node-worker"] == "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"
    assert policies["c-node-ebs-csi"] == "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"


def test_order(deploy: Deploy) -> None:
    made = deploy(program())
    nodes = made.only("aws:eks/nodeGroup:NodeGroup")
    assert made.waits_for(made.only("eks:index:Cluster"), made.only("aws:cloudwatch/logGroup:LogGroup"))
    for attachment in made.of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment"):
        assert made.waits_for(nodes, attachment)
    assert made.waits_for(made.only("aws:eks/addon:Addon"), nodes)


def test_auto_mode_has_no_node_group(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(auto_mode=True), preview=preview)
    assert made.only("eks:index:Cluster").inputs["autoMode"]["enabled"] is True
    assert not made.of_type("aws:eks/nodeGroup:NodeGroup")
    assert not made.of_type("aws:eks/addon:Addon")


def test_no_logs_no_log_group(deploy: Deploy, preview: bool) -> None:
    made = deploy(program(log_types=[]), preview=preview)
    assert not made.of_type("aws:cloudwatch/logGroup:LogGroup")


def test_administrators_become_access_entries(deploy: Deploy) -> None:
    principal = f"arn:aws:iam::{ACCOUNT}:role/ops/admin"
    entries = deploy(program(administrators={"ops": principal})).only("eks:index:Cluster").inputs["accessEntries"]
    assert entries["ops"]["principalArn"] == principal
    policy = entries["ops"]["accessPolicies"]["admin"]
    assert policy["policyArn"] == "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


def test_viewers_read_and_no_more(deploy: Deploy) -> None:
    principal = f"arn:aws:iam::{ACCOUNT}:role/preview"
    entries = deploy(program(viewers={"ci": principal})).only("eks:index:Cluster").inputs["accessEntries"]
    (policy,) = entries["ci"]["accessPolicies"].values()
    # The policy that reads secrets too has another name.
    assert policy["policyArn"] == "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


@pytest.mark.parametrize(
    ("args", "properties"),
    [
        ({"viewers": {"ci": "preview"}}, {"viewers.ci"}),
        (
            {
                "administrators": {"ci": f"arn:aws:iam::{ACCOUNT}:role/a"},
                "viewers": {"ci": f"arn:aws:iam::{ACCOUNT}:role/b"},
            },
            {"viewers.ci"},
        ),
        ({"cluster_name": "-demo"}, {"cluster_name"}),
        ({"kubernetes_version": "1.28", "node_ami_type": "AL2_x86_64"}, {"kubernetes_version", "node_ami_type"}),
        ({"node_min_size": 4}, {"node_min_size", "node_desired_size"}),
        ({"log_types": ["apis"], "log_retention_days": 31}, {"log_types[0]", "log_retention_days"}),
        ({"endpoint_public_access": False, "public_access_cidrs": ["10.0.0.0/8"]}, {"public_access_cidrs"}),
    ],
)
def test_what_eks_would_refuse(deploy: Deploy, preview: bool, args: Any, properties: set[str]) -> None:
    with pytest.raises(InvalidArgs) as refused:
        deploy(program(**args), preview=preview)
    assert {finding.property for finding in refused.value.findings} == properties


def test_a_bad_output_beside_an_unknown_one_is_still_refused(deploy: Deploy) -> None:
    def run() -> dict[str, Any]:
        unknown = pulumi.Output.from_input(Unknown())
        args: Any = {**NETWORK, "cluster_name": unknown, "kubernetes_version": pulumi.Output.from_input("1.28")}
        return {"arn": EksCluster("c", args).cluster_arn}

    with pytest.raises(InvalidArgs, match="kubernetes_version"):
        deploy(run, preview=True)


def test_a_block_of_documentation_is_warned_of(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    deploy(program(public_access_cidrs=["203.0.113.0/24"]))
    (line,) = said
    assert "[cluster-endpoint-nobody]" in line
    assert "pulumi config set --path" in line
    said.clear()
    allow = {"cluster-endpoint-nobody": "the demo is only read"}
    made = deploy(program(public_access_cidrs=["203.0.113.0/24"], allow=allow))
    assert made.only("eks:index:Cluster").inputs["publicAccessCidrs"] == ["203.0.113.0/24"]
    assert said == []
