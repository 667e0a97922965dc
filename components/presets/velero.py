"""Velero: backs up Kubernetes objects to S3, and volumes as snapshots.

Follows v1.13.2 of its plugin for AWS, https://github.com/vmware-tanzu/velero-plugin-for-aws/blob/v1.13.2/README.md,
with the buckets named, in the cluster's region and account. Of snapshots it deletes and restores only those with the
tag that Velero gives to its own.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import KMS_KEYS, LOCATIONS
from ._model import Argument, Cluster, Definition, allow
from ._s3 import listing, object_arns


def statements(cluster: Cluster, *, locations: Sequence[str], kms_key_arns: Sequence[str]) -> list[Statement]:
    """Keep backups in the locations, and snapshots of the account's volumes."""
    volumes = cluster.arn("ec2", "volume/*")
    snapshots = cluster.arn("ec2", "snapshot/*", account="")
    made = {"StringLike": {"aws:RequestTag/velero.io/backup": "*"}}
    own = {"StringLike": {"aws:ResourceTag/velero.io/backup": "*"}}
    created = {"StringEquals": {"ec2:CreateAction": ["CreateSnapshot", "CreateVolume"]}}
    keeping = ["AbortMultipartUpload", "DeleteObject", "GetObject", "ListMultipartUploadParts", "PutObject"]
    keeping.append("PutObjectTagging")
    result = [
        allow("Read", ["ec2:DescribeSnapshots", "ec2:DescribeVolumes"], ["*"]),
        allow("SnapshotVolumes", ["ec2:CreateSnapshot"], [volumes]),
        allow("CreateSnapshots", ["ec2:CreateSnapshot"], [snapshots], made),
        allow("RestoreVolumes", ["ec2:CreateVolume"], [volumes]),
        allow("RestoreSnapshots", ["ec2:CreateVolume"], [snapshots], own),
        allow("TagNew", ["ec2:CreateTags"], [volumes, snapshots], created),
        allow("DeleteSnapshots", ["ec2:DeleteSnapshot"], [snapshots], own),
        *listing(cluster, "ListBuckets", locations),
        allow("KeepBackups", [f"s3:{action}" for action in keeping], object_arns(cluster, locations)),
    ]
    if kms_key_arns:
        for_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        using = ["Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"]
        using += ["ReEncryptFrom", "ReEncryptTo"]
        result += [
            allow("UseKeys", [f"kms:{action}" for action in using], kms_key_arns),
            allow("GrantKeys", ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"], kms_key_arns, for_aws),
        ]
    return result


PRESET = Definition(
    name="velero",
    title="Velero",
    version="v1.13.2",
    source="https://github.com/vmware-tanzu/velero-plugin-for-aws/blob/v1.13.2/README.md",
    namespace="velero",
    service_account="velero",
    statements=statements,
    scope=(
        Argument("locations", LOCATIONS, "the buckets, or prefixes in them, that backups are kept in", required=True),
        Argument("kms_key_arns", KMS_KEYS, "the customer managed keys of buckets and volumes"),
    ),
)
