"""What every component shares: the package's type tokens, and arguments that are judged before anything is made."""

import asyncio
import typing
from collections.abc import Awaitable, Callable, Collection, Generator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

import pulumi
from pulumi.output import Unknown

from . import rules
from .rules import UNKNOWN, Finding, Rule, Severity

PACKAGE = "eks-pod-identity"
"""The Pulumi package of all components here; every type token begins with it."""

K = TypeVar("K")
T = TypeVar("T")

_NO_FIXES: Mapping[str, str] = MappingProxyType({})


def token(component: str) -> str:
    """The type token of a component, `eks-pod-identity:index:<component>`."""
    return f"{PACKAGE}:index:{component}"


class InvalidArgs(pulumi.RunError):
    """A component's arguments break rules. The message holds every finding; `findings` has them as data.

    As a `pulumi.RunError` it ends the program with its message and without a stack trace: what is wrong is in the
    configuration, not in the code.
    """

    def __init__(self, where: str, findings: Sequence[Finding]):
        self.findings = list(findings)
        count = f"{len(self.findings)} problem{'s' if len(self.findings) != 1 else ''}"
        super().__init__("\n".join([f"{where}: {count}", *(f"  - {finding}" for finding in self.findings)]))


def validated(
    where: str,
    rule: Rule,
    args: Mapping[str, Any],
    allow: Mapping[str, str] | None = None,
    *,
    declared: type | None = None,
    fixes: Mapping[str, str] = _NO_FIXES,
    present: Collection[str] = (),
) -> dict[str, Any]:
    """Judge arguments by a rule: the plain ones now, those that are Outputs as soon as they are known.

    Returns the arguments, the same where they are plain. Where they are Outputs they come back as Outputs that fail
    with `InvalidArgs` when the rule finds something, so that no resource built on them is ever made from a bad value.

    `allow` is the component's argument of that name: findings of the rules that it names pass, and are logged with the
    reason that it gives. What is wrong with `allow` itself is a finding, and so is what lets nothing pass.

    `declared` is the type of the component's arguments: see `judge_plain`, which `fixes` goes to as well. `present` are
    arguments that may be Outputs, but not of None, because it decides what is made that they are there.
    """
    allow = _checked(where, allow)
    pending = {key: value for key, value in args.items() if _has_output(value)}
    found = judge_plain(declared, args, fixes) if declared is not None else []
    passed = refuse(where, found + rule(**{**args, **{key: _unknown(value) for key, value in pending.items()}}), allow)
    if not pending:
        _warn_of_unneeded(where, allow, passed)
        return dict(args)

    def judge(resolved: Any) -> Any:
        values = {**args, **_without_unknowns(resolved)}
        empty = [
            Finding("plain", said, None, "what is made for it is made, and now it is nothing", f"Leave {said} out")
            for said in present
            if said in pending and values[said] is None
        ]
        # What passed before has been logged.
        needed = refuse(where, empty + rule(**values), allow, told=passed)
        if not _has_unknown(values):
            _warn_of_unneeded(where, allow, needed)

    # Unknown values are let through to the rule: at preview the known ones must not escape judgement because of them.
    # What is plain stays so: an Output is several tasks, of which a thousand workloads would have far too many.
    outputs = {key: _let_unknown(value) for key, value in pending.items()}
    verdict = pulumi.Output.all(**outputs).apply(judge, run_with_unknowns=True)

    def judged(value: Any) -> Any:
        # What is not known of a mapping leaves its keys, and the rest of its values, as they are.
        if isinstance(value, Mapping):
            return {key: judged(item) if _has_output(item) else item for key, item in value.items()}
        return _after(verdict, _let_unknown(value))

    return {**args, **{key: judged(value) for key, value in pending.items()}}


def _let_unknown(value: Any) -> pulumi.Output[Any]:
    return pulumi.Output.from_input(value).apply(lambda v: v, run_with_unknowns=True)


def judge_plain(declared: type, args: Mapping[str, Any], fixes: Mapping[str, str] = _NO_FIXES) -> list[Finding]:
    """Findings on Outputs in the place of arguments that `declared`, a `TypedDict`, has as plain values, and inside of
    those that are plain all through.

    They decide what is made, or how it is called, while the program runs. An Output is true whatever will be in it, so
    that without this one of false would be taken for true. `fixes` says what to write instead, by argument.
    """
    reason = "this decides what is made, so it has to be known when the program runs, and an Output comes later"
    fix = "Give the value itself, as from the stack's configuration"
    return [
        Finding("plain", said, UNKNOWN, reason, fixes.get(said, fix))
        for said, is_output in sorted(_plain_arguments(declared).items())
        if said in args and is_output(args[said])
    ]


@cache
def _plain_arguments(declared: type) -> Mapping[str, Callable[[Any], bool]]:
    """What is an Output where there can be none, by the argument."""
    plain: dict[str, Callable[[Any], bool]] = {}
    for said, hint in declared.__annotations__.items():
        if typing.get_origin(hint) is typing.NotRequired:
            (hint,) = typing.get_args(hint)
        # `pulumi.Input[T]` is T, an Output or another awaitable.
        if hint is not Any and not any(typing.get_origin(one) is Awaitable for one in typing.get_args(hint)):
            plain[said] = _is_output if _takes_outputs(hint) else _has_output
    return plain


def _takes_outputs(hint: Any) -> bool:
    return hint is Any or typing.get_origin(hint) is Awaitable or any(map(_takes_outputs, typing.get_args(hint)))


def _after(verdict: pulumi.Output[Any], value: pulumi.Output[T]) -> pulumi.Output[T]:
    # Only the verdict's failure is wanted: combined as an Output it would lend its own dependencies to the value.
    async def passed() -> None:
        await verdict.future(with_unknowns=True)

    both = pulumi.Output.all(value, pulumi.Output.from_input(passed()))
    return both.apply(lambda pair: pair[0], run_with_unknowns=True)


def after(value: pulumi.Output[T], *others: pulumi.Output[Any]) -> pulumi.Output[T]:
    """The value, once the others are there too: what takes it also waits for them, without `depends_on`."""
    return pulumi.Output.all(value, *others).apply(lambda resolved: resolved[0])


def gathered(outputs: Mapping[K, pulumi.Output[T]]) -> pulumi.Output[dict[K, T]]:
    """All the outputs as one. So does `pulumi.Output.all`, which makes two more Outputs of each: of thousands that is a
    good part of what a program takes."""

    async def gather() -> tuple[set[pulumi.Resource], dict[K, T], bool, bool]:
        resources: set[pulumi.Resource] = set()
        values: dict[K, T] = {}
        known, secret = True, False
        for key, output in outputs.items():
            values[key] = typing.cast(T, await output.future(with_unknowns=True))
            resources |= await output.resources()
            known &= await output.is_known()
            secret |= await output.is_secret()
        return resources, values, known, secret

    data = asyncio.ensure_future(gather())
    return pulumi.Output(_Part(data, 0), _Part(data, 1), _Part(data, 2), _Part(data, 3))


class _Part:
    """Part of what is awaited. Other than a coroutine it may be left alone, as the rest is when the first one fails."""

    def __init__(self, whole: "asyncio.Future[Any]", index: int):
        self._whole, self._index = whole, index

    def __await__(self) -> Generator[Any, None, Any]:
        whole = yield from self._whole.__await__()
        return whole[self._index]


def refuse(
    where: str,
    findings: Sequence[Finding],
    allow: Mapping[str, str] | None = None,
    *,
    told: Collection[str] = (),
) -> set[str]:
    """Raise `InvalidArgs` with all findings that are errors; where there are none, log the warnings.

    Findings that `allow` names by their rule pass, and are logged with its reason, but for the rules in `told`. Returns
    the rules by which some did.
    """
    stay, passed = rules.let_pass(findings, allow or {})
    errors = [finding for finding in stay if finding.severity is Severity.ERROR]
    if errors:
        raise InvalidArgs(where, errors)
    for finding in stay:
        pulumi.log.warn(f"{where}: {finding}")
    for finding in passed:
        if finding.rule not in told:
            pulumi.log.info(f"{where}: allowed, because {(allow or {})[finding.rule]}: {finding}")
    return {finding.rule for finding in passed}


def allowed(args: Mapping[str, Any]) -> pulumi.Output[Mapping[str, str]]:
    """The component's output `allowed`: what its argument `allow` lets pass, with the reasons."""
    return pulumi.Output.from_input(dict(args.get("allow") or {}))


def _checked(where: str, allow: Mapping[str, str] | None) -> Mapping[str, str]:
    refuse(where, rules.judge_allow(allow))
    return allow or {}


def _warn_of_unneeded(where: str, allow: Mapping[str, str], needed: Collection[str]) -> None:
    refuse(where, rules.judge_unneeded(allow, needed))


def _unknown(value: Any) -> Any:
    """A value that has an Output, to be judged without it: of a mapping the keys are known, and values without any."""
    if isinstance(value, Mapping):
        return {key: _unknown(item) if _has_output(item) else item for key, item in value.items()}
    return UNKNOWN


def _has_output(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_output(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_has_output(item) for item in value)
    return _is_output(value)


def _is_output(value: Any) -> bool:
    return isinstance(value, pulumi.Output) or hasattr(value, "__await__")


def _without_unknowns(value: Any) -> Any:
    if isinstance(value, Unknown):
        return UNKNOWN
    if isinstance(value, Mapping):
        return {key: _without_unknowns(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_unknowns(item) for item in value]
    return value


def _has_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_unknown(item) for item in value)
    return value is UNKNOWN
