"""Argo CD Image Updater: looks for new images in Amazon ECR.

v1.3.0 publishes no permissions; these are what its registry client needs of ECR, by
https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html: a token, the tags and the manifests.
"""

from collections.abc import Sequence

from ..documents import Statement
from ._forms import REPOSITORIES
from ._model import Argument, Cluster, Definition, allow


def statements(cluster: Cluster, *, repository_arns: Sequence[str]) -> list[Statement]:
    """Log in, and read tags and manifests of the repositories."""
    reading = ["BatchCheckLayerAvailability", "BatchGetImage", "DescribeImages", "GetDownloadUrlForLayer", "ListImages"]
    return [
        allow("LogIn", ["ecr:GetAuthorizationToken"], ["*"]),
        allow("ReadImages", [f"ecr:{action}" for action in reading], repository_arns),
    ]


PRESET = Definition(
    name="argocd-image-updater",
    title="Argo CD Image Updater",
    version="v1.3.0",
    source="https://github.com/argoproj-labs/argocd-image-updater/blob/v1.3.0/docs/basics/authentication.md",
    namespace="argocd",
    service_account="argocd-image-updater-controller",
    statements=statements,
    scope=(Argument("repository_arns", REPOSITORIES, "the repositories of the images", required=True),),
    note="Its registry needs a script that prints the token (`ext:`), as its documentation describes.",
)
