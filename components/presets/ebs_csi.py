"""The Amazon EBS CSI driver: makes, attaches and snapshots volumes.

Follows v1.64.0's cluster-scoped policy,
https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/v1.64.0/docs/AmazonEBSCSIDriverEKSClusterScopedPolicy.json,
with the cluster's name in place of the session tag, so that it also holds where session tags are disabled, and with
instances told by the ownership tag too, which nodes of every kind have. Keys as in docs/install.md of that version. The
tags of older volumes as in docs/tagging.md, and what becomes of them as in
https://github.com/kubernetes-sigs/aws-ebs-csi-driver/issues/2918.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import KMS_KEYS, Flag
from ._model import Argument, Cluster, Definition, allow

_TAG = "ebs.csi.aws.com/cluster-name"


def statements(cluster: Cluster, *, kms_key_arns: Sequence[str], owned_volumes: bool = False) -> list[Statement]:
    """Handle the volumes and snapshots that carry the cluster's name, on the cluster's instances.

    `owned_volumes` adds those that carry the tag of ownership; what is made has to carry the cluster's name anyway.
    """
    volumes = cluster.arn("ec2", "volume/*")
    snapshots = cluster.arn("ec2", "snapshot/*", account="")
    instances = [cluster.arn("ec2", "instance/*")]
    named = {"StringEquals": {f"aws:RequestTag/{_TAG}": cluster.name}}
    own = [("", _TAG, cluster.name)] + ([("Owned", cluster.ownership_tag, "owned")] if owned_volumes else [])
    created = {"StringEquals": {"ec2:CreateAction": ["CreateVolume", "CreateSnapshot", "CopyVolumes"]}}
    kept = sorted({"ebs.csi.aws.com/cluster", "kubernetes.io/created-for/pvc/name", *(key for _, key, _ in own)})
    retagged = {"Null": {"aws:TagKeys": "false"}, "ForAllValues:StringNotEquals": {"aws:TagKeys": kept}}
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

    def on_own(sid: str, actions: Sequence[str], resource: str, condition: dict | None = None) -> list[Statement]:
        return [
            allow(
                f"{sid}{kind}",
                actions,
                [resource],
                {"StringEquals": {f"aws:ResourceTag/{key}": value}, **(condition or {})},
            )
            for kind, key, value in own
        ]

    result = [
        allow("Read", reading, ["*"]),
        allow("CreateVolumes", ["ec2:CreateVolume", "ec2:CopyVolumes"], [volumes], named),
        *on_own("CopyVolumes", ["ec2:CopyVolumes"], cluster.arn("ec2", "volume/vol-*")),
        allow("CreateSnapshots", ["ec2:CreateSnapshot"], [snapshots], named),
        *on_own("CreateSnapshotsOf", ["ec2:CreateSnapshot"], volumes),
        *on_own("ManageVolumes", ["ec2:ModifyVolume", *attaching, "ec2:DeleteVolume"], volumes),
        *on_own("RestoreSnapshots", ["ec2:CreateVolume", "ec2:EnableFastSnapshotRestores"], snapshots),
        *(
            allow(sid, attaching, instances, {"StringEquals": {f"aws:ResourceTag/{key}": value}})
            for sid, key, value in (
                ("AttachToOwnedInstances", cluster.ownership_tag, "owned"),
                ("AttachToManagedInstances", "eks:cluster-name", cluster.name),
                ("AttachToTaggedInstances", _TAG, cluster.name),
            )
        ),
        *on_own("DeleteSnapshots", ["ec2:DeleteSnapshot", "ec2:LockSnapshot"], snapshots),
        allow("TagNew", ["ec2:CreateTags"], [volumes, snapshots], created),
        *on_own("TagVolumes", ["ec2:CreateTags", "ec2:DeleteTags"], volumes, retagged),
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
    scope=(
        Argument("kms_key_arns", KMS_KEYS, "the customer managed keys of encrypted volumes"),
        Argument(
            "owned_volumes",
            Flag(),
            "whether it also handles volumes and snapshots with the tag `kubernetes.io/cluster/<cluster>` = `owned`, "
            "by which older versions marked the cluster's; false where left out",
        ),
    ),
    note=(
        "It handles volumes and snapshots with the tag `ebs.csi.aws.com/cluster-name` = `<cluster>`. The driver gives "
        "it to what it makes, from v1.58 on, where its option `k8s-tag-cluster-id` is the cluster's name, as it is in "
        "the EKS add-on. What was made before or by hand cannot be attached, detached or deleted: tag it so, or set "
        "`owned_volumes` for what the driver made with that option before v1.58."
    ),
)
