"""The workloads of `PodIdentities`: what may be said of one, defaults applied, and all of them judged.

Pure, as the rules are: a mapping in, findings out.
"""

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from . import documents, presets, rules
from .presets._model import ATTACHED_POLICIES, camel_cased
from .rules import UNKNOWN, Finding
from .rules._findings import booleans

ASSOCIATIONS_PER_CLUSTER = 5_000
"""EKS's limit, which is not raised. See https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html."""

BUILT_IN_NAMESPACES = frozenset({"default", "kube-node-lease", "kube-public", "kube-system"})
"""Namespaces that every cluster has."""

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

MADE = (*ROLE, "trust_policy", "inline_policies", "create_target_policy")
"""All that is said of it."""

SUBJECT = ("namespace", "service_account")
"""Whom the association is for."""

ASSOCIATION = (
    "target_role_arn",
    "session_policy",
    "create_namespace",
    "create_service_account",
    "pod_security_standard",
    "automount_service_account_token",
    "ready_timeout",
)
"""What is said of its associations, as in `PodIdentityAssociationArgs`."""

BUILT_IN = {
    "automount_service_account_token": False,
    "description": "Assumed by pods through EKS Pod Identity",
}
"""What holds where nothing is said; said to be nothing, it is left to Kubernetes and IAM."""

BOTH = ("disable_session_tags", "tags")
ELSEWHERE = {
    "role_arn": "the role exists already, and is not changed from here",
    "role_of": "the role is another workload's, and made by what is said there",
}
"""By what a workload has a role that is not made for it, and why nothing more is said of that."""

SOURCES = ("preset", "statements", *ELSEWHERE)
OWN = ("preset", "scope", *ELSEWHERE, "addon", "clusters", "former_name", "allow")
FIELDS = frozenset((*MADE, *SUBJECT, *ASSOCIATION, *BOTH, *OWN))
MAPPINGS = ("tags", "managed_policy_arns", "inline_policies")

PLAIN = (
    *(said for said in OWN if said != "role_arn"),
    *SUBJECT,
    "create_namespace",
    "create_service_account",
    "create_target_policy",
    "disable_session_tags",
    "ready_timeout",
)
"""What decides which resources there are, or what they are called: it has to be known when the program runs. So has a
role's ARN, but only that there is one."""

_SNAKE_CASE = {camel_cased(said): said for said in FIELDS}

Workload = dict[str, Any]


@dataclass
class Judgement:
    """What was found, and what passes because a workload's `allow` says so, with the reason."""

    findings: list[Finding] = field(default_factory=list)
    allowed: list[tuple[Finding, str]] = field(default_factory=list)
    completed: dict[str, Workload] = field(default_factory=dict)
    """The workloads with their defaults, as `complete` makes them. Empty where they are not understood."""


def complete(workloads: Mapping[str, Any], defaults: Mapping[str, Any], clusters: Sequence[str]) -> dict[str, Workload]:
    """The workloads in the order of their names, with their defaults: those given, then those of their presets.

    A workload's own tags come on top of the default ones. Where it says itself where its permissions come from (a
    preset, statements or a role), nothing of that is taken from the defaults. None takes a default away.
    """
    return {key: _complete(given, defaults, clusters) for key, given in sorted(workloads.items())}


def sharing(completed: Mapping[str, Workload]) -> dict[str, list[Workload]]:
    """The workloads that have the role of each that has one of its own, that one included."""
    shared: dict[str, list[Workload]] = {}
    for key, workload in completed.items():
        owner = workload.get("role_of", key)
        shared.setdefault(owner if isinstance(owner, str) else key, []).append(workload)
    return shared


def clusters_of(workloads: Sequence[Workload]) -> list[str]:
    """The keys of all clusters that any of the workloads is in, in order."""
    return sorted({cluster for workload in workloads for cluster in _clusters(workload)})


def is_chained(workload: Workload, sharers: Sequence[Workload]) -> bool:
    """Whether a policy is made by which the role that the sharers have may assume their target roles."""
    return workload.get("create_target_policy", True) is not False and any("target_role_arn" in one for one in sharers)


def _complete(given: Mapping[str, Any], defaults: Mapping[str, Any], clusters: Sequence[str]) -> Workload:
    inherited = dict(defaults)
    if any(given.get(source) is not None for source in SOURCES):
        _drop(inherited, *SOURCES, "scope")
    if any(given.get(elsewhere) is not None for elsewhere in ELSEWHERE):
        # Its permissions are its own: what the defaults say of roles is for those that are made.
        _drop(inherited, *MADE)
    if given.get("trust_policy") is not None:
        _drop(inherited, "organization_id")
    if given.get("addon") is not None:
        _drop(inherited, *ASSOCIATION, "disable_session_tags")
    workload = {**BUILT_IN, **inherited, **given}
    for merged in ("tags", "allow"):
        workload[merged] = {**(inherited.get(merged) or {}), **(given.get(merged) or {})}
    workload = {said: value for said, value in workload.items() if value is not None}
    if any(elsewhere in workload for elsewhere in ELSEWHERE) and "description" not in {**inherited, **given}:
        del workload["description"]

    preset = presets.PRESETS.get(workload["preset"]) if isinstance(workload.get("preset"), str) else None
    if preset is not None:
        for said, value in (("namespace", preset.namespace), ("service_account", preset.service_account)):
            if value is not None:
                workload.setdefault(said, value)
    workload.setdefault("clusters", list(clusters))
    if "addon" in workload:
        workload |= {"create_namespace": False, "create_service_account": False}
    workload.setdefault("create_service_account", True)
    # Who brings the ServiceAccount brings the namespace that it is in.
    built_in = isinstance(workload.get("namespace"), str) and workload["namespace"] in BUILT_IN_NAMESPACES
    workload.setdefault("create_namespace", workload["create_service_account"] is not False and not built_in)
    return workload


def _drop(workload: Workload, *fields: str) -> None:
    for said in fields:
        workload.pop(said, None)


def judge(workloads: Any, defaults: Any, clusters: Sequence[str]) -> Judgement:
    """Judge all workloads at once: each for itself, and that no two of them are one to EKS, to IAM or to Pulumi.

    `clusters` are the keys of the clusters that there are. Fields may be written in camelCase, as a stack's
    configuration does; then so do the findings.
    """
    judgement = Judgement()
    findings = judgement.findings
    for prop, value in (("workloads", workloads), ("defaults", defaults)):
        if not isinstance(value, Mapping):
            findings.append(Finding("workload", prop, plain(value), "this is a mapping", "Write {name: {…}}"))
    if findings:
        return judgement
    findings += _fields("defaults", defaults)
    for key, said in sorted(workloads.items(), key=lambda item: str(item[0])):
        where = f"workloads.{key}"
        findings += judge_key(where, key, "a workload")
        if not isinstance(said, Mapping):
            reason, fix = "a workload is a mapping", "Write {namespace: …}"
            findings.append(Finding("workload", where, plain(said), reason, fix))
        else:
            findings += _fields(where, said)
    if findings:
        # What is not understood cannot be completed.
        return judgement
    given = {key: snake_cased(said) for key, said in workloads.items()}
    judgement.completed = completed = complete(given, snake_cased(defaults), clusters)
    shared = sharing(completed)
    for key, workload in completed.items():
        where = f"workloads.{key}"
        found = judge_one(workload, clusters, given[key], f"{where}.")
        found += _role_of(where, key, workload, completed) + _attached(where, workload, shared.get(key, ()))
        stay, passed = rules.let_pass(found, workload["allow"])
        findings += stay
        judgement.allowed += [(finding, workload["allow"][finding.rule]) for finding in passed]
        if not has_output(workload):
            # By default it may be there for another workload.
            own, needed = given[key].get("allow") or {}, {finding.rule for finding in passed}
            findings += rules.judge_unneeded(own, needed, f"{where}.allow")
    findings += _together(completed)
    judgement.findings = _as_written(findings, workloads)
    return judgement


def judge_single(given: Mapping[str, Any]) -> Judgement:
    """Judge the one workload of a `PodIdentity`, by the names of its arguments."""
    judgement = Judgement(_fields("", given))
    given = snake_cased(given)
    for said in ("clusters", "former_name", "role_of"):
        if said in given:
            fix = f"Remove {said}"
            judgement.findings.append(Finding("workload-field", said, plain(given[said]), "there is one", fix))
    if not judgement.findings:
        workload = _complete(given, {}, [""])
        judgement.completed = {"": workload}
        found = judge_one(workload, [""], given) + _attached("", workload, [workload])
        judgement.findings, passed = rules.let_pass(found, workload["allow"])
        judgement.allowed = [(finding, workload["allow"][finding.rule]) for finding in passed]
        if not has_output(workload):
            judgement.findings += rules.judge_unneeded(workload["allow"], {finding.rule for finding in passed})
    return judgement


def snake_cased(given: Mapping[str, Any]) -> Workload:
    """A workload with its fields as they are written here: `service_account` for `serviceAccount`."""
    return {_SNAKE_CASE.get(said, said): value for said, value in given.items()}


def _as_written(findings: Sequence[Finding], workloads: Mapping[str, Any]) -> list[Finding]:
    """The findings with the fields of workloads as they are written there."""
    written = {
        f"workloads.{key}.{_SNAKE_CASE[said]}": f"workloads.{key}.{said}"
        for key, given in workloads.items()
        for said in given
        if said not in FIELDS
    }
    if not written:
        return list(findings)

    def renamed(prop: str) -> str:
        field = re.match(r"workloads\.[^.]+\.\w+", prop)
        return prop if field is None else written.get(field[0], field[0]) + prop[field.end() :]

    return [replace(finding, property=renamed(finding.property)) for finding in findings]


def judge_key(where: str, key: Any, what: str) -> list[Finding]:
    """Judge the name that resources are named after."""
    reason = f"this cannot name {what}, which resources are named after"
    return [replace(finding, rule="workload-name", reason=reason) for finding in rules.judge_namespace(key, where)]


def _fields(where: str, given: Mapping[str, Any]) -> list[Finding]:
    findings = []
    written: dict[str, str] = {}
    for said in sorted(given, key=str):
        field = _SNAKE_CASE.get(said, said)
        if field not in FIELDS:
            close = difflib.get_close_matches(str(said), FIELDS | _SNAKE_CASE.keys(), n=1)
            reason = "a workload has no such field"
            fix = f"Perhaps you mean {close[0]}" if close else f"Use {', '.join(sorted(FIELDS))}"
            findings.append(Finding("workload-field", _at(where, said), plain(given[said]), reason, fix))
        elif written.setdefault(field, said) != said:
            reason, fix = f"this is given a second time, beside {written[field]}", "Remove one of them"
            findings.append(Finding("workload-field", _at(where, said), plain(given[said]), reason, fix))
    for field in MAPPINGS:
        said = written.get(field, field)
        value = given.get(said)
        if value is None:
            continue
        if is_later(value):
            findings.append(_not_plain(said, _at(where, said)))
        elif not isinstance(value, Mapping):
            findings.append(Finding(field, _at(where, said), plain(value), "this is a mapping", "Write {key: value}"))
        else:
            findings += [
                Finding(field, _at(where, f"{said}.{key}"), plain(value[key]), "a key is a text", "Put it in quotes")
                for key in value
                if not isinstance(key, str)
            ]
    allow = given.get("allow")
    return findings + rules.judge_allow(plain(allow), _at(where, "allow"))


def _not_plain(field: str, prop: str) -> Finding:
    fix = "Give it as it is" + ("; statements may hold what comes later" if field == "scope" else "")
    return Finding("workload-plain", prop, None, "this has to be known when the program runs", fix)


def _at(where: str, said: object) -> str:
    return f"{where}.{said}" if where else str(said)


def judge_one(workload: Workload, clusters: Sequence[str], given: Mapping[str, Any], prefix: str = "") -> list[Finding]:
    """Judge a completed workload for itself. `given` is what was said of it, and not only by default; `prefix` comes
    before the properties of the findings."""
    known = {said: plain(value) for said, value in workload.items()}
    findings = [_not_plain(said, said) for said in PLAIN if said in known and has_output(workload[said])]
    findings += _source(known, given)
    for said in SUBJECT:
        if said not in known:
            fix = f"Give {said}, or a preset whose workload has a customary one"
            findings.append(Finding("workload", said, None, f"there is no {said}", fix))
    findings += _places(known["clusters"], clusters)
    if known["create_namespace"] is True and _in(known.get("namespace"), BUILT_IN_NAMESPACES):
        reason = "every cluster has this namespace"
        fix = "Remove create_namespace"
        findings.append(Finding("workload-namespace", "create_namespace", True, reason, fix))
    findings += _addon(known, given)
    findings += rules.association(
        **{said: known[said] for said in (*SUBJECT, *ASSOCIATION, *BOTH) if said in known},
    )
    if "role_arn" in known:
        findings += rules.judge_role_arn(known["role_arn"])
        findings += rules.judge_role_account(known["role_arn"], None, target_role_arn=known.get("target_role_arn"))
    findings += rules.role(**{said: known[said] for said in (*ROLE, *BOTH) if said in known})
    findings += booleans(create_target_policy=known.get("create_target_policy"))
    findings += _trust(known)
    findings += _policies(known) + _inline(known)
    # What both rules say of what both have is said once.
    return list({str(f): replace(f, property=f"{prefix}{f.property}") for f in findings}.values())


def _source(known: Workload, given: Mapping[str, Any]) -> list[Finding]:
    """Where the permissions come from."""
    for elsewhere, reason in ELSEWHERE.items():
        if elsewhere in known:
            return [
                Finding("workload-role", said, known[said], reason, f"Remove {said}, or {elsewhere}")
                for said in (*SOURCES, "scope", *(said for said in MADE if said not in SOURCES))
                if said in known and said != elsewhere
            ]
    if "preset" in known:
        if "statements" in known:
            fix = "Remove one of them: make a second workload, or copy the preset's statements"
            return [Finding("workload-role", "statements", known["statements"], "there is a preset already", fix)]
        if not isinstance(known["preset"], str):
            fix = f"Use one of {', '.join(presets.PRESETS)}"
            return [Finding("preset-name", "preset", known["preset"], "there is no such preset", fix)]
        return presets.judge(known["preset"], known.get("scope"))
    if "scope" in known:
        return [Finding("workload-role", "scope", known["scope"], "a scope is that of a preset", "Give preset too")]
    if not any(said in known for said in ("statements", "managed_policy_arns", "inline_policies", "target_role_arn")):
        fix = "Give preset, statements, managed_policy_arns, or role_arn for a role that exists"
        return [Finding("workload-role", "preset", None, "nothing says what the pods may do", fix)]
    return []


def _places(named: Any, clusters: Sequence[str]) -> list[Finding]:
    if named is UNKNOWN:
        return []
    if not isinstance(named, list):
        return [Finding("workload-cluster", "clusters", named, "this is a list", "Write [prod, …]")]
    if not named:
        fix = "Name one, or leave clusters out for all"
        return [Finding("workload-cluster", "clusters", [], "the workload is in no cluster", fix)]
    fix = f"Use {', '.join(clusters)}"
    foreign = [
        Finding("workload-cluster", f"clusters[{i}]", key, "there is no cluster of that name", fix)
        for i, key in enumerate(named)
        if key not in clusters
    ]
    again = [
        Finding("workload-cluster", f"clusters[{i}]", key, "it stands here a second time", "Remove one of them")
        for i, key in enumerate(named)
        if key in named[:i]
    ]
    return foreign or again


def _addon(known: Workload, given: Mapping[str, Any]) -> list[Finding]:
    if "addon" not in known:
        return []
    page = rules.USER_GUIDE + "add-ons-iam.html"
    findings = judge_addon_name(known["addon"])
    definition = presets.PRESETS.get(known["preset"]) if isinstance(known.get("preset"), str) else None
    if definition is not None and isinstance(known["addon"], str) and definition.addon != known["addon"]:
        reason = f"the preset {definition.name} is not that add-on's"
        fix = f"Write {definition.addon}" if definition.addon else "Remove addon: the workload makes its association"
        findings.append(Finding("workload-addon", "addon", known["addon"], reason, fix, page))
    reason = "the association is the add-on's, which takes a ServiceAccount and a role and nothing else"
    findings += [
        Finding("workload-addon", said, plain(given[said]), reason, f"Remove {said}, or addon", page)
        for said in (*ASSOCIATION, "disable_session_tags")
        if given.get(said) is not None
    ]
    return findings


def judge_addon_name(value: Any, prop: str = "addon") -> list[Finding]:
    """Judge the name of an EKS add-on."""
    if value is UNKNOWN or (isinstance(value, str) and value and all(c.isalnum() or c in "-_" for c in value)):
        return []
    fix = "Use a name that `aws eks describe-addon-versions` lists, such as aws-ebs-csi-driver"
    return [Finding("addon-name", prop, value, "no EKS add-on has such a name", fix)]


def _trust(known: Workload) -> list[Finding]:
    if "trust_policy" not in known or any(elsewhere in known for elsewhere in ELSEWHERE):
        return []
    findings = rules.judge_trust(
        known["trust_policy"],
        "trust_policy",
        disable_session_tags=known.get("disable_session_tags", False),
        required=True,
    )
    if "organization_id" in known:
        reason, fix = "the trust policy is taken as it stands", "Ask for aws:SourceOrgID there"
        findings.append(Finding("workload-role", "organization_id", known["organization_id"], reason, fix))
    return findings


def _inline(known: Workload) -> list[Finding]:
    policies: Mapping[str, Any] = known.get("inline_policies", {})
    findings: list[Finding] = []
    for name, document in policies.items():
        where = f"inline_policies.{name}"
        findings += [replace(finding, property=where) for finding in rules.role(policy_name=name)]
        findings += rules.judge_policy_document(document, where, rules.INLINE_POLICY_SIZE)
    texts = [one if isinstance(one, str) else json.dumps(one, default=str) for one in policies.values()]
    return findings + rules.judge_inline_policies(texts, "inline_policies")


def _policies(known: Workload) -> list[Finding]:
    findings = []
    attached = _attached_by(known.get("preset"))
    for key, arn in known.get("managed_policy_arns", {}).items():
        if key in OWN_POLICIES or key in attached:
            whose = f"policy that the preset {known['preset']} attaches" if key in attached else "role's own policies"
            reason = f"this is what the attachment of a {whose} is called"
            findings.append(Finding("workload-name", f"managed_policy_arns.{key}", arn, reason, "Rename it"))
    statements = known.get("statements")
    if isinstance(statements, list) and all(isinstance(s, Mapping) for s in statements) and not has_output(statements):
        text = documents.to_json(documents.permissions(statements))
        findings += rules.judge_document_size("statements", text, rules.MANAGED_POLICY_SIZE)
    return findings


_PRESET_POLICIES = ("policy", *(f"policy-{number}" for number in range(2, ATTACHED_POLICIES + 1)))
OWN_POLICIES = frozenset({"target-role", *_PRESET_POLICIES})
"""What the attachments of a role's own policies are called."""


def _own_policies(workload: Workload) -> Iterator[str]:
    """What the attachments of the role's own policies may be called."""
    if "preset" in workload:
        yield from _PRESET_POLICIES
    elif "statements" in workload:
        yield "policy"
    if "target_role_arn" in workload:
        yield "target-role"


def _attached_by(preset: Any) -> list[str]:
    """The names of the AWS managed policies that a preset attaches."""
    definition = presets.PRESETS.get(preset) if isinstance(preset, str) else None
    return [path.rpartition("/")[2] for path in definition.managed_policies] if definition is not None else []


def _attached(where: str, workload: Workload, sharers: Sequence[Workload]) -> list[Finding]:
    """That IAM attaches as many policies as the role that the sharers have would get."""
    if any(elsewhere in workload for elsewhere in ELSEWHERE):
        return []
    count = len(workload.get("managed_policy_arns", {})) + len(_attached_by(workload.get("preset")))
    count += int("statements" in workload) + int(is_chained(workload, sharers))
    if "preset" in workload:
        preset, scope = workload["preset"], workload.get("scope")
        # Of what is wrong with the two there are findings.
        if is_later(preset) or has_output(scope) or presets.judge(preset, scope):
            return []
        count += presets.most_policies(preset, scope, len(clusters_of(sharers)))
    if count <= ATTACHED_POLICIES:
        return []
    reason = f"IAM attaches {ATTACHED_POLICIES} policies to a role, unless the account's quota is a higher one"
    fix = "Put several into one, or into inline_policies; or let iam-attachments pass, where the quota is raised"
    page = rules.IAM_GUIDE + "reference_iam-quotas.html"
    return [Finding("iam-attachments", _at(where, "managed_policy_arns"), count, reason, fix, page)]


def _role_of(where: str, key: str, workload: Workload, completed: Mapping[str, Workload]) -> list[Finding]:
    """That the role of which a workload has a share is one that another has of its own."""
    named = workload.get("role_of")
    if named is None or is_later(named):
        return []
    prop = f"{where}.role_of"
    owner = completed.get(named) if isinstance(named, str) else None
    if owner is None:
        close = difflib.get_close_matches(str(named), completed, n=1)
        fix = f"Perhaps you mean {close[0]}" if close else "Name one, or say by role_arn which role it is"
        return [Finding("workload-role", prop, named, "there is no workload of this name", fix)]
    if named == key:
        return [Finding("workload-role", prop, named, "this is the workload itself", "Name another, or remove role_of")]
    for elsewhere in ELSEWHERE:
        if elsewhere in owner:
            reason = f"{named} has no role of its own either"
            return [Finding("workload-role", prop, named, reason, f"Give the same {elsewhere} here")]
    disabled, others = (one.get("disable_session_tags", False) for one in (workload, owner))
    if is_later(disabled) or is_later(others) or disabled == others:
        return []
    if "trust_policy" in owner:
        trust, place = plain(owner["trust_policy"]), f"workloads.{named}.trust_policy"
        found = rules.judge_trust(trust, place, disable_session_tags=disabled)
        return [finding for finding in found if finding.rule == "trust-needs-session-tags"]
    reason = f"the role is trusted by session tags, or by none, for all that have it, and {named} says otherwise"
    prop = f"{where}.disable_session_tags"
    return [Finding("workload-role", prop, disabled, reason, "Say the same for both, or give each a role of its own")]


def _together(completed: Mapping[str, Workload]) -> list[Finding]:
    findings: list[Finding] = []
    subjects: dict[tuple[Any, ...], str] = {}
    standards: dict[str, tuple[str, Any]] = {}
    names: dict[tuple[str, str], str] = {}
    former: dict[str, str] = {}
    count: Counter[str] = Counter()
    for key, workload in completed.items():
        where = f"workloads.{key}"
        for kind, name, prop in _names(key, workload):
            other = names.setdefault((kind, name), prop)
            if other != prop:
                reason = f"its resources would have the names of those of {other}: both come to {name}"
                findings.append(Finding("workload-name", prop, name, reason, "Rename one of them"))
        for said, what in (("role_name", "role"), ("policy_name", "policy")):
            name, prop = workload.get(said), f"{where}.{said}"
            # IAM does not distinguish names by case; a policy is made under this one only for what is written here.
            if isinstance(name, str) and (said == "role_name" or {"preset", "statements"} & workload.keys()):
                other = names.setdefault((said, name.lower()), prop)
                if other != prop:
                    reason = f"an account has one {what} of a name, and {other} has it already"
                    fix = f"Give each its own, or leave {said} out, and Pulumi makes one up"
                    findings.append(Finding("workload-name", prop, name, reason, fix))
        findings += _former(key, workload.get("former_name"), completed, former)
        standard = workload.get("pod_security_standard", "restricted")
        if workload["create_namespace"] is True and isinstance(workload.get("namespace"), str):
            of, said = standards.setdefault(workload["namespace"], (key, standard))
            if said != standard:
                reason = f"the namespace is made once, and workloads.{of} says {said}"
                fix = "Say the same for both"
                prop = f"{where}.pod_security_standard"
                findings.append(Finding("workload-namespace", prop, standard, reason, fix))
        for cluster in _clusters(workload):
            count[cluster] += 1
            subject = (cluster, workload.get("namespace"), workload.get("service_account"))
            if not all(isinstance(part, str) for part in subject):
                continue
            other = subjects.setdefault(subject, key)
            if other != key:
                reason = f"in cluster {cluster}, {other} has the ServiceAccount {subject[2]} already"
                fix = "Give each its own ServiceAccount, or one workload the permissions of both"
                page = rules.EKS_API + "API_CreatePodIdentityAssociation.html"
                prop = f"{where}.service_account"
                findings.append(Finding("association-duplicate", prop, subject[2], reason, fix, page))
    for cluster, number in sorted(count.items()):
        if number > ASSOCIATIONS_PER_CLUSTER:
            reason = f"a cluster has {ASSOCIATIONS_PER_CLUSTER} associations at most, and {cluster} would have more"
            page = rules.USER_GUIDE + "service-quotas.html"
            findings.append(Finding("associations-per-cluster", "workloads", number, reason, "Use more clusters", page))
    return findings


def _names(key: str, workload: Workload) -> Iterator[tuple[str, str, str]]:
    """What resources are called after in two parts, which may come to the same: the kind, the name, and whose it is."""
    for cluster in _clusters(workload):
        yield "association", f"{key}-{cluster}", f"workloads.{key}.clusters.{cluster}"
        if workload["create_namespace"] is True and isinstance(workload.get("namespace"), str):
            yield "namespace", f"{workload['namespace']}-{cluster}", f"namespace {workload['namespace']} in {cluster}"
    managed = workload.get("managed_policy_arns", {})
    for policy in managed:
        yield "attachment", f"{key}-{policy}", f"workloads.{key}.managed_policy_arns.{policy}"
    for policy in {*_attached_by(workload.get("preset")), *_own_policies(workload)} - managed.keys():
        yield "attachment", f"{key}-{policy}", f"workloads.{key}, policy {policy}"
    for policy in workload.get("inline_policies", {}):
        yield "inline policy", f"{key}-{policy}", f"workloads.{key}.inline_policies.{policy}"


def _clusters(workload: Workload) -> list[str]:
    named = workload["clusters"]
    return sorted({key for key in named if isinstance(key, str)}) if isinstance(named, list) else []


def _former(key: str, former: Any, completed: Mapping[str, Workload], seen: dict[str, str]) -> list[Finding]:
    if former is None or is_later(former):
        return []
    where = f"workloads.{key}.former_name"
    if former == key:
        return [Finding("workload-name", where, former, "this is its name still", "Remove former_name")]
    findings = judge_key(where, former, "a workload")
    if findings:
        return findings
    if former in completed:
        reason = "there is a workload of this name, whose resources these are"
        return [Finding("workload-name", where, former, reason, "Remove former_name, or that workload")]
    other = seen.setdefault(former, key)
    if other != key:
        return [Finding("workload-name", where, former, f"{other} was called that too", "Remove one of them")]
    return []


def plain(value: Any) -> Any:
    """A value with `UNKNOWN` in the place of Outputs, and lists in that of other sequences."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return UNKNOWN if is_later(value) else value


def is_later(value: Any) -> bool:
    """Whether a value is an Output or another awaitable, without importing Pulumi for it."""
    return value is UNKNOWN or hasattr(value, "__await__") or hasattr(value, "apply")


def has_output(value: Any) -> bool:
    """Whether there is an Output anywhere in a value."""
    if isinstance(value, Mapping):
        return any(has_output(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(has_output(item) for item in value)
    return is_later(value)


def _in(value: Any, among: frozenset[str]) -> bool:
    return isinstance(value, str) and value in among
