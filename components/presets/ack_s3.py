"""The ACK controller for Amazon S3: keeps buckets.

v1.10.0 recommends all of S3,
https://github.com/aws-controllers-k8s/s3-controller/blob/v1.10.0/config/iam/recommended-inline-policy. These are the
calls that its Bucket resource makes, on the buckets of the scope.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import ROLES, Items
from ._model import Argument, Cluster, Definition, allow

_PARTS = (
    *("AccelerateConfiguration", "AnalyticsConfiguration", "BucketAbac", "BucketAcl", "BucketCORS", "BucketLogging"),
    *("BucketNotification", "BucketObjectLockConfiguration", "BucketOwnershipControls", "BucketPolicy"),
    *("BucketPublicAccessBlock", "BucketRequestPayment", "BucketTagging", "BucketVersioning", "BucketWebsite"),
    *("EncryptionConfiguration", "IntelligentTieringConfiguration", "InventoryConfiguration"),
    *("LifecycleConfiguration", "MetricsConfiguration", "ReplicationConfiguration"),
)


def statements(
    cluster: Cluster, *, bucket_names: Sequence[str], replication_role_arns: Sequence[str]
) -> list[Statement]:
    """Make, configure and delete the buckets; hand S3 the roles that it replicates with."""
    buckets = [cluster.arn("s3", bucket, region="", account="") for bucket in bucket_names]
    keeping = ["CreateBucket", "DeleteBucket", "DeleteBucketPolicy", "DeleteBucketWebsite", "ListBucket"]
    tagging = ["ListTagsForResource", "TagResource", "UntagResource"]
    to_s3 = {"StringEquals": {"iam:PassedToService": "s3.amazonaws.com"}}
    result = [
        allow("ListBuckets", ["s3:ListAllMyBuckets"], ["*"]),
        allow("KeepBuckets", [f"s3:{action}" for action in (*keeping, *tagging)], buckets),
        allow("ReadConfigurations", [f"s3:Get{part}" for part in _PARTS], buckets),
        allow("WriteConfigurations", [f"s3:Put{part}" for part in _PARTS], buckets),
    ]
    if replication_role_arns:
        result.append(allow("PassReplicationRoles", ["iam:PassRole"], replication_role_arns, to_s3))
    return result


PRESET = Definition(
    name="ack-s3",
    title="ACK controller for Amazon S3",
    version="v1.10.0",
    source="https://github.com/aws-controllers-k8s/s3-controller/blob/v1.10.0/config/iam/recommended-inline-policy",
    namespace="ack-system",
    service_account="ack-s3-controller",
    statements=statements,
    scope=(
        Argument(
            "bucket_names",
            Items(
                "names of S3 buckets, in which `*` may stand for the end",
                "my-team-*",
                r"[a-z0-9][a-z0-9.-]{2,61}(\*|(?<=[a-z0-9]))",
            ),
            "the buckets that it keeps",
            required=True,
        ),
        Argument(
            "replication_role_arns",
            ROLES,
            "the roles with which S3 replicates the buckets",
        ),
    ),
)
