"""The checks as policies: one for each rule, with its level, its exemptions and what it is called elsewhere."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyComplianceFramework,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)

from ._checks import FORM, Check, Finding, checks
from ._exemptions import SCHEMA, exemptions
from ._rules import rules
from ._stack import STACK_CHECKS, TYPES, Resource, Stack, StackCheck
from ._values import watched

SUMMARY = "summary"
_SHOWN = 20


@dataclass
class Journal:
    """What the policies for resources saw, what they did not decide, and what they let pass, until the summary has
    told."""

    inputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """By URN. A resource whose provider is not configured yet comes to the policies for stacks without properties."""

    undecided: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    """By URN and property, the policies that asked for it."""
    exempted: set[tuple[str, str, str]] = field(default_factory=set)
    """Policy, URN and reason."""

    def note(self, urn: str, asked: Iterable[str], policy: str) -> None:
        for path in asked:
            self.undecided.setdefault(urn, {}).setdefault(path, set()).add(policy)

    def tell(self) -> list[str]:
        """What there is to tell, in lines, and forget it."""
        lines = [f"{policy} passes {urn}: {reason}" for policy, urn, reason in sorted(self.exempted)]
        later = [
            f"{urn.rpartition('::')[2]} ({urn.split('::')[2].rpartition('$')[2]}): {', '.join(sorted(paths))}"
            for urn, paths in sorted(self.undecided.items())
        ]
        if later:
            policies = {policy for paths in self.undecided.values() for names in paths.values() for policy in names}
            lines.append(
                f"{len(policies)} policies could not decide all of {len(later)} resources, whose values are not known "
                "yet. In the update each resource is judged before it is made, and the stack as a whole after that. "
                "Not known are:"
            )
            lines += later[:_SHOWN]
            if len(later) > _SHOWN:
                lines.append(f"and those of {len(later) - _SHOWN} more")
        self.inputs.clear()
        self.undecided.clear()
        self.exempted.clear()
        return lines


def policies(today: Callable[[], date] = date.today) -> list[Policy]:
    """All policies of the pack, the summary last. `today` says on which day exemptions and versions are judged."""
    journal = Journal()
    every = checks(today)
    made: list[Policy] = [
        _resource_policy(name, [check for check in every if name in check.rules or name == FORM], journal, today)
        for name in [*sorted({rule for check in every for rule in check.rules}), FORM]
    ]
    made += [
        _stack_policy(name, [check for check in STACK_CHECKS if name in check.rules], journal, today)
        for name in sorted({rule for check in STACK_CHECKS for rule in check.rules})
    ]
    return [*made, _summary(journal)]


def _resource_policy(
    name: str, checks: Sequence[Check], journal: Journal, today: Callable[[], date]
) -> ResourceValidationPolicy:
    by_type: dict[str, list[Check]] = {}
    for check in checks:
        for kind in check.types:
            by_type.setdefault(kind, []).append(check)

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type in TYPES:
            journal.inputs[args.urn] = args.props
        for check in by_type.get(args.resource_type, ()):
            asked: set[str] = set()
            findings = check.judge(watched(args.props, asked))
            journal.note(args.urn, asked, name)
            for finding in findings:
                if _policy_of(finding) == name:
                    _judge(name, finding, args.urn, args.get_config(), report, journal, today())

    return ResourceValidationPolicy(validate=validate, **_about(name))


def _stack_policy(
    name: str, checks: Sequence[StackCheck], journal: Journal, today: Callable[[], date]
) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        asked: dict[str, set[str]] = {}
        stack = Stack([_resource(resource, asked, journal.inputs.get(resource.urn)) for resource in args.resources])
        reported: set[tuple[str, str]] = set()
        for check in checks:
            for urn, finding in check.judge(stack):
                if finding.rule == name and (urn, str(finding)) not in reported:
                    reported.add((urn, str(finding)))
                    _judge(name, finding, urn, args.get_config(), report, journal, today())
        for urn, paths in asked.items():
            journal.note(urn, paths, name)

    return StackValidationPolicy(validate=validate, **_about(name))


def _resource(resource: PolicyResource, asked: dict[str, set[str]], inputs: Mapping[str, Any] | None) -> Resource:
    read = resource.resource_type in TYPES
    return Resource(
        resource.urn,
        resource.resource_type,
        watched(resource.props, asked.setdefault(resource.urn, set()), inputs) if read else {},
        [dependency.urn for dependency in resource.dependencies],
        {
            name: [dependency.urn for dependency in dependencies]
            for name, dependencies in resource.property_dependencies.items()
        },
        resource.provider.urn if resource.provider else "",
    )


def _summary(journal: Journal) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        lines = journal.tell()
        if lines:
            report("\n".join(lines), None)

    return StackValidationPolicy(
        SUMMARY,
        "Says which exemptions were used, and what could not be decided at preview.",
        validate,
        EnforcementLevel.ADVISORY,
    )


def _policy_of(finding: Finding) -> str | None:
    if finding.rule in rules.RULES:
        return finding.rule
    # What AWS would refuse is worth a stop, and nothing less is.
    return FORM if finding.severity is rules.Severity.ERROR else None


def _judge(
    name: str, finding: Finding, urn: str, config: Any, report: ReportViolation, journal: Journal, today: date
) -> None:
    # Without the value: secrets come to policies in the clear.
    page = f" See {finding.page}" if finding.page else ""
    message = f"{finding.property}: {finding.reason}. {finding.fix}. [{finding.rule}]{page}"
    for exemption in exemptions(config):
        if exemption.covers(urn):
            problem = exemption.problem(today)
            if not problem:
                journal.exempted.add((name, urn, exemption.reason))
                return
            message += f" ({problem})"
    report(message, urn)


def _about(name: str) -> dict[str, Any]:
    rule = _FORM if name == FORM else rules.RULES[name]
    mandatory = rule.severity is rules.Severity.ERROR
    about: dict[str, Any] = {
        "name": name,
        "description": rule.title,
        "enforcement_level": EnforcementLevel.MANDATORY if mandatory else EnforcementLevel.ADVISORY,
        "severity": Severity.HIGH if mandatory else Severity.LOW,
        "config_schema": SCHEMA,
        "tags": [*(f"CIS-EKS-{number}" for number in rule.cis), *rule.checkov, *rule.security_hub],
    }
    if rule.cis:
        about["framework"] = PolicyComplianceFramework(
            "CIS Amazon EKS Benchmark", "1.8.0", ", ".join(rule.cis), rule.title
        )
    return about


_FORM = rules.Described("Names, forms and sizes are those that AWS and Kubernetes take.", rules.Severity.ERROR)
