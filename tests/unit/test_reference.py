"""The reference page is what the docstrings say, and leaves nothing out."""

import re
from pathlib import Path

import pytest

import components
from components import rules
from docs import reference
from docs.generate import FOLDER


@pytest.fixture(scope="module")
def page() -> str:
    return reference.page()


def test_the_committed_page_is_current(page: str) -> None:
    assert (FOLDER / "reference.md").read_text() == page, "run `python -m docs.generate`"


def test_all_that_is_public_is_on_it(page: str) -> None:
    for name in components.__all__:
        assert f"`{name}`" in page, name
        if name.endswith("Args") and name != "InvalidArgs":
            section = page.partition(f"Arguments, `{name}`:")[2].partition("Outputs:")[0]
            listed = re.findall(r"^- `(\w+)` ", section, re.MULTILINE)
            # One without a description would be missing.
            assert listed == list(getattr(components, name).__annotations__), name


def test_all_outputs_are_on_it(page: str) -> None:
    for component in filter(reference._is_component, (getattr(components, name) for name in components.__all__)):
        section = page.partition(f"### {component.__name__}\n")[2].partition("Outputs:")[2].partition("\n###")[0]
        assert re.findall(r"^- `(\w+)` ", section, re.MULTILINE) == list(component.__annotations__), component


def test_all_rules_are_on_it_with_their_severity(page: str) -> None:
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| (error|warning) \|", page, re.MULTILINE))
    assert {name: rule.severity for name, rule in rules.RULES.items()}.items() <= listed.items()
    # Some whose id goes through a helper, and some that are named where they are found.
    assert {"cluster-name", "agent-version", "network-cidr", "preset-scope", "workload-role"} <= listed.keys()


def test_its_links_lead_somewhere(page: str) -> None:
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", page, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", page):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("https://"):
            assert (Path(reference.__file__).parent / target).exists(), target
