# SPDX-License-Identifier: Apache-2.0
"""Write docs/validation.md: requirement, tests, result of a run.

python -m pytest tests/service tests/allocation tests/test_dose_rules.py --junitxml=results.xml
python tests/service/validation.py results.xml
"""

import sys
import tomllib
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "validation.md"
OUTCOMES = ("error", "failure", "skipped")
HEAD = """# Validation of the portal

What a regulator asks of a system that randomises and decides doses, in our own words, and the
tests that show it. The table is written by `tests/service/validation.py` from
`tests/service/requirements.toml` and the results of a run; a requirement without a test, or a test
that is gone, fails the build. The points are those of 21 CFR Part 11, ICH E6(R3) section 4 and the
EMA guideline on computerised systems as we read them; a sponsor validates its own configuration.

| | asked by | requirement | tests | result |
|---|---|---|---|---|
"""


def requirements() -> list[dict]:
    return tomllib.loads((HERE / "requirements.toml").read_text("utf-8"))["requirements"]


def results(runs: list[Path]) -> dict[str, Counter]:
    """Count the outcomes of each test function or class by its name; a later run counts anew."""
    outcomes: dict[tuple[str, str], str] = {}
    for case in (case for run in runs for case in ElementTree.parse(run).iter("testcase")):
        outcome = next((one for one in OUTCOMES if case.find(one) is not None), "passed")
        outcomes[case.attrib["classname"], case.attrib["name"]] = outcome
    found: dict[str, Counter] = {}
    for (group, name), outcome in outcomes.items():
        for known in (name.partition("[")[0], group.rpartition(".")[2]):
            found.setdefault(known, Counter())[outcome] += 1
    return found


def told(tests: list[str], found: dict[str, Counter]) -> str:
    total = sum((found.get(one, Counter({"missing": 1})) for one in tests), Counter())
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(total.items()))


def page(found: dict[str, Counter]) -> str:
    rows = []
    for one in requirements():
        names = "<br>".join(f"`{test}`" for test in one["tests"])
        cells = (one["id"], one["source"], one["says"], names, told(one["tests"], found))
        rows.append(f"| {' | '.join(cells)} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(results([Path(one) for one in sys.argv[1:]])), "utf-8")
