"""What every component shares: the package's type tokens, and arguments that are judged before anything is made."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import pulumi
from pulumi.output import Unknown

from . import rules
from .rules import UNKNOWN, Finding, Rule, Severity

PACKAGE = "eks-pod-identity"
"""The Pulumi package of all components here; every type token begins with it."""

T = TypeVar("T")


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
    where: str, rule: Rule, args: Mapping[str, Any], allow: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Judge arguments by a rule: the plain ones now, those that are Outputs as soon as they are known.

    Returns the arguments, the same where they are plain. Where they are Outputs they come back as Outputs that fail
    with `InvalidArgs` when the rule finds something, so that no resource built on them is ever made from a bad value.

    `allow` is the component's argument of that name: findings of the rules that it names pass, and are logged with the
    reason that it gives. What is wrong with `allow` itself is a finding, and so is what lets nothing pass.
    """
    allow = _checked(where, allow)
    pending = {key: value for key, value in args.items() if _has_output(value)}
    passed = refuse(where, rule(**{**args, **dict.fromkeys(pending, UNKNOWN)}), allow)
    if not pending:
        _warn_of_unneeded(where, allow, passed)
        return dict(args)

    def judge(resolved: Any) -> Any:
        values = {**args, **_without_unknowns(resolved)}
        # What passed before has been logged.
        needed = refuse(where, rule(**values), allow, told=passed)
        if not _has_unknown(values):
            _warn_of_unneeded(where, allow, needed)

    # Unknown values are let through to the rule: at preview the known ones must not escape judgement because of them.
    # What is plain stays so: an Output is several tasks, of which a thousand workloads would have far too many.
    outputs = {
        key: pulumi.Output.from_input(value).apply(lambda v: v, run_with_unknowns=True)
        for key, value in pending.items()
    }
    verdict = pulumi.Output.all(**outputs).apply(judge, run_with_unknowns=True)
    return {**args, **{key: _after(verdict, output) for key, output in outputs.items()}}


def _after(verdict: pulumi.Output[Any], value: pulumi.Output[T]) -> pulumi.Output[T]:
    # Only the verdict's failure is wanted: combined as an Output it would lend its own dependencies to the value.
    async def passed() -> None:
        await verdict.future(with_unknowns=True)

    both = pulumi.Output.all(value, pulumi.Output.from_input(passed()))
    return both.apply(lambda pair: pair[0], run_with_unknowns=True)


def after(value: pulumi.Output[T], *others: pulumi.Output[Any]) -> pulumi.Output[T]:
    """The value, once the others are there too: what takes it also waits for them, without `depends_on`."""
    return pulumi.Output.all(value, *others).apply(lambda resolved: resolved[0])


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


def _has_output(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_output(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_has_output(item) for item in value)
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
