"""The Amazon EFS CSI driver's controller: makes access points in the file systems of its scope.

Follows v3.4.1, https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/v3.4.1/docs/iam-policy-example.json, with the
file systems named and without Amazon S3 Files; tags that are given with a new access point as in AWS's managed policy
`AmazonEFSCSIDriverPolicy`.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import arns
from ._model import Argument, Cluster, Definition, allow

_TAG = "efs.csi.aws.com/cluster"


def statements(cluster: Cluster, *, file_system_arns: Sequence[str]) -> list[Statement]:
    """Make, tag and delete access points with the driver's tag."""
    access_points = cluster.arn("elasticfilesystem", "access-point/*")
    reading = [f"elasticfilesystem:Describe{what}" for what in ("AccessPoints", "FileSystems", "MountTargets")]
    made = {"StringEquals": {f"aws:RequestTag/{_TAG}": "true"}}
    created = {"StringEquals": {"elasticfilesystem:CreateAction": "CreateAccessPoint", **made["StringEquals"]}}
    own = {"StringEquals": {f"aws:ResourceTag/{_TAG}": "true"}}
    tagging = ["elasticfilesystem:TagResource"]
    return [
        allow("ReadZones", ["ec2:DescribeAvailabilityZones"], ["*"]),
        allow("Read", reading, [*file_system_arns, access_points]),
        allow("CreateAccessPoints", ["elasticfilesystem:CreateAccessPoint"], file_system_arns, made),
        allow("TagNewAccessPoints", tagging, [*file_system_arns, access_points], created),
        allow("TagAccessPoints", tagging, [access_points], own),
        allow("DeleteAccessPoints", ["elasticfilesystem:DeleteAccessPoint"], [access_points], own),
    ]


PRESET = Definition(
    name="efs-csi",
    title="Amazon EFS CSI driver",
    version="v3.4.1",
    source="https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/v3.4.1/docs/iam-policy-example.json",
    namespace="kube-system",
    service_account="efs-csi-controller-sa",
    addon="aws-efs-csi-driver",
    statements=statements,
    scope=(
        Argument(
            "file_system_arns",
            arns(
                "ARNs of EFS file systems",
                "arn:<partition>:elasticfilesystem:<region>:<account>:file-system/<id>",
                r"file-system/fs-[0-9a-f]{8,40}",
            ),
            "the file systems in which it makes access points",
            required=True,
        ),
    ),
)
