"""What S3's requests need permission for.

S3 names its actions unlike its operations, and tells operations apart by subresources of the query string.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlparse
from xml.etree import ElementTree

from .context import Value
from .operations import HttpRequest
from .patterns import tag_keys
from .policy import Policy, Statement

# Subresources of a bucket: actions of reading, writing and deleting it.
_BUCKET: dict[str, tuple[str, str, str]] = {
    "abac": ("GetBucketAbac", "PutBucketAbac", "PutBucketAbac"),
    "accelerate": ("GetAccelerateConfiguration", "PutAccelerateConfiguration", "PutAccelerateConfiguration"),
    "acl": ("GetBucketAcl", "PutBucketAcl", "PutBucketAcl"),
    "analytics": ("GetAnalyticsConfiguration", "PutAnalyticsConfiguration", "PutAnalyticsConfiguration"),
    "cors": ("GetBucketCORS", "PutBucketCORS", "PutBucketCORS"),
    "encryption": ("GetEncryptionConfiguration", "PutEncryptionConfiguration", "PutEncryptionConfiguration"),
    "intelligent-tiering": (
        "GetIntelligentTieringConfiguration",
        "PutIntelligentTieringConfiguration",
        "PutIntelligentTieringConfiguration",
    ),
    "inventory": ("GetInventoryConfiguration", "PutInventoryConfiguration", "PutInventoryConfiguration"),
    "lifecycle": ("GetLifecycleConfiguration", "PutLifecycleConfiguration", "PutLifecycleConfiguration"),
    "location": ("GetBucketLocation", "GetBucketLocation", "GetBucketLocation"),
    "logging": ("GetBucketLogging", "PutBucketLogging", "PutBucketLogging"),
    "metrics": ("GetMetricsConfiguration", "PutMetricsConfiguration", "PutMetricsConfiguration"),
    "notification": ("GetBucketNotification", "PutBucketNotification", "PutBucketNotification"),
    "object-lock": (
        "GetBucketObjectLockConfiguration",
        "PutBucketObjectLockConfiguration",
        "PutBucketObjectLockConfiguration",
    ),
    "ownershipControls": ("GetBucketOwnershipControls", "PutBucketOwnershipControls", "PutBucketOwnershipControls"),
    "policy": ("GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"),
    "policyStatus": ("GetBucketPolicyStatus", "GetBucketPolicyStatus", "GetBucketPolicyStatus"),
    "publicAccessBlock": ("GetBucketPublicAccessBlock", "PutBucketPublicAccessBlock", "PutBucketPublicAccessBlock"),
    "replication": ("GetReplicationConfiguration", "PutReplicationConfiguration", "PutReplicationConfiguration"),
    "requestPayment": ("GetBucketRequestPayment", "PutBucketRequestPayment", "PutBucketRequestPayment"),
    "session": ("CreateSession", "CreateSession", "CreateSession"),
    "tagging": ("GetBucketTagging", "PutBucketTagging", "PutBucketTagging"),
    "uploads": ("ListBucketMultipartUploads", "ListBucketMultipartUploads", "ListBucketMultipartUploads"),
    "versioning": ("GetBucketVersioning", "PutBucketVersioning", "PutBucketVersioning"),
    "versions": ("ListBucketVersions", "ListBucketVersions", "ListBucketVersions"),
    "website": ("GetBucketWebsite", "PutBucketWebsite", "DeleteBucketWebsite"),
}
# The same for an object; `{}` is where an action on a version says so.
_OBJECT: dict[str, tuple[str, str, str]] = {
    "acl": ("GetObject{}Acl", "PutObject{}Acl", "PutObject{}Acl"),
    "attributes": ("GetObject{}Attributes", "GetObject{}Attributes", "GetObject{}Attributes"),
    "legal-hold": ("GetObjectLegalHold", "PutObjectLegalHold", "PutObjectLegalHold"),
    "restore": ("RestoreObject", "RestoreObject", "RestoreObject"),
    "retention": ("GetObjectRetention", "PutObjectRetention", "PutObjectRetention"),
    "select": ("GetObject", "GetObject", "GetObject"),
    "tagging": ("GetObject{}Tagging", "PutObject{}Tagging", "DeleteObject{}Tagging"),
    "torrent": ("GetObject{}Torrent", "GetObject{}Torrent", "GetObject{}Torrent"),
}
# What a permission in an access control list grants, of a bucket and of an object. What is not here, such as to
# delete others' objects, no list grants.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#permissions
_GRANTED: dict[tuple[str, str], tuple[str, ...]] = {
    ("bucket", "READ"): ("ListBucket", "ListBucketVersions", "ListBucketMultipartUploads"),
    ("bucket", "WRITE"): ("PutObject",),
    ("bucket", "READ_ACP"): ("GetBucketAcl",),
    ("bucket", "WRITE_ACP"): ("PutBucketAcl",),
    ("object", "READ"): ("GetObject", "GetObjectVersion"),
    ("object", "READ_ACP"): ("GetObjectAcl", "GetObjectVersionAcl"),
    ("object", "WRITE_ACP"): ("PutObjectAcl", "PutObjectVersionAcl"),
}
_EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
_VERB = {"GET": 0, "HEAD": 0, "PUT": 1, "POST": 1, "DELETE": 2}
# What headers begin with that are condition keys by the same name.
_HEADER_KEYS = ("x-amz-acl", "x-amz-grant-", "x-amz-server-side-", "x-amz-copy-source", "x-amz-storage-")


@dataclass(frozen=True)
class Need:
    """One permission that a request needs.

    Attributes:
        version: of an object, the version that is meant; the current one when None.
    """

    action: str
    resource: str
    bucket: str = ""
    key: str = ""
    version: str | None = None


@dataclass(frozen=True)
class S3Request:
    """A request to S3, with bucket and key found.

    Attributes:
        arguments: of the query string.
    """

    http: HttpRequest
    bucket: str
    key: str
    arguments: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def read(http: HttpRequest) -> S3Request:
        """Find bucket and key in the path, or in host and path.

        moto finds them, as it will when it serves the request: read by other rules, hosts and paths can be made
        up that mean one object here and another one there.
        """
        from moto.s3 import responses, utils
        from moto.s3bucket_path import utils as path_utils
        from werkzeug.sansio.utils import get_current_url, get_host

        host = get_host("http", http.headers.get("host"))
        url = get_current_url("http", host, "", unquote(http.raw_path))
        path = unquote(urlparse(http.raw_path).path)
        request = SimpleNamespace(headers=http.headers, url=url)
        if responses.S3Response().subdomain_based_buckets(request):
            bucket, key = utils.bucket_name_from_url(url), responses.parse_key_name(path)
        else:
            bucket, key = path_utils.bucket_name_from_url(url), path_utils.parse_key_name(path)
        # Of an argument that is given twice, moto takes the first.
        arguments = dict(reversed(parse_qsl(http.query, keep_blank_values=True)))
        return S3Request(http, bucket or "", key, arguments)

    def needs(self, partition: str) -> Iterator[Need]:
        """Yield the permissions that the request needs, all of them."""
        if self.http.method == "OPTIONS":
            return  # Browsers ask, and cannot sign it, what a bucket's own rules let pages of other origins do.
        if not self.bucket:
            yield Need("s3:ListAllMyBuckets", "*")
            return
        bucket_arn = f"arn:{partition}:s3:::{self.bucket}"
        if not self.key:
            if self.http.method == "POST" and "delete" in self.arguments:
                # A list that cannot be read may be one of everything.
                for key, version in self._deleted() or [("*", "")]:
                    action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
                    yield Need(action, f"{bucket_arn}/{key}", self.bucket, key, version or None)
                return
            yield Need(f"s3:{self._bucket_action()}", bucket_arn, self.bucket)
            return
        for action in self._object_actions():
            yield Need(
                f"s3:{action}", f"{bucket_arn}/{self.key}", self.bucket, self.key, self.arguments.get("versionId")
            )
        if source := self.http.headers.get("x-amz-copy-source"):
            name, _, version = unquote(source).removeprefix("/").partition("?versionId=")
            bucket, _, key = name.partition("/")
            action = "s3:GetObjectVersion" if version else "s3:GetObject"
            yield Need(action, f"arn:{partition}:s3:::{bucket}/{key}", bucket, key, version or None)

    def keys(self, signed: bool) -> dict[str, Value | None]:
        """Return S3's condition keys about the request.

        Args:
            signed: whether somebody signed it.
        """
        headers, arguments = self.http.headers, self.arguments
        given = {f"s3:{name}": headers.get(name) for name in headers if name.startswith(_HEADER_KEYS)}
        tags = dict(parse_qsl(headers.get("x-amz-tagging", ""), keep_blank_values=True))
        if self.http.method == "PUT" and "tagging" in arguments:
            tags |= self._tags_in_body()
        how = "REST-QUERY-STRING" if "X-Amz-Algorithm" in arguments else "REST-HEADER"
        return {
            **given,
            **{f"s3:{name}": arguments.get(name) for name in ("prefix", "delimiter", "max-keys")},
            "s3:VersionId": arguments.get("versionId"),
            "s3:authType": how if signed else None,
            "s3:signatureversion": "AWS4-HMAC-SHA256" if signed else None,
            "s3:RequestObjectTagKeys": list(tags) or None,
            "s3:LocationConstraint": self._location(),
            **tag_keys("s3:RequestObjectTag", tags),
        }

    def _bucket_action(self) -> str:
        for name, actions in _BUCKET.items():
            if name in self.arguments:
                return actions[_VERB.get(self.http.method, 1)]
        return {"PUT": "CreateBucket", "DELETE": "DeleteBucket", "POST": "PutObject"}.get(
            self.http.method, "ListBucket"
        )

    def _object_actions(self) -> list[str]:
        version = "Version" if "versionId" in self.arguments else ""
        verb = _VERB.get(self.http.method, 1)
        for name, actions in _OBJECT.items():
            if name in self.arguments:
                more = [f"GetObject{version}"] if name == "attributes" else []
                return [*more, actions[verb].format(version)]
        if "uploadId" in self.arguments and verb != 1:
            return ["ListMultipartUploadParts" if verb == 0 else "AbortMultipartUpload"]
        if verb == 0:
            return [f"GetObject{version}"]
        if verb == 2:
            return [f"DeleteObject{version}"]
        actions = ["PutObject"]
        if "x-amz-acl" in self.http.headers:
            actions.append("PutObjectAcl")
        if "x-amz-tagging" in self.http.headers:
            actions.append("PutObjectTagging")
        return actions

    def _deleted(self) -> list[tuple[str, str]]:
        """Return the keys in a list of what is to be deleted, with their versions."""
        objects = [{_local(child): child.text or "" for child in item} for item in _children(self.http.body, "Object")]
        return [(fields.get("Key", ""), fields.get("VersionId", "")) for fields in objects]

    def _tags_in_body(self) -> dict[str, str]:
        tags = {}
        for item in _children(self.http.body, "Tag"):
            fields = {_local(child): child.text or "" for child in item}
            tags[fields.get("Key", "")] = fields.get("Value", "")
        return tags

    def _location(self) -> str | None:
        if self.http.method != "PUT" or self.key or self.arguments:
            return None
        return next((item.text for item in _children(self.http.body, "LocationConstraint")), None)


def acl_statements(bucket: Any, item: Any, resource: str) -> tuple[Statement, ...]:
    """Return what access control lists grant to everybody, as a policy would say it.

    Args:
        bucket: moto's model of a bucket.
        item: moto's model of an object in it, if it is about one that exists.
        resource: the ARN that is asked about.
    """
    block = bucket.public_access_block
    # Under such ownership lists have no effect; moto keeps the setting in two forms.
    disabled = "BucketOwnerEnforced" in str(bucket.ownership_rule)
    if disabled or (block is not None and block.ignore_public_acls):
        return ()
    actions = [
        f"s3:{action}"
        for kind, holder in (("bucket", bucket), ("object", item))
        for grant in (holder.acl.grants if holder is not None and holder.acl is not None else ())
        if any(grantee.uri == _EVERYBODY for grantee in grant.grantees)
        for (of, permission), granted in _GRANTED.items()
        if of == kind and {permission, "FULL_CONTROL"} & set(grant.permissions)
        for action in granted
    ]
    if not actions:
        return ()
    statement = {"Sid": "ACL", "Effect": "Allow", "Principal": "*", "Action": actions, "Resource": resource}
    return Policy.parse({"Statement": [statement]}).statements


def _local(element: Any) -> str:
    return element.tag.rpartition("}")[2]


def _children(body: bytes, name: str) -> list[Any]:
    """Return the elements of a name in a body; none when it is no XML, which S3 itself will refuse."""
    try:
        return [element for element in ElementTree.fromstring(body).iter() if _local(element) == name]
    except ElementTree.ParseError:
        return []
