# SPDX-License-Identifier: Apache-2.0
"""Every requirement has a test that is there, and the page of validation says so."""

import ast
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REQUIREMENTS = tomllib.loads((Path(__file__).parent / "requirements.toml").read_text("utf-8"))[
    "requirements"
]
FOUND = importlib.util.spec_from_file_location(
    "validation", Path(__file__).parent / "validation.py"
)
validation = importlib.util.module_from_spec(FOUND)
FOUND.loader.exec_module(validation)
PAGE = (ROOT / "docs" / "validation.md").read_text("utf-8")


def names_of_tests():
    """Names of every test function, and of everything assigned at the top of a test file."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                yield node.name
            elif isinstance(node, ast.Assign):
                yield from (one.id for one in node.targets if isinstance(one, ast.Name))


THERE = set(names_of_tests())
POINTS = [f"R{number}" for number in range(1, 20)]  # of Part 11, ICH E6(R3) and the EMA, as read
OURS = [f"S{number}" for number in range(1, 6)]


def test_no_point_of_the_regulators_is_left_out():
    assert [one["id"] for one in REQUIREMENTS] == POINTS + OURS


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=[one["id"] for one in REQUIREMENTS])
def test_every_requirement_has_tests_that_are_there(requirement):
    assert requirement["tests"]
    assert [one for one in requirement["tests"] if one not in THERE] == []


def test_the_page_is_the_one_that_the_requirements_give():
    assert validation.page() == PAGE


def run_of(tmp_path, outcomes):
    """What pytest writes of a run in which each test of the requirements ended in some way."""
    cases = "".join(
        f'<testcase classname="tests.some" name="{name}">{outcomes.get(name, "")}</testcase>'
        for name in sorted({test for one in REQUIREMENTS for test in one["tests"]})
        if outcomes.get(name) != "gone"
    )
    path = tmp_path / "results.xml"
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", "utf-8")
    return validation.results([path])


def test_a_run_in_which_all_passed_shows_every_requirement(tmp_path):
    found = run_of(tmp_path, {})
    told = validation.page(found, stamp="Commit `abc`.\n\n")

    assert validation.faults(found) == []
    assert "Commit `abc`." in told
    assert len(re.findall(r"\| \d+ passed \|$", told, re.MULTILINE)) == len(REQUIREMENTS)


@pytest.mark.parametrize(
    ("outcome", "says"),
    [("<failure/>", "1 failure"), ("<skipped/>", "1 skipped"), ("gone", "1 missing")],
)
def test_a_requirement_whose_test_did_not_pass_is_named(tmp_path, outcome, says):
    found = run_of(tmp_path, {"test_an_edit_breaks_the_chain": outcome})
    assert validation.faults(found) == [f"R1: test_an_edit_breaks_the_chain {says}"]
