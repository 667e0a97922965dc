"""Good practice for clusters, nodes and what is around them, judged on resources as Pulumi has them.

Each function takes the inputs of one resource of the AWS or the Kubernetes provider, in the provider's own spelling, in
whatever stack it stands: `{"vpcConfig": {"endpointPublicAccess": True}}`. A value that is not known yet is `UNKNOWN`,
one that is of a wrong type counts as left out: the provider refuses it.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from ._cluster import judge_ami_type, judge_kubernetes_version, judge_public_blocks
from ._findings import IAM_GUIDE, UNKNOWN, USER_GUIDE, Finding, Severity, known_items
from ._trust import trusts_pod_identity

Props = Mapping[str, Any]

_ENDPOINT_PAGE = USER_GUIDE + "cluster-endpoint.html"
_ACCESS_PAGE = USER_GUIDE + "access-entries.html"
_IMDS_PAGE = "https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html"
_RBAC_PAGE = "https://kubernetes.io/docs/concepts/security/rbac-good-practices/"
# The narrowest prefix that is still the whole internet, by whatever number of blocks.
_WORLD_PREFIX = 7


def at(value: Any, path: str) -> Any:
    """What stands at a path such as `vpcConfig.publicAccessCidrs`: `UNKNOWN` where any step is, None where there is
    none."""
    for key in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def judge_eks_cluster(props: Props, *, today: date | None = None) -> list[Finding]:
    """An `aws:eks:Cluster`: version, endpoint, secrets, logs, authentication, deletion. `today` as for versions."""
    return [
        *judge_kubernetes_version(at(props, "version"), "version", today=today),
        *_endpoint(props),
        *_secrets(props),
        *_logs(props),
        *_authentication(props),
        *_deletion(props),
    ]


def _endpoint(props: Props) -> list[Finding]:
    findings: list[Finding] = []
    public, private = at(props, "vpcConfig.endpointPublicAccess"), at(props, "vpcConfig.endpointPrivateAccess")
    cidrs = at(props, "vpcConfig.publicAccessCidrs")
    if public is not UNKNOWN and public is not False:
        where = "vpcConfig.publicAccessCidrs"
        open_ = [cidr for _, cidr in known_items(where, cidrs) if is_the_world(cidr)]
        if cidrs is not UNKNOWN and (not cidrs or open_):
            reason = "the API server answers the whole internet"
            fix = "Say from where it is reached, in publicAccessCidrs, or set endpointPublicAccess to false"
            findings.append(Finding("cluster-endpoint-world", where, open_ or None, reason, fix, _ENDPOINT_PAGE))
        findings += judge_public_blocks(cidrs, where)
        where = "vpcConfig.endpointPublicAccess"
        reason = "the API server has a public address"
        fix = "Set endpointPublicAccess to false where all who need it reach it inside the VPC"
        findings.append(_advice("cluster-endpoint-public", where, public, reason, fix, _ENDPOINT_PAGE))
    if private is not UNKNOWN and private is not True:
        where = "vpcConfig.endpointPrivateAccess"
        reason = "nodes reach the API server by its public address, out of the VPC and back"
        fix = "Set endpointPrivateAccess to true"
        findings.append(_advice("cluster-endpoint-private", where, private, reason, fix, _ENDPOINT_PAGE))
    return findings


def is_the_world(cidr: object) -> bool:
    """Whether a block is the internet, or so much of it that it limits nothing."""
    try:
        return isinstance(cidr, str) and ipaddress.ip_network(cidr, strict=False).prefixlen <= _WORLD_PREFIX
    except ValueError:
        return False


def _secrets(props: Props) -> list[Finding]:
    config, version = at(props, "encryptionConfig"), at(props, "version")
    key = at(config, "provider.keyArn")
    if config is UNKNOWN or key is UNKNOWN or isinstance(key, str):
        return []
    page = USER_GUIDE + "envelope-encryption.html"
    # From 1.28 on EKS encrypts all of Kubernetes' data with a key of its own.
    minor = version.partition(".")[2] if isinstance(version, str) else ""
    if minor.isdigit() and int(minor) < 28:
        reason = "before 1.28 EKS does not encrypt Kubernetes secrets by itself"
        return [Finding("cluster-secrets", "encryptionConfig", config, reason, "Give encryptionConfig a KMS key", page)]
    reason = "secrets are encrypted with AWS's key, whose use you cannot see or withdraw"
    fix = "Give encryptionConfig a KMS key of yours, if that is asked for"
    return [_advice("cluster-secrets-own-key", "encryptionConfig", config, reason, fix, page)]


def _logs(props: Props) -> list[Finding]:
    where = "enabledClusterLogTypes"
    given = at(props, where)
    if given is UNKNOWN:
        return []
    types = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
    if UNKNOWN in types:
        return []
    page = USER_GUIDE + "control-plane-logs.html"
    findings: list[Finding] = []
    missing = [kind for kind in ("audit", "authenticator") if kind not in types]
    if missing:
        reason = "nothing tells who did what in the cluster, and as whom"
        fix = f"Add {' and '.join(missing)}"
        findings.append(Finding("cluster-audit-logs", where, types, reason, fix, page))
    others = [kind for kind in ("api", "controllerManager", "scheduler") if kind not in types]
    if others:
        reason, fix = "some control plane logs are not kept", f"Add {', '.join(others)}, if that is asked for"
        findings.append(_advice("cluster-all-logs", where, types, reason, fix, page))
    return findings


def _authentication(props: Props) -> list[Finding]:
    findings: list[Finding] = []
    mode = at(props, "accessConfig.authenticationMode")
    where = "accessConfig.authenticationMode"
    if mode is not UNKNOWN and mode != "API":
        reason = "whoever may write the ConfigMap aws-auth is an administrator, and no AWS API shows who is"
        page = USER_GUIDE + "setting-up-access-entries.html"
        findings.append(Finding("cluster-access-entries", where, mode, reason, "Set it to API", page))
    where = "accessConfig.bootstrapClusterCreatorAdminPermissions"
    creator = at(props, where)
    if creator is not UNKNOWN and creator is not False:
        reason = "who makes the cluster administers it for ever, by an entry that nobody wrote"
        fix = "Set it to false, and give administrators access entries"
        findings.append(_advice("cluster-creator-admin", where, creator, reason, fix, _ACCESS_PAGE))
    return findings


def _deletion(props: Props) -> list[Finding]:
    protected = at(props, "deletionProtection")
    if protected is UNKNOWN or protected is True:
        return []
    page = USER_GUIDE + "deletion-protection.html"
    reason, fix = "one command deletes the cluster", "Set deletionProtection to true in production"
    return [_advice("cluster-deletion-protection", "deletionProtection", protected, reason, fix, page)]


def judge_config_map(props: Props) -> list[Finding]:
    """A `kubernetes:core/v1:ConfigMap`: that it is not aws-auth."""
    name, namespace = at(props, "metadata.name"), at(props, "metadata.namespace")
    if (name, namespace) != ("aws-auth", "kube-system"):
        return []
    reason = "access by aws-auth is seen and limited by no AWS API, and a mistake in it locks everybody out"
    fix = "Make access entries (aws.eks.AccessEntry), and set the cluster's authenticationMode to API"
    page = USER_GUIDE + "migrating-access-entries.html"
    return [Finding("cluster-access-entries", "metadata.name", name, reason, fix, page)]


def judge_access_entry(props: Props) -> list[Finding]:
    """An `aws:eks:AccessEntry`: that it gives no group that Kubernetes reserves."""
    return [
        Finding(
            "cluster-system-groups",
            where,
            group,
            "EKS refuses groups of Kubernetes' own, and no policy could take these rights away",
            "Associate an access policy, such as AmazonEKSAdminViewPolicy, or bind a group of your own",
            _ACCESS_PAGE,
        )
        for where, group in known_items("kubernetesGroups", at(props, "kubernetesGroups"))
        if isinstance(group, str) and group.startswith("system:")
    ]


def judge_access_policy(props: Props) -> list[Finding]:
    """An `aws:eks:AccessPolicyAssociation`: whether it makes an administrator of the whole cluster."""
    policy, scope = at(props, "policyArn"), at(props, "accessScope.type")
    if not isinstance(policy, str) or not policy.endswith("/AmazonEKSClusterAdminPolicy") or scope is UNKNOWN:
        return []
    reason = "its principal may do everything in the whole cluster"
    fix = "Give AmazonEKSAdminPolicy in the namespaces that are needed, and keep this for emergencies"
    return [_advice("cluster-admin-entry", "policyArn", policy, reason, fix, USER_GUIDE + "access-policies.html")]


def judge_node_group(props: Props) -> list[Finding]:
    """An `aws:eks:NodeGroup`: its AMI, its way in by SSH, and its launch template."""
    findings: list[Finding] = []
    ami = at(props, "amiType")
    if isinstance(ami, str) and ami.startswith("AL2_"):
        findings += judge_ami_type(ami, "amiType")
    access = at(props, "remoteAccess")
    key, groups = at(access, "ec2SshKey"), at(access, "sourceSecurityGroupIds")
    if access is not UNKNOWN and key is not None and groups is not UNKNOWN and not groups:
        reason = "with a key and no sourceSecurityGroupIds, EKS opens port 22 to the whole internet"
        fix = "Remove remoteAccess and use AWS Systems Manager, or name security groups"
        page = USER_GUIDE + "create-managed-node-group.html"
        findings.append(Finding("node-ssh", "remoteAccess.sourceSecurityGroupIds", None, reason, fix, page))
    template = at(props, "launchTemplate")
    if template is None:
        reason = "EKS's own template lets pods reach IMDS, and have the node's credentials where they have none"
        fix = "Give a launch template with httpTokens: required and httpPutResponseHopLimit: 1"
        findings.append(_advice("node-launch-template", "launchTemplate", None, reason, fix, _IMDS_PAGE))
    return findings


def judge_metadata_options(props: Props) -> list[Finding]:
    """An `aws:ec2:LaunchTemplate` or an `aws:ec2:Instance`: how IMDS answers."""
    where = "metadataOptions"
    options = at(props, where)
    if options is UNKNOWN or at(options, "httpEndpoint") == "disabled":
        return []
    findings: list[Finding] = []
    tokens, hops = at(options, "httpTokens"), at(options, "httpPutResponseHopLimit")
    if tokens is not UNKNOWN and tokens != "required":
        reason = "a request that was smuggled in gets the machine's credentials from IMDSv1"
        page = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html"
        findings.append(Finding("node-imds", f"{where}.httpTokens", tokens, reason, "Set it to required", page))
    # EC2's default is 1, that of EKS's images 2.
    if hops is not UNKNOWN and hops != 1:
        reason = "pods reach IMDS, and have the node's credentials where they have none of their own"
        fix = "Set it to 1, which ends at the node itself"
        findings.append(Finding("node-imds-hops", f"{where}.httpPutResponseHopLimit", hops, reason, fix, _IMDS_PAGE))
    return findings


def judge_launch_template(props: Props) -> list[Finding]:
    """An `aws:ec2:LaunchTemplate`: IMDS, volumes and public addresses."""
    findings = judge_metadata_options(props)
    for where, mapping in known_items("blockDeviceMappings", at(props, "blockDeviceMappings")):
        ebs = at(mapping, "ebs")
        if ebs is not None:
            findings += _encryption(f"{where}.ebs.encrypted", at(ebs, "encrypted"))
    for where, interface in known_items("networkInterfaces", at(props, "networkInterfaces")):
        findings += _public_address(f"{where}.associatePublicIpAddress", at(interface, "associatePublicIpAddress"))
    return findings


def judge_instance(props: Props) -> list[Finding]:
    """An `aws:ec2:Instance`: IMDS, volumes and its public address."""
    findings = judge_metadata_options(props)
    root = at(props, "rootBlockDevice")
    if root is not None:
        findings += _encryption("rootBlockDevice.encrypted", at(root, "encrypted"))
    for where, device in known_items("ebsBlockDevices", at(props, "ebsBlockDevices")):
        findings += _encryption(f"{where}.encrypted", at(device, "encrypted"))
    return findings + _public_address("associatePublicIpAddress", at(props, "associatePublicIpAddress"))


def judge_volume(props: Props) -> list[Finding]:
    """An `aws:ebs:Volume`: its encryption."""
    return _encryption("encrypted", at(props, "encrypted"))


def _encryption(where: str, encrypted: Any) -> list[Finding]:
    # A launch template has this as the text "true".
    if encrypted is UNKNOWN or encrypted is True or encrypted == "true":
        return []
    reason = "what stands on the volume can be read from its snapshots"
    page = "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption.html"
    return [Finding("volume-encryption", where, encrypted, reason, "Set encrypted to true", page)]


def _public_address(where: str, public: Any) -> list[Finding]:
    if public is UNKNOWN or public not in (True, "true"):
        return []
    reason = "the machine is reached from the internet by its own address"
    fix = "Remove it, and let nodes out through a NAT gateway"
    return [Finding("node-public-address", where, public, reason, fix, USER_GUIDE + "network-reqs.html")]


def judge_node_subnet(props: Props, where: str) -> list[Finding]:
    """An `aws:ec2:Subnet` that a node group is in, which names it at `where`: that it gives no public addresses."""
    public = at(props, "mapPublicIpOnLaunch")
    if public is UNKNOWN or public is not True:
        return []
    reason = "the subnet gives each node a public address"
    fix = "Name private subnets, which reach the internet through a NAT gateway"
    return [Finding("node-public-subnet", where, True, reason, fix, USER_GUIDE + "network-reqs.html")]


def judge_security_group(props: Props) -> list[Finding]:
    """An `aws:ec2:SecurityGroup`: that none of its rules lets the internet in to SSH."""
    findings: list[Finding] = []
    for where, rule in known_items("ingress", at(props, "ingress")):
        findings += _ssh(where, rule, ("cidrBlocks", "ipv6CidrBlocks"))
    return findings


def judge_security_group_rule(props: Props) -> list[Finding]:
    """An `aws:ec2:SecurityGroupRule` or an `aws:vpc:SecurityGroupIngressRule`: the same for one rule."""
    if at(props, "type") not in (None, "ingress"):
        return []
    return _ssh("", props, ("cidrBlocks", "ipv6CidrBlocks", "cidrIpv4", "cidrIpv6"))


def _ssh(where: str, rule: Any, sources: Sequence[str]) -> list[Finding]:
    protocol = at(rule, "protocol")
    if protocol is None:
        protocol = at(rule, "ipProtocol")
    ports = at(rule, "fromPort"), at(rule, "toPort")
    if protocol is UNKNOWN or UNKNOWN in ports:
        return []
    every = str(protocol) in ("-1", "all")
    low, high = ports
    numbers = isinstance(low, (int, float)) and isinstance(high, (int, float))
    if not every and not (str(protocol) in ("tcp", "6") and numbers and low <= 22 <= high):
        return []
    findings: list[Finding] = []
    for source in sources:
        value = at(rule, source)
        for cidr in [value] if isinstance(value, str) else [item for _, item in known_items("", value)]:
            if is_the_world(cidr):
                reason = "the whole internet may try keys and passwords at port 22"
                fix = "Use AWS Systems Manager, or name the blocks that may come in"
                page = "https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html"
                place = f"{where}.{source}" if where else source
                findings.append(Finding("security-group-ssh", place, cidr, reason, fix, page))
    return findings


def judge_log_group(props: Props) -> list[Finding]:
    """An `aws:cloudwatch:LogGroup`: that it says for how long it keeps what it has."""
    days = at(props, "retentionInDays")
    if days is UNKNOWN or (isinstance(days, (int, float)) and days > 0):
        return []
    reason = "logs are kept, and paid for, for ever"
    fix = "Set retentionInDays to what you are asked to keep, as in 365"
    page = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/Working-with-log-groups-and-streams.html"
    return [_advice("log-retention", "retentionInDays", days, reason, fix, page)]


def judge_boundary(props: Props) -> list[Finding]:
    """An `aws:iam:Role`: that it has a permissions boundary, where pods may assume it."""
    boundary = at(props, "permissionsBoundary")
    if boundary is not None or trusts_pod_identity(at(props, "assumeRolePolicy")) is not True:
        return []
    reason = "nothing bounds what the role is ever given"
    fix = "Give the ARN of a policy as permissionsBoundary"
    page = IAM_GUIDE + "access_policies_boundaries.html"
    return [_advice("iam-boundary", "permissionsBoundary", None, reason, fix, page)]


def judge_access_key(props: Props) -> list[Finding]:
    """An `aws:iam:AccessKey`: that there is none."""
    reason = "the key lasts until somebody deletes it, and is in the state"
    fix = "Give pods roles by Pod Identity, and pipelines roles by OIDC"
    return [_advice("iam-access-key", "user", None, reason, fix, IAM_GUIDE + "best-practices.html")]


def judge_user_policy(props: Props) -> list[Finding]:
    """An `aws:iam:UserPolicy` or `aws:iam:UserPolicyAttachment`: that there is none."""
    reason = "rights of single users are seen by nobody, and outlast their need"
    fix = "Give the policy to a role, or to a group"
    return [_advice("iam-user-policy", "user", None, reason, fix, IAM_GUIDE + "best-practices.html")]


def judge_addon(props: Props) -> list[Finding]:
    """An `aws:eks:Addon`: that it has its role by Pod Identity."""
    role = at(props, "serviceAccountRoleArn")
    if role is None or role is UNKNOWN:
        return []
    reason = "the add-on has its role by IAM roles for service accounts"
    fix = "Give it podIdentityAssociations, once the cluster has the agent"
    return [_advice("addon-irsa", "serviceAccountRoleArn", role, reason, fix, USER_GUIDE + "add-ons-iam.html")]


def judge_role_binding(props: Props) -> list[Finding]:
    """A `ClusterRoleBinding` or a `RoleBinding`: that it does not bind cluster-admin."""
    if (at(props, "roleRef.kind"), at(props, "roleRef.name")) != ("ClusterRole", "cluster-admin"):
        return []
    reason = "its subjects may do everything"
    fix = "Bind a role with the rights that are needed"
    return [_advice("rbac-cluster-admin", "roleRef.name", "cluster-admin", reason, fix, _RBAC_PAGE)]


def judge_cluster_role(props: Props) -> list[Finding]:
    """A `ClusterRole` or a `Role`: that its rules name what they allow."""
    findings: list[Finding] = []
    for where, rule in known_items("rules", at(props, "rules")):
        for element in ("verbs", "resources", "apiGroups"):
            for place, value in known_items(f"{where}.{element}", at(rule, element)):
                if value == "*":
                    reason = "it allows what there is, and all that ever comes"
                    findings.append(_advice("rbac-wildcard", place, "*", reason, f"Name the {element}", _RBAC_PAGE))
    return findings


def _advice(rule: str, where: str, value: Any, reason: str, fix: str, page: str) -> Finding:
    return Finding(rule, where, value, reason, fix, page, Severity.WARNING)
