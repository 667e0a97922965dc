"""The documents against golden files, which show in a review exactly what IAM will be given."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import documents, rules

GOLDEN = Path(__file__).parents[2] / "policies" / "iam"
PARTITIONS = {"aws": "eu-west-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
DEMO = "eks-pod-identity-demo"

names = st.from_regex(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}", fullmatch=True)
accounts = st.from_regex(r"[0-9]{12}", fullmatch=True)
cluster_arns = st.builds(
    lambda place, account, name: documents.cluster_arn(place[0], place[1], account, name),
    st.sampled_from(list(PARTITIONS.items())),
    accounts,
    names,
)


@pytest.mark.parametrize("partition", PARTITIONS)
def test_the_blogs_documents(partition: str) -> None:
    arn = documents.cluster_arn(partition, PARTITIONS[partition], "123456789012", DEMO)
    built = {
        "trust": documents.trust([arn]),
        "trust-one-service-account": documents.trust(
            [arn], namespaces=["demo-ns"], service_accounts=["demo-sa"], organization_id="o-a1b2c3d4e5"
        ),
        "trust-shared": documents.shared_trust(
            [
                documents.Subject(arn, "demo-ns", "other-sa"),
                documents.Subject(arn, "demo-ns", "demo-sa"),
                documents.Subject(
                    documents.cluster_arn(partition, PARTITIONS[partition], "210987654321", "staging"),
                    "staging-ns",
                    "demo-sa",
                ),
            ]
        ),
        "permissions": documents.permissions(documents.s3_read_only(partition, [f"{DEMO}-*"])),
    }
    for name, document in built.items():
        assert document == json.loads((GOLDEN / partition / f"{name}.json").read_text()), name


def test_no_golden_file_is_left_over() -> None:
    assert {f"{path.parent.name}/{path.stem}" for path in GOLDEN.rglob("*.json")} == {
        f"{partition}/{name}"
        for partition in PARTITIONS
        for name in ("trust", "trust-one-service-account", "trust-shared", "permissions")
    }


@given(st.lists(cluster_arns, min_size=1, max_size=5))
def test_a_trust_names_its_clusters_and_their_accounts_and_nothing_else(arns: list[str]) -> None:
    (statement,) = documents.trust(arns)["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert set([sources] if isinstance(sources, str) else sources) == set(arns)
    owners = statement["Condition"]["StringEquals"]["aws:SourceAccount"]
    assert set([owners] if isinstance(owners, str) else owners) == {arn.split(":")[4] for arn in arns}


@given(st.lists(cluster_arns, min_size=1, max_size=5), st.randoms())
def test_the_order_of_the_arguments_is_not_part_of_a_document(arns: list[str], random) -> None:
    shuffled = list(arns)
    random.shuffle(shuffled)
    assert documents.to_json(documents.trust(arns)) == documents.to_json(documents.trust(shuffled))


subjects = st.builds(
    lambda cluster, namespace, account: documents.Subject(
        documents.cluster_arn("aws", "eu-west-1", f"{cluster:012}", f"c{cluster}"), f"n{namespace}", f"s{account}"
    ),
    *[st.integers(0, 3)] * 3,
)


def products(document: documents.Document) -> list[tuple[frozenset[str], ...]]:
    """The clusters, namespaces and ServiceAccounts of each statement of a trust."""

    def listed(value: str | list[str]) -> frozenset[str]:
        return frozenset([value] if isinstance(value, str) else value)

    found = []
    for statement in document["Statement"]:
        equals = statement["Condition"]["StringEquals"]
        arns = listed(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
        assert listed(equals["aws:SourceAccount"]) == {arn.split(":")[4] for arn in arns}
        tags = ("namespace", "service-account")
        found.append((arns, *(listed(equals[f"aws:RequestTag/kubernetes-{tag}"]) for tag in tags)))
    return found


@given(st.lists(subjects, max_size=24), st.randoms())
def test_a_shared_trust_is_for_just_those_who_share_it(shared: list[documents.Subject], random) -> None:
    document = documents.shared_trust(shared)
    found = products(document)
    trusted = [subject for product in found for subject in itertools.product(*product)]
    assert set(trusted) == set(shared)
    assert len(trusted) == len(set(trusted))
    assert len(found) <= len({subject[1:] for subject in shared})
    # No two statements could be one.
    for one, other in itertools.combinations(found, 2):
        assert sum(mine != theirs for mine, theirs in zip(one, other, strict=True)) > 1
    shuffled = list(shared)
    random.shuffle(shuffled)
    assert documents.to_json(documents.shared_trust(shuffled)) == documents.to_json(document)


@given(*[st.sets(st.integers(0, 5), min_size=1)] * 3)
def test_all_combinations_are_one_statement(clusters: set[int], namespaces: set[int], accounts: set[int]) -> None:
    arns = [documents.cluster_arn("aws", "eu-west-1", "123456789012", f"c{n}") for n in clusters]
    parts = ([f"n{n}" for n in namespaces], [f"s{n}" for n in accounts])
    shared = [documents.Subject(*subject) for subject in itertools.product(arns, *parts)]
    assert documents.shared_trust(shared) == documents.trust(arns, namespaces=parts[0], service_accounts=parts[1])


@given(st.text())
def test_what_is_no_cluster_is_no_trust(text: str) -> None:
    if rules.CLUSTER_ARN.fullmatch(text) is None:
        with pytest.raises(ValueError, match="not the ARN"):
            documents.trust([text])


def test_reading_no_bucket_is_listing_only() -> None:
    (statement,) = documents.s3_read_only("aws", [])
    assert statement["Action"] == ["s3:ListAllMyBuckets"]


def test_permissions_keep_their_elements_in_iams_order() -> None:
    statement = {"Resource": "*", "Action": "s3:ListAllMyBuckets", "Effect": "Allow", "Sid": "List"}
    assert list(documents.permissions([statement])["Statement"][0]) == ["Sid", "Effect", "Action", "Resource"]
