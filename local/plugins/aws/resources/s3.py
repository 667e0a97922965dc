"""S3 buckets: their name, tags and deletion. See https://docs.aws.amazon.com/AmazonS3/latest/API/."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from ...base.calls import Call
from ...base.errors import ProviderError
from ...base.naming import with_prefix
from ...base.properties import AutoName, Bool, Str, computed, optional, output
from ...base.wire import Values
from ..backend import is_code
from ..resource import REGION, TAGS, AwsResource, by_token, tag_list, tag_map
from .logs import unless

_GONE = is_code("404", "NoSuchBucket", "NotFound")


def _bucket_name(name: str) -> str:
    return re.sub(r"[^a-z0-9.-]", "-", name.lower())


class Bucket(AwsResource):
    """``aws.s3.Bucket``."""

    token = "aws:s3/bucket:Bucket"
    service = "s3"
    identity = ("bucket",)
    properties: ClassVar = {
        **REGION,
        **TAGS,
        "bucket": computed(
            Str(pattern=r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
            replace=True,
            autoname=AutoName(63, transform=_bucket_name),
            conflicts=("bucketPrefix",),
        ),
        "bucketPrefix": optional(Str(longest=37), replace=True, imported=False),
        "forceDestroy": optional(Bool(), False),
        "arn": output(Str()),
        "bucketDomainName": output(Str()),
        "bucketRegion": output(Str()),
        "bucketRegionalDomainName": output(Str()),
    }
    not_served = frozenset(
        {
            "accelerationStatus",
            "acl",
            "bucketNamespace",
            "corsRules",
            "grants",
            "hostedZoneId",
            "lifecycleRules",
            "logging",
            "objectLockConfiguration",
            "objectLockEnabled",
            "policy",
            "replicationConfiguration",
            "requestPayer",
            "serverSideEncryptionConfiguration",
            "versioning",
            "website",
            "websiteDomain",
            "websiteEndpoint",
        }
    )

    def create(self, call: Call, new: Values) -> str:
        name = new["bucket"] if "bucket" in new else with_prefix(new["bucketPrefix"])
        api = self.api(call, new)
        region = new["region"]
        # S3 takes the location of its first region only by its absence.
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        api.create_bucket(Bucket=name, **where)
        call.exists(name)
        self._put_tags(api, name, self.tags_of(call, new))
        return name

    def _put_tags(self, api: Any, name: str, tags: dict[str, str]) -> None:
        if tags:
            api.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(tags)})

    def describe(self, call: Call, identifier: str, state: Values) -> Values | None:
        api = self.api(call, state)
        if unless(_GONE, lambda: api.head_bucket(Bucket=identifier)) is None:
            return None
        aws = self.aws(call)
        region = api.get_bucket_location(Bucket=identifier).get("LocationConstraint") or "us-east-1"
        tagging = unless(is_code("NoSuchTagSet"), lambda: api.get_bucket_tagging(Bucket=identifier))
        return {
            "arn": f"arn:{aws.partition}:s3:::{identifier}",
            "bucket": identifier,
            "bucketDomainName": f"{identifier}.s3.{aws.dns_suffix}",
            "bucketRegion": region,
            "bucketRegionalDomainName": f"{identifier}.s3.{region}.{aws.dns_suffix}",
            "tags": tag_map(tagging["TagSet"] if tagging else []),
        }

    def tag(self, call: Call, identifier: str, state: Values, added: dict[str, str], removed: list[str]) -> None:
        api = self.api(call, state)
        tagging = unless(is_code("NoSuchTagSet"), lambda: api.get_bucket_tagging(Bucket=identifier))
        # S3 replaces the whole set, so that AWS's own tags and those of others have to be given again.
        kept = {k: v for k, v in tag_map(tagging["TagSet"] if tagging else []).items() if k not in removed}
        tags = {**kept, **added}
        if tags:
            self._put_tags(api, identifier, tags)
        else:
            api.delete_bucket_tagging(Bucket=identifier)

    def delete(self, call: Call, identifier: str, state: Values) -> None:
        api = self.api(call, state)
        if state.get("forceDestroy"):
            unless(_GONE, lambda: self._empty(api, identifier))
        unless(_GONE, lambda: api.delete_bucket(Bucket=identifier))

    def _empty(self, api: Any, name: str) -> None:
        for objects in self._versions(api, name):
            answer = api.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
            for error in answer.get("Errors", []):
                raise ProviderError(f"{error['Key']} cannot be deleted: {error.get('Message')}")

    def _versions(self, api: Any, name: str) -> Iterator[list[dict[str, str]]]:
        for page in api.get_paginator("list_object_versions").paginate(Bucket=name):
            objects = [
                {"Key": found["Key"], "VersionId": found["VersionId"]}
                for kind in ("Versions", "DeleteMarkers")
                for found in page.get(kind, [])
            ]
            if objects:
                yield objects


RESOURCES = by_token(Bucket)
