"""Target roles: what of role chaining can be seen in an association alone."""

import re
from typing import Any

from ._findings import USER_GUIDE, Finding, known
from ._names import ACCOUNT, PARTITION

_PAGE = USER_GUIDE + "pod-id-assign-target-role.html"


def judge_role_account(
    role_arn: Any, cluster_account: Any, *, target_role_arn: Any = None, prop: str = "role_arn"
) -> list[Finding]:
    """That the role of an association is in the cluster's account, and a target role is another role.

    `cluster_account` is the account's 12 digits. A role of another account is reached as the target role of one that
    is in the cluster's.
    """
    findings: list[Finding] = []
    role = re.match(rf"arn:{PARTITION}:iam::({ACCOUNT}):role/", role_arn) if isinstance(role_arn, str) else None
    if role and isinstance(cluster_account, str) and role.group(2) != cluster_account:
        reason = f"the role is in account {role.group(2)}, and EKS takes roles of the cluster's, {cluster_account}"
        fix = f"Give it as target_role_arn, and as {prop} a role of the cluster's account that may assume it"
        findings.append(Finding("role-account", prop, role_arn, reason, fix, _PAGE))
    if known(target_role_arn) and isinstance(target_role_arn, str) and target_role_arn == role_arn:
        reason = "the target role is the role itself, which would assume itself"
        fix = "Remove target_role_arn, or name another role"
        findings.append(Finding("chaining-self", "target_role_arn", target_role_arn, reason, fix, _PAGE))
    return findings
