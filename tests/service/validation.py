# SPDX-License-Identifier: Apache-2.0
"""Requirement, tests, result of a run: the page of the repository, and the record of one run.

python tests/service/validation.py                 writes docs/validation.md, without results
python tests/service/validation.py results.xml     holds a run against it: what pytest
                                                   --junitxml wrote, to validation-run.md
"""

import subprocess
import sys
import tomllib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "validation.md"
OUTCOMES = ("error", "failure", "skipped")
HEAD = """# Validation of the portal

What a regulator asks of a system that randomises and decides doses, in our own words, and the
tests that show it. The table is written by `tests/service/validation.py` from
`tests/service/requirements.toml`; a requirement without a test, or a test that is gone, fails the
build. `make validation` holds the results of `make test` against it and writes `validation-run.md`
with commit and time; a requirement of which a test did not run or did not pass fails it. The points
are those of 21 CFR Part 11, ICH E6(R3) section 4 and the EMA guideline on computerised systems as
we read them; a sponsor validates its own configuration.
"""
CELLS = ("", "asked by", "requirement", "tests")
ROOT = HERE.parents[1]


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
    """Tell how the tests of a requirement ended; a test that did not run is missing."""
    total = sum((found.get(one, Counter({"missing": 1})) for one in tests), Counter())
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(total.items()))


def faults(found: dict[str, Counter]) -> list[str]:
    """Name every test of a requirement that did not run, or did anything but pass."""
    return [
        f"{one['id']}: {test} {told([test], found)}"
        for one in requirements()
        for test in one["tests"]
        if set(found.get(test, {"missing": 1})) != {"passed"}
    ]


def page(found: dict[str, Counter] | None = None, *, stamp: str = "") -> str:
    """Return the page: with the results of a run and its stamp, or, without a run, neither."""
    lines = []
    for one in requirements():
        names = "<br>".join(f"`{test}`" for test in one["tests"])
        cells = (one["id"], one["source"], one["says"], names)
        lines.append(cells if found is None else (*cells, told(one["tests"], found)))
    head = CELLS if found is None else (*CELLS, "result")
    rows = [head, ("---",) * len(head), *lines]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"{HEAD}\n{stamp}{table}"


def stamp_of(now: datetime) -> str:
    """Return which commit was run, when, and whether the tree was the commit's."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40"]
    commit = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    return f"Commit `{commit}`, run held against this page on {now:%Y-%m-%d %H:%M} UTC.\n\n"


def main(runs: list[Path]) -> None:
    if not runs:
        PAGE.write_text(page(), "utf-8")
        return
    found = results(runs)
    (ROOT / "validation-run.md").write_text(page(found, stamp=stamp_of(datetime.now(UTC))), "utf-8")
    if broken := faults(found):
        raise SystemExit("\n".join(["requirements that this run does not show:", *broken]))


if __name__ == "__main__":
    main([Path(one) for one in sys.argv[1:]])
