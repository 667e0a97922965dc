"""Refusals, in each service's own words and format.

https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import enum
import json
import uuid
from xml.sax.saxutils import escape

from ..protocol import HttpReply
from .assume_role import StsError
from .operations import HttpRequest


class Reason(enum.Enum):
    """Why a request is refused."""

    UNSIGNED = "not signed"
    UNKNOWN_KEY = "unknown key"
    INVALID_TOKEN = "invalid token"
    EXPIRED = "expired"
    BAD_SIGNATURE = "bad signature"
    OLD_SIGNATURE = "old signature"
    DENIED = "denied"
    FAULT = "fault of this endpoint"


class Refusal(Exception):
    """A request is refused.

    Args:
        message: of a denial, AWS's words for it.
    """

    def __init__(self, reason: Reason, message: str = "") -> None:
        super().__init__(message or reason.value)
        self.reason = reason
        self.message = message


_UNSIGNED = "Missing Authentication Token"
_INVALID = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"
_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
    "Key and signing method. Consult the service documentation for details."
)
_OLD = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
_FAULT = "authorization failed inside the local endpoint; its log has the trace"
# Of each reason: status, code and message.
_Errors = dict[Reason, tuple[int, str, str]]
_QUERY: _Errors = {
    Reason.UNSIGNED: (403, "MissingAuthenticationToken", _UNSIGNED),
    Reason.UNKNOWN_KEY: (403, "InvalidClientTokenId", _INVALID),
    Reason.INVALID_TOKEN: (403, "InvalidClientTokenId", _INVALID),
    Reason.EXPIRED: (403, "ExpiredToken", _EXPIRED),
    Reason.BAD_SIGNATURE: (403, "SignatureDoesNotMatch", _SIGNATURE),
    Reason.FAULT: (500, "InternalFailure", _FAULT),
    Reason.OLD_SIGNATURE: (400, "IncompleteSignature", _OLD),
    Reason.DENIED: (403, "AccessDenied", ""),
}
_EC2: _Errors = {
    Reason.UNSIGNED: (403, "MissingAuthenticationToken", _UNSIGNED),
    Reason.UNKNOWN_KEY: (401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
    Reason.INVALID_TOKEN: (401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
    Reason.EXPIRED: (400, "RequestExpired", "Request has expired."),
    Reason.BAD_SIGNATURE: (401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
    Reason.FAULT: (500, "InternalError", _FAULT),
    Reason.OLD_SIGNATURE: (400, "AuthFailure", _OLD),
    Reason.DENIED: (403, "UnauthorizedOperation", ""),
}
_S3: _Errors = {
    Reason.UNSIGNED: (403, "AccessDenied", "Access Denied"),
    Reason.UNKNOWN_KEY: (
        403,
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    Reason.INVALID_TOKEN: (400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
    Reason.EXPIRED: (400, "ExpiredToken", "The provided token has expired."),
    Reason.BAD_SIGNATURE: (403, "SignatureDoesNotMatch", _SIGNATURE),
    Reason.FAULT: (500, "InternalError", _FAULT),
    Reason.OLD_SIGNATURE: (400, "InvalidRequest", _OLD),
    Reason.DENIED: (403, "AccessDenied", ""),
}
_JSON: _Errors = {
    Reason.UNSIGNED: (403, "MissingAuthenticationTokenException", _UNSIGNED),
    Reason.UNKNOWN_KEY: (400, "UnrecognizedClientException", _INVALID),
    Reason.INVALID_TOKEN: (400, "UnrecognizedClientException", _INVALID),
    Reason.EXPIRED: (400, "ExpiredTokenException", _EXPIRED),
    Reason.BAD_SIGNATURE: (400, "InvalidSignatureException", _SIGNATURE),
    Reason.FAULT: (500, "InternalFailure", _FAULT),
    Reason.OLD_SIGNATURE: (400, "IncompleteSignatureException", _OLD),
    Reason.DENIED: (400, "AccessDeniedException", ""),
}
# Services whose REST protocol is in XML; those of the query protocol are told by the request.
_REST_XML = ("route53", "cloudfront", "s3")


def render(http: HttpRequest, refusal: Refusal) -> HttpReply:
    """Return the reply with which a service refuses a request."""
    if http.service == "s3":
        status, code, message = _S3[refusal.reason]
        reply = _s3(http, status, code, refusal.message or message)
        if refusal.reason is Reason.UNSIGNED:
            # It may be for a REST service that cannot be told from S3, whose clients look for the code here.
            reply.headers["x-amzn-ErrorType"] = _JSON[refusal.reason][1]
        return reply
    if http.service == "ec2":
        status, code, message = _EC2[refusal.reason]
        if refusal.reason is Reason.DENIED:
            message = f"You are not authorized to perform this operation. {refusal.message}"
        error = f"<Errors><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></Errors>"
        return _xml(status, f"<Response>{error}<RequestID>{uuid.uuid4()}</RequestID></Response>")
    if "x-amz-target" in http.headers:
        status, code, message = _JSON[refusal.reason]
        return _json(status, code, refusal.message or message, "application/x-amz-json-1.1")
    if http.service in _REST_XML or "Action" in http.form():
        status, code, message = _QUERY[refusal.reason]
        return query_error(status, code, refusal.message or message)
    status, code, message = _JSON[refusal.reason]
    # Of the REST services only EKS Auth answers 400, as its model says.
    return _json(
        status if http.service == "eks-auth" else max(status, 403), code, refusal.message or message, "application/json"
    )


def render_sts(error: StsError) -> HttpReply:
    """Return the reply with which STS refuses a request."""
    return query_error(error.status, error.code, error.message)


def query_error(status: int, code: str, message: str) -> HttpReply:
    """Return an error of the query protocol."""
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return _xml(status, f"<ErrorResponse>{error}<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>")


def _s3(http: HttpRequest, status: int, code: str, message: str) -> HttpReply:
    identifier = uuid.uuid4().hex[:16].upper()
    headers = {"Content-Type": "application/xml", "x-amz-request-id": identifier}
    body = (
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>"
        f"<RequestId>{identifier}</RequestId><HostId>{identifier}</HostId></Error>"
    )
    # A HEAD has no body to say why; clients then only know the status.
    return HttpReply(status, b"" if http.method == "HEAD" else _DECLARATION + body.encode(), headers)


_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def _xml(status: int, body: str) -> HttpReply:
    return HttpReply(status, _DECLARATION + body.encode(), {"Content-Type": "text/xml"})


def _json(status: int, code: str, message: str, content_type: str) -> HttpReply:
    body = json.dumps({"__type": code, "message": message, "Message": message}).encode()
    headers = {"Content-Type": content_type, "x-amzn-ErrorType": code, "x-amzn-RequestId": str(uuid.uuid4())}
    return HttpReply(status, body, headers)
