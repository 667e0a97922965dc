"""An EKS add-on whose pods have AWS permissions. EKS makes the association with the add-on, and removes it with it."""

import pulumi
from eks_pod_identity import EksAddon, ExistingCluster, PodIdentity

cluster = ExistingCluster("cluster", {"cluster_name": pulumi.Config().require("clusterName")})
driver = PodIdentity(
    "ebs-csi",
    {
        "cluster_name": cluster.ready,
        "cluster_arn": cluster.cluster_arn,
        "preset": "ebs-csi",
        # Only the role is made here, for the ServiceAccount that comes with the add-on.
        "addon": "aws-ebs-csi-driver",
    },
)
addon = EksAddon(
    "ebs-csi",
    {
        "cluster_name": cluster.ready,
        "addon_name": "aws-ebs-csi-driver",
        "pod_identity_associations": {"ebs-csi-controller-sa": driver.role_arn},
    },
)

pulumi.export("role_arn", driver.role_arn)
pulumi.export("addon_version", addon.addon_version)
