"""AWS Private CA issuer for cert-manager: has certificates issued.

Follows v1.9.0, https://github.com/cert-manager/aws-privateca-issuer/blob/v1.9.0/README.md.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import CERTIFICATE_AUTHORITIES
from ._model import Argument, Cluster, Definition, allow


def statements(cluster: Cluster, *, certificate_authority_arns: Sequence[str]) -> list[Statement]:
    """Issue certificates by the authorities, and fetch them."""
    issuing = ["acm-pca:DescribeCertificateAuthority", "acm-pca:GetCertificate", "acm-pca:IssueCertificate"]
    return [allow("IssueCertificates", issuing, certificate_authority_arns)]


PRESET = Definition(
    name="aws-privateca-issuer",
    title="AWS Private CA issuer",
    version="v1.9.0",
    source="https://github.com/cert-manager/aws-privateca-issuer/blob/v1.9.0/README.md",
    namespace="aws-privateca-issuer",
    service_account="aws-privateca-issuer",
    addon="aws-privateca-connector-for-kubernetes",
    statements=statements,
    scope=(Argument("certificate_authority_arns", CERTIFICATE_AUTHORITIES, "the authorities to use", required=True),),
)
