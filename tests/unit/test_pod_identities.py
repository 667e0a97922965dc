"""`PodIdentities` and `PodIdentity` under mocks: what is asked of the engine for a mapping of workloads."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from pulumi.output import Unknown

from components import InvalidArgs, PodIdentities
from components.pod_identity import PodIdentity
from tests.unit.conftest import ACCOUNT, Deploy, Deployment

IAM_ROLE, POLICY = "aws:iam/role:Role", "aws:iam/policy:Policy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
NAMESPACE, SERVICE_ACCOUNT = "kubernetes:core/v1:Namespace", "kubernetes:core/v1:ServiceAccount"
EFFECTIVE = "eks-pod-identity:index:EffectiveAssociations"

ROLE = f"arn:aws:iam::{ACCOUNT}:role/pods"
TARGET = "arn:aws:iam::444455556666:role/data"
SHOP = {"namespace": "shop", "service_account": "cart"}
READ = [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::data/*"}]


def arn(cluster: str) -> str:
    return f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/{cluster}"


def unknown() -> pulumi.Output[Any]:
    return pulumi.Output(set(), _later(Unknown()), _later(False))


async def _later(value: Any) -> Any:
    return value


def program(workloads: Any, clusters: tuple[str, ...] = ("prod",), **more: Any) -> Callable[[], Mapping[str, Any]]:
    """A program with the workloads; what is callable is called in it."""

    def run() -> dict[str, Any]:
        provider = kubernetes.Provider("in-cluster", kubeconfig="{}")
        args: Any = {
            "cluster_names": {key: f"{key}-cluster" for key in clusters},
            "cluster_arns": {key: arn(f"{key}-cluster") for key in clusters},
            "workloads": workloads() if callable(workloads) else workloads,
            **{key: value() if callable(value) else value for key, value in more.items()},
        }
        made = PodIdentities("many", args, pulumi.ResourceOptions(providers=[provider]))
        return {
            "roles": made.role_arns,
            "ids": made.association_ids,
            "ready": made.ready,
            "targets": made.target_trust_policies,
        }

    return run


def names(made: Deployment, of: str) -> set[str]:
    return {resource.name for resource in made.of_type(of)}


def refused(deploy: Deploy, run: Any, preview: bool) -> set[tuple[str, str]]:
    with pytest.raises(InvalidArgs) as raised:
        deploy(run, preview=preview)
    return {(finding.rule, finding.property) for finding in raised.value.findings}


def test_one_workload(deploy: Deploy, preview: bool) -> None:
    made = deploy(program({"cart": {**SHOP, "statements": READ, "tags": {"team": "shop"}}}), preview=preview)
    role = made.only(IAM_ROLE)
    assert role.name == "many-cart-role"
    assert "eks-pod-identity:index:PodIdentities" in role.parent
    trust = json.loads(role.inputs["assumeRolePolicy"])["Statement"][0]
    assert trust["Condition"]["ArnEquals"] == {"aws:SourceArn": arn("prod-cluster")}
    assert trust["Condition"]["StringEquals"] == {
        "aws:SourceAccount": ACCOUNT,
        "aws:RequestTag/kubernetes-namespace": "shop",
        "aws:RequestTag/kubernetes-service-account": "cart",
    }
    assert json.loads(made.only(POLICY).inputs["policy"])["Statement"] == READ
    assert made.only(ATTACHMENT).name == "many-cart-policy"
    association = made.only(ASSOCIATION)
    assert association.name == "many-cart-prod-association"
    assert association.delete_before_replace
    said = {"clusterName": "prod-cluster", "namespace": "shop", "serviceAccount": "cart", "tags": {"team": "shop"}}
    assert said.items() <= association.inputs.items()
    assert made.waits_for(association, made.only(ATTACHMENT))
    account, namespace = made.only(SERVICE_ACCOUNT), made.only(NAMESPACE)
    assert account.inputs["metadata"] == {"name": "cart", "namespace": "shop"}
    assert account.inputs["automountServiceAccountToken"] is False
    assert namespace.inputs["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    assert made.waits_for(account, namespace)
    assert not made.of_type(EFFECTIVE)
    for resource in (role, made.only(POLICY), association):
        assert resource.inputs["tags"] == {"team": "shop"}
    if preview:
        assert isinstance(made.outputs["ids"], Unknown)
    else:
        assert made.outputs["roles"] == {"cart": f"arn:aws:iam::{ACCOUNT}:role/many-cart-role"}
        assert made.outputs["ids"] == {"cart/prod": "a-0123456789abcdefg"}
        assert made.outputs["ready"] == {"cart/prod": "cart"}
        assert made.outputs["targets"] == {}


def test_nothing_stands_between_the_component_and_its_resources(deploy: Deploy) -> None:
    workloads = {f"w{n}": {"service_account": f"w{n}", "statements": READ} for n in range(3)}
    made = deploy(program(workloads, defaults={"namespace": "apps"}))
    kinds = [kind for kind, _ in made.resources if not kind.startswith("pulumi:")]
    # The component, the namespace, and five for each.
    assert len(kinds) == 2 + 3 * 5


def test_several_clusters_share_a_role_and_have_an_association_each(deploy: Deploy, preview: bool) -> None:
    def providers() -> Any:
        return {key: kubernetes.Provider(key, kubeconfig="{}") for key in ("prod", "test")}

    workloads = {
        "both": {**SHOP, "statements": READ},
        "one": {**SHOP, "service_account": "pay", "statements": READ, "clusters": ["test"]},
    }
    made = deploy(program(workloads, ("test", "prod"), kubernetes_providers=providers), preview=preview)
    assert names(made, IAM_ROLE) == {"many-both-role", "many-one-role"}
    assert names(made, ASSOCIATION) == {
        "many-both-prod-association",
        "many-both-test-association",
        "many-one-test-association",
    }
    assert names(made, NAMESPACE) == {"many-shop-prod-namespace", "many-shop-test-namespace"}
    sources = {
        role.name: json.loads(role.inputs["assumeRolePolicy"])["Statement"][0]["Condition"]["ArnEquals"]
        for role in made.of_type(IAM_ROLE)
    }
    both = {"aws:SourceArn": [arn("prod-cluster"), arn("test-cluster")]}
    assert sources == {"many-both-role": both, "many-one-role": {"aws:SourceArn": arn("test-cluster")}}


def test_a_role_that_exists_is_used_and_not_touched(deploy: Deploy, preview: bool) -> None:
    workload = {**SHOP, "role_arn": ROLE}
    made = deploy(program({"cart": workload}, defaults={"path": "/apps/", "statements": READ}), preview=preview)
    assert not made.of_type(IAM_ROLE) and not made.of_type(POLICY) and not made.of_type(ATTACHMENT)
    assert made.only(ASSOCIATION).inputs["roleArn"] == ROLE
    assert made.outputs["roles"] == {"cart": ROLE}


def test_a_preset_brings_namespace_service_account_and_policies(deploy: Deploy, preview: bool) -> None:
    scope = {"hosted_zone_arns": ["arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"]}
    made = deploy(program({"dns": {"preset": "external-dns", "scope": scope}}), preview=preview)
    association = made.only(ASSOCIATION).inputs
    assert (association["namespace"], association["serviceAccount"]) == ("external-dns", "external-dns")
    assert "Z0123456789ABCDEFGHIJ" in made.only(POLICY).inputs["policy"]


def test_a_preset_of_several_policies_attaches_them_all(deploy: Deploy, preview: bool) -> None:
    zones = [f"arn:aws:route53:::hostedzone/Z{number:031}" for number in range(200)]
    workloads = {"dns": {"preset": "external-dns", "scope": {"hosted_zone_arns": zones}, "policy_name": "dns"}}
    made = deploy(program(workloads), preview=preview)
    policies = made.of_type(POLICY)
    assert len(policies) > 1
    assert {"many-dns-policy", "many-dns-policy-2"} <= names(made, POLICY) == names(made, ATTACHMENT)
    assert [policy.inputs.get("name") for policy in policies].count("dns") == 1
    assert all(zone in "".join(policy.inputs["policy"] for policy in policies) for zone in zones)
    for attachment in made.of_type(ATTACHMENT):
        assert made.waits_for(made.only(ASSOCIATION), attachment)


def test_how_many_policies_there_are_does_not_depend_on_what_comes_later(deploy: Deploy) -> None:
    zones = [f"arn:aws:route53:::hostedzone/Z{number:031}" for number in range(200)]
    workloads = {"dns": {"preset": "external-dns", "scope": {"hosted_zone_arns": zones}}}
    before = deploy(program(workloads, cluster_arns=lambda: {"prod": unknown()}), preview=True)
    after = deploy(program(workloads))
    assert names(before, POLICY) == names(after, POLICY)


def test_the_order_of_mappings_changes_nothing(deploy: Deploy) -> None:
    workloads = {
        f"w{n}": {"service_account": f"w{n}", "statements": READ, "tags": {"a": "1", "b": "2"}} for n in range(4)
    }
    backwards = {
        key: {field: workloads[key][field] for field in reversed(workloads[key])} for key in reversed(workloads)
    }
    runs = [
        deploy(program(given, clusters, defaults={"namespace": "apps"}))
        for given, clusters in ((workloads, ("prod", "test")), (backwards, ("test", "prod")))
    ]
    assert runs[0].resources == runs[1].resources


def test_a_former_name_becomes_the_alias_of_each_resource(deploy: Deploy) -> None:
    old = deploy(program({"old": {**SHOP, "statements": READ, "target_role_arn": TARGET}}))
    new = deploy(program({"new": {**SHOP, "statements": READ, "target_role_arn": TARGET, "former_name": "old"}}))
    own = (IAM_ROLE, POLICY, ATTACHMENT, ASSOCIATION, SERVICE_ACCOUNT)
    before = {(of, name) for of in own for name in names(old, of)}
    after = {(of, alias) for of in own for resource in new.of_type(of) for alias in resource.aliases}
    assert after == before
    assert len(after) == 7


def test_statements_that_come_later_are_awaited(deploy: Deploy, preview: bool) -> None:
    def workloads() -> Any:
        return {"cart": {**SHOP, "statements": pulumi.Output.from_input(READ)}}

    made = deploy(program(workloads), preview=preview)
    assert json.loads(made.only(POLICY).inputs["policy"])["Statement"] == READ


def test_what_is_unknown_leaves_the_rest_known(deploy: Deploy) -> None:
    def workloads() -> Any:
        statement = {**READ[0], "Resource": unknown()}
        return {
            "cart": {**SHOP, "statements": [statement]},
            "pay": {"role_arn": unknown(), **SHOP, "service_account": "p"},
        }

    made = deploy(program(workloads), preview=True)
    (policy,) = made.of_type(POLICY)
    assert isinstance(policy.inputs["policy"], Unknown)
    assert json.loads(made.only(IAM_ROLE).inputs["assumeRolePolicy"])
    assert names(made, ASSOCIATION) == {"many-cart-prod-association", "many-pay-prod-association"}


def test_what_turns_out_to_be_wrong_later_is_refused(deploy: Deploy) -> None:
    bad = [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}]
    workloads = {"cart": {**SHOP, "statements": lambda: 0}}

    def run() -> Any:
        workloads["cart"]["statements"] = pulumi.Output.from_input(bad)
        return program(workloads)()

    found = refused(deploy, run, False)
    assert ("iam-service-wildcard", "workloads.cart.statements[0].Action[0]") in found


def test_secrets_stay_secret(deploy: Deploy) -> None:
    def workloads() -> Any:
        return {"cart": {**SHOP, "statements": pulumi.Output.secret(READ), "role_arn": None}}

    seen: dict[str, bool] = {}

    def run() -> Any:
        program(workloads)()
        return {}

    made = deploy(run)
    raw = made.only(POLICY)
    assert raw.inputs["policy"]
    seen["policy"] = made.is_secret(POLICY, "many-cart-policy", "policy")
    assert seen == {"policy": True}


@pytest.mark.parametrize("disable", [False, True])
def test_a_target_role(deploy: Deploy, preview: bool, disable: bool) -> None:
    workload = {**SHOP, "target_role_arn": TARGET, "disable_session_tags": disable, "role_name": "cart"}
    made = deploy(program({"cart": workload}), preview=preview)
    assert made.only(ASSOCIATION).inputs["targetRoleArn"] == TARGET
    assert made.only(POLICY).name == "many-cart-target-role"
    (statement,) = json.loads(made.only(POLICY).inputs["policy"])["Statement"]
    assert statement["Resource"] == [TARGET]
    assert statement["Action"] == (["sts:AssumeRole"] if disable else ["sts:AssumeRole", "sts:TagSession"])
    trust = json.loads(made.only(IAM_ROLE).inputs["assumeRolePolicy"])["Statement"][0]["Condition"]["StringEquals"]
    assert ("aws:RequestTag/kubernetes-namespace" in trust) is not disable
    if not preview:
        (asked,) = json.loads(made.outputs["targets"]["cart"])["Statement"]
        assert asked["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:role/cart"}
        by_id = {"sts:ExternalId": f"eu-west-1/{ACCOUNT}/prod-cluster/shop/cart"}
        by_tags = {
            "aws:RequestTag/eks-cluster-arn": arn("prod-cluster"),
            "aws:RequestTag/kubernetes-namespace": "shop",
            "aws:RequestTag/kubernetes-service-account": "cart",
        }
        assert asked["Condition"] == {"StringEquals": by_id if disable else by_tags}


def test_a_workload_of_an_add_on_has_a_role_and_nothing_else(deploy: Deploy, preview: bool) -> None:
    made = deploy(program({"ebs": {"preset": "ebs-csi", "scope": {}, "addon": "aws-ebs-csi-driver"}}), preview=preview)
    assert made.only(IAM_ROLE).name == "many-ebs-role"
    assert not made.of_type(ASSOCIATION) and not made.of_type(SERVICE_ACCOUNT) and not made.of_type(NAMESPACE)
    assert made.outputs["ready"] == {}


def test_all_associations_of_a_cluster_are_awaited_together(deploy: Deploy, preview: bool) -> None:
    workloads = {f"w{n}": {"service_account": f"w{n}", "statements": READ} for n in range(3)}
    more: Any = {"defaults": {"namespace": "apps"}, "kubeconfigs": {"prod": "{}"}}
    made = deploy(program(workloads, ("prod", "test"), **more), preview=preview)
    effective = made.only(EFFECTIVE)
    assert effective.name == "many-prod-effective"
    assert effective.inputs["cluster_name"] == "prod-cluster"
    assert set(effective.inputs["association_ids"]) == {"apps/w0", "apps/w1", "apps/w2"}
    for resource in (*made.of_type(SERVICE_ACCOUNT), *made.of_type(ASSOCIATION)):
        if "-prod-" in resource.name:
            assert made.waits_for(effective, resource)


def test_what_comes_for_one_workload_alone(deploy: Deploy) -> None:
    def run() -> Any:
        provider = kubernetes.Provider("in-cluster", kubeconfig="{}")
        args: Any = {
            "cluster_names": {"prod": "prod"},
            "cluster_arns": {"prod": arn("prod")},
            "workloads": {"cart": {**SHOP, "statements": READ}},
        }
        made = PodIdentities("many", args, pulumi.ResourceOptions(providers=[provider]))
        with pytest.raises(KeyError):
            made.role_arn("other")
        return {"role": made.role_arn("cart"), "account": made.service_account("cart", "prod")}

    outputs = deploy(run).outputs
    assert outputs == {"role": f"arn:aws:iam::{ACCOUNT}:role/many-cart-role", "account": "cart"}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"cluster_names": {}}, {("workload-cluster", "cluster_names"), ("workload-cluster", "cluster_arns")}),
        ({"cluster_arns": {"test": arn("test")}}, {("workload-cluster", "cluster_arns")}),
        ({"kubeconfigs": {"test": "{}"}}, {("workload-cluster", "kubeconfigs")}),
        ({"cluster_arns": {"prod": arn("other")}}, {("cluster-arn", "cluster_arn")}),
        ({"cluster_arns": {"prod": "arn:aws:s3:::x"}}, {("cluster-arn", "cluster_arn")}),
        ({"cluster_names": {"P!": "a"}, "cluster_arns": {"P!": arn("a")}}, {("workload-name", "cluster_names.P!")}),
        ({"workloads": {"a": {**SHOP}}}, {("workload-role", "workloads.a.preset")}),
    ],
)
def test_what_cannot_work_is_refused(deploy: Deploy, preview: bool, more: Any, expected: Any) -> None:
    run = program(**{"workloads": {"cart": {**SHOP, "statements": READ}}, **more})
    assert refused(deploy, run, preview) == expected


def test_more_than_five_thousand_are_refused(deploy: Deploy, preview: bool) -> None:
    workloads = {f"w{n}": {"service_account": f"w{n}"} for n in range(5_001)}
    run = program(workloads, defaults={"namespace": "many", "role_arn": ROLE})
    assert refused(deploy, run, preview) == {("associations-per-cluster", "workloads")}


def test_objects_are_never_made_in_whatever_cluster_the_operator_last_used(deploy: Deploy, preview: bool) -> None:
    def run(**workload: Any) -> Any:
        def inner() -> Any:
            args: Any = {
                "cluster_names": {"prod": "prod"},
                "cluster_arns": {"prod": arn("prod")},
                "workloads": {"cart": {**SHOP, "role_arn": ROLE, **workload}},
            }
            PodIdentities("many", args)
            return {}

        return inner

    assert refused(deploy, run(), preview) == {("kubernetes-provider", "opts.providers")}
    assert deploy(run(create_service_account=False), preview=preview).only(ASSOCIATION)


@pytest.mark.parametrize("one", [True, False])
def test_roles_are_never_left_behind_with_a_cluster(deploy: Deploy, preview: bool, one: bool) -> None:
    def run() -> Any:
        gone = pulumi.ResourceOptions(deleted_with=pulumi.ComponentResource("a:b:Cluster", "cluster"))
        workload: Any = {**SHOP, "role_arn": ROLE, "create_service_account": False}
        single: Any = {"cluster_name": "prod", "cluster_arn": arn("prod"), **workload}
        many: Any = {
            "cluster_names": {"prod": "prod"},
            "cluster_arns": {"prod": arn("prod")},
            "workloads": {"cart": workload},
        }
        PodIdentity("cart", single, gone) if one else PodIdentities("many", many, gone)
        return {}

    assert refused(deploy, run, preview) == {("deleted-with", "opts.deleted_with")}


def single(**args: Any) -> Any:
    def run() -> dict[str, Any]:
        provider = kubernetes.Provider("in-cluster", kubeconfig="{}")
        given: Any = {"cluster_name": "prod", "cluster_arn": arn("prod"), **SHOP, **args}
        made = PodIdentity("cart", given, pulumi.ResourceOptions(providers=[provider]))
        return {
            "role": made.role_arn,
            "id": made.association_id,
            "ready": made.ready,
            "target": made.target_trust_policy,
            "allowed": made.allowed,
        }

    return run


def test_one_workload_in_one_cluster_in_one_line(deploy: Deploy, preview: bool) -> None:
    made = deploy(single(statements=READ, kubeconfig="{}"), preview=preview)
    expected = {
        IAM_ROLE: "cart-role",
        POLICY: "cart-policy",
        ATTACHMENT: "cart-policy",
        ASSOCIATION: "cart-association",
        NAMESPACE: "cart-namespace",
        SERVICE_ACCOUNT: "cart-service-account",
        EFFECTIVE: "cart-effective",
    }
    assert {kind: made.only(kind).name for kind in expected} == expected
    if not preview:
        assert made.outputs == {
            "role": f"arn:aws:iam::{ACCOUNT}:role/cart-role",
            "id": "a-0123456789abcdefg",
            "ready": "cart",
            "target": "",
            "allowed": {},
        }


def test_one_workload_with_a_target_role_and_an_exception(deploy: Deploy) -> None:
    wide = [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "arn:aws:s3:::data/*"}]
    allow = {"iam-service-wildcard": "the bucket is its own"}
    made = deploy(single(statements=wide, allow=allow, target_role_arn=TARGET))
    assert names(made, POLICY) == {"cart-policy", "cart-target-role"}
    assert json.loads(made.outputs["target"])["Statement"][0]["Principal"] == {"AWS": made.outputs["role"]}
    assert made.outputs["allowed"] == allow


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({}, {("workload-role", "preset")}),
        ({"statements": READ, "namespace": "Shop"}, {("namespace-name", "namespace")}),
        ({"statements": READ, "clusters": ["prod"]}, {("workload-field", "clusters")}),
        ({"statements": READ, "statments": READ}, {("workload-field", "statments")}),
        ({"statements": READ, "cluster_name": "no cluster"}, {("cluster-name", "cluster_name"), ("cluster-arn", "cluster_arn")}),
    ],
)  # fmt: skip
def test_a_single_one_is_refused_in_terms_of_its_arguments(
    deploy: Deploy, preview: bool, args: Any, expected: Any
) -> None:
    assert refused(deploy, single(**args), preview) == expected
