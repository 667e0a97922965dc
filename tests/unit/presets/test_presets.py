"""The presets: their documents against golden files and AWS's own reference, and what a scope must be."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import documents, presets, rules
from components.presets._forms import Items
from components.presets._model import camel_cased, snake_case
from docs.generate import FOLDER as docs_folder
from docs.generate import presets_page

from . import catalogue
from .golden import FOLDER, expected
from .scopes import ACCOUNT, PARTITIONS, cluster, scopes

NAMES = sorted(presets.PRESETS)
# What terraform-aws-eks-pod-identity 2.8.1 offers, and what else is asked of this project.
OFFERED_ELSEWHERE = {
    *("amazon-managed-service-prometheus", "aws-appmesh-controller", "aws-appmesh-envoy-proxy"),
    *("aws-cloudwatch-observability", "ebs-csi", "efs-csi", "fsx-lustre-csi", "aws-gateway-controller"),
    *("aws-load-balancer-controller", "aws-load-balancer-controller-targets", "aws-node-termination-handler"),
    *("aws-privateca-issuer", "vpc-cni", "cert-manager", "cluster-autoscaler", "external-dns", "external-secrets"),
    *("mountpoint-s3-csi", "pganalyze", "velero"),
}
OFFERED_HERE = {
    *("karpenter", "secrets-store-csi", "fluent-bit", "keda", "argocd-image-updater", "flux-image-reflector"),
    *("ack-s3", "bedrock-invoke"),
}


def built(name: str, partition: str = "aws") -> presets.Preset:
    return presets.build(name, cluster(partition), scopes(partition)[name])


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def statements_of(name: str) -> list[tuple[dict[str, Any], list[str], list[str]]]:
    """Each statement with its actions and its resources."""
    return [(one, listed(one["Action"]), listed(one["Resource"])) for one in built(name).statements]


def rule_ids(findings: list[rules.Finding]) -> list[tuple[str, str]]:
    return [(finding.rule, finding.property) for finding in findings]


def test_what_is_offered() -> None:
    assert set(NAMES) == OFFERED_ELSEWHERE | OFFERED_HERE
    assert list(presets.PRESETS) == NAMES
    assert set(scopes()) == set(NAMES)


def test_no_golden_file_is_left_over() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_documents_are_as_they_were(name: str) -> None:
    assert expected(name, scopes()[name]) == (FOLDER / f"{name}.json").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_whose_permissions_it_has(name: str) -> None:
    definition = presets.PRESETS[name]
    assert definition.source.startswith("https://")
    assert definition.version
    assert definition.title
    assert not rules.judge_namespace(definition.namespace)
    assert not rules.judge_service_account(definition.service_account)
    assert (definition.namespace is None) == (definition.service_account is None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("partition", PARTITIONS)
def test_nothing_of_another_partition(name: str, partition: str) -> None:
    preset = built(name, partition)
    text = json.dumps([preset.policies, dict(preset.managed_policy_arns)])
    assert set(re.findall(r"arn:([^:\"]*):", text)) == {partition}


@pytest.mark.parametrize("name", NAMES)
def test_the_scope_and_the_cluster_are_in_it(name: str) -> None:
    """Every item of the scope ends up in a document, or in what is made of it."""
    text = documents.to_json({"Statement": built(name).statements})
    for value in scopes()[name].values():
        for item in value if isinstance(value, list) else []:
            assert item.rstrip("/").partition("/")[0] in text


# --- against AWS's Service Authorization Reference ---


@pytest.mark.parametrize("name", NAMES)
def test_every_action_exists_and_is_named_in_full(name: str) -> None:
    for statement, actions, _ in statements_of(name):
        for action in actions:
            assert "*" not in action, statement["Sid"]
            assert catalogue.exists(action), action


@pytest.mark.parametrize("name", NAMES)
def test_resources_are_of_the_types_that_the_actions_take(name: str) -> None:
    """No `*` where an action takes resources, no resource that no action takes, no action without a resource."""
    exceptions = presets.PRESETS[name].exceptions
    used = set()
    for statement, actions, resources in statements_of(name):
        where = statement["Sid"]
        if resources == ["*"]:
            taking = {action for action in actions if catalogue.resource_templates(action)}
            assert taking <= set(exceptions), where
            used |= taking
            continue
        assert "*" not in resources, where
        for action in actions:
            templates = catalogue.resource_templates(action)
            assert any(catalogue.overlap(one, two) for one in resources for two in templates), f"{where}: {action}"
        every = [template for action in actions for template in catalogue.resource_templates(action)]
        for resource in resources:
            assert any(catalogue.overlap(resource, template) for template in every), f"{where}: {resource}"
    assert used == set(exceptions)


@pytest.mark.parametrize("name", NAMES)
def test_conditions_are_on_keys_that_the_actions_have(name: str) -> None:
    for statement, actions, _ in statements_of(name):
        for keys in statement.get("Condition", {}).values():
            for key in keys:
                if key == "aws:RequestedRegion":
                    continue  # every request has it
                prefix = key.lower() if "tag/" not in key.lower() else f"{key.lower().partition('/')[0]}/"
                for action in actions:
                    assert prefix in catalogue.condition_keys(action), f"{statement['Sid']}: {action} {key}"


@pytest.mark.parametrize(
    ("pattern", "template", "same"),
    [
        ("*", "arn:*:s3:::*", True),
        ("arn:aws:s3:::b/*", "arn:*:s3:::*/*", True),
        ("arn:aws:s3:::b", "arn:*:s3:::*/*", False),
        ("arn:aws:ec2:eu-west-1::snapshot/*", "arn:*:ec2:*:*:snapshot/*", True),
        ("arn:aws:ec2:eu-west-1:1:volume/*", "arn:*:ec2:*:*:snapshot/*", False),
        ("arn:aws:s3:eu-west-1::b", "arn:*:s3:::*", False),
        ("arn:aws:sqs:eu-west-1:1:q*", "arn:*:sqs:*:*:*", True),
        ("arn:aws:rds:eu-west-1:1:db:a?", "arn:*:rds:*:*:db:ab", True),
    ],
)
def test_what_overlaps(pattern: str, template: str, same: bool) -> None:
    assert catalogue.overlap(pattern, template) is same


@pytest.mark.parametrize("name", NAMES)
def test_presets_pass_the_rules_for_roles(name: str) -> None:
    preset = built(name)
    assert preset.policies
    for policy in preset.policies:
        findings = rules.role(
            cluster_arns=["arn:aws:eks:eu-west-1:111122223333:cluster/prod"],
            statements=policy["Statement"],
            managed_policy_arns=preset.managed_policy_arns,
        )
        assert not [finding for finding in findings if finding.severity is rules.Severity.ERROR]


# --- one preset, one document ---


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20)
@given(seed=st.integers())
def test_the_order_and_spelling_of_a_scope_are_no_part_of_the_documents(name: str, seed: int) -> None:
    shuffler = random.Random(seed)
    scope = scopes()[name]
    items = [(camel_cased(key) if shuffler.random() < 0.5 else key, value) for key, value in scope.items()]
    shuffler.shuffle(items)
    shuffled = {key: shuffler.sample(value, len(value)) if isinstance(value, list) else value for key, value in items}
    assert presets.build(name, cluster(), shuffled) == presets.build(name, cluster(), scope)


@pytest.mark.parametrize("name", sorted({one.name for preset in presets.PRESETS.values() for one in preset.scope}))
def test_both_spellings_of_a_name_are_one(name: str) -> None:
    assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", camel_cased(name))
    assert snake_case(camel_cased(name)) == snake_case(name) == name


def zones(count: int) -> list[str]:
    return [f"arn:aws:route53:::hostedzone/Z{number:020}" for number in range(count)]


@settings(max_examples=30)
@given(count=st.integers(1, 400))
def test_large_scopes_are_split_and_nothing_is_lost(count: int) -> None:
    preset = presets.build("cert-manager", cluster(), {"hosted_zone_arns": zones(count)})
    for policy in preset.policies:
        assert not rules.judge_document_size("policy", documents.to_json(policy), rules.MANAGED_POLICY_SIZE)
        sids = [statement["Sid"] for statement in policy["Statement"]]
        assert len(set(sids)) == len(sids)
        assert all(re.fullmatch(r"[0-9A-Za-z]+", sid) for sid in sids)
    for action in ("route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"):
        resources = [
            resource
            for statement in preset.statements
            if action in statement["Action"]
            for resource in listed(statement["Resource"])
        ]
        assert sorted(resources) == zones(count)
    if count < 50:
        assert len(preset.policies) == 1


def test_what_no_role_could_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"takes 1[0-9] policies, and there can be 10 at most"):
        presets.build("cert-manager", cluster(), {"hosted_zone_arns": zones(800)})


def test_a_statement_that_cannot_be_cut_is_refused() -> None:
    statement = {"Sid": "S", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::b/*"}
    with pytest.raises(ValueError, match="the statement S has one resource, and cannot be cut"):
        presets.split([statement], 50)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_how_many_policies_there_are_is_known_before_the_clusters_are(name: str, count: int) -> None:
    scope = scopes()[name]
    most = presets.most_policies(name, scope, count)
    short = [cluster(name=letter) for letter in "abc"[:count]]
    long = [presets.Cluster("aws", "ap-southeast-1", f"{n:012}", f"{n}{'x' * 99}") for n in range(count)]
    for clusters in (short, long):
        few, exact = presets.build(name, clusters, scope), presets.build(name, clusters, scope, most)
        assert len(few.policies) <= len(exact.policies) == most
        assert json.dumps(few.statements) == json.dumps(exact.statements)
        for policy in exact.policies:
            assert policy["Statement"]
            assert not rules.judge_document_size("policy", documents.to_json(policy), rules.MANAGED_POLICY_SIZE)


@settings(max_examples=30)
@given(count=st.integers(1, 350), length=st.integers(1, 100))
def test_large_scopes_never_take_more_policies_than_foretold(count: int, length: int) -> None:
    names = [f"bucket-{number:03}/{'prefix' * 5}" for number in range(count)]
    scope = {
        "locations": names[: count // 2 + 1],
        "kms_key_arns": [f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/k{n}" for n in range(count // 3 + 1)],
    }
    most = presets.most_policies("velero", scope)
    few = presets.build("velero", cluster(name="n" * length), scope)
    assert len(few.policies) <= most
    assert len(presets.build("velero", cluster(name="n" * length), scope, most).policies) == most


def test_fewer_policies_than_needed_are_refused() -> None:
    with pytest.raises(ValueError, match="takes 2 policies, and there can be 1 at most"):
        presets.build("aws-load-balancer-controller", cluster(), scopes()["aws-load-balancer-controller"], 1)
    with pytest.raises(ValueError, match="has one resource, and cannot be cut"):
        presets.build("aws-privateca-issuer", cluster(), scopes()["aws-privateca-issuer"], 2)
    for name, scope in (("externaldns", {}), ("external-dns", {})):
        with pytest.raises(ValueError, match="preset"):
            presets.most_policies(name, scope)


@pytest.mark.parametrize("name", NAMES)
def test_sizes(name: str) -> None:
    for policy in built(name).policies:
        assert not rules.judge_document_size("policy", documents.to_json(policy), rules.MANAGED_POLICY_SIZE)
        sids = [statement["Sid"] for statement in policy["Statement"]]
        assert len(set(sids)) == len(sids)


# --- several clusters ---


@pytest.mark.parametrize("name", NAMES)
def test_several_clusters_share_a_preset(name: str) -> None:
    one, other = cluster(), cluster(name="staging")
    scope = scopes()[name]
    both = presets.build(name, [one, other], scope)
    assert both == presets.build(name, [other, one, one], scope)
    wanted = [
        statement | {"Sid": ""} for each in (one, other) for statement in presets.build(name, each, scope).statements
    ]
    given_ = [statement | {"Sid": ""} for statement in both.statements]
    assert all(statement in given_ for statement in wanted)
    assert all(statement in wanted for statement in given_)
    for policy in both.policies:
        sids = [statement["Sid"] for statement in policy["Statement"]]
        assert len(set(sids)) == len(sids)
    assert presets.build(name, [one], scope) == presets.build(name, one, scope)


@pytest.mark.parametrize("clusters", [[], [cluster(), cluster("aws-cn")]])
def test_clusters_are_of_one_partition(clusters: list[presets.Cluster]) -> None:
    with pytest.raises(ValueError, match="clusters of one partition are wanted"):
        presets.build("cluster-autoscaler", clusters)


def test_a_cluster_is_its_arn() -> None:
    assert presets.Cluster.at(f"arn:aws-cn:eks:cn-north-1:{ACCOUNT}:cluster/prod") == cluster("aws-cn")
    with pytest.raises(ValueError, match="not the ARN of an EKS cluster"):
        presets.Cluster.at("prod")


# --- what a scope must be ---

ARGUMENTS = [(name, argument) for name in NAMES for argument in presets.PRESETS[name].scope]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("partition", PARTITIONS)
def test_nothing_is_found_in_a_good_scope(name: str, partition: str) -> None:
    assert presets.judge(name, scopes(partition)[name], partition=partition) == []


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS, ids=[f"{name}-{one.name}" for name, one in ARGUMENTS])
def test_every_argument_is_judged(name: str, argument: presets.Argument) -> None:
    scope = scopes()[name]
    where = f"scope.{argument.name}"
    assert argument.name in scope
    # of another type
    assert where in [finding.property for finding in presets.judge(name, scope | {argument.name: 7})]
    if isinstance(argument.form, Items):
        value = scope[argument.name]
        cases = {"[]": [], "a string": value[0], "everything": ["*"], "nothing": [""], "twice": [value[0], value[0]]}
        for case, wrong in cases.items():
            found = presets.judge(name, scope | {argument.name: wrong})
            assert found, case
            assert all(finding.property.startswith(where) for finding in found), case
            with pytest.raises(ValueError, match=argument.name):
                presets.build(name, cluster(), scope | {argument.name: wrong})
    without = {key: value for key, value in scope.items() if key != argument.name}
    found = rule_ids(presets.judge(name, without))
    assert found == ([("preset-scope-missing", where)] if argument.required else [])
    # left out and None are the same, and UNKNOWN is not missing
    assert presets.judge(name, without) == presets.judge(name, scope | {argument.name: None})
    assert presets.judge(name, scope | {argument.name: rules.UNKNOWN}) == []


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS, ids=[f"{name}-{one.name}" for name, one in ARGUMENTS])
def test_optional_arguments_can_all_be_left_out(name: str, argument: presets.Argument) -> None:
    definition = presets.PRESETS[name]
    if argument.required or argument.name in definition.any_of:
        least = {
            one.name: scopes()[name][one.name] for one in definition.scope if one.required or one.name == argument.name
        }
        assert presets.build(name, cluster(), least).policies


@pytest.mark.parametrize("name", [name for name in NAMES if presets.PRESETS[name].any_of])
@pytest.mark.parametrize("scope", [None, {}])
def test_one_of_several_is_needed(name: str, scope: Any) -> None:
    assert rule_ids(presets.judge(name, scope)) == [("preset-scope-missing", "scope")]
    with pytest.raises(ValueError, match="Give at least one of"):
        presets.build(name, cluster(), scope)


def test_a_flag_that_is_not_set_is_no_scope() -> None:
    assert rule_ids(presets.judge("keda", {"cloudwatch": False})) == [("preset-scope-missing", "scope")]
    assert presets.judge("keda", {"cloudwatch": True}) == []
    assert presets.judge("keda", {"cloudwatch": rules.UNKNOWN}) == []


ZONE = "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"


@pytest.mark.parametrize(
    ("name", "scope", "found"),
    [
        ("external-dns", {"hostedZoneArns": [ZONE]}, []),
        ("external-dns", rules.UNKNOWN, []),
        (rules.UNKNOWN, {"what": "ever"}, []),
        ("external-dns", {"hosted_zone_arns": [rules.UNKNOWN]}, []),
        ("external-dns", {"hosted_zone_arns": [rules.UNKNOWN, "x"]}, [("preset-scope", "s.hosted_zone_arns[1]")]),
        ("external-dns", [ZONE], [("preset-scope", "s")]),
        ("external-dns", "x", [("preset-scope", "s")]),
        (
            "external-dns",
            {"hostedZoneArn": [ZONE]},
            [("preset-scope", "s.hostedZoneArn"), ("preset-scope-missing", "s.hosted_zone_arns")],
        ),
        (
            "external-dns",
            {"hostedZoneArns": [ZONE], "hosted_zone_arns": [ZONE]},
            [("preset-scope", "s.hosted_zone_arns")],
        ),
        ("external-dns", {"hosted_zone_arns": ["Z0123456789ABCDEFGHIJ"]}, [("preset-scope", "s.hosted_zone_arns[0]")]),
        ("external-dns", {"hosted_zone_arns": ["arn:aws:route53:::hostedzone/*"]}, [("preset-scope", "s.hosted_zone_arns[0]")]),
        ("external-dns", {"hosted_zone_arns": [None]}, [("preset-scope", "s.hosted_zone_arns[0]")]),
        ("cluster-autoscaler", None, []),
        ("cluster-autoscaler", {"clusters": ["prod"]}, [("preset-scope", "s.clusters")]),
        ("external_dns", {}, [("preset-name", "p")]),
        (None, {}, [("preset-name", "p")]),
        (["external-dns"], {}, [("preset-name", "p")]),
        ("vpc-cni", {"vpc_ids": ["vpc-0123456789abcdef0"], "ip_family": "ipv5"}, [("preset-scope", "s.ip_family")]),
        ("external-secrets", {"secret_arns": ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:*"]}, [("preset-scope", "s.secret_arns[0]")]),
        ("external-secrets", {"parameter_arns": ["arn:aws:ssm:eu-west-1:111122223333:parameter/*"]}, [("preset-scope", "s.parameter_arns[0]")]),
        ("external-secrets", {"secret_arns": ["arn:aws:secretsmanager:*:111122223333:secret:a-*"]}, [("preset-scope", "s.secret_arns[0]")]),
        ("external-secrets", {"secret_arns": ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-*"], "push": "yes"}, [("boolean", "s.push")]),
        ("ack-s3", {"bucket_names": ["*"]}, [("preset-scope", "s.bucket_names[0]")]),
        ("velero", {"locations": ["backups/*"]}, [("preset-scope", "s.locations[0]")]),
        ("velero", {"locations": ["back*"]}, [("preset-scope", "s.locations[0]")]),
        ("mountpoint-s3-csi", {"locations": ["models", "models/${aws:username}"]}, [("preset-scope", "s.locations[1]")]),
        ("karpenter", {"node_role_arns": ["arn:aws:iam::111122223333:role/*"]}, [("preset-scope", "s.node_role_arns[0]")]),
        ("bedrock-invoke", {"model_arns": ["arn:aws:bedrock:*::foundation-model/*"]}, [("preset-scope", "s.model_arns[0]")]),
        ("aws-cloudwatch-observability", {"metric_namespaces": ["AWS/EC2"]}, [("preset-scope", "s.metric_namespaces[0]")]),
    ],
)  # fmt: skip
def test_findings(name: Any, scope: Any, found: list[tuple[str, str]]) -> None:
    assert rule_ids(presets.judge(name, scope, "s", preset_prop="p")) == found


SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:"


@pytest.mark.parametrize("name", ["external-secrets", "secrets-store-csi"])
@pytest.mark.parametrize(
    ("secret", "ends"),
    [
        ("orders/db-AbCd12", True),
        ("orders/db-??????", True),
        ("orders/db-AbC???", True),
        ("orders/db???????", True),
        ("orders/*", True),
        ("orders/db-*", True),
        ("orders/*-AbCd12", True),
        ("orders/*-??????", True),
        ("orders/db*Cd12", True),
        ("rds!cluster-0a1b2c3d-*", True),
        ("orders", False),
        ("orders/db", False),
        ("orders/db-?????", False),
        ("orders/db_AbCd12", False),
        ("orders/db-AbCd1_", False),
        ("orders/*-db", False),
        ("orders/*/database", False),
        ("o-?", False),
    ],
)
def test_the_arn_of_a_secret_ends_in_what_secrets_manager_adds(name: str, secret: str, ends: bool) -> None:
    """A pattern that cannot match the hyphen and six characters matches no secret at all."""
    findings = presets.judge(name, {"secret_arns": [SECRET + secret]})
    assert [finding.property for finding in findings] == ([] if ends else ["scope.secret_arns[0]"])
    assert all(finding.fix == "Append -??????, or write the whole ARN" for finding in findings)
    assert all("six characters" in finding.reason for finding in findings)


def test_findings_say_what_to_write_in_the_callers_spelling() -> None:
    wrong, missing = presets.judge("external-dns", {"hostedZones": [ZONE]}, "scope", camel_case=True)
    assert wrong.fix == "Write hostedZoneArns"
    assert missing.property == "scope.hostedZoneArns"
    assert "the zones whose records it keeps" in missing.fix
    (needed,) = presets.judge("secrets-store-csi", {}, camel_case=True)
    assert needed.fix == "Give at least one of secretArns, parameterArns"
    (name,) = presets.judge("externaldns")
    assert name.fix == "Write external-dns"
    (none,) = presets.judge("cluster-autoscaler", {"a": 1})
    assert none.fix == "Remove it: there is none to give"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from([rules.UNKNOWN, ZONE, "vpc-0123456789abcdef0"]),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=2),
    max_leaves=5,
)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30)
@given(data=st.data())
def test_whatever_is_not_found_fault_with_is_built(name: str, data: st.DataObject) -> None:
    arguments = [argument.name for argument in presets.PRESETS[name].scope]
    good = scopes()[name]
    values = {argument: json_values | st.just(good[argument]) for argument in arguments}
    scope = data.draw(st.fixed_dictionaries({}, optional=values))
    findings = presets.judge(name, scope)
    if findings:
        with pytest.raises(ValueError, match=r"preset-scope|boolean"):
            presets.build(name, cluster(), scope)
    elif "UNKNOWN" in repr(scope):
        with pytest.raises(ValueError, match="the scope is not known yet"):
            presets.build(name, cluster(), scope)
    else:
        assert presets.build(name, cluster(), scope).policies


def test_arns_of_another_partition_are_refused() -> None:
    scope = {"hosted_zone_arns": [ZONE]}
    assert presets.judge("external-dns", scope) == []
    (finding,) = presets.judge("external-dns", scope, partition="aws-cn")
    assert finding.property == "scope.hosted_zone_arns[0]"
    with pytest.raises(ValueError, match="partition aws-cn"):
        presets.build("external-dns", cluster("aws-cn"), scope)


def test_a_preset_that_does_not_exist_is_not_built() -> None:
    with pytest.raises(ValueError, match="there is no such preset"):
        presets.build("externaldns", cluster(), {})


@pytest.mark.parametrize(
    ("locations", "listing", "objects"),
    [
        (["a-bucket"], [("a-bucket", None)], ["a-bucket/*"]),
        (["a-bucket/"], [("a-bucket", None)], ["a-bucket/*"]),
        (["a-bucket/logs"], [("a-bucket", "logs/*")], ["a-bucket/logs/*"]),
        (["a-bucket/logs/"], [("a-bucket", "logs/*")], ["a-bucket/logs/*"]),
        (
            ["a-bucket", "b-bucket/x/y", "b-bucket/z"],
            [("a-bucket", None), ("b-bucket", ["x/y/*", "z/*"])],
            ["a-bucket/*", "b-bucket/x/y/*", "b-bucket/z/*"],
        ),
    ],
)
def test_locations(locations: list[str], listing: list[tuple[str, Any]], objects: list[str]) -> None:
    *lists, using = presets.build("mountpoint-s3-csi", cluster(), {"locations": locations}).statements
    assert [
        (one["Resource"].rpartition(":")[2], one.get("Condition", {}).get("StringLike", {}).get("s3:prefix"))
        for one in lists
    ] == listing
    assert [resource.rpartition(":")[2] for resource in listed(using["Resource"])] == objects


# --- the page about them ---


def test_the_page_is_what_the_code_says() -> None:
    page = presets_page()
    assert page == (docs_folder / "presets.md").read_text(), "run `python -m docs.generate`"
    for name, definition in presets.PRESETS.items():
        assert f"\n## {name}\n" in page
        assert all(f"- `{argument.name}` (" in page for argument in definition.scope)
