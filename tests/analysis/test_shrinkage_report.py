# SPDX-License-Identifier: Apache-2.0
"""The shipped shrinkage plan from ADaM to the page: every display has its numbers."""

import csv
import io
import json
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from radioligand.analysis import analyse
from radioligand.cdisc import together
from radioligand.cli.contents import report_of
from radioligand.report import render

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "shrinkage.json").read_text())
LU, CONTROL = REFERENCE["landmarks"]


@pytest.fixture(scope="module")
def plan() -> list[dict]:
    text = (files("radioligand") / "trials" / "plans" / "shrinkage.toml").read_text("utf-8")
    return tomllib.loads(text)["analyses"]


@pytest.fixture(scope="module")
def rendered(protocol_of, subjects, scans, dated, responses, plan):
    """The report of the subjects that R judged, by the shipped plan; one in four responds."""
    rows, seen = REFERENCE["subject"], REFERENCE["scans"]
    names = [f"{i:03}" for i in range(1, len(rows["arm"]) + 1)]
    changes = list(zip(seen["subject"], seen["day"], seen["change"], strict=True))
    ages = [40.0 + i % 40 for i in range(len(names))]
    sexes = ["F" if i % 2 else "M" for i in range(len(names))]
    confirmed = [(name, "CBOR", None, "SD" if i % 4 else "PR") for i, name in enumerate(names)]
    adam = {
        "ADSL": subjects(rows["arm"], AGE=ages, SEX=sexes),
        "ADTR": scans(*((names[subject - 1], day, change) for subject, day, change in changes)),
        "ADTTE": dated(*zip(names, rows["day"], rows["event"], strict=True)).vstack(
            dated(
                *(
                    (name, day + 200, not i % 3)
                    for i, (name, day) in enumerate(zip(names, rows["day"], strict=True))
                ),
                name="OS",
            )
        ),
        "ADRS": responses(*((name, "BOR", None, "SD") for name in names), *confirmed),
    }
    protocol = protocol_of(*plan)
    results = analyse(adam, protocol=protocol)
    report = report_of(
        protocol,
        results,
        missing=(),
        findings=together([]),
        cutoff=None,
        simulated=True,
        provenance={},
    )
    return render(results, report=report)


def lines_of(rendered, name):
    return list(csv.reader(io.StringIO(rendered.tables[f"{name}.csv"].removeprefix("\ufeff"))))


def words(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def shown(numbers) -> str:
    """A ratio and its limits, as the tables print them."""
    ratio, lower, upper = (f"{number:.3f}" for number in numbers[:3])
    return f"{ratio} ({lower}–{upper})"


@pytest.mark.by_hand
def test_every_display_of_the_plan_has_numbers(rendered):
    assert rendered.index_html.count('class="reason"') == 1  # of the invariants: none were asked
    assert set(rendered.figures) == {
        "shrinkage-waterfall.svg",
        "shrinkage-waterfall-scatter.svg",
        "shrinkage-landmarks-medians.svg",
        "shrinkage-landmarks-forest.svg",
        "shrinkage-pfs-curve.svg",
        "shrinkage-os-curve.svg",
        "shrinkage-systems-pfs-forest.svg",
        "shrinkage-systems-os-forest.svg",
    }


@pytest.mark.reference
def test_table_and_forest_of_landmarks_show_what_r_found(rendered):
    rows = {row[0]: row[1:] for row in lines_of(rendered, "shrinkage-landmarks")}
    drawn = words(rendered.figures["shrinkage-landmarks-forest.svg"])
    for label, place in (("150 days", 0), ("180 days", 1), ("No limit (naive)", 4)):
        for start, case in ((0, LU[place]), (3, CONTROL[place])):
            told = [f"{case['events']}/{case['n']}", shown(case["ratio"])]
            assert rows[label][start : start + 2] == told
            assert set(told) <= set(drawn)


@pytest.mark.reference
def test_table_of_the_eligible_shows_what_r_counted(rendered):
    lines = lines_of(rendered, "shrinkage-landmarks-eligible")
    start = next(place for place, row in enumerate(lines) if row[0] == "Week 36")
    rows = {row[0].strip(): row[1:] for row in lines[start + 1 : start + 7]}
    lu, control = LU[2], CONTROL[2]

    assert rows["Analysed"] == [str(lu["n"]), str(control["n"])]
    assert [told.split(" ")[0] for told in rows["At risk"]] == [
        str(lu["eligible"]),
        str(control["eligible"]),
    ]
    median = f"{lu['best'][0]:.1f}".replace("-", "−")
    assert rows["Best change, median (range), %"][0].startswith(f"{median} (")


@pytest.mark.reference
def test_table_of_probabilities_is_in_percent_by_shrinkage(rendered):
    lines = lines_of(rendered, "shrinkage-landmarks-probabilities")
    start = next(place for place, row in enumerate(lines) if row[0] == "180 days")
    year = lines[start + 2]
    estimate, lower, upper = (100 * share for share in LU[1]["probability"][:3])
    assert year[:2] == ["  12 months", f"{estimate:.0f} ({lower:.0f}–{upper:.0f})"]


@pytest.mark.reference
def test_curves_and_tables_of_the_groups_name_them_and_warn(rendered):
    case = REFERENCE["thresholds"][0]
    heads, events, median = lines_of(rendered, "shrinkage-pfs")[:3]
    more, less = case["n"]

    assert heads[1:] == [
        f"Lutetium, shrinkage ≥ 30% (n={more})",
        f"Lutetium, shrinkage < 30% (n={less})",
    ]
    assert f" of {less} (" in events[2]
    middle, lower, upper = (f"{number:.1f}" for number in case["median_less"])
    assert median[2] == f"{middle} ({lower}–{upper})"
    assert "a difference between their curves is naive" in rendered.index_html
    assert "Subjects alive (%)" in words(rendered.figures["shrinkage-os-curve.svg"])


@pytest.mark.reference
def test_table_of_response_systems_has_the_naive_ratio_first(rendered):
    lines = lines_of(rendered, "shrinkage-systems-pfs")
    start = next(place for place, row in enumerate(lines) if row[0] == "Modified RECIST (≥ 13%)")
    case = REFERENCE["thresholds"][1]
    ratios = [
        (row[0].strip().split(", ")[1].split(":")[0], row[1]) for row in lines[start + 4 :][:3]
    ]
    assert ratios == [
        ("naive", shown(case["naive"])),
        ("landmark", shown(case["landmark"])),
        ("time-dependent", shown(case["time_dependent"])),
    ]


@pytest.mark.by_hand
def test_the_plan_chooses_the_systems_and_landmarks_of_the_paper(plan):
    by_id = {one["id"]: one for one in plan}
    systems = {one["percent"] for one in by_id["shrinkage-systems-pfs"]["systems"]}
    days = [one["days"] for one in by_id["shrinkage-landmarks"]["landmarks"]]

    assert systems == {30, 50, 13, 25}
    assert days[1:] == [150, 180, 7 * 36, 7 * 48, 7 * 72]
    assert {one["evaluation"] for one in plan} == {"local"}
