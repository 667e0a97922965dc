"""Target roles: what of role chaining can be seen in an association, and in the trust policy of its target role."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from . import _actions
from ._conditions import Test, is_open
from ._documents import TRUST, judge_statements, parse_document, statements_of
from ._findings import UNKNOWN, USER_GUIDE, Finding, Severity, known
from ._names import ACCOUNT, PARTITION
from ._trust import TrustStatement, has_unknown_principals, judge_operator, needs_session_tags, trust_statements

_PAGE = USER_GUIDE + "pod-id-assign-target-role.html"
_ROLE = re.compile(rf"arn:(?P<partition>{PARTITION}):iam::(?P<account>{ACCOUNT}):role/", re.ASCII)


def judge_role_account(
    role_arn: Any,
    cluster_account: Any,
    *,
    cluster_partition: Any = None,
    target_role_arn: Any = None,
    prop: str = "role_arn",
) -> list[Finding]:
    """That the role of an association is in the cluster's account, and a target role is another role.

    `cluster_account` is the account's 12 digits, `cluster_partition` what its ARNs have after `arn:`. A role of another
    account is reached as the target role of one that is in the cluster's.
    """
    findings: list[Finding] = []
    role = _ROLE.match(role_arn) if isinstance(role_arn, str) else None
    if role and isinstance(cluster_account, str) and role["account"] != cluster_account:
        reason = f"the role is in account {role['account']}, and EKS takes roles of the cluster's, {cluster_account}"
        fix = f"Give it as target_role_arn, and as {prop} a role of the cluster's account that may assume it"
        findings.append(Finding("role-account", prop, role_arn, reason, fix, _PAGE))
    if role and isinstance(cluster_partition, str) and role["partition"] != cluster_partition:
        reason = f"the role is in partition {role['partition']}, and the cluster in {cluster_partition}"
        fix = f"Give a role of the cluster's account, whose ARN begins with arn:{cluster_partition}:"
        findings.append(Finding("role-account", prop, role_arn, reason, fix, _PAGE))
    if known(target_role_arn) and isinstance(target_role_arn, str) and target_role_arn == role_arn:
        reason = "the target role is the role itself, which would assume itself"
        fix = "Remove target_role_arn, or name another role"
        findings.append(Finding("chaining-self", "target_role_arn", target_role_arn, reason, fix, _PAGE))
    return findings


def judge_target_trust(
    value: Any,
    prop: str = "assume_role_policy",
    *,
    role_arn: Any,
    external_id: Any = None,
    disable_session_tags: Any = None,
) -> list[Finding]:
    """The trust policy of a target role: that the role of the association may assume it.

    `external_id` is the one that EKS sends, `region/account/cluster/namespace/ServiceAccount`; it sends one where the
    association disables session tags. With session tags the target role has to allow `sts:TagSession` too. The policy
    may be for other associations as well: that it lets one in is enough.

    See https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html.
    """
    document, findings = parse_document(value, prop)
    if document is None:
        return findings
    findings += judge_statements(statements_of(document), f"{prop}.Statement", TRUST)
    role = _ROLE.match(role_arn) if isinstance(role_arn, str) else None
    if role is None or has_unknown_principals(document):
        return findings
    account = role["account"]
    names = (role_arn, f"arn:{role['partition']}:iam::{account}:root", account, "*")
    trusting = [
        statement
        for statement in trust_statements(document, prop)
        if statement.allows and any(principal in names for principal in statement.principals("AWS"))
    ]
    if not trusting:
        reason = "the role of the association may not assume the target role"
        fix = f"Name {role_arn} as its principal; documents.target_trust(...) does"
        return [*findings, Finding("chaining-trust", prop, None, reason, fix, _PAGE)]
    findings += _judge_actions(trusting, role_arn, disable_session_tags)
    findings += _judge_requests(trusting, external_id, disable_session_tags)
    for statement in trusting:
        findings += statement.judge_openness()
        findings += _judge_external_ids(statement, external_id, disable_session_tags)
    return findings


def _judge_actions(trusting: list[TrustStatement], role_arn: str, disabled: Any) -> list[Finding]:
    if any(statement.has_unknown_action() for statement in trusting):
        return []
    needed = ["sts:AssumeRole", *(["sts:TagSession"] if disabled is None or disabled is False else [])]
    allowed = sorted({action for statement in trusting for action in statement.actions()})
    return [
        Finding(
            "chaining-trust",
            f"{trusting[0].where}.Action",
            allowed,
            f"EKS needs {action} on the target role, and it is not allowed",
            f"Allow {' and '.join(needed)} to {role_arn}",
            _PAGE,
        )
        for action in needed
        if not any(_actions.glob(pattern).fullmatch(action.lower()) for pattern in allowed)
    ]


def _judge_requests(trusting: list[TrustStatement], external_id: Any, disabled: Any) -> list[Finding]:
    """That EKS's request passes the conditions of one statement at least."""
    assuming = [
        statement
        for statement in trusting
        if statement.has_unknown_action()
        or any(_actions.glob(pattern).fullmatch("sts:assumerole") for pattern in statement.actions())
    ]
    refusals = [
        [(statement, test) for test in statement.tests if _is_refused(test, external_id, disabled)]
        for statement in assuming
    ]
    return (
        [_refusal(*refusal, external_id, disabled) for several in refusals for refusal in several]
        if all(refusals)
        else []
    )


def _is_refused(test: Test, external_id: Any, disabled: Any) -> bool:
    """Whether EKS's request fails a test, whatever is not known yet."""
    tagged = disabled is None or disabled is False
    if str(test.key).startswith("aws:requesttag/"):
        return disabled is True and test.holds(None) is False
    if test.key != "sts:externalid":
        return False
    sent = external_id if isinstance(external_id, str) else UNKNOWN
    may_be_sent = [None] if tagged else [sent] if disabled is True else [None, sent]
    return all(one is not UNKNOWN and test.holds(one) is False for one in may_be_sent)


def _refusal(statement: TrustStatement, test: Test, external_id: Any, disabled: Any) -> Finding:
    values = [value for value in test.values if value is not UNKNOWN]
    where, value = statement.place(test), values[0] if len(values) == 1 else values
    if test.key != "sts:externalid":
        return needs_session_tags(where, value)
    reason, fix = f"EKS sends the external id {external_id}", f"Write {external_id}"
    if disabled is None or disabled is False:
        reason = "EKS sends an external id only where the association disables session tags"
        fix = "Set disable_session_tags to true, or scope by the session tags"
    return Finding("chaining-external-id", where, value, reason, fix, _PAGE)


def _judge_external_ids(statement: TrustStatement, external_id: Any, disabled: Any) -> Iterator[Finding]:
    """That external ids are compared as they are meant, and asked for."""
    form = external_id if isinstance(external_id, str) else "region/account/cluster/namespace/ServiceAccount"
    fix = f"Ask for sts:ExternalId = {form}"
    for test, where, value in statement.values("sts:externalid"):
        wrong = judge_operator("sts:ExternalId", test, where, value)
        yield from (replace(finding, rule="chaining-external-id") for finding in wrong)
        if not wrong and is_open(value):
            reason = "every external id will do"
            yield Finding("chaining-external-id", where, value, reason, fix, _PAGE)
    asked = any(test.binds for test in statement.tests if test.key is UNKNOWN or test.key == "sts:externalid")
    if disabled is True and not asked and statement.elements.get("Condition") is not UNKNOWN:
        reason = "every association with the role may use the target role, from any cluster and ServiceAccount"
        where = f"{statement.where}.Condition"
        yield Finding("chaining-unscoped", where, None, reason, fix, _PAGE, Severity.WARNING)
