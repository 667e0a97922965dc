"""The Mountpoint for Amazon S3 CSI driver: mounts buckets.

Follows Mountpoint 1.23.0, https://github.com/awslabs/mountpoint-s3/blob/mountpoint-s3-1.23.0/doc/CONFIGURATION.md, "IAM
permissions", which the driver's v2.7.0 points to.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import KMS_KEYS, LOCATIONS, Flag
from ._model import Argument, Cluster, Definition, allow
from ._s3 import listing, object_arns


def statements(
    cluster: Cluster, *, locations: Sequence[str], kms_key_arns: Sequence[str], read_only: bool = False
) -> list[Statement]:
    """List and read the locations, and write to them unless `read_only` is set."""
    writing = [] if read_only else ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject"]
    result = [
        *listing(cluster, "ListBuckets", locations),
        allow("UseObjects", ["s3:GetObject", *writing], object_arns(cluster, locations)),
    ]
    if kms_key_arns:
        using = ["kms:Decrypt"] if read_only else ["kms:Decrypt", "kms:GenerateDataKey"]
        result.append(allow("UseKeys", using, kms_key_arns))
    return result


PRESET = Definition(
    name="mountpoint-s3-csi",
    title="Mountpoint for Amazon S3 CSI driver",
    version="1.23.0",
    source="https://github.com/awslabs/mountpoint-s3/blob/mountpoint-s3-1.23.0/doc/CONFIGURATION.md",
    namespace="kube-system",
    service_account="s3-csi-driver-sa",
    addon="aws-mountpoint-s3-csi-driver",
    statements=statements,
    scope=(
        Argument("locations", LOCATIONS, "the buckets, or prefixes in them, that may be mounted", required=True),
        Argument("kms_key_arns", KMS_KEYS, "the customer managed keys that the objects are encrypted with"),
        Argument("read_only", Flag(), "whether it may only read; false where left out"),
    ),
)
