"""Flux's image reflector: reads tags and digests in Amazon ECR.

Follows Flux 2's page on AWS, https://fluxcd.io/flux/integrations/aws/, with the repositories named.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import REPOSITORIES
from ._model import Argument, Cluster, Definition, allow


def statements(cluster: Cluster, *, repository_arns: Sequence[str]) -> list[Statement]:
    """Log in, and read the repositories, their images and what is known of these."""
    reading = ["BatchCheckLayerAvailability", "BatchGetImage", "DescribeImageScanFindings", "DescribeImages"]
    reading += ["DescribeRepositories", "GetDownloadUrlForLayer", "GetLifecyclePolicy", "GetLifecyclePolicyPreview"]
    reading += ["GetRepositoryPolicy", "ListImages", "ListTagsForResource"]
    return [
        allow("LogIn", ["ecr:GetAuthorizationToken"], ["*"]),
        allow("ReadImages", [f"ecr:{action}" for action in reading], repository_arns),
    ]


PRESET = Definition(
    name="flux-image-reflector",
    title="Flux image reflector",
    version="Flux 2",
    source="https://fluxcd.io/flux/integrations/aws/",
    namespace="flux-system",
    service_account="image-reflector-controller",
    statements=statements,
    scope=(Argument("repository_arns", REPOSITORIES, "the repositories of the images", required=True),),
    note=(
        "The source controller needs the same for OCI artifacts: make it a workload of its own, with the "
        "ServiceAccount `source-controller`, and with `role_of` naming this one, whose role it shares."
    ),
)
