"""AssumeRoleWithWebIdentity: a token of an issuer that the role's account knows, for a role that trusts it."""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import json
import time
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from .support import ACCOUNT, SECOND_ACCOUNT, Aws, Issuer, Issuers, allow, document, refused, trusting

STS = "sts.amazonaws.com"
LIST = allow("s3:ListAllMyBuckets")
ACTION = "sts:AssumeRoleWithWebIdentity"


@pytest.fixture
def issuer(operator: Aws, issuers: Issuers) -> Issuer:
    """An issuer that the account knows."""
    made = issuers.new()
    provide(operator, made)
    return made


def provide(who: Aws, issuer: Issuer, *audiences: str) -> str:
    """Make an issuer known to an account; return the provider's ARN."""
    return who.iam.create_open_id_connect_provider(
        Url=issuer.url, ClientIDList=list(audiences or (STS,)), ThumbprintList=["0" * 40]
    )["OpenIDConnectProviderArn"]


def provider_arn(issuer: Issuer, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:oidc-provider/{issuer.host}"


def trust(issuer: Issuer, *actions: str, account: str = ACCOUNT, condition: dict[str, Any] | None = None) -> str:
    """Trust an issuer, for its subject and STS as the audience, as IRSA's documents say."""
    usual = {"StringEquals": {f"{issuer.host}:aud": STS, f"{issuer.host}:sub": issuer.subject}}
    principal = {"Federated": provider_arn(issuer, account)}
    return trusting(principal, *(actions or (ACTION,)), Condition=condition or usual)


def ask(who: Aws, role: str, token: str, **arguments: Any) -> dict[str, Any]:
    call = who.client("sts", parameter_validation=False).assume_role_with_web_identity
    return call(**{"RoleArn": role, "RoleSessionName": "job", "WebIdentityToken": token, **arguments})


@pytest.mark.parametrize("signed", [False, True])
def test_a_token_becomes_a_session(operator: Aws, issuer: Issuer, signed: bool) -> None:
    role = operator.role(trust(issuer), LIST)
    made = ask(operator if signed else operator.anonymous(), role, issuer.token())
    name = role.rpartition("/")[2]
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/job"
    unique_id = operator.iam.get_role(RoleName=name)["Role"]["RoleId"]
    assert made["AssumedRoleUser"] == {"AssumedRoleId": f"{unique_id}:job", "Arn": arn}
    assert made["SubjectFromWebIdentityToken"] == issuer.subject
    assert made["Audience"] == STS
    assert made["Provider"] == provider_arn(issuer)
    assert "PackedPolicySize" not in made and "SourceIdentity" not in made
    lasts = made["Credentials"]["Expiration"] - dt.datetime.now(dt.UTC)
    assert lasts.total_seconds() == pytest.approx(3600, abs=5)
    session = Aws(operator.url, made["Credentials"])
    assert session.sts.get_caller_identity()["Arn"] == arn
    session.s3.list_buckets()
    with refused("AccessDenied"):
        session.s3.create_bucket(Bucket="never")
    with refused("AccessDenied"):
        session.sts.get_session_token()


def test_botocores_own_provider_of_credentials(operator: Aws, issuer: Issuer, tmp_path: Any, monkeypatch: Any) -> None:
    """As in a pod with IRSA: two variables, and no keys."""
    import boto3

    (tmp_path / "token").write_text(issuer.token())
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ROLE_ARN", operator.role(trust(issuer), LIST))
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", operator.url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    session = boto3.Session(region_name="eu-west-1")
    assert ":assumed-role/" in session.client("sts").get_caller_identity()["Arn"]
    session.client("s3").list_buckets()


# --- tokens that are worth nothing --------------------------------------------------------------------------------


def _base64(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _unsigned(issuer: Issuer, algorithm: str = "none") -> str:
    header = json.dumps({"alg": algorithm, "kid": issuer.key.kid}).encode()
    return f"{_base64(header)}.{_base64(json.dumps(issuer.claims()).encode())}."


def _resigned(issuer: Issuer) -> str:
    """Give a token's signature to other claims."""
    header, _, signature = issuer.token(sub="system:serviceaccount:ns:other").split(".")
    return ".".join([header, issuer.token().split(".")[1], signature])


def _by_the_public_key(issuer: Issuer) -> str:
    """Sign with a secret that everybody knows: the issuer's public key."""
    signed = _unsigned(issuer, "HS256").removesuffix(".")
    return f"{signed}.{_base64(hmac.digest(issuer.key.as_pem(private=False), signed.encode(), 'sha256'))}"


def _nested(depth: int) -> str:
    header, payload = b'{"alg":"RS256"}', b"[" * depth + b"]" * depth
    return f"{_base64(header)}.{_base64(payload)}.AAAA"


NO_JWT = "The ID Token provided is not a valid JWT"
NO_KEY = "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (lambda issuer: "nonsense", NO_JWT),
        (lambda issuer: "a.b.c", NO_JWT),
        (lambda issuer: "e30.e30.e30", NO_JWT),
        (lambda issuer: issuer.token() + "\n", NO_JWT),
        (lambda issuer: "ä.ö.ü", NO_JWT),
        (lambda issuer: _nested(5000), NO_JWT),
        (_unsigned, NO_JWT),
        (lambda issuer: _unsigned(issuer, "None"), NO_JWT),
        (_by_the_public_key, NO_JWT),
        (_resigned, "signature"),
        (lambda issuer: _unsigned(issuer, "RS256"), "signature"),
        (lambda issuer: issuer.token(RSAKey.generate_key(2048, {"kid": issuer.key.kid}, auto_kid=False)), "signature"),
        (lambda issuer: issuer.token(ECKey.generate_key("P-256", {"kid": issuer.key.kid}, auto_kid=False), {"alg": "ES256"}), "signature"),
        (lambda issuer: issuer.token(RSAKey.generate_key(2048, {"kid": "other"}, auto_kid=False)), NO_KEY),
        (lambda issuer: issuer.token(header={"kid": None}), NO_KEY),
        *((lambda issuer, name=name: issuer.token(**{name: None}), f"Missing a required claim: {name}") for name in ("iss", "sub", "aud", "iat", "exp")),
        (lambda issuer: issuer.token(iss="https://somebody.else"), "No OpenIDConnect provider found in your account for https://somebody.else"),
        (lambda issuer: issuer.token(iss=issuer.host), "No OpenIDConnect provider found in your account for oidc.example"),
        (lambda issuer: issuer.token(iss=["x"]), NO_JWT),
        (lambda issuer: issuer.token(sub=7), NO_JWT),
        (lambda issuer: issuer.token(exp="soon"), NO_JWT),
        (lambda issuer: issuer.token(aud={"x": "y"}), NO_JWT),
        (lambda issuer: issuer.token(aud="pods.eks.amazonaws.com"), "Incorrect token audience"),
        (lambda issuer: issuer.token(aud=[STS, "other"]), "Token audience contains more than one audience while authorized party is not present"),
        (lambda issuer: issuer.token(azp="other"), "Incorrect token audience"),
        (lambda issuer: issuer.token(nbf=int(time.time()) + 900), "not yet valid"),
        (lambda issuer: issuer.token(iat=int(time.time()) + 900), "not yet valid"),
    ],
)  # fmt: skip
def test_tokens_that_are_worth_nothing(operator: Aws, issuer: Issuer, forge: Any, message: str) -> None:
    role = operator.role(trusting({"Federated": provider_arn(issuer)}, ACTION), LIST)
    with refused("InvalidIdentityToken", message) as response:
        ask(operator.anonymous(), role, forge(issuer))
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_an_expired_token(operator: Aws, issuer: Issuer) -> None:
    role, now = operator.role(trust(issuer)), int(time.time())
    # Clocks differ: AWS takes a token for five minutes longer.
    ask(operator.anonymous(), role, issuer.token(iat=now - 900, exp=now - 280))
    with refused("ExpiredTokenException", "Token expired: current date/time", f"the expiration date/time {now - 320}"):
        ask(operator.anonymous(), role, issuer.token(iat=now - 900, exp=now - 320))


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "ES256", "ES384", "ES512"])
def test_the_algorithms_that_sts_knows(operator: Aws, issuer: Issuer, algorithm: str) -> None:
    curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
    if algorithm in curves:
        issuer.key = ECKey.generate_key(curves[algorithm], {"kid": "ec"}, auto_kid=False)  # type: ignore[assignment]
    ask(operator.anonymous(), operator.role(trust(issuer)), issuer.token(header={"alg": algorithm}))


def test_claims_about_the_party_that_asked(operator: Aws, issuers: Issuers) -> None:
    """AWS takes ``azp`` for the audience, where there is one."""
    issuer = issuers.new()
    provide(operator, issuer, "app")
    keys = {f"{issuer.host}:aud": "app", f"{issuer.host}:oaud": "api"}
    made = ask(
        operator.anonymous(),
        operator.role(trust(issuer, condition={"StringEquals": keys})),
        issuer.token(aud="api", azp="app"),
    )
    assert made["Audience"] == "app"
    any_of = {f"{issuer.host}:amr": ["authenticated"]}
    role = operator.role(trust(issuer, condition={"ForAnyValue:StringEquals": any_of}))
    ask(operator.anonymous(), role, issuer.token(aud="app", amr=["authenticated", "mfa"]))
    for methods in (None, ["unauthenticated"]):
        with refused("AccessDenied"):
            ask(operator.anonymous(), role, issuer.token(aud="app", amr=methods))


def test_an_issuer_whose_keys_cannot_be_had(operator: Aws) -> None:
    stranger = Issuer()
    provide(operator, stranger)
    with refused("InvalidIdentityToken", NO_KEY):
        ask(operator.anonymous(), operator.role(trust(stranger)), stranger.token())


def test_tokens_of_oauth_have_issuers_that_are_never_asked(operator: Aws, issuer: Issuer) -> None:
    with refused("IDPCommunicationError", "www.amazon.com"):
        ask(operator.anonymous(), operator.role(trust(issuer)), issuer.token(), ProviderId="www.amazon.com")


def test_a_provider_that_is_gone(operator: Aws, issuer: Issuer) -> None:
    role = operator.role(trust(issuer))
    ask(operator.anonymous(), role, issuer.token())
    operator.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider_arn(issuer))
    with refused("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer.url}"):
        ask(operator.anonymous(), role, issuer.token())


def test_a_provider_is_of_one_account(operator: Aws, issuer: Issuer) -> None:
    """Of the role's, whoever knows the issuer besides."""
    there = Aws(operator.url, account=SECOND_ACCOUNT)
    for account in (ACCOUNT, SECOND_ACCOUNT):
        role = there.role(trust(issuer, account=account))
        with refused("InvalidIdentityToken", "No OpenIDConnect provider found"):
            ask(operator.anonymous(), role, issuer.token())
    provide(there, issuer)
    ask(operator.anonymous(), role, issuer.token())


# --- roles that trust and do not ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda issuer: trusting({"AWS": ACCOUNT}, ACTION),
        lambda issuer: trusting({"Service": "pods.eks.amazonaws.com"}, ACTION),
        lambda issuer: trusting({"Federated": "arn:aws:iam::123456789012:oidc-provider/other"}, ACTION),
        lambda issuer: trusting({"Federated": issuer.host}, ACTION),
        lambda issuer: trust(issuer, "sts:AssumeRole"),
        lambda issuer: trust(
            issuer, condition={"StringEquals": {f"{issuer.host}:sub": "system:serviceaccount:ns:other"}}
        ),
        lambda issuer: trust(issuer, condition={"StringEquals": {f"{issuer.host}:aud": "other"}}),
        lambda issuer: trust(issuer, condition={"StringLike": {f"{issuer.host}:email": "*"}}),
        lambda issuer: trust(issuer, condition={"StringLike": {"aws:PrincipalArn": "*"}}),
        lambda issuer: trust(issuer, condition={"StringNotEquals": {"sts:RoleSessionName": "job"}}),
        lambda issuer: document(
            json.loads(trust(issuer))["Statement"][0], {"Effect": "Deny", "Principal": "*", "Action": "sts:*"}
        ),
    ],
)
def test_a_role_that_does_not_trust(operator: Aws, issuer: Issuer, write: Any) -> None:
    with refused("AccessDenied", f"Not authorized to perform {ACTION}") as response:
        ask(operator.anonymous(), operator.role(write(issuer), LIST), issuer.token())
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_subject_by_wildcard(operator: Aws, issuer: Issuer) -> None:
    role = operator.role(trust(issuer, condition={"StringLike": {f"{issuer.host}:sub": "system:serviceaccount:ns:*"}}))
    ask(operator.anonymous(), role, issuer.token())
    with refused("AccessDenied"):
        ask(operator.anonymous(), role, issuer.token(sub="system:serviceaccount:ns2:app"))


def test_a_role_that_is_not_there(operator: Aws, issuer: Issuer) -> None:
    with refused("AccessDenied", f"Not authorized to perform {ACTION}"):
        ask(operator.anonymous(), f"arn:aws:iam::{ACCOUNT}:role/nobody", issuer.token())
    with refused("ValidationError", "Request ARN is invalid"):
        ask(operator.anonymous(), "arn:aws:iam:::role/no-account", issuer.token())


def test_that_one_may_assume_a_role_does_not_help(operator: Aws, issuer: Issuer) -> None:
    """The token is who asks, whoever signs."""
    role = operator.role(trusting({"AWS": ACCOUNT}))
    with refused("AccessDenied", f"Not authorized to perform {ACTION}"):
        ask(operator.user(allow("*")), role, issuer.token())


def test_durations(operator: Aws, issuer: Issuer) -> None:
    role, token = operator.role(trust(issuer), MaxSessionDuration=7200), issuer.token()

    def seconds(length: int) -> float:
        made = ask(operator.anonymous(), role, token, DurationSeconds=length)
        return (made["Credentials"]["Expiration"] - dt.datetime.now(dt.UTC)).total_seconds()

    assert seconds(900) == pytest.approx(900, abs=5)
    assert seconds(7200) == pytest.approx(7200, abs=5)
    for wrong in (899, 7201, 43_201):
        with refused("ValidationError"):
            seconds(wrong)


@pytest.mark.parametrize(
    "arguments", [{"RoleSessionName": "a b"}, {"RoleSessionName": "x" * 65}, {"WebIdentityToken": "x" * 20_001}, {"RoleArn": "x"}]
)  # fmt: skip
def test_arguments(operator: Aws, issuer: Issuer, arguments: dict[str, Any]) -> None:
    with refused("ValidationError"):
        ask(operator.anonymous(), operator.role(trust(issuer)), issuer.token(), **arguments)


# --- what the session is ----------------------------------------------------------------------------------------------


def test_session_policies(operator: Aws, issuer: Issuer) -> None:
    role = operator.role(trust(issuer), allow("s3:*"))
    made = ask(operator.anonymous(), role, issuer.token(), Policy=document(LIST))
    assert 0 < made["PackedPolicySize"] < 100
    session = Aws(operator.url, made["Credentials"])
    session.s3.list_buckets()
    with refused("AccessDenied", "no session policy"):
        session.s3.create_bucket(Bucket="never")


def test_tags_and_source_identity_of_a_token(operator: Aws, issuer: Issuer) -> None:
    bucket = operator.bucket()
    own = allow("s3:PutObject", f"arn:aws:s3:::{bucket}/${{aws:PrincipalTag/team}}/${{aws:SourceIdentity}}")
    claims = {
        "https://aws.amazon.com/tags": {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["team"]},
        "https://aws.amazon.com/source_identity": "ada",
    }
    with refused("AccessDenied", "Not authorized to perform sts:TagSession"):
        ask(operator.anonymous(), operator.role(trust(issuer)), issuer.token(**claims))
    role = operator.role(trust(issuer, ACTION, "sts:TagSession", "sts:SetSourceIdentity"), own)
    made = ask(operator.anonymous(), role, issuer.token(**claims))
    assert made["SourceIdentity"] == "ada"
    session = Aws(operator.url, made["Credentials"])
    session.s3.put_object(Bucket=bucket, Key="red/ada", Body=b"")
    with refused("AccessDenied"):
        session.s3.put_object(Bucket=bucket, Key="blue/ada", Body=b"")
    for wrong in (
        {"principal_tags": {"team": "red"}},
        {"principal_tags": ["team"]},
        ["team"],
        {"transitive_tag_keys": "team"},
    ):
        with refused("InvalidIdentityToken", "not in correct format"):
            ask(operator.anonymous(), role, issuer.token(**{**claims, "https://aws.amazon.com/tags": wrong}))


def test_what_is_known_of_the_session_later(operator: Aws, issuer: Issuer) -> None:
    """Whose it is: AWS keeps the audience and the subject for the session's own calls."""
    theirs = {"StringEquals": {f"{issuer.host}:sub": issuer.subject, "aws:FederatedProvider": provider_arn(issuer)}}
    for conditions, works in ((theirs, True), ({"StringEquals": {f"{issuer.host}:sub": "other"}}, False)):
        role = operator.role(trust(issuer), {**LIST, "Condition": conditions})
        session = Aws(operator.url, ask(operator.anonymous(), role, issuer.token())["Credentials"])
        if works:
            session.s3.list_buckets()
        else:
            with refused("AccessDenied"):
                session.s3.list_buckets()
