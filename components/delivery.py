"""`GitHubDelivery`: the IAM side of previews and deployments from GitHub Actions, without keys."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _delivery_documents as documents
from . import rules
from ._base import after, refuse, token, validated
from .documents import Document, to_json
from .rules._delivery import delivery


class GitHubDeliveryArgs(TypedDict):
    """The arguments of a `GitHubDelivery`."""

    repository: pulumi.Input[str]
    """The one repository on github.com that is trusted, as `octo-org/octo-repo`."""
    repository_owner_id: NotRequired[pulumi.Input[str]]
    """The number of its owner, and `repository_id` its own. Repositories made, renamed or transferred after July 15,
    2026 have them in their tokens and need them here; see `gh api repos/octo-org/octo-repo`. Default: neither."""
    repository_id: NotRequired[pulumi.Input[str]]
    """The number of the repository. Default: none."""
    branch: NotRequired[pulumi.Input[str]]
    """The branch whose workflows look for drift, and preview what is to be deployed. Default: `main`."""
    environment: NotRequired[pulumi.Input[str]]
    """The GitHub environment whose jobs deploy. Who may run those is set there, on GitHub. Default: `production`."""
    oidc_provider_arn: NotRequired[pulumi.Input[str]]
    """The ARN of GitHub's OIDC provider where the account has it already; it can have only one. Default: it is made."""
    cluster_names: pulumi.Input[Sequence[pulumi.Input[str]]]
    """The names of the clusters that the stack makes. At least one."""
    name_prefixes: pulumi.Input[Sequence[pulumi.Input[str]]]
    """What the names of the stack's IAM roles and policies begin with, such as `eks-pod-`; with their path, where they
    have one, without its first slash (`workloads/eks-pod-`). At least one, each of 3 characters or more."""
    resource_tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags that every EC2 resource and cluster of the stack carries: what does not is out of the deploy role's reach,
    but for default security groups without any of them. Default: none, and the reach is the account's region."""
    permissions_boundary: NotRequired[pulumi.Input[str]]
    """The ARN of the policy that every role of the stack must carry as its boundary. Default: none, which is warned
    of: the stack's roles may then have more rights than the deploy role."""
    attachable_policy_arns: NotRequired[Sequence[pulumi.Input[str]]]
    """Policies that the stack's roles may get beside its own and those that EKS needs. Default: none."""
    encryption_key_arns: NotRequired[Sequence[pulumi.Input[str]]]
    """The KMS keys that encrypt the clusters' secrets (`EksCluster.encryption_key_arn`). Default: none."""
    state_bucket: NotRequired[pulumi.Input[str]]
    """The S3 bucket of Pulumi's state, its name. Default: none, as with Pulumi Cloud."""
    secrets_key_arn: NotRequired[pulumi.Input[str]]
    """The KMS key that encrypts the stack's secrets (`awskms://…`). Default: none."""
    preview_role_name: NotRequired[pulumi.Input[str]]
    """The preview role's name, to 64 characters. Default: made by Pulumi from the component's name."""
    deploy_role_name: NotRequired[pulumi.Input[str]]
    """The deploy role's name, to 64 characters. Default: made by Pulumi from the component's name."""
    path: NotRequired[pulumi.Input[str]]
    """The IAM path of both roles and their policies, which no role of the stack may share. Default: `/delivery/`."""
    max_session_duration: NotRequired[pulumi.Input[int]]
    """The longest session of both roles, 3600 to 43200 seconds. Default: 3600, IAM's own, which is longer than a
    cluster takes."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags for the provider, the roles and the policies. Default: none."""


class GitHubDelivery(pulumi.ComponentResource):
    """GitHub's OIDC provider, and two roles that workflows of one repository can have for the length of a job.

    The *preview* role reads what the stack made and is trusted for pull requests and for the branch. The *deploy* role
    makes, changes and deletes it and is trusted for one environment, whose reviewers GitHub asks first. Both trusts
    compare the whole `sub` claim, by no pattern, and the audience.

    It belongs into a stack of its own that an administrator deploys, and not into the one that it delivers: neither
    role may change the provider, itself or the other role.

    Raises `InvalidArgs` on a repository, branch or environment that is a pattern, on names and ARNs that AWS would
    refuse, and on prefixes by which the deploy role could change itself or the permissions boundary.

    See https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws,
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html and
    https://www.pulumi.com/registry/packages/aws/api-docs/iam/openidconnectprovider/.
    """

    oidc_provider_arn: pulumi.Output[str]
    """The ARN of GitHub's OIDC provider."""
    preview_role_arn: pulumi.Output[str]
    """The ARN of the preview role, once its policies are attached: the repository's variable `AWS_PREVIEW_ROLE`."""
    deploy_role_arn: pulumi.Output[str]
    """The ARN of the deploy role, once its policies are attached: the repository's variable `AWS_DEPLOY_ROLE`."""
    preview_trust_policy: pulumi.Output[str]
    """The preview role's trust policy, as JSON."""
    deploy_trust_policy: pulumi.Output[str]
    """The deploy role's trust policy, as JSON."""

    def __init__(self, name: str, args: GitHubDeliveryArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(token("GitHubDelivery"), name, {**args}, opts)
        child = pulumi.ResourceOptions(parent=self)
        valid = validated(
            f"GitHubDelivery {name!r}",
            delivery,
            {
                "repository": args["repository"],
                "repository_owner_id": args.get("repository_owner_id"),
                "repository_id": args.get("repository_id"),
                "branch": args.get("branch", "main"),
                "environment": args.get("environment", "production"),
                "oidc_provider_arn": args.get("oidc_provider_arn"),
                "cluster_names": args["cluster_names"],
                "name_prefixes": args["name_prefixes"],
                "resource_tags": args.get("resource_tags", {}),
                "permissions_boundary": args.get("permissions_boundary"),
                "attachable_policy_arns": args.get("attachable_policy_arns", ()),
                "encryption_key_arns": args.get("encryption_key_arns", ()),
                "state_bucket": args.get("state_bucket"),
                "secrets_key_arn": args.get("secrets_key_arn"),
                "preview_role_name": args.get("preview_role_name"),
                "deploy_role_name": args.get("deploy_role_name"),
                "path": args.get("path", "/delivery/"),
                "max_session_duration": args.get("max_session_duration", 3600),
                "tags": args.get("tags", {}),
            },
            declared=GitHubDeliveryArgs,
            present=("oidc_provider_arn", "state_bucket", "secrets_key_arn"),
        )

        invoke = pulumi.InvokeOutputOptions(parent=self)
        partition = aws.get_partition_output(opts=invoke).partition
        if valid["oidc_provider_arn"] is not None:
            self.oidc_provider_arn = pulumi.Output.from_input(valid["oidc_provider_arn"])
        else:
            self.oidc_provider_arn = aws.iam.OpenIdConnectProvider(
                f"{name}-github",
                url=f"https://{documents.ISSUER}",
                # No thumbprints: AWS verifies GitHub's certificate by its own list of authorities.
                client_id_lists=partition.apply(lambda known: [documents.audience(known)]),
                tags=valid["tags"],
                opts=child,
            ).arn
        scope = self._scope(partition, valid)

        def trust(*contexts: pulumi.Input[str]) -> pulumi.Output[str]:
            ids = (valid["repository_owner_id"], valid["repository_id"])
            return pulumi.Output.all(self.oidc_provider_arn, valid["repository"], *ids, *contexts).apply(
                lambda known: to_json(
                    documents.github_trust(
                        known[0], [documents.subject(known[1], context, known[2], known[3]) for context in known[4:]]
                    )
                )
            )

        # A schedule and a push run for a branch, and not for a pull request.
        branch = pulumi.Output.format("ref:refs/heads/{0}", valid["branch"])
        self.preview_trust_policy = trust("pull_request", branch)
        self.deploy_trust_policy = trust(pulumi.Output.format("environment:{0}", valid["environment"]))
        state = ["state"] if any(valid[given] is not None for given in ("state_bucket", "secrets_key_arn")) else []
        self.preview_role_arn = self._role(
            f"{name}-preview",
            valid["preview_role_name"],
            "Reads what a stack made, for GitHub Actions",
            self.preview_trust_policy,
            documents.preview_policies,
            scope,
            ["read", *state],
            valid,
        )
        self.deploy_role_arn = self._role(
            f"{name}-deploy",
            valid["deploy_role_name"],
            "Deploys a stack, for GitHub Actions",
            self.deploy_trust_policy,
            documents.deploy_policies,
            scope,
            ["read", "network", "cluster", "identity", *state],
            valid,
        )
        self.register_outputs(
            {
                "oidc_provider_arn": self.oidc_provider_arn,
                "preview_role_arn": self.preview_role_arn,
                "deploy_role_arn": self.deploy_role_arn,
                "preview_trust_policy": self.preview_trust_policy,
                "deploy_trust_policy": self.deploy_trust_policy,
            }
        )

    def _scope(self, partition: pulumi.Output[str], valid: Mapping[str, Any]) -> pulumi.Output[documents.Scope]:
        invoke = pulumi.InvokeOutputOptions(parent=self)
        given = (
            "cluster_names",
            "name_prefixes",
            "resource_tags",
            "permissions_boundary",
            "attachable_policy_arns",
            "encryption_key_arns",
            "state_bucket",
            "secrets_key_arn",
        )
        return pulumi.Output.all(
            partition=partition,
            region=aws.get_region_output(opts=invoke).region,
            account=aws.get_caller_identity_output(opts=invoke).account_id,
            **{argument: valid[argument] for argument in given},
        ).apply(lambda known: documents.Scope(**known))

    def _role(
        self,
        name: str,
        role_name: pulumi.Input[str] | None,
        description: str,
        trust: pulumi.Output[str],
        policies: Callable[[documents.Scope], Mapping[str, Document]],
        scope: pulumi.Output[documents.Scope],
        keys: Sequence[str],
        valid: Mapping[str, Any],
    ) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            name,
            name=role_name,
            path=valid["path"],
            description=description,
            assume_role_policy=trust,
            max_session_duration=valid["max_session_duration"],
            tags=valid["tags"],
            opts=child,
        )
        documented = scope.apply(policies)

        def text(key: str) -> pulumi.Output[str]:
            return documented.apply(lambda known: self._document(name, to_json(known[key])))

        attachments = []
        for key in keys:
            policy = aws.iam.Policy(
                f"{name}-{key}",
                path=valid["path"],
                description=description,
                policy=text(key),
                tags=valid["tags"],
                opts=child,
            )
            attachments.append(
                aws.iam.RolePolicyAttachment(f"{name}-{key}", role=role.name, policy_arn=policy.arn, opts=child).id
            )
        return after(role.arn, *attachments)

    @staticmethod
    def _document(name: str, text: str) -> str:
        findings = rules.judge_document_size("cluster_names and name_prefixes", text, rules.MANAGED_POLICY_SIZE)
        refuse(f"GitHubDelivery {name!r}", findings)
        return text
