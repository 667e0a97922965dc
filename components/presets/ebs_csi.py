"""The Amazon EBS CSI driver: makes, attaches and snapshots volumes.

Follows v1.64.0's cluster-scoped policy,
https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/v1.64.0/docs/AmazonEBSCSIDriverEKSClusterScopedPolicy.json,
with the cluster's name in place of the session tag, so that it also holds where session tags are disabled, and with
instances told by the ownership tag too, which nodes of every kind have. Keys as in docs/install.md of that version.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import KMS_KEYS
from ._model import Argument, Cluster, Definition, allow

_TAG = "ebs.csi.aws.com/cluster-name"


def statements(cluster: Cluster, *, kms_key_arns: Sequence[str]) -> list[Statement]:
    """Handle the volumes and snapshots that carry the cluster's name, on the cluster's instances."""
    volumes = cluster.arn("ec2", "volume/*")
    snapshots = cluster.arn("ec2", "snapshot/*", account="")
    instances = [cluster.arn("ec2", "instance/*")]
    named = {"StringEquals": {f"aws:RequestTag/{_TAG}": cluster.name}}
    owned = {"StringEquals": {f"aws:ResourceTag/{_TAG}": cluster.name}}
    created = {"StringEquals": {"ec2:CreateAction": ["CreateVolume", "CreateSnapshot", "CopyVolumes"]}}
    retagged = {
        **owned,
        "Null": {"aws:TagKeys": "false"},
        "ForAllValues:StringNotEquals": {
            "aws:TagKeys": ["ebs.csi.aws.com/cluster", _TAG, "kubernetes.io/created-for/pvc/name"]
        },
    }
    reading = [
        "ec2:DescribeAvailabilityZones",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeInstances",
        "ec2:DescribeSnapshots",
        "ec2:DescribeVolumeStatus",
        "ec2:DescribeVolumes",
        "ec2:DescribeVolumesModifications",
    ]
    attaching = ["ec2:AttachVolume", "ec2:DetachVolume"]
    result = [
        allow("Read", reading, ["*"]),
        allow("CreateVolumes", ["ec2:CreateVolume", "ec2:CopyVolumes"], [volumes], named),
        allow("CopyVolumes", ["ec2:CopyVolumes"], [cluster.arn("ec2", "volume/vol-*")], owned),
        allow("CreateSnapshots", ["ec2:CreateSnapshot"], [snapshots], named),
        allow("CreateSnapshotsOf", ["ec2:CreateSnapshot"], [volumes], owned),
        allow("ManageVolumes", ["ec2:ModifyVolume", *attaching, "ec2:DeleteVolume"], [volumes], owned),
        allow("RestoreSnapshots", ["ec2:CreateVolume", "ec2:EnableFastSnapshotRestores"], [snapshots], owned),
        *(
            allow(sid, attaching, instances, {"StringEquals": {f"aws:ResourceTag/{key}": value}})
            for sid, key, value in (
                ("AttachToOwnedInstances", cluster.ownership_tag, "owned"),
                ("AttachToManagedInstances", "eks:cluster-name", cluster.name),
                ("AttachToTaggedInstances", _TAG, cluster.name),
            )
        ),
        allow("DeleteSnapshots", ["ec2:DeleteSnapshot", "ec2:LockSnapshot"], [snapshots], owned),
        allow("TagNew", ["ec2:CreateTags"], [volumes, snapshots], created),
        allow("TagVolumes", ["ec2:CreateTags", "ec2:DeleteTags"], [volumes], retagged),
    ]
    if kms_key_arns:
        for_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        result += [
            allow("UseKeys", ["kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext"], kms_key_arns),
            allow("GrantKeys", ["kms:CreateGrant"], kms_key_arns, for_aws),
        ]
    return result


PRESET = Definition(
    name="ebs-csi",
    title="Amazon EBS CSI driver",
    version="v1.64.0",
    source="https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/v1.64.0/docs/AmazonEBSCSIDriverEKSClusterScopedPolicy.json",
    namespace="kube-system",
    service_account="ebs-csi-controller-sa",
    addon="aws-ebs-csi-driver",
    statements=statements,
    scope=(Argument("kms_key_arns", KMS_KEYS, "the customer managed keys of encrypted volumes"),),
    note="The driver's option `k8s-tag-cluster-id` has to be the cluster's name: it makes the tags that are asked for.",
)
