"""The gate before every service: tells who calls, and asks IAM whether the call is allowed.

Who is who: an access key that IAM issued to a user is that user; one that STS issued is that session; one of
the form that STS gives its keys, but unknown, is refused. Every other key, say `test`, is the account's root
user: that is the operator of this endpoint, Pulumi or the aws CLI, who may do everything and whose requests
pay a look at the key and no more. A key of twelve digits is the root user of the account of that number, so
that roles of a second account can be made, for a role of the first to assume. On AWS the root user may not
assume roles; here it may those that trust its account, because it stands for the account's administrators.

Requests that are not signed are nobody's. S3 asks the bucket's policy and the access control lists about them, and
no policy of anybody's; every other service refuses them, but for the few operations that AWS answers to everybody.
What is none of AWS's, such as moto's own API, goes on as it is.

What goes on to moto goes on as it was judged: moto is told account, service and operation, and guesses nothing
from a request that could be read in two ways.

https://docs.aws.amazon.com/IAM/latest/UserGuide/intro-structure.html
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..eks.service import EksService
from ..eks.store import Cluster
from ..protocol import HttpReply
from .assume_role import RoleAssumption, StsError
from .context import Context, Value
from .directory import Directory, LockOf
from .evaluator import Request, denial_message, evaluate
from .keys import Caller, caller_keys, request_keys, request_tag_keys
from .operations import HttpRequest, Operation, iam_prefix, read_operation, tags_given, tags_removed
from .patterns import account_of, partition_of_region, tag_keys
from .pod_identity import PodIdentitySessions
from .policy import MalformedPolicy, Policy
from .principals import Kind, Principal
from .refusals import Reason, Refusal, render, render_sts
from .resources import Resources
from .s3 import Need, S3Request, acl_statements
from .sessions import Sessions
from .signature import Signed, other_signature_key, read_signature, verify
from .sts import Sts
from .unsigned import operation_for_everybody, service_of
from .web_identity import IssuerKeys, WebIdentities

log = logging.getLogger(__name__)

# What access keys look like that IAM and STS issue; any other is the operator's.
_USER_KEY = re.compile(r"[AL]KIA[A-Z0-9]{16}")
_SESSION_KEY = re.compile(r"[AL]SIA[A-Z0-9]{16}")
_ACCOUNT = re.compile(r"\d{12}")
# How moto is told the account and, of those who may not do everything, the operation: the mended
# `get_current_account` and `_get_action` read them.
ACCOUNT_HEADER = "HTTP_X_MOTO_ACCOUNT_ID"
OPERATION_HEADER = "HTTP_X_TWIN_OPERATION"
# STS answers these without asking for a permission, or asks for itself.
_FREE = {"sts:GetCallerIdentity", "sts:GetSessionToken"}
# Operations that hand a role to a service: the parameter that names it, and the service.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
_PASSED_ROLES = {
    "eks:CreateCluster": ("roleArn", "eks.amazonaws.com"),
    "eks:CreateNodegroup": ("nodeRole", "eks.amazonaws.com"),
    "eks:CreateFargateProfile": ("podExecutionRoleArn", "eks-fargate-pods.amazonaws.com"),
    "eks:CreateAddon": ("serviceAccountRoleArn", "eks.amazonaws.com"),
    "eks:UpdateAddon": ("serviceAccountRoleArn", "eks.amazonaws.com"),
    "eks:CreatePodIdentityAssociation": ("roleArn", "pods.eks.amazonaws.com"),
    "eks:UpdatePodIdentityAssociation": ("roleArn", "pods.eks.amazonaws.com"),
}


class Gate:
    """Authenticates and authorizes requests; also where sessions come from.

    Args:
        account: the endpoint's account.
        lock_of: returns the lock that serialises one of moto's services.
        eks: EKS, for the ARNs and tags of its resources.
        issuer_keys: returns the keys of issuers of identity tokens.
        organization: id of the organization that the account belongs to, if any.

    Attributes:
        directory: IAM, as authorization sees it.
        sessions: the sessions that STS issued.
        pod_identity: issues credentials to pods, for EKS Auth.
    """

    def __init__(
        self,
        account: str,
        lock_of: LockOf,
        eks: EksService,
        issuer_keys: IssuerKeys,
        organization: str | None = None,
    ) -> None:
        self._account = account
        self._eks = eks
        self._organization = organization
        self.directory = Directory(lock_of, account)
        self.sessions = Sessions(self.directory)
        assumption = RoleAssumption(self.directory, self.sessions, organization)
        self.pod_identity = PodIdentitySessions(assumption, self.sessions, organization)
        self._sts = Sts(assumption, self.sessions, WebIdentities(self.directory, issuer_keys))
        self._resources = Resources(self.directory, self._eks_arn)

    def answer(
        self,
        environ: dict[str, Any],
        raw_path: str,
        query: str,
        body: bytes,
        access_key: str,
        service: str,
        region: str,
    ) -> HttpReply | None:
        """Answer a request that is refused, or that STS answers itself; None lets it go on.

        Args:
            environ: the WSGI environment; moto is told in it whose account the call is about.
            raw_path: the path, still percent-encoded.
            query: the raw query string.
            body: the whole body.
            access_key: who signed it; empty when nobody did.
            service: the service that it is for; empty when it is for none of AWS's.
            region: the region that it is signed for.
        """
        environ.pop(ACCOUNT_HEADER, None)
        environ.pop(OPERATION_HEADER, None)
        if not service:
            return None
        if access_key and not (_USER_KEY.fullmatch(access_key) or _SESSION_KEY.fullmatch(access_key)):
            if _ACCOUNT.fullmatch(access_key):
                environ[ACCOUNT_HEADER] = access_key
            if service != "sts":
                return None
        http = HttpRequest.of(environ, raw_path, query, body, service, region)
        try:
            return self._answer(http, access_key, environ)
        except Refusal as refusal:
            return render(http, refusal)
        except StsError as error:
            return render_sts(error)
        except MalformedPolicy as error:
            # AWS refuses such a policy when it is written; where moto does not, nobody may slip through it.
            log.error("a policy that %s depends on cannot be read: %s", access_key, error)
            return render(http, Refusal(Reason.DENIED, f"A policy cannot be read: {error}"))
        except Exception:  # a fault of ours must reach the client as one, and must let nobody in
            log.exception("authorizing %s %s failed", http.method, raw_path)
            return render(http, Refusal(Reason.FAULT))

    def service_of(self, http: HttpRequest) -> str:
        """Return the service that a request is for when its signature does not say; empty when none of AWS's."""
        with self.directory.lock_of("s3"):
            return service_of(http, lambda name: self._find_bucket(name) is not None)

    def caller(self, access_key: str, region: str) -> Caller:
        """Return who an access key belongs to, without looking at any signature.

        Raises:
            Refusal: the key looks like one of STS's, and is none.
        """
        return self._known(access_key, partition_of_region(region))[0]

    def _answer(self, http: HttpRequest, access_key: str, environ: dict[str, Any]) -> HttpReply | None:
        caller, secret = Caller(Principal.anonymous()), None
        if access_key:
            caller, secret = self._known(access_key, partition_of_region(http.region))
        if secret is not None:
            self._authenticate(http, caller, secret)
        if caller.principal.account not in ("", self._account):
            environ[ACCOUNT_HEADER] = caller.principal.account
        now = dt.datetime.now(dt.UTC)
        keys = request_keys(http.region, now, http.headers)
        if http.service == "s3":
            self._authorize_s3(S3Request.read(http), caller, keys)
            return None
        operation = read_operation(http) if access_key else operation_for_everybody(http)
        if not access_key and operation is None:
            raise Refusal(Reason.UNSIGNED)
        if operation is not None and operation.prefix == "sts" and self._sts.answers(operation.name, caller):
            return self._sts.answer(operation.name, http.form(), caller, http.region, keys)
        if access_key and not caller.is_operator:
            self._authorize(operation, http, caller, keys)
        if operation is not None and not caller.is_operator:
            environ[OPERATION_HEADER] = operation.name
        return None

    # --- who calls ---

    def _known(self, access_key: str, partition: str) -> tuple[Caller, str | None]:
        """Return who a key belongs to, and its secret; the operator's is not known."""
        if _SESSION_KEY.fullmatch(access_key):
            session = self.sessions.find(access_key, partition)
            if session is None:
                raise Refusal(Reason.UNKNOWN_KEY)
            principal = self.sessions.principal(session)
            return Caller(principal, self.sessions.policies(session), session), session.secret_access_key
        if _USER_KEY.fullmatch(access_key):
            key = self.directory.user_key(access_key, partition)
            if key is not None:
                if not key.active:
                    raise Refusal(Reason.UNKNOWN_KEY)
                return Caller(key.principal, self.directory.policies_of_user(key.principal.arn)), key.secret
        account = access_key if _ACCOUNT.fullmatch(access_key) else self._account
        return Caller(Principal(Kind.ROOT, f"arn:{partition}:iam::{account}:root", account, user_id=account)), None

    @staticmethod
    def _authenticate(http: HttpRequest, caller: Caller, secret: str) -> None:
        signed: Signed | None = read_signature(http.headers, http.query)
        if signed is None and other_signature_key(http.headers, http.form(), http.body) is not None:
            raise Refusal(Reason.OLD_SIGNATURE)
        if signed is None or signed.service != http.service:
            raise Refusal(Reason.BAD_SIGNATURE)
        now = dt.datetime.now(dt.UTC)
        if caller.session is not None:
            if signed.token != caller.session.session_token:
                raise Refusal(Reason.INVALID_TOKEN)
            if caller.session.expired(now):
                raise Refusal(Reason.EXPIRED)
        elif signed.token is not None:
            raise Refusal(Reason.INVALID_TOKEN)
        if signed.expired(now):
            raise Refusal(Reason.DENIED, "Request has expired")
        if not verify(signed, secret, http.method, http.raw_path, http.query, http.headers, http.body):
            raise Refusal(Reason.BAD_SIGNATURE)

    # --- whether it is allowed ---

    def _authorize(
        self, operation: Operation | None, http: HttpRequest, caller: Caller, keys: Mapping[str, Value | None]
    ) -> None:
        if operation is None:
            what = f"{iam_prefix(http.service)} at {http.method} {http.raw_path}"
            message = f"User: {caller.principal.arn} is not authorized to perform an unknown operation of {what}"
            raise Refusal(Reason.DENIED, message)
        if operation.action in _FREE:
            return
        own = {
            **keys,
            **request_tag_keys(tags_given(operation.params), tags_removed(operation.params)),
            **_parameter_keys(operation),
        }
        for resource in self._resources.of(operation, http.region, caller.principal):
            policy, required = self._resource_policy(operation.prefix, resource, http.region)
            tags = self._tags_of(operation.prefix, resource, http.region)
            self._decide(
                caller,
                operation.action,
                resource,
                {**own, **tag_keys("aws:ResourceTag", tags), **tag_keys(f"{operation.prefix}:ResourceTag", tags)},
                policy,
                required,
            )
        self._authorize_passing(operation, caller, keys)

    def _authorize_passing(self, operation: Operation, caller: Caller, keys: Mapping[str, Value | None]) -> None:
        parameter, service = _PASSED_ROLES.get(operation.action, ("", ""))
        role = operation.params.get(parameter)
        if isinstance(role, str) and role:
            tags = self.directory.tags_of(role)
            passing = {**keys, "iam:PassedToService": service, **tag_keys("aws:ResourceTag", tags)}
            self._decide(caller, "iam:PassRole", role, passing)

    def _authorize_s3(self, request: S3Request, caller: Caller, keys: Mapping[str, Value | None]) -> None:
        if request.http.method in ("GET", "HEAD", "DELETE") and request.http.body:
            # None of these has a body, out of which moto would read other parameters than those that are judged.
            raise Refusal(Reason.DENIED, f"A {request.http.method} request has no body.")
        own = {**keys, **request.keys(caller.principal.kind is not Kind.ANONYMOUS)}
        for need in request.needs(partition_of_region(request.http.region)):
            policy, owner, tags = self._bucket(need, caller.principal)
            more = {**own, **tag_keys("s3:ExistingObjectTag", tags), "s3:ResourceAccount": owner}
            self._decide(caller, need.action, need.resource, more, policy, owner=owner)

    def _decide(
        self,
        caller: Caller,
        action: str,
        resource: str,
        keys: Mapping[str, Value | None],
        resource_policy: Policy | None = None,
        required: bool = False,
        owner: str | None = None,
    ) -> None:
        owner = owner or account_of(resource) or caller.principal.account
        if not owner.isdigit():
            owner = caller.principal.account  # AWS's own resources, such as images, are anybody's to name.
        context = Context({**keys, **caller_keys(caller, self._organization), "aws:ResourceAccount": owner})
        request = Request(caller.principal, action, resource, context, owner)
        policies = replace(caller.policies, resource=resource_policy, resource_must_allow=required)
        decision = evaluate(request, policies)
        if not decision.allowed:
            if caller.principal.kind is Kind.ANONYMOUS:
                raise Refusal(Reason.UNSIGNED)  # Strangers are not told which policy it was.
            raise Refusal(Reason.DENIED, denial_message(request, decision, action.startswith("s3:")))

    # --- what is known of resources ---

    def _find_bucket(self, name: str) -> tuple[Any, Any] | None:
        """Return a bucket and the backend that has it, or None; buckets' names are those of all accounts."""
        if not name:
            return None
        from moto.s3.models import s3_backends

        with self.directory.lock_of("s3"):
            for account in list(s3_backends):
                for backend in list(s3_backends[account].values()):
                    if (found := backend.buckets.get(name)) is not None:
                        return backend, found
        return None

    def _bucket(self, need: Need, principal: Principal) -> tuple[Policy | None, str | None, dict[str, str]]:
        """Return what a bucket grants and forbids, its owner, and the tags of the object that is needed."""
        with self.directory.lock_of("s3"):
            found = self._find_bucket(need.bucket)
            if found is None:
                return None, None, {}
            backend, bucket = found
            item = backend.get_object(need.bucket, need.key, need.version) if need.key else None
            statements = Policy.parse(bucket.policy.decode()).statements if bucket.policy else ()
            block = bucket.public_access_block
            if block is not None and block.restrict_public_buckets and principal.kind is Kind.ANONYMOUS:
                # What is granted to everybody is then for the bucket's own account.
                statements = tuple(statement for statement in statements if not statement.allows)
            tags = backend.tagger.get_tag_dict_for_resource(item.arn) if item is not None else {}
            policy = Policy(need.bucket, (*statements, *acl_statements(bucket, item, need.resource)))
            return policy, bucket.account_id, tags

    def _resource_policy(self, prefix: str, resource: str, region: str) -> tuple[Policy | None, bool]:
        """Return a resource's policy, and whether access needs its consent."""
        if prefix != "kms" or ":key/" not in resource:
            return None, False
        from moto.kms.models import kms_backends

        with self.directory.lock_of("kms"):
            key = kms_backends[account_of(resource) or self._account][region].keys.get(resource.rpartition("/")[2])
            # https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
            return (Policy.parse(key.policy, resource), True) if key is not None else (None, False)

    def _tags_of(self, prefix: str, resource: str, region: str) -> dict[str, str]:
        if prefix == "iam":
            return self.directory.tags_of(resource)
        if prefix in ("eks", "eks-auth"):
            return self._eks_tags(resource, region)
        identifier = resource.rpartition("/")[2]
        if prefix == "ec2" and "/" in resource:
            from moto.ec2.models import ec2_backends

            with self.directory.lock_of("ec2"):
                tags = ec2_backends[account_of(resource) or self._account][region].tags.get(identifier, {})
                return {key: str(value) for key, value in tags.items()}
        if prefix == "secretsmanager":
            from moto.secretsmanager.models import secretsmanager_backends

            with self.directory.lock_of("secretsmanager"):
                for secret in secretsmanager_backends[account_of(resource) or self._account][region].secrets.values():
                    if secret.arn == resource:
                        return {tag["Key"]: tag["Value"] for tag in secret.tags or ()}
        return {}

    def _eks_arn(self, region: str, kind: str, params: Mapping[str, Any]) -> str | None:
        """Return the ARN of the EKS resource of a type that a request names, or None."""
        name = params.get("clusterName") or params.get("name")
        if not isinstance(name, str):
            return None
        if kind == "cluster":
            return f"arn:{partition_of_region(region)}:eks:{region}:{self._account}:cluster/{name}"
        cluster = self._eks.find_cluster(name, region)
        if cluster is None:
            return None
        with self._eks.lock:
            return _eks_child(cluster, kind, params)

    def _eks_tags(self, arn: str, region: str) -> dict[str, str]:
        parts = arn.split(":", 5)[-1].split("/")
        cluster = self._eks.find_cluster(parts[1], region) if len(parts) > 1 else None
        if cluster is None:
            return {}
        with self._eks.lock:
            for description in _eks_descriptions(cluster):
                if arn in description.values():
                    return dict(description.get("tags") or {})
        return {}


def _eks_child(cluster: Cluster, kind: str, params: Mapping[str, Any]) -> str | None:
    """Return the ARN of what lives in a cluster; these end in random parts."""
    found: Any = None
    if kind == "nodegroup":
        found = cluster.nodegroups.get(params.get("nodegroupName", "")), "nodegroupArn"
    elif kind == "addon":
        found = cluster.addons.get(params.get("addonName", "")), "addonArn"
    elif kind == "fargateprofile":
        found = cluster.fargate_profiles.get(params.get("fargateProfileName", "")), "fargateProfileArn"
    elif kind == "podidentityassociation":
        found = cluster.associations.get(params.get("associationId", "")), "associationArn"
    elif kind == "access-entry":
        entry = cluster.access_entries.get(params.get("principalArn", ""))
        found = entry.description if entry else None, "accessEntryArn"
    elif kind == "identityproviderconfig":
        config = params.get("identityProviderConfig") or {}
        found = cluster.identity_providers.get(config.get("name", "")), "identityProviderConfigArn"
    if found is None or found[0] is None:
        return None
    return found[0][found[1]]


def _eks_descriptions(cluster: Cluster) -> Iterator[Mapping[str, Any]]:
    yield cluster.description
    for group in (
        cluster.nodegroups,
        cluster.addons,
        cluster.fargate_profiles,
        cluster.associations,
        cluster.identity_providers,
    ):
        yield from group.values()
    for entry in cluster.access_entries.values():
        yield entry.description


def _parameter_keys(operation: Operation) -> dict[str, Value | None]:
    """Return a service's condition keys that are parameters by the same name, such as ``eks:policyArn``."""
    keys: dict[str, Value | None] = {}
    for name, value in operation.params.items():
        inner = value.items() if isinstance(value, Mapping) else [(name, value)]
        for key, item in inner:
            texts = isinstance(item, list) and item and all(isinstance(one, str) for one in item)
            if texts or isinstance(item, str | bool | int | float):
                keys[f"{operation.prefix}:{key}"] = item
    return keys
