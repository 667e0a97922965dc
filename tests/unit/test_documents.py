"""The documents against golden files, which show in a review exactly what IAM will be given."""

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
        "permissions": documents.permissions(documents.s3_read_only(partition, [f"{DEMO}-*"])),
    }
    for name, document in built.items():
        assert document == json.loads((GOLDEN / partition / f"{name}.json").read_text()), name


def test_no_golden_file_is_left_over() -> None:
    assert {f"{path.parent.name}/{path.stem}" for path in GOLDEN.rglob("*.json")} == {
        f"{partition}/{name}"
        for partition in PARTITIONS
        for name in ("trust", "trust-one-service-account", "permissions")
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
