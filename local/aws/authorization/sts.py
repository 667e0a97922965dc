"""STS's operations that issue sessions or ask who calls, spoken in the query protocol.

Sessions are issued here because what they may do is decided here; moto answers nothing that issues any.

https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html
https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from ..protocol import HttpReply, operations_of, violations
from .assume_role import Assumption, RoleAssumption, StsError
from .context import Value
from .keys import Caller
from .patterns import account_of
from .principals import Kind
from .sessions import Session, Sessions
from .web_identity import WebIdentities

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_ACCOUNT_SECONDS = 43_200
_ROOT_SECONDS = 3_600
# Characters of policies and tags that STS packs into a session's token at most, here without packing them.
_PACKED_CHARACTERS = 2_048


class Sts:
    """Answers all of STS but what moto knows as well: GetCallerIdentity of users, and GetAccessKeyInfo.

    Args:
        assumption: what issues role sessions.
        sessions: where sessions are remembered.
        web_identities: judges tokens of identity providers.
    """

    def __init__(self, assumption: RoleAssumption, sessions: Sessions, web_identities: WebIdentities) -> None:
        self._assumption = assumption
        self._sessions = sessions
        self._web_identities = web_identities

    def answers(self, operation: str, caller: Caller) -> bool:
        """Tell whether an operation of a caller is answered here, not by moto."""
        if operation == "GetCallerIdentity":
            return caller.session is not None
        return operation in operations_of("sts") and operation != "GetAccessKeyInfo"

    def answer(
        self, operation: str, form: Mapping[str, str], caller: Caller, region: str, keys: Mapping[str, Value | None]
    ) -> HttpReply:
        """Answer a call.

        Args:
            operation: its name.
            form: its parameters, as they came.
            caller: who calls.
            region: the region that it is signed for.
            keys: condition keys of the request.

        Raises:
            StsError: the call is refused.
        """
        shape = operations_of("sts")[operation].input_shape
        params = _read(shape, form, "") or {}
        for problem in violations(shape, params):
            raise StsError("ValidationError", f"1 validation error detected: {problem}")
        if operation == "AssumeRole":
            result = self._assume_role(params, caller, keys)
        elif operation == "AssumeRoleWithWebIdentity":
            result = self._assume_role_with_web_identity(params, keys)
        elif operation == "GetSessionToken":
            result = self._get_session_token(params, caller, region)
        elif operation == "GetCallerIdentity":
            assert caller.session is not None
            session = caller.session
            result = {"UserId": session.user_id, "Account": session.account_id, "Arn": session.arn}
        else:
            raise StsError("InvalidAction", f"{operation} is not offered by the local endpoint")
        return _render(operation, result)

    def _assume_role(
        self, params: Mapping[str, Any], caller: Caller, keys: Mapping[str, Value | None]
    ) -> dict[str, Any]:
        tags = [(tag["Key"], tag["Value"]) for tag in params.get("Tags", ())]
        if len({key.lower() for key, _ in tags}) != len(tags):
            raise StsError(
                "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."
            )
        wanted = Assumption(
            params["RoleArn"],
            params["RoleSessionName"],
            params.get("DurationSeconds"),
            tags=dict(tags),
            transitive=frozenset(params.get("TransitiveTagKeys", ())),
            policy=params.get("Policy"),
            policy_arns=_policy_arns(params),
            external_id=params.get("ExternalId"),
            source_identity=params.get("SourceIdentity"),
        )
        return _assumed(self._assumption.assume(caller, wanted, keys), wanted)

    def _assume_role_with_web_identity(
        self, params: Mapping[str, Any], keys: Mapping[str, Value | None]
    ) -> dict[str, Any]:
        if (provider := params.get("ProviderId")) is not None:
            # Tokens of OAuth prove nothing by themselves: their issuer would have to be asked.
            raise StsError("IDPCommunicationError", f"{provider} cannot be reached from the local endpoint")
        role_arn = params["RoleArn"]
        account = account_of(role_arn)
        if not account:
            raise StsError("ValidationError", "Request ARN is invalid")
        identity = self._web_identities.of(params["WebIdentityToken"], account, role_arn.split(":")[1])
        wanted = Assumption(
            role_arn,
            params["RoleSessionName"],
            params.get("DurationSeconds"),
            tags=identity.tags,
            transitive=identity.transitive,
            policy=params.get("Policy"),
            policy_arns=_policy_arns(params),
            source_identity=identity.source_identity,
            source=identity.keys,
            action="sts:AssumeRoleWithWebIdentity",
            federation=identity.lasting,
        )
        # Who signed the call, if anybody did, does not matter: the token is who asks.
        session = self._assumption.assume(Caller(identity.principal), wanted, keys)
        return {
            **_assumed(session, wanted),
            "SubjectFromWebIdentityToken": identity.subject,
            "Provider": identity.principal.provider,
            "Audience": identity.audience,
        }

    def _get_session_token(self, params: Mapping[str, Any], caller: Caller, region: str) -> dict[str, Any]:
        if caller.session is not None:
            raise StsError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
        principal = caller.principal
        most = _ROOT_SECONDS if principal.kind is Kind.ROOT else 129_600
        seconds = min(params.get("DurationSeconds", _ACCOUNT_SECONDS), most)
        session = Session(
            principal.kind,
            principal.account,
            principal.arn.split(":")[1],
            principal.arn,
            principal.user_id,
            dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(seconds=seconds),
        )
        return {"Credentials": self._sessions.add(session).credentials()}


def _policy_arns(params: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(item["arn"] for item in params.get("PolicyArns", ()))


def _assumed(session: Session, wanted: Assumption) -> dict[str, Any]:
    """Return the result's members that all ways to assume a role have."""
    result: dict[str, Any] = {
        "Credentials": session.credentials(),
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
    }
    if session.source_identity is not None:
        result["SourceIdentity"] = session.source_identity
    if packed := "".join([wanted.policy or "", *wanted.policy_arns, *wanted.tags, *wanted.tags.values()]):
        result["PackedPolicySize"] = min(100, 1 + 100 * len(packed) // _PACKED_CHARACTERS)
    return result


def _read(shape: Any, form: Mapping[str, str], prefix: str) -> Any:
    """Read parameters of the query protocol into the shape's form; None when there are none."""
    if shape.type_name == "structure":
        dot = f"{prefix}." if prefix else ""
        members = {
            name: value
            for name, member in shape.members.items()
            if (value := _read(member, form, dot + member.serialization.get("name", name))) is not None
        }
        return members or None
    if shape.type_name == "list":
        items = []
        while (item := _read(shape.member, form, f"{prefix}.member.{len(items) + 1}")) is not None:
            items.append(item)
        return items or None
    text = form.get(prefix)
    if text is None:
        return None
    if shape.type_name in ("integer", "long") and re.fullmatch(r"-?\d+", text):
        return int(text)
    return text


def _render(operation: str, result: Mapping[str, Any]) -> HttpReply:
    body = (
        f'<{operation}Response xmlns="{NAMESPACE}"><{operation}Result>{_xml(result)}</{operation}Result>'
        f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></{operation}Response>"
    )
    return HttpReply(200, body.encode(), {"Content-Type": "text/xml"})


def _xml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(f"<{name}>{_xml(item)}</{name}>" for name, item in value.items())
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return escape(str(value))
