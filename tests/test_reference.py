# SPDX-License-Identifier: Apache-2.0
"""The oracles stand beside what they wrote, say what made it, and can be run again."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "tests" / "reference").glob("*.R"))
LIBRARY = re.compile(r"library\((\w+)\)|\b(\w+)::")
BASE = {"jsonlite"}  # writes the answers and gives none


def libraries(script):
    code = [line for line in script.read_text("utf-8").splitlines() if not line.startswith("#")]
    return {one or other for one, other in LIBRARY.findall("\n".join(code))}


def test_every_answer_has_its_script():
    answers = (ROOT / "tests" / "reference").glob("*.json")
    assert {path.stem for path in answers} == {script.stem for script in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_answers_hold_the_versions_that_made_them(script):
    made_by = json.loads(script.with_suffix(".json").read_text("utf-8"))["made_by"]

    assert re.match(r"R version \d+\.\d+\.\d+", made_by)
    for library in libraries(script) - BASE:
        assert re.search(rf"\b{library} \d+\.\d+", made_by), library


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_make_says_which_packages_an_oracle_needs(script):
    told = set(re.findall(r"r-cran-(\w+)", (ROOT / "Makefile").read_text("utf-8")))

    assert {library.lower() for library in libraries(script)} - told == set()
