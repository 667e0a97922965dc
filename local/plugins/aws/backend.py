"""AWS, as configured: its region and account, clients, default tags, and what its errors mean."""

import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from ..base.errors import ProviderError
from ..base.resource import Backend
from ..base.wire import UNKNOWN, Values
from .config import SERVICE_NAMES

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.session import Session

# The official provider's default. Standard mode spaces attempts by up to 20 s, so this is patience for a throttled
# account and not a limit that is ever reached otherwise.
_ATTEMPTS = 25
# A wrong endpoint should be an error message and not an hour of silence.
_VALIDATION_ATTEMPTS = 3

_PARTITIONS = (
    ("cn-", "aws-cn", "amazonaws.com.cn", "cn.com.amazonaws"),
    ("us-gov-", "aws-us-gov", "amazonaws.com", "com.amazonaws"),
    ("us-iso-", "aws-iso", "c2s.ic.gov", "gov.ic.c2s"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov", "gov.sgov.sc2s"),
    ("eusc-", "aws-eusc", "amazonaws.eu", "eu.amazonaws"),
    ("", "aws", "amazonaws.com", "com.amazonaws"),
)

_LATE = re.compile(
    r"cannot be assumed|could not be assumed|[Ii]nvalid principal|[Rr]ole.*does not exist|iam::.*does not exist"
    r"|Error in role params|not authorized to perform: sts:AssumeRole"
)


def code_of(error: BaseException) -> str:
    """The code of an error that AWS answered; empty for other errors."""
    response = getattr(error, "response", None)
    return response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""


def message_of(error: BaseException) -> str:
    """The text of an error that AWS answered."""
    response = getattr(error, "response", None)
    return response.get("Error", {}).get("Message", "") if isinstance(response, dict) else str(error)


def is_code(*codes: str) -> Callable[[BaseException], bool]:
    """Make a function that says whether an error is one of AWS's with one of these codes."""
    return lambda error: code_of(error) in codes


class Aws(Backend):
    """A configured connection to AWS.

    Args:
        config: The checked configuration.
        warn: Shows the user a warning.

    Raises:
        ProviderError: Region, credentials or account are not as they should be.
    """

    def __init__(self, config: Values, warn: Callable[[str], None]) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._endpoints = _endpoints(config.get("endpoints", []))
        self._session = self._make_session()
        self.default_tags: dict[str, Any] = dict(config.get("defaultTags", {}).get("tags", {}))
        self._ignored_keys = frozenset(config.get("ignoreTags", {}).get("keys", []))
        self._ignored_prefixes = tuple(config.get("ignoreTags", {}).get("keyPrefixes", []))
        self.region = self._find_region()
        self.partition, self.dns_suffix, self.reverse_dns_prefix = partition_of(self.region)
        self._identity: Mapping[str, str] | None = None
        self._assume_roles()
        self._validate()

    # Clients

    def client(self, service: str, region: str | None = None) -> Any:
        """The client of a service in a region, made once."""
        key = service, region or self.region
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make_client(*key, attempts=self._attempts())
            return self._clients[key]

    def _make_client(
        self,
        service: str,
        region: str,
        *,
        attempts: int,
        signing: "Config | None" = None,
        **credentials: Any,
    ) -> Any:
        from botocore.config import Config

        config = self._config
        verify: Any = False if config.get("insecure") else config.get("customCaBundle")
        proxies = {
            scheme: config[key] for scheme, key in (("http", "httpProxy"), ("https", "httpsProxy")) if key in config
        }
        settings = Config(
            retries={"total_max_attempts": attempts, "mode": config.get("retryMode", "standard")},
            max_pool_connections=64,
            proxies=proxies or None,
            s3={"addressing_style": "path"} if config.get("s3UsePathStyle") else None,
            use_dualstack_endpoint=config.get("useDualstackEndpoint"),
            use_fips_endpoint=config.get("useFipsEndpoint"),
            user_agent_extra=" ".join(config.get("userAgents", [])) or None,
        )
        return self._session.create_client(
            service,
            region_name=region,
            endpoint_url=self._endpoints.get(service),
            verify=verify,
            config=settings.merge(signing) if signing else settings,
            **credentials,
        )

    def _attempts(self) -> int:
        return self._config.get("maxRetries", _ATTEMPTS - 1) + 1

    def _make_session(self) -> "Session":
        from botocore.session import Session

        config = self._config
        session = Session(profile=config.get("profile"))
        for key, variable in (
            ("sharedConfigFiles", "config_file"),
            ("sharedCredentialsFiles", "credentials_file"),
        ):
            if config.get(key):
                session.set_config_variable(variable, os.path.expanduser(config[key][0]))
        for key, variable in (
            ("ec2MetadataServiceEndpoint", "ec2_metadata_service_endpoint"),
            ("ec2MetadataServiceEndpointMode", "ec2_metadata_service_endpoint_mode"),
        ):
            if key in config:
                session.set_config_variable(variable, config[key])
        if "noProxy" in config:
            os.environ["NO_PROXY"] = config["noProxy"]
        if config.get("skipMetadataApiCheck"):
            # The instance metadata fetcher takes this from the environment only.
            os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
        if "accessKey" in config or "secretKey" in config:
            if not ("accessKey" in config and "secretKey" in config):
                raise ProviderError("aws:accessKey and aws:secretKey go together: set both or neither")
            session.set_credentials(config["accessKey"], config["secretKey"], config.get("token"))
        return session

    def _find_region(self) -> str:
        from botocore.exceptions import ProfileNotFound

        try:
            # botocore itself knows AWS_DEFAULT_REGION only.
            region = (
                self._config.get("region")
                or os.environ.get("AWS_REGION")
                or self._session.get_config_variable("region")
            )
        except ProfileNotFound as error:
            raise ProviderError(f"{error}: correct aws:profile, or add the profile to ~/.aws/config") from None
        if not region:
            raise ProviderError(
                "no AWS region: set the one you want, by `pulumi config set aws:region eu-west-1` or AWS_REGION"
            )
        if not self._config.get("skipRegionValidation") and not re.fullmatch(r"[a-z]{2,4}(-[a-z]+)+-\d+", region):
            raise ProviderError(f"{region!r} is no AWS region: correct aws:region or AWS_REGION (as in eu-west-1)")
        return region

    def _assume_roles(self) -> None:
        """Take the configured roles one after the other, each with the credentials of the one before."""
        from botocore.credentials import AssumeRoleCredentialFetcher, AssumeRoleWithWebIdentityCredentialFetcher

        # Asked with the credentials of the role before, and not with the session's, which are those of this role.
        def make_client(service: str, config: "Config | None" = None, **credentials: str) -> Any:
            region = self._config.get("stsRegion", self.region)
            return self._make_client(service, region, attempts=self._attempts(), signing=config, **credentials)

        web = self._config.get("assumeRoleWithWebIdentity")
        if web:

            def token() -> str:
                if "webIdentityToken" in web:
                    return web["webIdentityToken"]
                with open(os.path.expanduser(web["webIdentityTokenFile"]), encoding="utf-8") as file:
                    return file.read().strip()

            self._take(
                AssumeRoleWithWebIdentityCredentialFetcher(
                    cast(Any, make_client), token, web["roleArn"], extra_args=_session_options(web)
                ),
                "assume-role-with-web-identity",
            )
        for role in self._config.get("assumeRoles", []):
            self._take(
                AssumeRoleCredentialFetcher(
                    cast(Any, make_client),
                    cast(Any, self._session.get_credentials()),
                    role["roleArn"],
                    extra_args=_session_options(role),
                ),
                "assume-role",
            )

    def _take(self, fetcher: Any, method: str) -> None:
        from botocore.credentials import DeferredRefreshableCredentials

        # The session hands these to every client that is made from now on, and each client refreshes them.
        self._session._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, method)  # type: ignore[attr-defined]

    def _validate(self) -> None:
        config = self._config
        allowed, forbidden = config.get("allowedAccountIds"), config.get("forbiddenAccountIds")
        if config.get("skipCredentialsValidation") and not (allowed or forbidden):
            return
        identity = self.identity()
        account = identity["Account"]
        where = f"the credentials in use are of the AWS account {account} ({identity['Arn']})"
        if allowed and account not in allowed:
            raise ProviderError(f"{where}, and aws:allowedAccountIds allows only {', '.join(allowed)}")
        if forbidden and account in forbidden:
            raise ProviderError(f"{where}, which aws:forbiddenAccountIds forbids")

    def identity(self) -> Mapping[str, str]:
        """Who AWS says that we are: Account, Arn, UserId.

        Raises:
            ProviderError: There are no credentials, or AWS does not take them.
        """
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            EndpointConnectionError,
            NoCredentialsError,
            ProfileNotFound,
        )

        if self._identity is not None:
            return self._identity
        region = self._config.get("stsRegion", self.region)
        try:
            client = self._make_client("sts", region, attempts=_VALIDATION_ATTEMPTS)
            self._identity = cast(Mapping[str, str], client.get_caller_identity())
        except (NoCredentialsError, ProfileNotFound) as error:
            raise ProviderError(
                f"no AWS credentials ({error}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE or "
                "aws:profile to a profile that has some, or log in with `aws sso login`"
            ) from None
        except EndpointConnectionError as error:
            raise ProviderError(
                f"AWS STS cannot be reached: {error} Is what serves it running? Check aws:region, aws:endpoints and "
                "AWS_ENDPOINT_URL"
            ) from None
        except ClientError as error:
            raise ProviderError(
                f"AWS does not take the credentials: {code_of(error)}: {message_of(error)}. Renew them "
                "(`aws sso login`), or correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or aws:profile"
            ) from None
        except BotoCoreError as error:
            raise ProviderError(f"asking AWS STS who we are failed: {error}") from None
        return self._identity

    @property
    def account_id(self) -> str:
        """The account that the credentials belong to; empty where it was not to be asked for."""
        return "" if self._config.get("skipRequestingAccountId") else self.identity()["Account"]

    def region_name(self, region: str) -> str:
        """The name of a region for people, as ``Europe (Ireland)``."""
        data = self._session.get_component("data_loader").load_data("endpoints")
        for partition in data["partitions"]:
            if region in partition["regions"]:
                return partition["regions"][region]["description"]
        return region

    # Tags

    def merged_tags(self, tags: Any) -> Any:
        """A resource's tags together with the provider's default tags."""
        return UNKNOWN if tags is UNKNOWN else {**self.default_tags, **(tags or {})}

    def managed_tags(self, actual: Mapping[str, str]) -> dict[str, str]:
        """Leave out AWS's own tags and those that the configuration says to ignore."""
        return {
            key: value
            for key, value in actual.items()
            if not key.startswith("aws:")
            and key not in self._ignored_keys
            and not (self._ignored_prefixes and key.startswith(self._ignored_prefixes))
        }

    # Errors

    def explain(self, error: Exception) -> str | None:
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError):
            meta: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
            return (
                f"{error.operation_name}: {code_of(error)}: {message_of(error)} "
                f"(HTTP {meta.get('HTTPStatusCode')}, request {meta.get('RequestId')})"
            )
        if isinstance(error, BotoCoreError):
            return str(error)
        return None

    def may_pass(self, error: Exception) -> bool:
        # IAM is eventually consistent: a role that was just made, or changed, is not known everywhere for some
        # seconds, https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency.
        code = code_of(error)
        return code in (
            "MalformedPolicyDocument",
            "MalformedPolicyDocumentException",
            "InvalidParameterException",
            "InvalidParameterValue",
            "ValidationError",
            "InvalidRequestException",
            "AccessDenied",
        ) and bool(_LATE.search(message_of(error)))


def partition_of(region: str) -> tuple[str, str, str]:
    """The partition of a region, its DNS suffix, and the prefix of its services' reverse DNS names."""
    return next(rest for prefix, *rest in _PARTITIONS if region.startswith(prefix))  # type: ignore[return-value]


def _endpoints(configured: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {
        SERVICE_NAMES.get(service, service): url
        for endpoints in configured
        for service, url in endpoints.items()
        if url
    }


def _session_options(role: Values) -> Values:
    options: Values = {}
    for key, parameter in (
        ("sessionName", "RoleSessionName"),
        ("externalId", "ExternalId"),
        ("policy", "Policy"),
        ("sourceIdentity", "SourceIdentity"),
        ("transitiveTagKeys", "TransitiveTagKeys"),
    ):
        if key in role:
            options[parameter] = role[key]
    if "policyArns" in role:
        options["PolicyArns"] = [{"arn": arn} for arn in role["policyArns"]]
    if "tags" in role:
        options["Tags"] = [{"Key": key, "Value": value} for key, value in role["tags"].items()]
    if "duration" in role:
        options["DurationSeconds"] = _seconds(role["duration"])
    return options


def _seconds(duration: str) -> int:
    """Read a duration as Go writes it: 1h, 90m, 3600s, 1h30m."""
    if not re.fullmatch(r"(\d+[hms])+", duration):
        raise ProviderError(f"{duration!r} is no duration: write it as 1h or 45m")
    return sum(
        int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in re.findall(r"(\d+)([hms])", duration)
    )
