# SPDX-License-Identifier: Apache-2.0
"""Tables of safety and quality of life as they are printed, from results written by hand."""

import csv
import io

import polars as pl
import pytest

from radioligand.analysis import SCHEMA
from radioligand.report import Arm, Display, Report, render

ARMS = (Arm("LU", "Lutetium arm", "Lu"), Arm("CONTROL", "Control arm", "Control"))


def row(statistic, value=None, **keys):
    return dict.fromkeys(SCHEMA) | {"analysis": "a", "statistic": statistic, "value": value} | keys


def lines(kind: str, *rows: dict) -> list[list[str]]:
    """The rows of a display's table as texts, its heads left out."""
    display = Display(name="a", analysis="a", kind=kind, title="T", section="S")
    report = Report(title="A trial", arms=ARMS, displays=(display,), simulated=False)
    sizes = [row("n", 50.0, arm=arm) for arm in ("LU", "CONTROL")]
    results = pl.DataFrame([*sizes, *rows], schema=SCHEMA)
    text = render(results, report=report).tables["a.csv"].removeprefix("\ufeff")
    return list(csv.reader(io.StringIO(text)))[1:]


def counted(arm: str, count: float, **keys) -> list[dict]:
    return [row("count", count, arm=arm, **keys), row("percent", 2 * count, arm=arm, **keys)]


@pytest.mark.by_hand
def test_classes_set_their_terms_in_and_print_grades_beside_all():
    rows = []
    for variable, indent, text in (("Gut", 0.0, "Gut"), ("Gut: Nausea", 1.0, "Nausea")):
        rows.append(row("label", indent, variable=variable, text=text))
        for level, number in (("all grades", 5.0), ("grade 1", 3.0), ("grade 3", 2.0)):
            rows += counted("LU", number, variable=variable, level=level)
    found = lines("adverse-event-classes", *rows)
    assert found[0][:7] == ["Gut", "5 (10%)", "3", "NA", "2", "NA", "NA"]
    assert found[1][0] == "  Nausea"


@pytest.mark.by_hand
def test_rates_stand_beside_their_subjects_and_events():
    key = {"arm": "LU", "variable": "any"}
    rates = [
        row(f"{name}{end}", value, **key)
        for name in ("incidence_rate", "event_rate")
        for end, value in (("", 20.04), ("_lower", 13.7), ("_upper", 28.0))
    ]
    found = lines(
        "adverse-event-rates", row("label", variable="any", text="Any"),
        row("count", 33.0, **key), row("event_count", 36.0, **key), *rates,
    )  # fmt: skip
    assert found[0][:5] == ["Any", "33", "20.0 (13.7–28.0)", "36", "20.0 (13.7–28.0)"]


@pytest.mark.by_hand
def test_a_late_event_lists_its_cases_under_their_arm():
    at = {"arm": "LU", "time_days": 24 * 30.4375}
    found = lines(
        "competing-risks",
        row("events", 1.0, arm="LU"), row("events_percent", 2.0, arm="LU"),
        row("competing", 7.0, arm="LU"), row("censored", 42.0, arm="LU"),
        row("incidence_at", 2.04, **at), row("incidence_at_lower", 0.2, **at),
        row("incidence_at_upper", 9.4, **at),
        row("incidence_at", 0.0, arm="CONTROL", time_days=24 * 30.4375),
        row("gray_p", 0.2031, arm="LU v CONTROL"),
        row("onset", 14.1, arm="LU", subject="001", time_days=429.0),
    )  # fmt: skip
    by_label = {each[0].strip(): each[1:] for each in found}
    assert by_label["Subjects with the event"] == ["1 (2%)", "NA"]
    assert by_label["At 24 months"] == ["2.0 (0.2–9.4)", "0"]
    assert by_label["Gray's test"] == ["0.2031", ""]
    assert by_label["001"] == ["14.1", ""]


@pytest.mark.by_hand
def test_deaths_set_their_causes_in():
    rows = [row("label", variable="during", text="In the treatment period")]
    rows += counted("LU", 2.0, variable="during")
    rows += counted("LU", 2.0, variable="during", level="DISEASE UNDER STUDY")
    found = lines("deaths", *rows)
    assert found[0][:2] == ["In the treatment period", "2 (4%)"]
    assert found[1][:2] == ["  Disease under study", "2 (4%)"]


def grades(*, before: str = "") -> list[dict]:
    key = {"arm": "LU", "variable": "PLAT low"}
    rows = [row("label", variable="PLAT low", text="Low platelets"), row("evaluated", 50.0, **key)]
    for grade, number in enumerate((40.0, 5.0, 3.0, 2.0, 0.0)):
        rows += counted("LU", number, variable="PLAT low", level=f"{before}grade {grade}")
    return rows


@pytest.mark.by_hand
def test_laboratory_tables_print_subjects_by_grade():
    severe = counted("LU", 2.0, variable="PLAT low", level="grade >= 3")
    worst = lines("laboratory-grades", *grades(), *severe)
    assert worst[0][:8] == ["Low platelets (PLAT)", "50", "40", "5", "3", "2", "0", "2 (4%)"]

    for kind, before, label in (
        ("laboratory-shift", "baseline 1: ", "  Baseline 1"),
        ("laboratory-cycles", "cycle 2: ", "  Cycle 2"),
    ):
        found = lines(kind, *grades(before=before))
        assert found[0][0] == "Low platelets (PLAT)"
        assert found[1][:6] == [label, "40", "5", "3", "2", "0"]


@pytest.mark.by_hand
def test_dose_decisions_stand_before_the_rules_behind_them():
    key = {"variable": "ADMINISTERED", "level": "HOLD"}
    rule = {"arm": "LU", "variable": "rule low"}
    found = lines(
        "dose-decisions",
        row("label", variable="ADMINISTERED", text="Given"),
        row("label", text="Hold", **key),
        *counted("LU", 3.0, **key), row("departed", 2.0, arm="LU", **key),
        row("label", variable="rule low", text="Low (assumed)"),
        *counted("LU", 3.0, variable="rule low"), row("departed", 1.0, **rule),
    )  # fmt: skip
    assert [each[:3] for each in found[1:]] == [
        ["  Hold", "3 (6%)", "2"],
        ["Rule behind a decision", "", ""],
        ["  Low (assumed)", "3 (6%)", "1"],
    ]


@pytest.mark.by_hand
def test_quality_of_life_says_the_direction_and_the_model_compares():
    at = {"arm": "LU", "variable": "QL2", "time_days": 84.0}
    found = lines(
        "quality-of-life",
        row("label", variable="QL2", text="Global", method="lower is worse"),
        row("change_n", 40.0, **at), row("mean_change", -2.0, **at),
        row("mean_change_lower", -4.0, **at), row("mean_change_upper", 0.0, **at),
    )  # fmt: skip
    assert found[0][0] == "Global (lower is worse)"
    assert found[2][:3] == ["  Change at week 12", "40", "−2.0 (−4.0 to 0.0)"]

    pair = {"arm": "LU v CONTROL", "variable": "QL2", "time_days": 84.0}
    model = lines(
        "repeated-measures", row("forms", 40.0, **at), row("ls_mean", -2.0, **at),
        row("ls_mean_lower", -4.0, **at), row("ls_mean_upper", 0.0, **at),
        row("ls_difference", 1.0, **pair), row("ls_difference_lower", -1.0, **pair),
        row("ls_difference_upper", 3.0, **pair), row("ls_difference_p", 0.3, **pair),
    )  # fmt: skip
    assert model[0][0:3] == ["Week 12", "40", "−2.0 (−4.0 to 0.0)"]
    assert model[0][-2:] == ["1.0 (−1.0 to 3.0)", "0.3000"]
