"""Signature Version 4, checked.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote

ALGORITHM = "AWS4-HMAC-SHA256"
# STS heeds no X-Amz-Expires: a presigned request is good for so long, and tokens for EKS say 60 seconds out of habit.
# https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster
_STS_LIFETIME = dt.timedelta(minutes=15)
_UNRESERVED = "-_.~"
# The field of a form that uploads to S3 in which its signature names the key.
# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html
_FORM_FIELD = re.compile(rb'name="(?:x-amz-credential|AWSAccessKeyId)"\r\n\r\n([^\r\n/]+)', re.IGNORECASE)


@dataclass(frozen=True)
class Signed:
    """What a request says about its own signature.

    Attributes:
        presigned: whether it stands in the query string.
        expires: of a presigned request, seconds from ``date`` that it is good for.
    """

    access_key: str
    day: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str
    date: str
    token: str | None
    presigned: bool = False
    expires: int | None = None

    @property
    def scope(self) -> str:
        """The credential scope."""
        return f"{self.day}/{self.region}/{self.service}/aws4_request"

    def expired(self, now: dt.datetime) -> bool:
        """Tell whether a presigned request is too old."""
        begin = dt.datetime.strptime(self.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        if self.presigned and self.service == "sts":
            return now > begin + _STS_LIFETIME
        return self.expires is not None and now > begin + dt.timedelta(seconds=self.expires)


def other_signature_key(headers: Mapping[str, str], form: Mapping[str, str], body: bytes) -> str | None:
    """Return the access key of a request that is signed in a way that is not verified here, or None.

    That is with version 2, or by the policy of a form that uploads to S3.

    Args:
        headers: by lower-case name.
        form: the parameters in the query string and in a form of the body.
        body: the whole body.
    """
    authorization = headers.get("authorization", "")
    if authorization.startswith("AWS "):
        return authorization[4:].partition(":")[0]
    if "AWSAccessKeyId" in form:
        return form["AWSAccessKeyId"]
    if headers.get("content-type", "").startswith("multipart/form-data") and (found := _FORM_FIELD.search(body)):
        return found[1].decode("latin-1")
    return None


def read_signature(headers: Mapping[str, str], query: str) -> Signed | None:
    """Return what a request says about its signature, in its header or its query string; None when unsigned.

    Args:
        headers: by lower-case name.
        query: the raw query string.
    """
    given = headers.get("authorization", "")
    if given.startswith(ALGORITHM):
        fields = dict(re.findall(r"(\w+)=([^,\s]+)", given))
        return _signed(
            fields.get("Credential", ""),
            fields.get("SignedHeaders", ""),
            fields.get("Signature", ""),
            headers.get("x-amz-date", ""),
            headers.get("x-amz-security-token"),
        )
    arguments = dict(parse_qsl(query, keep_blank_values=True))
    if arguments.get("X-Amz-Algorithm") != ALGORITHM:
        return None
    expires = arguments.get("X-Amz-Expires", "")
    return _signed(
        arguments.get("X-Amz-Credential", ""),
        arguments.get("X-Amz-SignedHeaders", ""),
        arguments.get("X-Amz-Signature", ""),
        arguments.get("X-Amz-Date", ""),
        arguments.get("X-Amz-Security-Token"),
        presigned=True,
        expires=int(expires) if expires.isdigit() else None,
    )


def _signed(
    credential: str,
    signed_headers: str,
    signature: str,
    date: str,
    token: str | None,
    presigned: bool = False,
    expires: int | None = None,
) -> Signed | None:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or not signature or not re.fullmatch(r"\d{8}T\d{6}Z", date):
        return None
    access_key, day, region, service, _ = parts
    return Signed(
        access_key, day, region, service, tuple(signed_headers.split(";")), signature, date, token, presigned, expires
    )


def verify(
    signed: Signed, secret: str, method: str, raw_path: str, query: str, headers: Mapping[str, str], body: bytes
) -> bool:
    """Tell whether a request was signed with a secret key.

    Args:
        signed: what the request says.
        secret: the secret access key.
        method: the HTTP method.
        raw_path: the path, still percent-encoded.
        query: the raw query string.
        headers: by lower-case name.
        body: the whole body.
    """
    payload = _payload_hash(signed, headers, body)
    if payload is None:
        return False
    # S3 takes the path as it was sent; every other service encodes it once more.
    path = raw_path if signed.service == "s3" else quote(raw_path, safe=_UNRESERVED + "/")
    lines = [
        method,
        path or "/",
        _canonical_query(query),
        *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed.headers),
        "",
        ";".join(signed.headers),
        payload,
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    text = "\n".join([ALGORITHM, signed.date, signed.scope, digest])
    key = f"AWS4{secret}".encode()
    for part in (signed.day, signed.region, signed.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signed.signature)


def _payload_hash(signed: Signed, headers: Mapping[str, str], body: bytes) -> str | None:
    """Return the payload's hash as it was signed; None when the body is not the one that was signed."""
    actual = hashlib.sha256(body).hexdigest()
    if signed.presigned:
        return "UNSIGNED-PAYLOAD" if signed.service == "s3" else actual
    stated = headers.get("x-amz-content-sha256")
    if stated is None:
        return actual
    if re.fullmatch(r"[0-9a-f]{64}", stated):
        return stated if stated == actual else None
    return stated  # UNSIGNED-PAYLOAD and the streaming kinds, whose chunks carry checks of their own.


def _canonical_query(query: str) -> str:
    pairs = []
    for argument in query.split("&"):
        if not argument:
            continue
        name, _, value = argument.partition("=")
        name, value = unquote(name), unquote(value)
        if name != "X-Amz-Signature":
            pairs.append((quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))
