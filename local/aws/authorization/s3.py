"""What S3's requests need permission for.

S3 names its actions unlike its operations, and tells operations apart by subresources of the query string.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

from .context import Value
from .operations import HttpRequest
from .patterns import tag_keys

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
_VERB = {"GET": 0, "HEAD": 0, "PUT": 1, "POST": 1, "DELETE": 2}
# Headers that are condition keys by the same name.
_HEADER_KEYS = ("x-amz-acl", "x-amz-grant-", "x-amz-server-side-", "x-amz-copy-source", "x-amz-storage-")
# Hosts under which moto takes the first label for no bucket's name.
_PATH_STYLE = re.compile(r"(localhost.*|localstack.*|[^.]+|\d+\.\d+\.\d+\.\d+|\[.*\])(:\d+)?")


@dataclass(frozen=True)
class Need:
    """One permission that a request needs."""

    action: str
    resource: str
    bucket: str = ""
    key: str = ""


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
        """Find bucket and key in the path, or in host and path."""
        path = unquote(http.raw_path).removeprefix("/")
        host = http.headers.get("host", "")
        if host and not _PATH_STYLE.fullmatch(host):
            bucket, key = host.split(".")[0], path
        else:
            bucket, _, key = path.partition("/")
        return S3Request(http, bucket, key, dict(parse_qsl(http.query, keep_blank_values=True)))

    def needs(self, partition: str) -> Iterator[Need]:
        """Yield the permissions that the request needs, all of them."""
        if not self.bucket:
            yield Need("s3:ListAllMyBuckets", "*")
            return
        bucket_arn = f"arn:{partition}:s3:::{self.bucket}"
        if not self.key:
            if self.http.method == "POST" and "delete" in self.arguments:
                for key, version in self._deleted():
                    action = "s3:DeleteObjectVersion" if version else "s3:DeleteObject"
                    yield Need(action, f"{bucket_arn}/{key}", self.bucket, key)
                return
            yield Need(f"s3:{self._bucket_action()}", bucket_arn, self.bucket)
            return
        for action in self._object_actions():
            yield Need(f"s3:{action}", f"{bucket_arn}/{self.key}", self.bucket, self.key)
        if source := self.http.headers.get("x-amz-copy-source"):
            name, _, version = unquote(source).removeprefix("/").partition("?versionId=")
            bucket, _, key = name.partition("/")
            action = "s3:GetObjectVersion" if version else "s3:GetObject"
            yield Need(action, f"arn:{partition}:s3:::{bucket}/{key}", bucket, key)

    def keys(self) -> dict[str, Value | None]:
        """Return S3's condition keys about the request."""
        headers, arguments = self.http.headers, self.arguments
        given = {
            f"s3:{name}": headers.get(name)
            for name in headers
            if name.startswith(
                ("x-amz-acl", "x-amz-grant-", "x-amz-server-side-", "x-amz-copy-source", "x-amz-storage-")
            )
        }
        tags = dict(parse_qsl(headers.get("x-amz-tagging", ""), keep_blank_values=True))
        if self.http.method == "PUT" and "tagging" in arguments:
            tags |= self._tags_in_body()
        presigned = "X-Amz-Algorithm" in arguments
        return {
            **given,
            **{f"s3:{name}": arguments.get(name) for name in ("prefix", "delimiter", "max-keys")},
            "s3:VersionId": arguments.get("versionId"),
            "s3:authType": "REST-QUERY-STRING" if presigned else "REST-HEADER",
            "s3:signatureversion": "AWS4-HMAC-SHA256",
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

    def _deleted(self) -> Iterator[tuple[str, str]]:
        for item in _children(self.http.body, "Object"):
            fields = {_local(child): child.text or "" for child in item}
            yield fields.get("Key", ""), fields.get("VersionId", "")

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


def _local(element: Any) -> str:
    return element.tag.rpartition("}")[2]


def _children(body: bytes, name: str) -> list[Any]:
    """Return the elements of a name in a body; none when it is no XML, which S3 itself will refuse."""
    try:
        return [element for element in ElementTree.fromstring(body).iter() if _local(element) == name]
    except ElementTree.ParseError:
        return []
