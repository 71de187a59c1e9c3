# SPDX-License-Identifier: Apache-2.0
"""Every requirement has a test that is there, and the page of validation says so."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REQUIREMENTS = tomllib.loads((Path(__file__).parent / "requirements.toml").read_text("utf-8"))[
    "requirements"
]
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


def test_the_page_has_every_requirement_with_its_tests_and_no_failure():
    rows = {}
    for line in PAGE.splitlines():
        cells = [one.strip() for one in line.strip("|").split("|")]
        if re.fullmatch(r"[RS]\d+", cells[0]):
            rows[cells[0]] = cells
    assert list(rows) == [one["id"] for one in REQUIREMENTS]
    for one in REQUIREMENTS:
        _, source, says, names, result = rows[one["id"]]
        assert (source, says) == (one["source"], one["says"])
        assert re.findall(r"`(\w+)`", names) == one["tests"]
        assert re.fullmatch(r"\d+ passed", result)
