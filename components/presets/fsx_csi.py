"""The Amazon FSx for Lustre CSI driver: makes and grows file systems.

Follows v1.9.0, https://github.com/kubernetes-sigs/aws-fsx-csi-driver/blob/v1.9.0/docs/install.md, and narrows what it
makes, changes and deletes to file systems with the tag that the driver gives to each of its own.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import BUCKETS
from ._model import Argument, Cluster, Definition, allow
from ._s3 import bucket_arns

_TAG = "CSIVolumeName"


def statements(cluster: Cluster, *, bucket_names: Sequence[str]) -> list[Statement]:
    """Handle the driver's file systems, and link them to the buckets."""
    file_systems = [cluster.arn("fsx", "file-system/*")]
    roles = cluster.arn("iam", "role/aws-service-role/fsx.amazonaws.com/*", region="")
    for_fsx = {"StringEquals": {"iam:AWSServiceName": "fsx.amazonaws.com"}}
    made = {"StringLike": {f"aws:RequestTag/{_TAG}": "*"}}
    own = {"StringLike": {f"aws:ResourceTag/{_TAG}": "*"}}
    result = [
        allow("Read", ["fsx:DescribeFileSystems"], ["*"]),
        allow("CreateFileSystems", ["fsx:CreateFileSystem", "fsx:TagResource"], file_systems, made),
        allow("ManageFileSystems", ["fsx:DeleteFileSystem", "fsx:UpdateFileSystem"], file_systems, own),
        allow("CreateServiceLinkedRole", ["iam:CreateServiceLinkedRole"], [roles], for_fsx),
    ]
    if bucket_names:
        linking = cluster.arn("iam", "role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/*", region="")
        roles_of_links = ["iam:CreateServiceLinkedRole", "iam:AttachRolePolicy", "iam:PutRolePolicy"]
        result += [
            allow("ListBuckets", ["s3:ListBucket"], bucket_arns(cluster, bucket_names)),
            allow("LinkBuckets", roles_of_links, [linking]),
        ]
    return result


PRESET = Definition(
    name="fsx-lustre-csi",
    title="Amazon FSx for Lustre CSI driver",
    version="v1.9.0",
    source="https://github.com/kubernetes-sigs/aws-fsx-csi-driver/blob/v1.9.0/docs/install.md",
    namespace="kube-system",
    service_account="fsx-csi-controller-sa",
    addon="aws-fsx-csi-driver",
    statements=statements,
    scope=(Argument("bucket_names", BUCKETS, "the buckets that file systems may be linked to"),),
)
