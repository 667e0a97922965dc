"""The policy pack: `pulumi preview --policy-pack policies`. See README.md."""

from eks_pod_identity_policies import policies
from pulumi_policy import EnforcementLevel, PolicyPack

PolicyPack(name="eks-pod-identity", enforcement_level=EnforcementLevel.MANDATORY, policies=policies())
