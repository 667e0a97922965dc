"""S3 locations: a bucket, or the keys of a bucket that begin with a prefix."""

from collections.abc import Sequence

from ..documents import Statement
from ._model import Cluster, allow


def object_arns(cluster: Cluster, locations: Sequence[str]) -> list[str]:
    """The ARNs of all objects in the locations."""
    return [cluster.arn("s3", f"{location.rstrip('/')}/*", region="", account="") for location in locations]


def bucket_arns(cluster: Cluster, locations: Sequence[str]) -> list[str]:
    """The ARNs of the buckets that the locations are in, each once."""
    buckets = sorted({location.partition("/")[0] for location in locations})
    return [cluster.arn("s3", bucket, region="", account="") for bucket in buckets]


def listing(cluster: Cluster, sid: str, locations: Sequence[str]) -> list[Statement]:
    """List the locations: whole buckets together, and each bucket with prefixes by itself, under these only."""
    actions = ["s3:ListBucket"]
    whole = [location for location in locations if not location.rstrip("/").partition("/")[2]]
    result = [allow(sid, actions, bucket_arns(cluster, whole))] if whole else []
    prefixes: dict[str, list[str]] = {}
    for location in locations:
        bucket, _, prefix = location.rstrip("/").partition("/")
        if prefix:
            prefixes.setdefault(bucket, []).append(f"{prefix}/*")
    for number, (bucket, patterns) in enumerate(sorted(prefixes.items()), 1):
        under = {"StringLike": {"s3:prefix": patterns[0] if len(patterns) == 1 else patterns}}
        result.append(allow(f"{sid}Under{number}Prefix", actions, bucket_arns(cluster, [bucket]), under))
    return result
