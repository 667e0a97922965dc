"""The workloads of `PodIdentities`: what may be said of one, defaults applied, and all of them judged.

Pure, as the rules are: a mapping in, findings out.
"""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import presets, rules
from .rules import UNKNOWN, Finding

ASSOCIATIONS_PER_CLUSTER = 5_000
"""EKS's limit, which is not raised. See https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html."""

ROLE = (
    "statements",
    "managed_policy_arns",
    "role_name",
    "policy_name",
    "path",
    "description",
    "permissions_boundary",
    "max_session_duration",
    "organization_id",
)
"""What is said of the role that is made for a workload, as in `PodIdentityRoleArgs`."""

ASSOCIATION = (
    "namespace",
    "service_account",
    "target_role_arn",
    "session_policy",
    "create_namespace",
    "create_service_account",
    "pod_security_standard",
    "automount_service_account_token",
    "ready_timeout",
)
"""What is said of its associations, as in `PodIdentityAssociationArgs`."""

BOTH = ("disable_session_tags", "tags")
OWN = ("preset", "scope", "role_arn", "clusters", "former_name")
FIELDS = frozenset((*ROLE, *ASSOCIATION, *BOTH, *OWN))

Workload = dict[str, Any]


def complete(workloads: Mapping[str, Any], defaults: Mapping[str, Any], clusters: Sequence[str]) -> dict[str, Workload]:
    """The workloads in the order of their names, with their defaults: those given, then those of their presets.

    A workload's own tags come on top of the default ones.
    """
    done: dict[str, Workload] = {}
    for key, given in sorted(workloads.items()):
        workload = {**defaults, **given, "tags": {**defaults.get("tags", {}), **given.get("tags", {})}}
        if given.get("role_arn") is not None:
            # Its permissions are its own: what the defaults say of roles is for those that are made.
            workload = {f: v for f, v in workload.items() if f in given or f not in (*ROLE, "preset", "scope")}
        preset = presets.PRESETS.get(workload.get("preset", ""))
        if preset is not None:
            workload.setdefault("namespace", preset.namespace)
            workload.setdefault("service_account", preset.service_account)
        workload.setdefault("clusters", list(clusters))
        workload.setdefault("create_namespace", True)
        workload.setdefault("create_service_account", True)
        done[key] = {field: value for field, value in workload.items() if value is not None}
    return done


def judge(workloads: Any, defaults: Any, clusters: Sequence[str], partition: str | None = None) -> list[Finding]:
    """Judge all workloads at once: each for itself, and that no two of them are one to EKS."""
    findings: list[Finding] = []
    for prop, value in (("workloads", workloads), ("defaults", defaults)):
        if not isinstance(value, Mapping):
            return [Finding("workload", prop, value, "this is a mapping", "Write {name: {…}}")]
    findings += _fields("defaults", defaults)
    for key, given in workloads.items():
        where = f"workloads.{key}"
        if not isinstance(given, Mapping):
            findings.append(Finding("workload", where, given, "a workload is a mapping", "Write {namespace: …}"))
            continue
        findings += _name(where, key) + _fields(where, given)
    if findings:
        # What is not understood cannot be completed.
        return findings
    completed = complete(workloads, defaults, clusters)
    for key, workload in completed.items():
        findings += [
            replace(finding, property=f"workloads.{key}.{finding.property}")
            for finding in _one(workload, clusters, partition)
        ]
    return findings + _together(completed)


def _name(where: str, key: Any) -> list[Finding]:
    return [
        replace(finding, reason="this cannot name a workload, which its resources are named after")
        for finding in rules.judge_namespace(key, where)
    ]


def _fields(where: str, given: Mapping[str, Any]) -> list[Finding]:
    findings = []
    for field in sorted(set(given) - FIELDS):
        close = difflib.get_close_matches(field, FIELDS, n=1)
        fix = f"Perhaps you mean {close[0]}" if close else f"Use {', '.join(sorted(FIELDS))}"
        findings.append(
            Finding("workload-field", f"{where}.{field}", given[field], "a workload has no such field", fix)
        )
    tags = given.get("tags")
    if tags is not None and not isinstance(tags, Mapping):
        findings += rules.judge_tags(tags, f"{where}.tags")
    return findings


def _one(workload: Workload, clusters: Sequence[str], partition: str | None) -> list[Finding]:
    known = {field: _plain(value) for field, value in workload.items()}
    findings = _permissions(known, partition)
    for field in ("namespace", "service_account"):
        if field not in known:
            fix = f"Give {field}, or a preset whose workload has a customary one"
            findings.append(Finding("workload", field, None, f"there is no {field}", fix))
    for key in known["clusters"] if isinstance(known["clusters"], Sequence) else ():
        if key not in clusters:
            fix = f"Use {', '.join(clusters)}"
            findings.append(Finding("workload-cluster", "clusters", key, "there is no cluster of that name", fix))
    if not known["clusters"]:
        fix = "Name one, or leave clusters out for all"
        findings.append(Finding("workload-cluster", "clusters", [], "the workload is in no cluster", fix))
    findings += rules.association(**{field: known[field] for field in (*ASSOCIATION, *BOTH) if field in known})
    if "role_arn" in known:
        findings += rules.judge_role_arn(known["role_arn"])
    judged = rules.role(**{field: known[field] for field in (*ROLE, *BOTH) if field in known})
    # What both rules say of what both have is said once.
    return list({str(finding): finding for finding in [*findings, *judged]}.values())


def _permissions(known: Workload, partition: str | None) -> list[Finding]:
    sources = [field for field in ("preset", "statements", "managed_policy_arns") if field in known]
    if "role_arn" in known:
        reason = "the role exists already, and is not changed from here"
        return [
            Finding("workload-role", field, known[field], reason, f"Remove {field}, or role_arn to have a role made")
            for field in ("preset", "scope", *ROLE)
            if field in known
        ]
    if not sources:
        fix = "Give preset, statements, managed_policy_arns, or role_arn for a role that exists"
        return [Finding("workload-role", "preset", None, "nothing says what the pods may do", fix)]
    if "preset" in known:
        if "statements" in known:
            fix = "Remove one of them: make a second workload, or copy the preset's statements"
            return [Finding("workload-role", "statements", known["statements"], "there is a preset already", fix)]
        return presets.judge(known["preset"], known.get("scope"), partition=partition)
    if "scope" in known:
        return [Finding("workload-role", "scope", known["scope"], "a scope is that of a preset", "Give preset too")]
    return []


def _together(completed: Mapping[str, Workload]) -> list[Finding]:
    findings: list[Finding] = []
    seen: dict[tuple[Any, ...], str] = {}
    count: Counter[str] = Counter()
    for key, workload in completed.items():
        for cluster in sorted(set(workload["clusters"])):
            count[cluster] += 1
            subject = (cluster, workload.get("namespace"), workload.get("service_account"))
            if any(part is None or _is_later(part) for part in subject):
                continue
            if subject in seen:
                reason = f"in cluster {cluster}, {seen[subject]} has the ServiceAccount {subject[2]} already"
                fix = "Give each its own ServiceAccount, or one workload the permissions of both"
                page = rules.EKS_API + "API_CreatePodIdentityAssociation.html"
                where = f"workloads.{key}.service_account"
                findings.append(Finding("association-duplicate", where, subject[2], reason, fix, page))
            seen.setdefault(subject, key)
    for cluster, number in sorted(count.items()):
        if number > ASSOCIATIONS_PER_CLUSTER:
            reason = f"a cluster has {ASSOCIATIONS_PER_CLUSTER} associations at most, and {cluster} would have more"
            page = rules.USER_GUIDE + "service-quotas.html"
            findings.append(Finding("associations-per-cluster", "workloads", number, reason, "Use more clusters", page))
    return findings


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return UNKNOWN if _is_later(value) else value


def _is_later(value: Any) -> bool:
    # An Output, without importing Pulumi for it.
    return hasattr(value, "__await__") or hasattr(value, "apply")
