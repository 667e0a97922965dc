"""External Secrets Operator: copies secrets and parameters into Kubernetes, and back where asked to.

Follows v2.9.0,
https://github.com/external-secrets/external-secrets/blob/v2.9.0/docs/provider/aws-secrets-manager.md and
aws-parameter-store.md beside it; of PushSecret's permissions those of the stricter example, without replicas, and of
resource policies only their deletion. These pages leave out what that version's code calls besides,
https://github.com/external-secrets/external-secrets/tree/v2.9.0/providers/v1/aws: it removes tags, deletes parameters,
and deletes a secret's resource policy before each update.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import KMS_KEYS, PARAMETERS, SECRETS, Flag
from ._model import Argument, Cluster, Definition, allow


def statements(
    cluster: Cluster,
    *,
    secret_arns: Sequence[str],
    parameter_arns: Sequence[str],
    kms_key_arns: Sequence[str],
    push: bool = False,
) -> list[Statement]:
    """Read the secrets and parameters with the keys; write them too where `push` is set."""
    own = {"StringEquals": {"aws:ResourceTag/managed-by": "external-secrets"}}
    result: list[Statement] = []
    if secret_arns:
        reading = ["GetResourcePolicy", "GetSecretValue", "DescribeSecret", "ListSecretVersionIds"]
        finding = ["secretsmanager:BatchGetSecretValue", "secretsmanager:ListSecrets"]
        result += [
            allow("FindSecrets", finding, ["*"]),
            allow("ReadSecrets", [f"secretsmanager:{action}" for action in reading], secret_arns),
        ]
    if parameter_arns:
        reading = ["GetParameter", "GetParameterHistory", "GetParameters", "GetParametersByPath"]
        result += [
            allow("FindParameters", ["ssm:DescribeParameters"], ["*"]),
            allow("ReadParameters", [f"ssm:{action}" for action in reading], parameter_arns),
        ]
    if push and secret_arns:
        writing = ["CreateSecret", "PutSecretValue", "TagResource"]
        managing = ["DeleteResourcePolicy", "DeleteSecret", "UntagResource"]
        result += [
            allow("WriteSecrets", [f"secretsmanager:{action}" for action in writing], secret_arns),
            allow("ManageOwnSecrets", [f"secretsmanager:{action}" for action in managing], secret_arns, own),
        ]
    if push and parameter_arns:
        writing = ["AddTagsToResource", "ListTagsForResource", "PutParameter"]
        managing = ["ssm:DeleteParameter", "ssm:RemoveTagsFromResource"]
        result += [
            allow("WriteParameters", [f"ssm:{action}" for action in writing], parameter_arns),
            allow("ManageOwnParameters", managing, parameter_arns, own),
        ]
    if kms_key_arns:
        using = ["kms:Decrypt", "kms:GenerateDataKey"] if push else ["kms:Decrypt"]
        result.append(allow("UseKeys", using, kms_key_arns))
    return result


PRESET = Definition(
    name="external-secrets",
    title="External Secrets Operator",
    version="v2.9.0",
    source="https://github.com/external-secrets/external-secrets/blob/v2.9.0/docs/provider/aws-secrets-manager.md",
    namespace="external-secrets",
    service_account="external-secrets",
    statements=statements,
    scope=(
        Argument("secret_arns", SECRETS, "the secrets to read"),
        Argument("parameter_arns", PARAMETERS, "the parameters to read"),
        Argument("kms_key_arns", KMS_KEYS, "the customer managed keys that they are encrypted with"),
        Argument("push", Flag(), "whether it may also write them; false where left out"),
    ),
    any_of=("secret_arns", "parameter_arns"),
    note="A PushSecret with `resourcePolicy` or `replicationLocations` in its metadata needs more than `push` allows.",
)
