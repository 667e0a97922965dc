"""ServiceAccounts and pods: that what runs gets its credentials from Pod Identity, and from nowhere else.

Properties are those of Kubernetes' objects, in Kubernetes' own spelling.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ._actions import glob
from ._findings import UNKNOWN, USER_GUIDE, Finding, Severity, known, known_items

IRSA_ANNOTATION = "eks.amazonaws.com/role-arn"
IRSA_VARIABLES = ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")
STATIC_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")

_OS_LABEL = "kubernetes.io/os"
_MIGRATION_PAGE = USER_GUIDE + "pod-id-how-it-works.html"
_LIMITS_PAGE = USER_GUIDE + "pod-identities.html"
_CREDENTIALS_PAGE = "https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html"
_ACCOUNTS_PAGE = "https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/"
_NAMESPACES_PAGE = "https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/"
_STANDARDS_PAGE = "https://kubernetes.io/docs/concepts/security/pod-security-standards/"
_BEST_PRACTICES = "https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html"


def judge_identity(
    namespace: Any,
    service_account: Any,
    *,
    namespace_prop: str = "namespace",
    service_account_prop: str = "service_account",
) -> list[Finding]:
    """The namespace and the ServiceAccount that an association gives a role to: a workload's own, and not the default
    ones, which every pod has that does not say otherwise."""
    findings: list[Finding] = []
    if service_account is not UNKNOWN and service_account == "default":
        reason = "every pod of the namespace that names no ServiceAccount has this one, and would have the role"
        fix = "Make a ServiceAccount for the workload"
        page = _ACCOUNTS_PAGE
        findings.append(Finding("default-service-account", service_account_prop, "default", reason, fix, page))
    if namespace is not UNKNOWN and namespace == "default":
        reason = "whatever is made without a namespace is there too, and may use its ServiceAccounts"
        fix = "Give the workload a namespace of its own"
        findings.append(
            Finding(
                "default-namespace", namespace_prop, "default", reason, fix, _NAMESPACES_PAGE, severity=Severity.WARNING
            )
        )
    return findings


def judge_service_account_object(
    metadata: Any, automount: Any = None, *, associated: Any = None, prop: str = "metadata"
) -> list[Finding]:
    """A ServiceAccount: without the annotation of IAM roles for service accounts (IRSA), and without a token that its
    pods do not ask for.

    `associated` says whether there is a pod identity association for it, where that is known; `UNKNOWN` is that there
    is one for a ServiceAccount of its name, perhaps in another cluster.
    """
    findings: list[Finding] = []
    annotations = _get(metadata, "annotations")
    role = _get(annotations, IRSA_ANNOTATION)
    # The annotation counts whatever its value will be, unless it is not known whether there is one.
    if role is not None and annotations is not UNKNOWN:
        findings += _judge_irsa(f"{prop}.annotations[{IRSA_ANNOTATION!r}]", role, associated)
    if automount is not UNKNOWN and automount is not False:
        reason = "each pod with it gets a token for the Kubernetes API, which Pod Identity does not need"
        fix = "Set automountServiceAccountToken to false here, and to true in the pods that call the API"
        findings.append(
            _warning("service-account-token", "automountServiceAccountToken", automount, reason, fix, _ACCOUNTS_PAGE)
        )
    return findings


def judge_pod(metadata: Any, spec: Any, *, associated: Any = None, prop: str = "spec") -> list[Finding]:
    """A pod's specification: its ServiceAccount, where it runs, and what it brings along as credentials.

    `associated` says whether its ServiceAccount has a pod identity association, as for the ServiceAccount.
    """
    findings: list[Finding] = []
    if not isinstance(spec, Mapping):
        return findings
    namespace = _get(metadata, "namespace")
    system = isinstance(namespace, str) and namespace in SYSTEM_NAMESPACES
    account = _get(spec, "serviceAccountName")
    if account is not UNKNOWN and account in (None, "default") and not system:
        reason = "the pod has the namespace's default ServiceAccount, and what that is allowed"
        fix = "Make a ServiceAccount for the workload, and name it here"
        page = _ACCOUNTS_PAGE
        findings.append(
            _warning("pod-default-service-account", f"{prop}.serviceAccountName", account, reason, fix, page)
        )
    automount = _get(spec, "automountServiceAccountToken")
    if automount is not UNKNOWN and automount is not False and not system:
        reason = "the pod gets a token for the Kubernetes API, which Pod Identity does not need"
        fix = "Set automountServiceAccountToken to false, unless the pod calls the API"
        page = _ACCOUNTS_PAGE
        findings.append(
            _warning("pod-service-account-token", f"{prop}.automountServiceAccountToken", automount, reason, fix, page)
        )
    if not system:
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            value = _get(spec, field)
            if value is not UNKNOWN and value is True:
                reason = "the pod shares the node's own namespace, and from there reaches the node's credentials"
                findings.append(
                    Finding("pod-host-namespace", f"{prop}.{field}", True, reason, f"Remove {field}", _STANDARDS_PAGE)
                )
    findings += _judge_windows(spec, associated, prop)
    for where, container in _containers(spec, prop):
        findings += _judge_container(where, container, associated)
    return findings


def _judge_container(where: str, container: Mapping[str, Any], associated: Any) -> list[Finding]:
    findings: list[Finding] = []
    for place, variable in known_items(f"{where}.env", container.get("env")):
        name = _get(variable, "name")
        if name is UNKNOWN:
            continue
        if name in IRSA_VARIABLES:
            findings += _judge_irsa(f"{place}.name", name, associated)
        elif name in STATIC_VARIABLES:
            reason = "keys in the environment win over Pod Identity, and last until somebody changes them"
            fix = "Remove the variable, and give the ServiceAccount an association"
            findings.append(Finding("pod-static-credentials", f"{place}.name", name, reason, fix, _CREDENTIALS_PAGE))
    privileged = _get(container.get("securityContext"), "privileged")
    if privileged is not UNKNOWN and privileged is True:
        reason = "a privileged container is root on the node, whose credentials and tokens it can read"
        page = _STANDARDS_PAGE
        findings.append(
            Finding("pod-privileged", f"{where}.securityContext.privileged", True, reason, "Remove it", page)
        )
    return findings


def _judge_irsa(where: str, value: Any, associated: Any) -> list[Finding]:
    shown = None if value is UNKNOWN else value
    if associated is None:
        reason = (
            "this is for IAM roles for service accounts, and works against an association for the same ServiceAccount"
        )
        return [_warning("irsa", where, shown, reason, "Make an association, and remove it", _BEST_PRACTICES)]
    reason = (
        "the ServiceAccount has an association too: what is left over of IAM roles for service accounts wins wherever "
        "the association is not effective yet, and a hand-written variable always"
    )
    fix = "Remove it, and restart the pods"
    return _where_associated(associated, Finding("irsa-left-over", where, shown, reason, fix, _MIGRATION_PAGE))


def _judge_windows(spec: Mapping[str, Any], associated: Any, prop: str) -> list[Finding]:
    chosen = _get(_get(spec, "nodeSelector"), _OS_LABEL)
    system = _get(_get(spec, "os"), "name")
    required = "nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    terms: Any = _get(spec, "affinity")
    for key in required.split("."):
        terms = _get(terms, key)
    for where, found in (
        (f"{prop}.nodeSelector[{_OS_LABEL!r}]", chosen is not UNKNOWN and chosen == "windows"),
        (f"{prop}.os.name", system is not UNKNOWN and system == "windows"),
        (f"{prop}.affinity.{required}", _all_are_windows(terms)),
    ):
        if found:
            reason = "Pod Identity's agent runs on Linux nodes only, so the pod gets no credentials"
            fix = "Run it on Linux, or use IAM roles for service accounts"
            finding = Finding("pod-identity-windows", where, "windows", reason, fix, _LIMITS_PAGE)
            return _where_associated(associated, finding)
    return []


def _all_are_windows(terms: Any) -> bool:
    """Whether a required node affinity leaves Windows nodes only: a node needs to match just one of its terms."""
    known_terms = known_items("", terms)
    return bool(known_terms) and len(known_terms) == len(terms) and all(_is_windows(term) for _, term in known_terms)


def _is_windows(term: Any) -> bool:
    # All expressions of a term have to match, so one that is not known yet changes nothing.
    return any(
        (_get(expression, "key"), _get(expression, "operator")) == (_OS_LABEL, "In")
        and _texts(_get(expression, "values")) == ["windows"]
        for _, expression in known_items("", _get(term, "matchExpressions"))
    )


def _texts(values: Any) -> list[Any]:
    return list(values) if isinstance(values, Sequence) and not isinstance(values, str) else []


def _where_associated(associated: Any, finding: Finding) -> list[Finding]:
    """What is wrong with a workload that has an association; only a warning where it cannot be told whether it has."""
    if associated is True:
        return [finding]
    if associated is not UNKNOWN:
        return []
    reason = f"{finding.reason}; it cannot be told whether the association is in this cluster or another"
    fix = f"{finding.fix}; or make its provider of the kubeconfig that the cluster itself gives, which tells"
    return [replace(finding, rule="workload-elsewhere", reason=reason, fix=fix, severity=Severity.WARNING)]


def judge_fargate(
    selectors: Any,
    associations: Sequence[tuple[Any, Any]],
    *,
    pods: Sequence[tuple[Any, Any, Any]] = (),
    prop: str = "selectors",
) -> list[Finding]:
    """A Fargate profile's selectors against the (namespace, ServiceAccount) pairs that have associations in its
    cluster: pods on Fargate have no agent, and get no credentials.

    `pods` are those that are known in the cluster, each with namespace, ServiceAccount and labels. `*` and `?` in
    namespaces and labels are patterns. See
    https://docs.aws.amazon.com/eks/latest/userguide/fargate-profile.html#fargate-profile-wildcards.
    """
    findings: list[Finding] = []
    fix = "Run them on nodes, or use IAM roles for service accounts"
    for where, selector in known_items(prop, selectors):
        namespace, labels = _get(selector, "namespace"), _get(selector, "labels")
        if namespace is UNKNOWN or labels is UNKNOWN or not isinstance(namespace, str):
            continue
        associated = [pair for pair in associations if _matches(namespace, pair[0])]
        if not associated:
            continue
        place = f"{where}.namespace"
        if not labels:
            reason = (
                "pods of this namespace run on Fargate without Pod Identity's agent, and a ServiceAccount has a role"
            )
            findings.append(Finding("pod-identity-fargate", place, namespace, reason, fix, _LIMITS_PAGE))
        elif any(pod[:2] in associated and _has_labels(labels, pod[2]) for pod in pods):
            reason = "a pod with these labels runs on Fargate without Pod Identity's agent, and has a role"
            findings.append(Finding("pod-identity-fargate", f"{where}.labels", labels, reason, fix, _LIMITS_PAGE))
        else:
            reason = (
                "pods with these labels run on Fargate without Pod Identity's agent, and a ServiceAccount has a role"
            )
            findings.append(_warning("pod-identity-fargate-labels", place, namespace, reason, fix, _LIMITS_PAGE))
    return findings


def _matches(pattern: Any, value: Any) -> bool:
    return isinstance(pattern, str) and isinstance(value, str) and glob(pattern).fullmatch(value) is not None


def _has_labels(wanted: Any, labels: Any) -> bool:
    given = labels.items() if isinstance(labels, Mapping) else ()
    return isinstance(wanted, Mapping) and all(
        any(_matches(key, name) and _matches(value, text) for name, text in given) for key, value in wanted.items()
    )


def judge_namespace_object(metadata: Any, prop: str = "metadata") -> list[Finding]:
    """A namespace: that it enforces a Pod Security Standard."""
    if metadata is UNKNOWN:
        return []
    name = _get(metadata, "name")
    label = "pod-security.kubernetes.io/enforce"
    standard = _get(_get(metadata, "labels"), label)
    if standard is UNKNOWN or (isinstance(name, str) and name in SYSTEM_NAMESPACES):
        return []
    if standard in ("baseline", "restricted"):
        return []
    reason = "privileged pods are admitted, which can take the node's credentials"
    fix = f"Add the label {label}: restricted"
    return [_warning("namespace-pod-security", f"{prop}.labels[{label!r}]", standard, reason, fix, _STANDARDS_PAGE)]


def _containers(spec: Mapping[str, Any], prop: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for field in ("initContainers", "containers"):
        for where, container in known_items(f"{prop}.{field}", spec.get(field)):
            if isinstance(container, Mapping):
                yield where, container


def _get(value: Any, key: str) -> Any:
    """A member of what should be a mapping: `UNKNOWN` where that is unknown, None where there is none."""
    if value is UNKNOWN:
        return UNKNOWN
    return value.get(key) if isinstance(value, Mapping) else None


def _warning(rule: str, where: str, value: Any, reason: str, fix: str, page: str) -> Finding:
    return Finding(rule, where, value if known(value) else None, reason, fix, page, Severity.WARNING)
