"""Ten thousand documents and more, generated: what the builders write passes the rules and does on the twin's IAM what
it should, and what is broken is found. That IAM, which knows nothing of the rules, says what is broken: it lets a
stranger in, or refuses to read the document."""

import fnmatch
import functools
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from components import documents, rules
from components.rules import UNKNOWN, Severity, _actions
from local.aws.authorization.context import Context
from local.aws.authorization.evaluator import Policies, Request, evaluate
from local.aws.authorization.policy import MalformedPolicy, Policy
from local.aws.authorization.principals import Kind, Principal

many = settings(
    max_examples=800, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
several = settings(many, max_examples=250)

ROLE = "arn:aws:iam::123456789012:role/demo"
TARGET = "arn:aws:iam::210987654321:role/target"
POD_IDENTITY = rules.POD_IDENTITY_SERVICE
PODS = Principal.service(POD_IDENTITY)
POD = Principal(
    Kind.ROLE_SESSION,
    "arn:aws:sts::123456789012:assumed-role/demo/pod",
    "123456789012",
    role_arn=ROLE,
    user_id="AROADEMO:pod",
    unique_id="AROADEMO",
)

# Numbers are drawn ten times as fast as texts; what a name may look like is judged elsewhere.
labels = st.integers(0, 10**6).map(lambda number: f"n-{number}")
names = st.integers(0, 10**6).map(lambda number: f"Name_{number}")
NOBODY = "000000000000"
accounts = st.integers(1, 10**12 - 1).map(lambda number: f"{number:012}")
places = st.sampled_from([("aws", "eu-west-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")])
clusters = st.builds(
    lambda at, account, name: documents.cluster_arn(at[0], at[1], account, name), places, accounts, names
)
organizations = st.integers(1, 10**9).map(lambda number: f"o-{number:010}")
trusts = st.fixed_dictionaries(
    {"cluster_arns": st.lists(clusters, min_size=1, max_size=4, unique=True)},
    optional={
        "namespaces": st.lists(labels, min_size=1, max_size=3, unique=True),
        "service_accounts": st.lists(labels, min_size=1, max_size=3, unique=True),
        "organization_id": organizations,
    },
)


def document(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@functools.cache
def limitable() -> list[tuple[str, str]]:
    """Actions that take resources, each with the form of one ARN."""
    prefixes = ("s3", "sqs", "sns", "dynamodb", "secretsmanager", "ssm", "kms", "ec2", "eks", "lambda", "logs", "iam")
    found = []
    for prefix in prefixes:
        service = _actions.service(prefix)
        assert service is not None
        for action in service.actions.values():
            found += [(f"{prefix}:{action.name}", service.arns[kind]) for kind in action.resource_types]
    return [(action, arn) for action, arn in found if action != "iam:PassRole" and "${" in arn.split(":", 5)[5]]


def filled(form: str, place: tuple[str, str], account: str, name: str) -> str:
    """An ARN of this form."""
    fixed = {"Partition": place[0], "Region": place[1], "Account": account}
    return re.sub(r"\$\{(\w+)\}", lambda found: fixed.get(found[1]) or name, form)


@st.composite
def permitted(draw: st.DrawFn) -> tuple[str, str]:
    """An action, and an ARN that it takes."""
    action, form = draw(st.sampled_from(limitable()))
    arn = filled(form, draw(places), draw(accounts), draw(names).lower())
    assume("*" not in arn and "?" not in arn)
    return action, arn


def errors(findings: Sequence[rules.Finding]) -> set[str]:
    return {finding.rule for finding in findings if finding.severity is Severity.ERROR}


def is_malformed(value: Mapping[str, Any]) -> bool:
    try:
        Policy.parse(value)
    except MalformedPolicy:
        return True
    return False


# What is done to documents -----------------------------------------------------------------------------------------------

# A generator of one's own makes several documents of each example, in a tenth of the time that draws would take.
seeds = st.integers(0, 2**64).map(random.Random)
OF_EACH = range(5)

COMPARING = ("StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike")
NEGATING = ("StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike", "ArnNotEquals", "ArnNotLike")
JUNK = (None, 7, True, "x", "", [], {}, [7], [[]], [None], {"a": 1}, {"AWS": 7}, ["*", {}])


def operator(rng: random.Random) -> str:
    base = rng.choice([*COMPARING, *COMPARING, *NEGATING, "Null"])
    if base == "Null":
        return base
    return rng.choice(["", "", "ForAnyValue:", "ForAllValues:"]) + base + rng.choice(["", "", "IfExists"])


def wildcarded(rng: random.Random, text: str) -> str:
    """A text with wildcards for some of it: for all, for its end, for parts between its signs, or for a slice of it."""
    start = rng.randrange(len(text))
    parts = re.split("([:/])", text)
    chosen = {rng.randrange(0, len(parts), 2) for _ in range(3)}
    return rng.choice(
        [
            rng.choice(["*", "?*", "*?", "**", "*:*"]),
            # What begins an ARN and nothing else may be a name's beginning as well.
            (text[:start] if start > 2 else "") + rng.choice(["*", "?*"]),
            "".join("*" if n in chosen else part for n, part in enumerate(parts)),
            text[:start] + rng.choice("*?") + text[start + rng.randrange(4) :],
        ]
    )


def misspelt(rng: random.Random, text: str) -> str:
    """A text with a letter too few or too many, or with two that changed places."""
    at = rng.randrange(len(text) - 1)
    return text[:at] + rng.choice([text[at + 1 :], text[at] + text[at:], text[at + 1] + text[at] + text[at + 2 :]])


def conditions(rng: random.Random, values: Mapping[str, str], most: int = 3) -> dict[str, Any]:
    """A Condition element on some of these keys, each compared with its value, with patterns of it, or with both."""
    made: dict[str, Any] = {}
    for key in rng.choices(sorted(values), k=rng.randint(1, most)):
        compared = operator(rng)
        pool = ["true", "false"] if compared == "Null" else [values[key], wildcarded(rng, values[key])]
        value = rng.choice(pool) if rng.random() < 0.8 else rng.sample(pool, k=2)
        made.setdefault(compared, {})[rng.choice([key, key.lower(), key.upper()])] = value
    return made


def damaged(rng: random.Random, statement: Mapping[str, Any]) -> Any:
    """A statement with something lost, misspelt, added, or of a wrong kind, in itself or in its condition."""
    element, junk = rng.choice(sorted(statement)), rng.choice(JUNK)
    others = {key: value for key, value in statement.items() if key != element}
    compared, tests = rng.choice(sorted(statement["Condition"].items()))
    return rng.choice(
        [
            others,
            {**others, misspelt(rng, element): statement[element]},
            {**others, element: junk},
            {**statement, rng.choice(["Resources", "Principals", "Not", "action", "7"]): junk},
            junk,
            {**statement, "Condition": {misspelt(rng, compared): tests}},
            {**statement, "Condition": {compared: junk}},
            {**statement, "Condition": {compared: dict.fromkeys(tests, junk)}},
        ]
    )


def with_unknown(rng: random.Random, value: Any) -> Any:
    """A document of which one part, however large, is not known."""
    if isinstance(value, dict) and rng.random() < 0.9:
        key = rng.choice(list(value))
        return {**value, key: with_unknown(rng, value[key])}
    if isinstance(value, list) and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], with_unknown(rng, value[at]), *value[at + 1 :]]
    return UNKNOWN


@several
@given(clusters, clusters, labels, permitted(), seeds)
def test_what_is_not_known_is_no_finding(
    own: str, other: str, name: str, chosen: tuple[str, str], rng: random.Random
) -> None:
    external_id = documents.external_id(own, name, name)
    for _ in OF_EACH:
        trust = with_unknown(rng, documents.trust([own, other], namespaces=[name], organization_id="o-a1b2c3d4e5"))
        assert rules.judge_trust(trust, required=True, disable_session_tags=rng.choice([False, UNKNOWN])) == []
        limited = allow(
            [chosen[0]], [chosen[1], UNKNOWN], Condition={"StringEquals": {"aws:ResourceTag/a": ["b", "c"]}}
        )
        policy = with_unknown(rng, documents.permissions([limited, allow("s3:ListAllMyBuckets", "*")]))
        assert rules.judge_policy_document(policy) == []
        target = with_unknown(rng, documents.target_trust(ROLE, external_ids=[external_id, name]))
        judged = {"external_id": external_id, "disable_session_tags": rng.choice([True, UNKNOWN])}
        assert rules.judge_target_trust(target, role_arn=ROLE, **judged) == []


# Trust -------------------------------------------------------------------------------------------------------------------


def sent(cluster: str, namespace: str, account: str, organization: str | None) -> dict[str, Any]:
    """What a request of EKS has, for a pod of this cluster, namespace and ServiceAccount."""
    return {
        "aws:SourceArn": cluster,
        "aws:SourceAccount": cluster.split(":")[4],
        "aws:SourceOrgID": organization,
        "aws:RequestTag/eks-cluster-arn": cluster,
        "aws:RequestTag/kubernetes-namespace": namespace,
        "aws:RequestTag/kubernetes-service-account": account,
        "aws:SecureTransport": "true",
    }


def may_assume(trust: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Whether the twin gives the role to a pod."""
    policies, context = Policies.trust(Policy.parse(trust)), Context(request)
    return all(evaluate(Request(PODS, action, ROLE, context), policies).allowed for action in rules.TRUST_ACTIONS)


@many
@given(trusts, clusters, labels, labels, st.data())
def test_trust_as_it_is_built(
    arguments: dict[str, Any], elsewhere: str, namespace: str, account: str, data: st.DataObject
) -> None:
    arns = arguments.pop("cluster_arns")
    trust = documents.trust(arns, **arguments)
    assume(len(documents.to_json(trust)) <= rules.TRUST_POLICY_SIZE)
    assert rules.judge_trust(trust, required=True) == []
    organization = arguments.get("organization_id")
    inside = (
        data.draw(st.sampled_from(arns)),
        data.draw(st.sampled_from(arguments.get("namespaces", [namespace]))),
        data.draw(st.sampled_from(arguments.get("service_accounts", [account]))),
        organization,
    )
    assert may_assume(trust, sent(*inside))
    if elsewhere not in arns:
        assert not may_assume(trust, sent(elsewhere, *inside[1:]))
    if namespace not in arguments.get("namespaces", [namespace]):
        assert not may_assume(trust, sent(inside[0], namespace, *inside[2:]))
    if account not in arguments.get("service_accounts", [account]):
        assert not may_assume(trust, sent(*inside[:2], account, organization))
    if organization:
        assert not may_assume(trust, sent(*inside[:3], "o-0000000000"))
    disabled = rules.judge_trust(trust, disable_session_tags=True)
    assert {finding.rule for finding in disabled} <= {"trust-needs-session-tags"}
    assert bool(disabled) is bool({"namespaces", "service_accounts"} & set(arguments))


@several
@given(clusters, clusters, seeds)
def test_a_trust_that_lets_strangers_in_is_found(own: str, elsewhere: str, rng: random.Random) -> None:
    assume(own.split(":")[4] != elsewhere.split(":")[4])
    (statement,) = documents.trust([own])["Statement"]
    (other,) = documents.service_trust("ec2.amazonaws.com")["Statement"]
    # With the same names as one's own, which are nobody's; with none of the keys; or as nobody of any organisation.
    strangers = [sent(elsewhere, "demo-ns", "demo-sa", "o-0000000000"), {}, {"aws:SourceArn": elsewhere}]
    for _ in OF_EACH:
        condition = conditions(rng, sent(own, "demo-ns", "demo-sa", "o-a1b2c3d4e5"))
        trust = document({**statement, "Condition": condition})
        found = errors(rules.judge_trust(trust))
        assert found or not any(may_assume(trust, stranger) for stranger in strangers), condition
        beside = documents.to_json(document(other, *trust["Statement"]))
        assert errors(rules.judge_trust(beside)) == found


@several
@given(clusters, labels, labels, organizations, seeds)
def test_what_is_asked_beside_a_scope_is_no_error_where_it_can_be_met(
    own: str, namespace: str, account: str, organization: str, rng: random.Random
) -> None:
    (statement,) = documents.trust([own])["Statement"]
    request = sent(own, namespace, account, organization)
    for _ in OF_EACH:
        ((compared, more),) = conditions(rng, request, most=1).items()
        if compared in statement["Condition"] or any(isinstance(value, list) for value in more.values()):
            continue
        trust = document({**statement, "Condition": {**statement["Condition"], compared: more}})
        if may_assume(trust, request):
            assert errors(rules.judge_trust(trust, required=True)) == set(), (compared, more)


def broken(rng: random.Random, statement: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A statement that pods never get the role by, or too much, and the rule that says so."""
    own = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    pool = [*rules.TRUST_ACTIONS, "sts:SetSourceIdentity", "sts:*", "sts:Assume*", "sts:TagSession*", "STS:TAGSESSION"]
    actions = rng.choices(pool, k=rng.randint(1, 3))
    if {action.lower() for action in actions} != {
        action.lower() for action in rules.TRUST_ACTIONS
    } and rng.random() < 0.3:
        return "trust-actions", {**statement, "Action": actions}
    service = misspelt(rng, POD_IDENTITY)
    if service != POD_IDENTITY and rng.random() < 0.3:
        return "association-trust", {**statement, "Principal": {"Service": [service]}}
    kind = rng.choice([":addon/", ":nodegroup/", ":podidentityassociation/*/", ":"])
    digits = "1" * rng.choice([0, 1, 11, 13]) + rng.choice(["-", "x", "1", ""])
    tag = misspelt(rng, rng.choice(rules.SESSION_TAGS))
    rule, compared, key, value = rng.choice(
        [
            ("trust-source-arn", rng.choice(["ArnLike", "ArnEquals"]), "aws:SourceArn", own.replace(":cluster/", kind)),
            ("trust-source-account", "StringEquals", "aws:SourceAccount", digits if len(digits) != 12 else "x"),
            ("trust-wildcard", rng.choice(COMPARING[:2]), "aws:SourceArn", own[:-1] + rng.choice("*?")),
            ("trust-session-tag", rng.choice(COMPARING[:3]), f"aws:RequestTag/{tag}", "demo"),
            ("trust-session-tag", rng.choice(COMPARING[:3]), f"aws:PrincipalTag/{tag}", "demo"),
            ("trust-external-id", rng.choice(COMPARING[:3]), "sts:ExternalId", digits),
        ]
    )
    if tag in rules.SESSION_TAGS:
        rule, key = "trust-session-tag", f"aws:PrincipalTag/{tag}"
    condition = {**statement["Condition"], compared: {**statement["Condition"].get(compared, {}), key: value}}
    return rule, {**statement, "Condition": condition}


@several
@given(clusters, seeds)
def test_a_trust_that_cannot_work_is_found(own: str, rng: random.Random) -> None:
    (statement,) = documents.trust([own])["Statement"]
    for _ in OF_EACH:
        rule, changed = broken(rng, statement)
        assert rule in errors(rules.judge_trust(document(changed), required=True)), changed
        assert rule in errors(rules.judge_trust(documents.to_json(document(changed)), required=True))


@several
@given(clusters, seeds)
def test_a_trust_that_iam_cannot_read_is_found(own: str, rng: random.Random) -> None:
    (statement,) = documents.trust([own])["Statement"]
    for _ in OF_EACH:
        trust = document(statement, damaged(rng, statement))
        found = [finding for finding in rules.judge_trust(trust) if finding.severity is Severity.ERROR]
        if is_malformed(trust):
            assert any(finding.property.startswith("assume_role_policy.Statement[1]") for finding in found), trust


# Permissions -------------------------------------------------------------------------------------------------------------


def is_allowed(policy: Mapping[str, Any], action: str, resource: str, context: Mapping[str, Any] | None = None) -> bool:
    request = Request(POD, action, resource, Context(context or {}))
    return evaluate(request, Policies(identity=(Policy.parse(policy),))).allowed


@many
@given(st.lists(permitted(), min_size=1, max_size=4), permitted())
def test_permissions_that_are_least(chosen: Sequence[tuple[str, str]], other: tuple[str, str]) -> None:
    policy = documents.permissions([allow([action], [arn]) for action, arn in chosen])
    assert rules.judge_policy_document(policy) == []
    for action, arn in chosen:
        assert is_allowed(policy, action, arn)
        assert not is_allowed(policy, action, f"{arn}-other")
    if all(other[0] != action for action, _ in chosen):
        assert not is_allowed(policy, *other)


@several
@given(permitted(), st.booleans(), seeds)
def test_actions_that_do_not_exist_or_are_too_many_are_found(
    chosen: tuple[str, str], beside_unknown: bool, rng: random.Random
) -> None:
    prefix, _, name = chosen[0].partition(":")
    service = _actions.service(prefix)
    assert service is not None
    for _ in OF_EACH:
        written = rng.choice([misspelt(rng, name), wildcarded(rng, name), wildcarded(rng, misspelt(rng, name))])
        meant = fnmatch.filter(service.actions, written.lower())
        statements = [allow([f"{prefix}:{written}"], [chosen[1]]), *([UNKNOWN] if beside_unknown else [])]
        found = {finding.rule for finding in rules.judge_permissions(statements)}
        assert ("iam-action" in found) is (not meant), written
        wide = written[0] in "*?" and len(meant) > len(service.actions) / 2
        assert ("iam-service-wildcard" in found) is wide, written


@several
@given(st.sampled_from(limitable()), places, accounts, st.booleans(), seeds)
def test_resources_that_are_anybodys_are_found(
    of: tuple[str, str], place: tuple[str, str], account: str, beside_unknown: bool, rng: random.Random
) -> None:
    action, form = of
    own = filled(form, place, account, "own")
    # A name with no more in common with one's own than the form says.
    stranger = filled(form, (place[0], "xx-yyyy-7"), NOBODY, "ABC_fgh")
    for _ in OF_EACH:
        statement = allow(action, wildcarded(rng, own))
        if is_allowed(document(statement), action, stranger):
            statements = [statement, *([UNKNOWN] if beside_unknown else [])]
            found = {finding.rule for finding in rules.judge_permissions(statements)}
            assert found & {"iam-resource-wildcard", "iam-all-of-a-type"}, statement


RESOURCE_KEYS = {
    "aws:ResourceTag/team": "own-team",
    "aws:RequestTag/team": "own-team",
    "aws:ResourceAccount": "123456789012",
    "aws:ResourceOrgID": "o-a1b2c3d4e5",
    "aws:ResourceOrgPaths": "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111",
    "ec2:Vpc": "arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1",
    "kms:ResourceAliases": "alias/own",
    "secretsmanager:SecretId": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:own",
}
"""Keys that say which resource, with a value of one's own, and those of others that a stranger has."""
OTHER_KEYS = {"s3:authType": "REST-HEADER", "aws:SecureTransport": "true", "foo:bar": "baz", "aws:PrincipalTag/a": "b"}
STRANGERS = {
    "aws:ResourceTag/team": "THEIRS",
    "aws:RequestTag/team": "THEIRS",
    "aws:ResourceAccount": NOBODY,
    "aws:ResourceOrgID": "o-ZZZZZZZZZZ",
    "aws:ResourceOrgPaths": "o-ZZZZZZZZZZ/r-XX99/ou-XX99-99999999",
    "ec2:Vpc": f"arn:aws:ec2:xx-yyyy-7:{NOBODY}:vpc/THEIRS",
    "kms:ResourceAliases": "alias/THEIRS",
    "secretsmanager:SecretId": f"arn:aws:secretsmanager:xx-yyyy-7:{NOBODY}:secret:THEIRS",
}


@several
@given(st.sampled_from(limitable()), seeds)
def test_conditions_that_limit_nothing_are_found(of: tuple[str, str], rng: random.Random) -> None:
    stranger = filled(of[1], ("aws", "xx-yyyy-7"), NOBODY, "theirs")
    requests: list[dict[str, Any]] = [OTHER_KEYS, {**OTHER_KEYS, **STRANGERS}, {}]
    for _ in OF_EACH:
        statement = allow(of[0], "*", Condition=conditions(rng, {**RESOURCE_KEYS, **OTHER_KEYS}))
        found = errors(rules.judge_permissions([statement]))
        if any(is_allowed(document(statement), of[0], stranger, request) for request in requests):
            assert "iam-resource-wildcard" in found, statement


@several
@given(permitted(), seeds)
def test_permissions_that_iam_cannot_read_are_found(chosen: tuple[str, str], rng: random.Random) -> None:
    statement = allow([chosen[0]], [chosen[1]], Condition={"StringEquals": {"aws:ResourceTag/team": "own"}})
    for _ in OF_EACH:
        policy = document(statement, damaged(rng, statement))
        found = [finding for finding in rules.judge_policy_document(policy) if finding.severity is Severity.ERROR]
        if is_malformed(policy):
            assert any(finding.property.startswith("policy.Statement[1]") for finding in found), policy


# Target roles ------------------------------------------------------------------------------------------------------------


def may_go_on(trust: Mapping[str, Any], request: Mapping[str, Any], *, session_tags: bool) -> bool:
    """Whether the twin lets the associations' role assume its target role."""
    own = documents.permissions(documents.chaining([TARGET], session_tags=session_tags))
    policies = Policies.trust(Policy.parse(trust), Policies(identity=(Policy.parse(own),)))
    actions = rules.TRUST_ACTIONS if session_tags else rules.TRUST_ACTIONS[:1]
    context, owner = Context(request), TARGET.split(":")[4]
    return all(
        evaluate(Request(POD, action, TARGET, context, resource_account=owner), policies).allowed for action in actions
    )


@several
@given(st.lists(clusters, min_size=1, max_size=3, unique=True), clusters, labels, labels, seeds)
def test_target_roles(arns: list[str], elsewhere: str, namespace: str, account: str, rng: random.Random) -> None:
    assume(elsewhere not in arns)
    ids = {arn: documents.external_id(arn, namespace, account) for arn in (*arns, elsewhere)}
    # With session tags, scoped by some of them or by none.
    scope = {"namespaces": [namespace], "service_accounts": [account], "cluster_arns": arns}
    chosen = rng.sample(sorted(scope), k=rng.randint(0, 3))
    by_tags = documents.target_trust(ROLE, **{name: scope[name] for name in chosen})
    by_ids = documents.target_trust(ROLE, external_ids=[ids[arn] for arn in arns])
    for arn in arns:
        request, judged = sent(arn, namespace, account, None), {"role_arn": ROLE, "external_id": ids[arn]}
        assert rules.judge_target_trust(by_tags, **judged, disable_session_tags=False) == []
        assert may_go_on(by_tags, request, session_tags=True)
        assert rules.judge_target_trust(by_ids, **judged, disable_session_tags=True) == []
        assert may_go_on(by_ids, {"sts:ExternalId": ids[arn]}, session_tags=False)
        # An association of the other kind gets no further, unless nothing is asked for, and is told so.
        crossed = errors(rules.judge_target_trust(by_tags, **judged, disable_session_tags=True))
        assert crossed == ({"trust-needs-session-tags"} if chosen else set())
        crossed = errors(rules.judge_target_trust(by_ids, **judged, disable_session_tags=False))
        assert crossed == {"chaining-trust", "chaining-external-id"}
    assert not may_go_on(by_ids, {"sts:ExternalId": ids[elsewhere]}, session_tags=False)
    theirs = {"role_arn": ROLE, "external_id": ids[elsewhere], "disable_session_tags": True}
    assert errors(rules.judge_target_trust(by_ids, **theirs)) == {"chaining-external-id"}


@several
@given(clusters, labels, labels, seeds)
def test_external_ids_that_keep_out_or_let_everybody_in_are_found(
    arn: str, namespace: str, account: str, rng: random.Random
) -> None:
    own = documents.external_id(arn, namespace, account)
    (statement,) = documents.target_trust(ROLE, external_ids=[own])["Statement"]
    for _ in OF_EACH:
        trust = document({**statement, "Condition": conditions(rng, {"sts:ExternalId": own})})
        found = rules.judge_target_trust(trust, role_arn=ROLE, external_id=own, disable_session_tags=True)
        if not may_go_on(trust, {"sts:ExternalId": own}, session_tags=False):
            assert errors(found), trust
        elif may_go_on(trust, {"sts:ExternalId": "XX-99/999/THEIRS/THEIRS/THEIRS"}, session_tags=False):
            assert found, trust


def test_a_target_role_compares_tags_or_an_external_id() -> None:
    with pytest.raises(ValueError, match="one or the other"):
        documents.target_trust(ROLE, external_ids=["x"], namespaces=["y"])
    with pytest.raises(ValueError, match="not the ARN"):
        documents.external_id("demo", "a", "b")


def test_it_is_ten_thousand_and_more() -> None:
    # Of what is built one an example, of what is broken several.
    built = [test_trust_as_it_is_built, test_permissions_that_are_least]
    broken = [
        test for name, test in globals().items() if name.endswith(("_found", "_met", "_no_finding", "_target_roles"))
    ]
    assert len(built) * many.max_examples + len(broken) * several.max_examples * len(OF_EACH) > 10_000
    assert len(broken) == 11
