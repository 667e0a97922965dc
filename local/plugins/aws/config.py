"""The provider's configuration, as https://www.pulumi.com/registry/packages/aws/installation-configuration/ has it."""

import re

from ..base.properties import Bool, Int, List, Map, Object, Property, Set, Str, optional

_ARN = r"arn:[\w-]+:.+"
_ACCOUNT = Str(pattern=r"\d{12}")


def _url(value: str) -> str | None:
    return None if re.match(r"https?://[^/\s]+", value) else f"{value!r} is no URL: write it as http://127.0.0.1:4566"


_ASSUMED = {
    "duration": optional(Str()),
    "policy": optional(Str()),
    "policyArns": optional(Set(Str())),
    "roleArn": optional(Str(pattern=_ARN)),
    "sessionName": optional(Str()),
}

CONFIG: dict[str, Property] = {
    "accessKey": optional(Str(), secret=True),
    "allowedAccountIds": optional(Set(_ACCOUNT), conflicts=("forbiddenAccountIds",)),
    "assumeRoleWithWebIdentity": optional(
        Object({**_ASSUMED, "webIdentityToken": optional(Str(), secret=True), "webIdentityTokenFile": optional(Str())})
    ),
    "assumeRoles": optional(
        List(
            Object(
                {
                    **_ASSUMED,
                    "externalId": optional(Str()),
                    "sourceIdentity": optional(Str()),
                    "tags": optional(Map(Str())),
                    "transitiveTagKeys": optional(Set(Str())),
                }
            )
        )
    ),
    "customCaBundle": optional(Str()),
    "defaultTags": optional(Object({"tags": optional(Map(Str()))})),
    "ec2MetadataServiceEndpoint": optional(Str()),
    "ec2MetadataServiceEndpointMode": optional(Str(choices=("IPv4", "IPv6"))),
    "endpoints": optional(List(Map(Str(rule=_url)))),
    "forbiddenAccountIds": optional(Set(_ACCOUNT)),
    "httpProxy": optional(Str()),
    "httpsProxy": optional(Str()),
    "ignoreTags": optional(Object({"keyPrefixes": optional(Set(Str())), "keys": optional(Set(Str()))})),
    "insecure": optional(Bool()),
    "maxRetries": optional(Int(least=0)),
    "noProxy": optional(Str()),
    "profile": optional(Str()),
    "region": optional(Str()),
    "retryMode": optional(Str(choices=("standard", "adaptive"))),
    "s3UsEast1RegionalEndpoint": optional(Str(choices=("legacy", "regional"))),
    "s3UsePathStyle": optional(Bool()),
    "secretKey": optional(Str(), secret=True),
    "sharedConfigFiles": optional(List(Str(), most=1)),
    "sharedCredentialsFiles": optional(List(Str(), most=1)),
    "skipCredentialsValidation": optional(Bool()),
    "skipMetadataApiCheck": optional(Bool()),
    "skipRegionValidation": optional(Bool()),
    "skipRequestingAccountId": optional(Bool()),
    "stsRegion": optional(Str()),
    "tagPolicyCompliance": optional(Str()),
    "token": optional(Str(), secret=True),
    "tokenBucketRateLimiterCapacity": optional(Int(least=0)),
    "useDualstackEndpoint": optional(Bool()),
    "useFipsEndpoint": optional(Bool()),
    "userAgents": optional(List(Str())),
}

SERVICE_NAMES = {
    "cloudwatchlog": "logs",
    "cloudwatchlogs": "logs",
    "s3api": "s3",
}
"""Other names that `endpoints` may have for a service."""
