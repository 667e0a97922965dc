"""Workloads that mount secrets by the Secrets Store CSI driver with its AWS provider.

Follows v3.1.1 of the provider,
https://github.com/aws/secrets-store-csi-driver-provider-aws/blob/3.1.1/README.md. The driver reads as the workload that
mounts: this is for the workload's own ServiceAccount, with `usePodIdentity: "true"` in its SecretProviderClass.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import KMS_KEYS, PARAMETERS, SECRETS
from ._model import Argument, Cluster, Definition, allow


def statements(
    cluster: Cluster, *, secret_arns: Sequence[str], parameter_arns: Sequence[str], kms_key_arns: Sequence[str]
) -> list[Statement]:
    """Read the secrets and parameters with the keys."""
    reading = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
    result: list[Statement] = []
    if secret_arns:
        result.append(allow("ReadSecrets", reading, secret_arns))
    if parameter_arns:
        result.append(allow("ReadParameters", ["ssm:GetParameters"], parameter_arns))
    if kms_key_arns:
        result.append(allow("UseKeys", ["kms:Decrypt"], kms_key_arns))
    return result


PRESET = Definition(
    name="secrets-store-csi",
    title="Secrets Store CSI driver, AWS provider",
    version="v3.1.1",
    source="https://github.com/aws/secrets-store-csi-driver-provider-aws/blob/3.1.1/README.md",
    statements=statements,
    scope=(
        Argument("secret_arns", SECRETS, "the secrets to mount"),
        Argument("parameter_arns", PARAMETERS, "the parameters to mount"),
        Argument("kms_key_arns", KMS_KEYS, "the customer managed keys that they are encrypted with"),
    ),
    any_of=("secret_arns", "parameter_arns"),
    note='For the workloads\' own ServiceAccounts, with `usePodIdentity: "true"` in the SecretProviderClass.',
)
