"""The rules of good practice by their ids: what each asks for, and where else the same is asked for.

The many rules on names and forms are not here: no reason makes AWS or Kubernetes take what breaks them.
"""

import difflib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._findings import Finding, Severity

MANDATORY, ADVISORY = Severity.ERROR, Severity.WARNING


@dataclass(frozen=True)
class Described:
    """A rule: what it asks for in one sentence, how bad its findings are (at the worst), and the same thing's ids in
    the CIS Amazon EKS Benchmark 1.8.0, in Checkov and in AWS Security Hub. `allowable` is whether a component's `allow`
    can let it pass; it cannot where AWS refuses what was found, or no pod would ever get credentials."""

    title: str
    severity: Severity
    cis: tuple[str, ...] = ()
    checkov: tuple[str, ...] = ()
    security_hub: tuple[str, ...] = ()
    allowable: bool = True


RULES: Mapping[str, Described] = {
    # Permissions.
    "iam-action": Described("Policies name actions that AWS's services have.", MANDATORY),
    "iam-all-actions": Described(
        "No policy allows every action.", MANDATORY, (), ("CKV_AWS_62", "CKV_AWS_63"), ("IAM.1",)
    ),
    "iam-service-wildcard": Described("No policy allows every action of a service.", MANDATORY, (), (), ("IAM.21",)),
    "iam-not-action": Described("No policy allows everything but some actions.", MANDATORY),
    "iam-not-resource": Described("No policy allows actions on everything but some resources.", MANDATORY),
    "iam-resource-wildcard": Described(
        "Actions that can be limited to resources are not allowed on all.",
        MANDATORY,
        (),
        ("CKV_AWS_355", "CKV_AWS_356", "CKV_AWS_290"),
    ),
    "iam-all-of-a-type": Described("Secrets, keys and roles are named, and the account of all else.", ADVISORY),
    "iam-resource-mismatch": Described("Actions are allowed on resources that they take.", MANDATORY),
    "iam-pass-role": Described(
        "iam:PassRole is limited to roles, or to a service.", MANDATORY, (), ("CKV_AWS_286", "CKV_AWS_110")
    ),
    "iam-escalation": Described(
        "Nobody may both pass every role and make pod identity associations.",
        MANDATORY,
        (),
        ("CKV_AWS_286", "CKV_AWS_110"),
    ),
    "iam-role-escalation": Described(
        "No role may by several policies both pass every role and make pod identity associations.",
        MANDATORY,
        (),
        ("CKV_AWS_286", "CKV_AWS_110"),
    ),
    "iam-inline-size": Described(
        "The inline policies of a role fit into IAM's quota together.", MANDATORY, allowable=False
    ),
    "iam-admin-policy": Described(
        "No role has an administrator's policy.", MANDATORY, (), ("CKV_AWS_274",), ("IAM.1",)
    ),
    "iam-full-access-policy": Described("No role has a policy of full access to a service.", ADVISORY),
    "policy-version": Described("Policy documents are of the current version of the language.", ADVISORY),
    "iam-boundary": Described("Roles for pods have a permissions boundary.", ADVISORY),
    "iam-user-policy": Described(
        "Policies are attached to roles and groups, not to users.", ADVISORY, (), ("CKV_AWS_40",), ("IAM.2",)
    ),
    "iam-access-key": Described("Programs have roles, not access keys.", ADVISORY),
    # Trust.
    "trust-unscoped": Described("Roles for pods are trusted for named clusters.", MANDATORY, (), ("CKV_AWS_60",)),
    "trust-scope": Described("Trust asks for both the cluster and its account.", ADVISORY),
    "trust-actions": Described("Trust allows exactly sts:AssumeRole and sts:TagSession.", MANDATORY, allowable=False),
    "trust-principal": Described("Trust names pods.eks.amazonaws.com.", MANDATORY, allowable=False),
    "trust-anyone": Described("No role is trusted to anyone.", MANDATORY, (), ("CKV_AWS_60", "CKV_AWS_61")),
    "trust-source-arn": Described("aws:SourceArn is a cluster's ARN.", MANDATORY),
    "trust-source-account": Described("aws:SourceAccount is an account's id.", MANDATORY),
    "trust-organization": Described("aws:SourceOrgID is an organisation's id.", MANDATORY),
    "trust-contradiction": Described("The conditions of a trust can be met together.", MANDATORY),
    "trust-wildcard": Described("Patterns in a trust are compared as patterns.", MANDATORY),
    "trust-session-tag": Described("Trust compares session tags that EKS sends.", MANDATORY),
    "trust-needs-session-tags": Described(
        "Trust by session tags goes with associations that send them.", MANDATORY, allowable=False
    ),
    "trust-external-id": Described("An external id is asked for by target roles only.", MANDATORY),
    "trust-federated-subject": Described(
        "OIDC providers are trusted for named subjects.", MANDATORY, (), ("CKV_AWS_358",)
    ),
    "association-trust": Described("An association's role trusts EKS Pod Identity.", MANDATORY, allowable=False),
    "role-account": Described("An association's role is in the cluster's account.", MANDATORY, allowable=False),
    "chaining-self": Described("A target role is another role.", MANDATORY),
    "chaining-trust": Described("A target role trusts the association's role.", MANDATORY),
    "chaining-external-id": Described("A target role asks for the external id that EKS sends.", MANDATORY),
    "chaining-unscoped": Described("A target role asks for an external id.", ADVISORY),
    # Associations and workloads.
    "agent-missing": Described("A cluster with associations has the agent.", MANDATORY),
    "association-duplicate": Described("A ServiceAccount has one association.", MANDATORY, allowable=False),
    "session-policy-tags": Described("A session policy goes with disabled session tags.", MANDATORY, allowable=False),
    "pod-identity-fargate": Described("Pods with associations do not run on Fargate.", MANDATORY),
    "pod-identity-fargate-labels": Described("Namespaces with associations are not partly on Fargate.", ADVISORY),
    "pod-identity-windows": Described("Pods with associations do not run on Windows.", MANDATORY),
    "workload-elsewhere": Described("It can be told in which cluster a workload with an association is.", ADVISORY),
    "irsa": Described("Pods use Pod Identity, not IAM roles for service accounts.", ADVISORY),
    "irsa-left-over": Described("Nothing of IRSA is left where there is an association.", MANDATORY),
    "default-service-account": Described(
        "No role is given to a default ServiceAccount.", MANDATORY, ("4.1.5",), ("CKV_K8S_41", "CKV_K8S_42")
    ),
    "default-namespace": Described("Nothing runs in the default namespace.", ADVISORY, ("4.5.2",), ("CKV_K8S_21",)),
    "service-account-token": Described(
        "ServiceAccounts do not mount API tokens by themselves.", ADVISORY, ("4.1.6",), ("CKV_K8S_38",)
    ),
    "pod-service-account-token": Described(
        "Pods mount an API token only where they need it.", ADVISORY, ("4.1.6",), ("CKV_K8S_38",)
    ),
    "pod-default-service-account": Described(
        "Pods have a ServiceAccount of their own.", ADVISORY, ("4.1.5", "5.2.1"), ("CKV_K8S_41",)
    ),
    "pod-static-credentials": Described(
        "No pod has access keys in its environment.", MANDATORY, ("4.4.1",), ("CKV_K8S_35",)
    ),
    "pod-host-namespace": Described(
        "Pods do not share the node's network, processes or IPC.",
        MANDATORY,
        ("4.2.2", "4.2.3", "4.2.4"),
        ("CKV_K8S_17", "CKV_K8S_18", "CKV_K8S_19"),
    ),
    "pod-privileged": Described("No container is privileged.", MANDATORY, ("4.2.1",), ("CKV_K8S_16",)),
    "namespace-pod-security": Described("Namespaces enforce a Pod Security Standard.", ADVISORY, ("4.2.1",)),
    # The cluster and its nodes.
    "kubernetes-version": Described(
        "Clusters run a Kubernetes version that EKS supports.", MANDATORY, (), ("CKV_AWS_339",), ("EKS.2",)
    ),
    "kubernetes-version-extended": Described(
        "Clusters run a Kubernetes version in standard support.", MANDATORY, (), ("CKV_AWS_339",), ("EKS.2",)
    ),
    "kubernetes-version-new": Described("The Kubernetes version is one that these rules know.", ADVISORY),
    "node-ami-type": Described("Nodes run an AMI that is still maintained.", MANDATORY),
    "cluster-endpoint-world": Described(
        "The API server does not answer the whole internet.", MANDATORY, ("5.4.1",), ("CKV_AWS_38",), ("EKS.1",)
    ),
    "cluster-endpoint-nobody": Described("The API server answers where somebody is.", ADVISORY),
    "cluster-endpoint-public": Described(
        "The API server is reached from inside the VPC only.", ADVISORY, ("5.4.2",), ("CKV_AWS_39",), ("EKS.1",)
    ),
    "cluster-endpoint-private": Described("Nodes reach the API server inside the VPC.", ADVISORY, ("5.4.2",)),
    "cluster-secrets": Described(
        "Kubernetes secrets are encrypted with a KMS key.", MANDATORY, ("5.3.1",), ("CKV_AWS_58",), ("EKS.3",)
    ),
    "cluster-secrets-own-key": Described(
        "Kubernetes secrets are encrypted with a KMS key of one's own.",
        ADVISORY,
        ("5.3.1",),
        ("CKV_AWS_58",),
        ("EKS.3",),
    ),
    "cluster-audit-logs": Described(
        "Audit and authenticator logs are kept.", MANDATORY, ("2.1.1",), ("CKV_AWS_37",), ("EKS.8",)
    ),
    "cluster-all-logs": Described("All control plane logs are kept.", ADVISORY, ("2.1.1",), ("CKV_AWS_37",)),
    "cluster-access-entries": Described(
        "Clusters authenticate by access entries, not by aws-auth.", MANDATORY, ("4.1.7", "5.5.1")
    ),
    "cluster-creator-admin": Described("Who made a cluster is no administrator for that.", ADVISORY, ("4.1.1",)),
    "cluster-deletion-protection": Described("Clusters are protected against deletion.", ADVISORY),
    "cluster-admin-entry": Described("Administrators are few and named.", ADVISORY, ("4.1.1",)),
    "cluster-system-groups": Described("Nobody is in system:masters by an access entry.", MANDATORY, ("4.1.1",)),
    "rbac-cluster-admin": Described("The ClusterRole cluster-admin is not bound.", ADVISORY, ("4.1.1",)),
    "rbac-wildcard": Described("Roles and ClusterRoles have no wildcards.", ADVISORY, ("4.1.3",), ("CKV_K8S_49",)),
    "log-retention": Described(
        "Log groups have a retention.", ADVISORY, ("2.1.2",), ("CKV_AWS_66",), ("CloudWatch.16",)
    ),
    "node-imds": Described("Nodes answer to IMDSv2 only.", MANDATORY, (), ("CKV_AWS_79",), ("EC2.8", "EC2.170")),
    "node-imds-hops": Described("Pods cannot reach the node's IMDS.", MANDATORY, (), ("CKV_AWS_341",)),
    "node-launch-template": Described("Node groups say by a launch template how IMDS answers.", ADVISORY),
    "node-ssh": Described("Nodes do not take SSH from the internet.", MANDATORY, (), ("CKV_AWS_100",)),
    "node-public-address": Described(
        "Nodes have no public addresses.", MANDATORY, ("5.4.3",), ("CKV_AWS_88",), ("EC2.25",)
    ),
    "node-public-subnet": Described(
        "Node groups are in private subnets.", MANDATORY, ("5.4.3",), ("CKV_AWS_130",), ("EC2.15",)
    ),
    "volume-encryption": Described(
        "Volumes are encrypted.", MANDATORY, (), ("CKV_AWS_3", "CKV_AWS_8"), ("EC2.3", "EC2.181")
    ),
    "security-group-ssh": Described(
        "No security group lets the internet in to SSH.", MANDATORY, (), ("CKV_AWS_24",), ("EC2.13",)
    ),
    "addon-irsa": Described("Add-ons use Pod Identity, not IAM roles for service accounts.", ADVISORY),
    # What components say of themselves.
    "iam-attachments": Described("A role has no more policies than IAM attaches.", MANDATORY),
    "delivery-boundary": Described("The deploy role's own roles have a permissions boundary.", ADVISORY),
}
"""Every rule of good practice, by its id."""


def is_allowable(rule: object) -> bool:
    """Whether a component's `allow` can let the findings of a rule pass."""
    return isinstance(rule, str) and rule in RULES and RULES[rule].allowable


def judge_allow(allow: Any, prop: str = "allow") -> list[Finding]:
    """What lets findings pass: a mapping of rules' ids to reasons, of rules that there are, each with its reason."""
    if allow is None:
        return []
    if not isinstance(allow, Mapping):
        return [Finding("allow", prop, allow, "this is a mapping of rules to reasons", "Write {rule: why it is right}")]
    findings: list[Finding] = []
    for rule, reason in allow.items():
        where = f"{prop}.{rule}"
        if not is_allowable(rule):
            close = difflib.get_close_matches(str(rule), filter(is_allowable, RULES), n=1)
            why = "no rule of this id can be let pass"
            fix = f"Perhaps you mean {close[0]}" if close else f"Remove it: what breaks {rule} would not work"
            findings.append(Finding("allow", where, reason, why, fix))
        if not isinstance(reason, str) or not reason.strip():
            fix = "Say why it is right here, for who reads it in a year"
            findings.append(Finding("allow", where, reason, "there is no reason given", fix))
    return findings


def let_pass(findings: Sequence[Finding], allow: Mapping[str, str]) -> tuple[list[Finding], list[Finding]]:
    """The findings that stay, and those that pass because `allow` names their rule."""
    passes = [finding.rule in allow and is_allowable(finding.rule) for finding in findings]
    stay = [finding for finding, passed in zip(findings, passes, strict=True) if not passed]
    return stay, [finding for finding, passed in zip(findings, passes, strict=True) if passed]


def judge_unneeded(allow: Mapping[str, str], needed: Container[str], prop: str = "allow") -> list[Finding]:
    """What is in `allow` though nothing was found that it would let pass."""
    return [
        Finding(
            "allow-unneeded",
            f"{prop}.{rule}",
            reason,
            "nothing was found that this would let pass, and it would hide what comes",
            f"Remove {rule} from {prop}",
            severity=Severity.WARNING,
        )
        for rule, reason in allow.items()
        if is_allowable(rule) and rule not in needed
    ]
