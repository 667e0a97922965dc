"""The forms that the arguments of a preset's scope can have, and how each is judged."""

import re
from dataclasses import dataclass
from typing import Any, Protocol

from ..rules._findings import Finding, booleans, duplicates, is_list, known, known_items, matches, one_of

_PLACES = {
    "<partition>": r"aws(-[a-z]+)*",
    "<region>": r"[a-z]{2}(-[a-z]+)+-\d+",
    "<account>": r"\d{12}",
}


class Form(Protocol):
    """What an argument looks like: `type` and `example` say it to people, `judge` to programs."""

    @property
    def type(self) -> str: ...

    @property
    def example(self) -> str: ...

    def judge(self, prop: str, value: Any, page: str, partition: str | None) -> list[Finding]: ...


@dataclass(frozen=True)
class Ending:
    """What texts have to end in, as a regular expression: why that is so, and what to do where they do not."""

    pattern: str
    reason: str
    fix: str


@dataclass(frozen=True)
class Items:
    """A list of texts of one form: at least one of them, and none twice.

    `what` is what they are, in the plural; `example` how one is written; `pattern` the regular expression of one; and
    `ending` what one that matches it is easily written without.
    """

    what: str
    example: str
    pattern: str
    ending: Ending | None = None

    @property
    def type(self) -> str:
        return f"list of {self.what}"

    def judge(self, prop: str, value: Any, page: str, partition: str | None = None) -> list[Finding]:
        """Judge the list, and that what is an ARN stands in the partition, where one is given."""
        findings = is_list("preset-scope", prop, value)
        if known(value) and not findings:
            findings += [
                Finding("preset-scope", f"{prop}[{i}]", None, "nothing stands here", f"Write {self.example}", page)
                for i, item in enumerate(value)
                if item is None
            ]
        for where, item in known_items(prop, value):
            wrong = matches(
                "preset-scope", where, item, self.pattern, f"{self.what} are wanted here", f"Write {self.example}", page
            )
            if not wrong and self.ending is not None:
                ending = self.ending
                wrong = matches("preset-scope", where, item, f".*({ending.pattern})", ending.reason, ending.fix, page)
            findings += wrong
            if not wrong and partition and item.startswith("arn:") and item.split(":")[1] != partition:
                reason = f"the cluster is in the partition {partition}, from which this cannot be reached"
                findings.append(Finding("preset-scope", where, item, reason, f"Name one in {partition}", page))
        return findings + duplicates("preset-scope", prop, value)


@dataclass(frozen=True)
class Flag:
    """True or false."""

    type: str = "boolean"
    example: str = "true"

    def judge(self, prop: str, value: Any, page: str, partition: str | None = None) -> list[Finding]:
        """Judge that it is one of the two."""
        return booleans(**{prop: value})


@dataclass(frozen=True)
class Choice:
    """One of a few words; the first is the usual one."""

    words: tuple[str, ...]

    @property
    def type(self) -> str:
        return " or ".join(f"`{word}`" for word in self.words)

    @property
    def example(self) -> str:
        return self.words[0]

    def judge(self, prop: str, value: Any, page: str, partition: str | None = None) -> list[Finding]:
        """Judge that it is one of the words."""
        if known(value) and not isinstance(value, str):
            return [Finding("preset-scope", prop, value, "this is a word", f"Write {self.example}", page)]
        return one_of("preset-scope", prop, value, self.words, "there is no such choice", page)


def arns(what: str, example: str, resource: str, ending: Ending | None = None) -> Items:
    """A list of ARNs.

    `example` names the places that vary, as in `arn:<partition>:sqs:<region>:<account>:<name>`; what follows its fifth
    colon is matched by `resource`, a regular expression. An empty place in the example has to be empty in the ARN.
    `ending` is as in `Items`.
    """
    head = ":".join(_PLACES.get(part, re.escape(part)) for part in example.split(":")[:5])
    return Items(what, example, f"{head}:{resource}", ending)


HOSTED_ZONES = arns("ARNs of hosted zones", "arn:<partition>:route53:::hostedzone/<id>", r"hostedzone/[A-Z0-9]{1,32}")
KMS_KEYS = arns("ARNs of KMS keys", "arn:<partition>:kms:<region>:<account>:key/<id>", r"key/[0-9A-Za-z-]{1,128}")
QUEUES = arns("ARNs of SQS queues", "arn:<partition>:sqs:<region>:<account>:<name>", r"[\w-]{1,80}(\.fifo)?")
SECRETS = arns(
    "ARNs of secrets, in which `*` and `?` may stand for the end of the name",
    "arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-??????",
    r"secret:[\w/+=.@-][\w/+=.@!?*-]{0,518}",
    # https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
    Ending(
        r"\*[0-9A-Za-z?]{0,6}|[-?][0-9A-Za-z?]{6}",
        "the ARN of every secret ends in a hyphen and six characters, which this cannot match",
        "Append -??????, or write the whole ARN",
    ),
)
PARAMETERS = arns(
    "ARNs of SSM parameters, in which `*` may stand for the end of the name",
    "arn:<partition>:ssm:<region>:<account>:parameter/<name>",
    r"parameter/[\w.-][\w./*-]{0,1010}",
)
CERTIFICATES = arns(
    "ARNs of ACM certificates", "arn:<partition>:acm:<region>:<account>:certificate/<id>", r"certificate/[0-9a-f-]{36}"
)
CERTIFICATE_AUTHORITIES = arns(
    "ARNs of private certificate authorities",
    "arn:<partition>:acm-pca:<region>:<account>:certificate-authority/<id>",
    r"certificate-authority/[0-9a-f-]{36}",
)
REPOSITORIES = arns(
    "ARNs of ECR repositories, in which `*` may stand for the end of the name",
    "arn:<partition>:ecr:<region>:<account>:repository/<name>",
    r"repository/[a-z0-9][a-z0-9._/-]{0,254}\*?",
)
DELIVERY_STREAMS = arns(
    "ARNs of Firehose streams",
    "arn:<partition>:firehose:<region>:<account>:deliverystream/<name>",
    r"deliverystream/[\w.-]{1,64}",
)
KINESIS_STREAMS = arns(
    "ARNs of Kinesis streams", "arn:<partition>:kinesis:<region>:<account>:stream/<name>", r"stream/[\w.-]{1,128}"
)
MESHES = arns("ARNs of meshes", "arn:<partition>:appmesh:<region>:<account>:mesh/<name>", r"mesh/[\w-]{1,255}")
ROLES = arns("ARNs of IAM roles", "arn:<partition>:iam::<account>:role/<name>", r"role/([!-)+-~]+/)?[\w+=,.@-]{1,64}")
VPCS = Items("ids of VPCs", "vpc-<id>", r"vpc-[0-9a-f]{8,17}")
BUCKETS = Items("names of S3 buckets", "<bucket>", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
LOCATIONS = Items(
    "S3 buckets, each with or without a prefix of its keys",
    "<bucket>, or <bucket>/<prefix>",
    r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w!.()'/=+@:,-]{0,1000})?",
)
LOG_GROUPS = Items(
    "names of log groups, in which `*` may stand for the end",
    "/<team>/<application>",
    r"[\w./#-][\w./#-]{0,510}\*?",
)
