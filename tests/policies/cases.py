"""A compliant and a violating value of every policy, and what else may stand in the value's place."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ACCOUNT = "123456789012"
CLUSTER_ARN = f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/demo"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/demo"

POLICY, ROLE = "aws:iam/policy:Policy", "aws:iam/role:Role"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
CLUSTER, NODE_GROUP = "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
POD, DEPLOYMENT = "kubernetes:core/v1:Pod", "kubernetes:apps/v1:Deployment"
RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"


@dataclass(frozen=True)
class Case:
    """One policy on one property: `bad` in its place violates, `good` does not.

    `missing` and `wrong` say whether it is a violation to leave the property out, or to give a number for it.
    """

    policy: str
    type: str
    props: Mapping[str, Any]
    path: str
    good: Any
    bad: Any
    missing: bool = False
    wrong: bool = False

    def with_value(self, value: Any) -> dict[str, Any]:
        """The resource with a value in the property's place."""
        return _set(self.props, self.path.split("."), value)

    def without(self) -> dict[str, Any]:
        """The resource without the property."""
        return _set(self.props, self.path.split("."), _ABSENT)


_ABSENT = object()


def _set(value: Any, path: list[str], leaf: Any) -> Any:
    key, rest = path[0], path[1:]
    if key.isdigit():
        items = list(value)
        items[int(key)] = _set(items[int(key)], rest, leaf) if rest else leaf
        return [item for item in items if item is not _ABSENT]
    made = dict(value)
    if not rest and leaf is _ABSENT:
        made.pop(key, None)
    else:
        made[key] = _set(made.get(key, {}), rest, leaf) if rest else leaf
    return made


def document(*statements: Mapping[str, Any], version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": list(statements)})


def allow(action: Any, resource: Any = "arn:aws:s3:::demo/*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


SCOPE: dict[str, Any] = {
    "StringEquals": {"aws:SourceAccount": ACCOUNT},
    "ArnEquals": {"aws:SourceArn": CLUSTER_ARN},
}


def trust(**changes: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": SCOPE,
    }
    return document(statement | changes)


def scoped(operator: str, key: str, value: Any) -> str:
    return trust(Condition={**SCOPE, operator: {**SCOPE.get(operator, {}), key: value}})


def _permissions(policy: str, bad: str) -> Case:
    # A document that is not there, or is none, is what the provider and names-and-sizes have to say something of.
    return Case(policy, POLICY, {}, "policy", document(allow("s3:GetObject")), bad)


def _trust(policy: str, bad: str) -> Case:
    return Case(policy, ROLE, {}, "assumeRolePolicy", trust(), bad)


def _cluster(policy: str, path: str, good: Any, bad: Any, **more: Any) -> Case:
    return Case(policy, CLUSTER, {"version": "1.36"}, path, good, bad, **more)


ENFORCE = "pod-security.kubernetes.io/enforce"
GITHUB = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
PASS_AND_ASSOCIATE = document(
    allow("iam:PassRole", "*", Condition={"StringEquals": {"iam:PassedToService": "pods.eks.amazonaws.com"}}),
    allow("eks:CreatePodIdentityAssociation", "arn:aws:eks:eu-west-1:123456789012:cluster/demo"),
)
SPEC = {"serviceAccountName": "demo-sa", "automountServiceAccountToken": False, "containers": [{"name": "a"}]}
IN_POD: dict[str, Any] = {"metadata": {"name": "p", "namespace": "demo-ns"}, "spec": SPEC}
IN_DEPLOYMENT: dict[str, Any] = {
    "metadata": {"name": "d", "namespace": "demo-ns"},
    "spec": {"template": {"spec": SPEC}},
}
ASSOCIATED: dict[str, Any] = {
    "clusterName": "demo",
    "namespace": "demo-ns",
    "serviceAccount": "demo-sa",
    "roleArn": ROLE_ARN,
}
OPTIONS = {"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1}}

CASES: tuple[Case, ...] = (
    _permissions("iam-action", document(allow("s3:GetObjct"))),
    _permissions("iam-all-actions", document(allow("*"))),
    _permissions("iam-service-wildcard", document(allow("s3:*"))),
    _permissions("iam-not-action", document({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})),
    _permissions(
        "iam-not-resource", document({"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::a/*"})
    ),
    _permissions("iam-resource-wildcard", document(allow("s3:GetObject", "*"))),
    _permissions("iam-all-of-a-type", document(allow("kms:Decrypt", "arn:aws:kms:*:*:key/*"))),
    _permissions("iam-resource-mismatch", document(allow("s3:GetObject", "arn:aws:s3:::demo"))),
    _permissions("iam-pass-role", document(allow("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/*"))),
    _permissions("iam-escalation", PASS_AND_ASSOCIATE),
    _permissions("policy-version", document(allow("s3:GetObject"), version="2008-10-17")),
    Case("iam-action", "aws:iam/rolePolicy:RolePolicy", {}, "policy", document(), document(allow("s4:Get"))),
    Case("iam-action", "aws:iam/groupPolicy:GroupPolicy", {}, "policy", document(), document(allow("s4:Get"))),
    Case(
        "iam-all-actions",
        ROLE,
        {"assumeRolePolicy": trust(), "inlinePolicies": [{"name": "a"}]},
        "inlinePolicies.0.policy",
        document(),
        document(allow("*:*")),
    ),
    Case(
        "iam-admin-policy",
        ATTACHMENT,
        {},
        "policyArn",
        "arn:aws:iam::aws:policy/ReadOnlyAccess",
        "arn:aws:iam::aws:policy/AdministratorAccess",
    ),
    Case(
        "iam-admin-policy",
        ROLE,
        {"assumeRolePolicy": trust()},
        "managedPolicyArns",
        [],
        ["arn:aws:iam::aws:policy/IAMFullAccess"],
    ),
    Case(
        "iam-full-access-policy",
        ATTACHMENT,
        {},
        "policyArn",
        "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        "arn:aws:iam::aws:policy/AmazonS3FullAccess",
    ),
    Case("iam-boundary", ROLE, {"permissionsBoundary": None}, "assumeRolePolicy", document(), trust()),
    _trust("trust-unscoped", trust(Condition={})),
    _trust("trust-scope", trust(Condition={"ArnEquals": {"aws:SourceArn": CLUSTER_ARN}})),
    _trust("trust-actions", trust(Action="sts:AssumeRole")),
    _trust("trust-principal", trust(Principal={"Service": "eks-pods.amazonaws.com"})),
    _trust("trust-anyone", trust(Principal={"AWS": "*"}, Condition={})),
    _trust("trust-source-arn", scoped("ArnEquals", "aws:SourceArn", f"{CLUSTER_ARN[:-12]}podidentityassociation/a")),
    _trust("trust-source-account", scoped("StringEquals", "aws:SourceAccount", "1234")),
    _trust("trust-organization", scoped("StringEquals", "aws:SourceOrgID", "r-1")),
    _trust("trust-contradiction", scoped("StringEquals", "aws:SourceAccount", "210987654321")),
    _trust("trust-wildcard", scoped("StringEquals", "aws:RequestTag/kubernetes-namespace", "team-*")),
    _trust("trust-session-tag", scoped("StringEquals", "aws:RequestTag/namespace", "demo-ns")),
    _trust("trust-external-id", scoped("StringEquals", "sts:ExternalId", "x")),
    _trust(
        "trust-federated-subject",
        trust(Principal={"Federated": GITHUB}, Action="sts:AssumeRoleWithWebIdentity", Condition={}),
    ),
    Case("session-policy-tags", ASSOCIATION, {**ASSOCIATED, "policy": document()}, "disableSessionTags", True, False, missing=True, wrong=False),
    Case("default-service-account", ASSOCIATION, ASSOCIATED, "serviceAccount", "demo-sa", "default"),
    Case("default-namespace", ASSOCIATION, ASSOCIATED, "namespace", "demo-ns", "default"),
    Case("default-namespace", POD, IN_POD, "metadata.namespace", "demo-ns", "default"),
    Case("names-and-sizes", ASSOCIATION, ASSOCIATED, "roleArn", ROLE_ARN, "demo", wrong=True),
    Case("names-and-sizes", POLICY, {}, "policy", document(allow("s3:GetObject")), "{", wrong=True),
    Case("names-and-sizes", ROLE, {}, "assumeRolePolicy", trust(), trust(Sid="x" * 2048), wrong=True),
    _cluster("kubernetes-version", "version", "1.36", "1.28", wrong=True),
    _cluster("kubernetes-version-extended", "version", "1.36", "1.33"),
    _cluster("kubernetes-version-new", "version", "1.36", "1.99"),
    _cluster("cluster-endpoint-world", "vpcConfig.publicAccessCidrs", ["192.0.1.0/24"], ["0.0.0.0/0"], missing=True, wrong=False),
    _cluster("cluster-endpoint-nobody", "vpcConfig.publicAccessCidrs", ["192.0.1.0/24"], ["203.0.113.0/24"]),
    _cluster("cluster-endpoint-public", "vpcConfig.endpointPublicAccess", False, True, missing=True, wrong=True),
    _cluster("cluster-endpoint-private", "vpcConfig.endpointPrivateAccess", True, False, missing=True, wrong=True),
    Case("cluster-secrets", CLUSTER, {}, "version", "1.36", "1.27"),
    _cluster(
        "cluster-secrets-own-key",
        "encryptionConfig.provider.keyArn",
        "arn:aws:kms:eu-west-1:123456789012:key/a",
        None,
        missing=True,
        wrong=True,
    ),
    _cluster("cluster-audit-logs", "enabledClusterLogTypes", ["audit", "authenticator"], ["api"], missing=True, wrong=True),
    _cluster(
        "cluster-all-logs",
        "enabledClusterLogTypes",
        ["api", "audit", "authenticator", "controllerManager", "scheduler"],
        ["audit"],
        missing=True,
        wrong=True,
    ),
    _cluster("cluster-access-entries", "accessConfig.authenticationMode", "API", "CONFIG_MAP", missing=True, wrong=True),
    _cluster("cluster-creator-admin", "accessConfig.bootstrapClusterCreatorAdminPermissions", False, True, missing=True, wrong=True),
    _cluster("cluster-deletion-protection", "deletionProtection", True, False, missing=True, wrong=True),
    Case("cluster-access-entries", "kubernetes:core/v1:ConfigMap", {"metadata": {"namespace": "kube-system"}}, "metadata.name", "coredns", "aws-auth"),
    Case("cluster-system-groups", "aws:eks/accessEntry:AccessEntry", {}, "kubernetesGroups", ["team"], ["system:masters"]),
    Case(
        "cluster-admin-entry",
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        {"accessScope": {"type": "cluster"}},
        "policyArn",
        "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
        "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
    ),
    Case("addon-irsa", "aws:eks/addon:Addon", {"addonName": "vpc-cni"}, "serviceAccountRoleArn", None, ROLE_ARN, wrong=True),
    Case("node-ami-type", NODE_GROUP, {}, "amiType", "AL2023_x86_64_STANDARD", "AL2_x86_64"),
    Case("node-ssh", NODE_GROUP, {"remoteAccess": {"ec2SshKey": "k"}}, "remoteAccess.sourceSecurityGroupIds", ["sg-1"], [], missing=True),
    Case("node-launch-template", NODE_GROUP, {}, "launchTemplate", {"id": "lt-1"}, None, missing=True),
    Case("node-imds", TEMPLATE, OPTIONS, "metadataOptions.httpTokens", "required", "optional", missing=True, wrong=True),
    Case("node-imds-hops", TEMPLATE, OPTIONS, "metadataOptions.httpPutResponseHopLimit", 1, 2, missing=True, wrong=True),
    Case("node-imds", "aws:ec2/instance:Instance", OPTIONS, "metadataOptions.httpTokens", "required", "optional", missing=True, wrong=True),
    Case("volume-encryption", TEMPLATE, {**OPTIONS, "blockDeviceMappings": [{"ebs": {"volumeSize": 20}}]}, "blockDeviceMappings.0.ebs.encrypted", "true", "false", missing=True, wrong=True),
    Case("volume-encryption", "aws:ebs/volume:Volume", {}, "encrypted", True, False, missing=True, wrong=True),
    Case("node-public-address", TEMPLATE, {**OPTIONS, "networkInterfaces": [{}]}, "networkInterfaces.0.associatePublicIpAddress", "false", "true"),
    Case(
        "security-group-ssh",
        "aws:ec2/securityGroup:SecurityGroup",
        {"ingress": [{"protocol": "tcp", "fromPort": 0, "toPort": 1024}]},
        "ingress.0.cidrBlocks",
        ["10.0.0.0/8"],
        ["0.0.0.0/0"],
    ),
    Case("security-group-ssh", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", {"ipProtocol": "-1"}, "cidrIpv4", "10.0.0.0/8", "0.0.0.0/0"),
    Case("log-retention", "aws:cloudwatch/logGroup:LogGroup", {}, "retentionInDays", 30, 0, missing=True),
    Case("namespace-pod-security", "kubernetes:core/v1:Namespace", {"metadata": {"name": "demo-ns"}}, "metadata.labels", {ENFORCE: "restricted"}, {ENFORCE: "privileged"}, missing=True, wrong=True),
    Case("irsa", "kubernetes:core/v1:ServiceAccount", {"metadata": {"name": "a"}, "automountServiceAccountToken": False}, "metadata.annotations", {"a": "b"}, {"eks.amazonaws.com/role-arn": ROLE_ARN}),
    Case("service-account-token", "kubernetes:core/v1:ServiceAccount", {}, "automountServiceAccountToken", False, True, missing=True, wrong=True),
    Case("pod-default-service-account", POD, IN_POD, "spec.serviceAccountName", "demo-sa", "default", missing=True),
    Case("pod-service-account-token", POD, IN_POD, "spec.automountServiceAccountToken", False, True, missing=True, wrong=True),
    Case("pod-static-credentials", DEPLOYMENT, IN_DEPLOYMENT, "spec.template.spec.containers.0.env", [{"name": "A"}], [{"name": "AWS_ACCESS_KEY_ID", "value": "AKIA"}]),
    Case("pod-host-namespace", DEPLOYMENT, IN_DEPLOYMENT, "spec.template.spec.hostNetwork", False, True),
    Case("pod-privileged", POD, IN_POD, "spec.containers.0.securityContext.privileged", False, True),
    Case("irsa", POD, IN_POD, "spec.containers.0.env", [], [{"name": "AWS_ROLE_ARN", "value": ROLE_ARN}]),
    Case("rbac-cluster-admin", f"{RBAC}ClusterRoleBinding", {"roleRef": {"kind": "ClusterRole"}}, "roleRef.name", "view", "cluster-admin"),
    Case("rbac-wildcard", f"{RBAC}Role", {"rules": [{"resources": ["pods"]}]}, "rules.0.verbs", ["get"], ["*"]),
)  # fmt: skip
