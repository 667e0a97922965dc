"""Writes the API reference from the docstrings, for `python -m docs.generate`.

What stands after an annotation as a string is the description of that argument or output, as in the component package's
schema. Nothing is imported but the package itself, for what is public.
"""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import pulumi

import components
from components import documents, presets, rules

_INTRODUCTION = """\
# Reference

<!-- Written by `python -m docs.generate` from the docstrings; edit those. -->

Everything here is imported from `eks_pod_identity` where the wheel is installed, and from `components` in this
repository. A component takes its name, its arguments as a mapping, and Pulumi's resource options. `Input[…]` may be an
Output. As a plugin the components have the same arguments in camelCase; its schema is
[components/schema.json](../components/schema.json).
"""

_RULES = """\
## Rules

A finding names its rule in brackets. One that is an `error` stops the preview, one that is a `warning` is only shown.
The rules of good practice are also those of the [policy pack](../policies); `allow` lets those pass that say so, each
with a reason.
"""


def page() -> str:
    """The page of all components, documents and rules."""
    public = [getattr(components, name) for name in components.__all__]
    parts = [_INTRODUCTION, *_contents(public), "## Components\n"]
    for one in public:
        if _is_component(one):
            parts += _component(one)
    parts += ["## Values and errors\n"]
    for one in public:
        if issubclass(one, Enum):
            parts += _enum(one)
        elif issubclass(one, Exception):
            parts += [f"### {one.__name__}\n", _docstring(one)]
    parts += ["## Documents\n", _docstring(documents), *_functions(documents)]
    parts += ["## Presets\n", _docstring(presets), "All of them are in [presets.md](presets.md).\n"]
    parts += [*_functions(presets), *_rules()]
    return "\n".join(parts)


def _contents(public: list[Any]) -> Iterator[str]:
    for one in public:
        if _is_component(one):
            first = _docstring(one).partition("\n\n")[0].replace("\n", " ")
            yield f"- [`{one.__name__}`](#{one.__name__.lower()}): {first.strip()}"
    yield "- [Values and errors](#values-and-errors), [documents](#documents), [presets](#presets), [rules](#rules)\n"


def _is_component(one: Any) -> bool:
    return inspect.isclass(one) and issubclass(one, pulumi.ComponentResource)


def _component(one: type) -> Iterator[str]:
    yield f"### {one.__name__}\n"
    yield _docstring(one)
    args = getattr(components, f"{one.__name__}Args")
    yield f"Arguments, `{args.__name__}`:\n"
    for name, annotation, description in _annotated(args):
        required = "" if annotation.startswith("NotRequired[") else ", required"
        kind = annotation.removeprefix("NotRequired[").removesuffix("]") if not required else annotation
        yield _item(f"`{name}` (`{kind.replace('pulumi.', '')}`{required}): {description}")
    yield "\nOutputs:\n"
    for name, annotation, description in _annotated(one):
        kind = annotation.removeprefix("pulumi.Output[").removesuffix("]")
        yield _item(f"`{name}` (`{kind}`): {description}")
    yield ""


def _enum(one: type[Enum]) -> Iterator[str]:
    yield f"### {one.__name__}\n"
    yield _docstring(one)
    for statement, following in itertools.pairwise(_body(one)):
        match statement, following:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                yield _item(f"`{name}` (`{one[name].value}`): {_flat(text)}")
    yield ""


def _functions(module: ModuleType) -> Iterator[str]:
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if not name.startswith("_") and function.__module__ == module.__name__:
            yield f"### {module.__name__.rpartition('.')[2]}.{name}\n"
            yield f"```python\n{_signature(function)}\n```\n"
            yield _docstring(function)


def _signature(function: Any) -> str:
    source = inspect.getsource(function)
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.FunctionDef)
    return "\n".join(source.splitlines()[: definition.body[0].lineno - 1]).removesuffix(":")


def _annotated(one: type) -> Iterator[tuple[str, str, str]]:
    """Name, annotation and description of each public annotation of a class."""
    for statement, following in itertools.pairwise(_body(one)):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, ast.unparse(statement.annotation), _flat(text)


def _body(one: type) -> list[ast.stmt]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
    assert isinstance(definition, ast.ClassDef)
    return definition.body


def _rules() -> Iterator[str]:
    yield _RULES
    yield "| rule | severity | `allow` | asks for | the same in |"
    yield "|---|---|---|---|---|"
    for name, rule in sorted(rules.RULES.items()):
        elsewhere = [f"CIS {one}" for one in rule.cis] + [*rule.checkov, *rule.security_hub]
        allow = "yes" if rules.is_allowable(name) else ""
        yield f"| `{name}` | {rule.severity} | {allow} | {rule.title} | {', '.join(elsewhere)} |"
    others = {name: severity for name, severity in _other_rules().items() if name not in rules.RULES}
    yield "\nThe others are of names, sizes and forms that AWS, Kubernetes or the components would refuse:\n"
    yield "| rule | severity |"
    yield "|---|---|"
    for name, severity in sorted(others.items()):
        yield f"| `{name}` | {severity} |"
    yield ""


def _other_rules() -> dict[str, rules.Severity]:
    """The ids of all findings in the package: those given to `Finding`, or to a helper that takes a `rule`."""
    folder = Path(components.__file__).parent
    trees = [ast.parse(file.read_text()) for file in sorted(folder.rglob("*.py"))]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    takes_rule = {"Finding": 0} | {
        node.name: [argument.arg for argument in node.args.args].index("rule")
        for node in nodes
        if isinstance(node, ast.FunctionDef) and "rule" in [argument.arg for argument in node.args.args]
    }
    found: dict[str, rules.Severity] = {}
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).rpartition(".")[2]
        given = [*node.args[takes_rule[called] : takes_rule[called] + 1]] if called in takes_rule else []
        given += [keyword.value for keyword in node.keywords if keyword.arg == "rule"]
        for rule in given:
            if isinstance(rule, ast.Constant) and isinstance(rule.value, str):
                warning = "Severity.WARNING" in ast.unparse(node)
                found[rule.value] = rules.Severity.WARNING if warning else found.get(rule.value, rules.Severity.ERROR)
    return found


def _docstring(one: Any) -> str:
    text = inspect.getdoc(one)
    assert text, f"{one!r} says nothing of itself"
    return f"{text}\n"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _item(text: str) -> str:
    return textwrap.fill(f"- {text}", 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
