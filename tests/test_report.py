# SPDX-License-Identifier: Apache-2.0
"""The report: numbers as NETTER-2 prints them, tables with their traces, one safe page."""

import csv
import io
import os
import re
import shutil
import subprocess
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radioligand.report import (
    Arm,
    Display,
    Finding,
    MissingDomain,
    Policy,
    Report,
    formatting,
    headline,
    render,
)

ARMS = (Arm("LU", "Lutetium arm", "Lu"), Arm("CONTROL", "Control arm", "Control"))
SCHEMA = {
    "analysis": pl.String,
    "dataset": pl.String,
    "where": pl.String,
    "population": pl.String,
    "parameter": pl.String,
    "arm": pl.String,
    "variable": pl.String,
    "level": pl.String,
    "subject": pl.String,
    "time_days": pl.Float64,
    "statistic": pl.String,
    "value": pl.Float64,
    "text": pl.String,
    "unit": pl.String,
    "method": pl.String,
}


def frame(*rows):
    return pl.DataFrame([dict.fromkeys(SCHEMA) | row for row in rows], schema=SCHEMA)


def row(analysis, statistic, value=None, **keys):
    return {"analysis": analysis, "statistic": statistic, "value": value, **keys}


def report_of(*displays, simulated=False, **more):
    return Report(title="A trial", arms=ARMS, displays=displays, simulated=simulated, **more)


def shown(name, analysis, kind, **more):
    return Display(name=name, analysis=analysis, kind=kind, title="Title", section="S", **more)


def lines_of(rendered, name):
    """The CSV of a table as lists of texts."""
    return list(csv.reader(io.StringIO(rendered.tables[f"{name}.csv"].removeprefix("\ufeff"))))


# --- numbers to text


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (12.5, 0, "13"),  # half away from zero, not to even
        (-12.5, 0, "−13"),
        (2.675, 2, "2.68"),  # binary 2.67499999…
        (100 * 7 / 56, 0, "13"),  # 12.5
        (-0.04, 1, "0.0"),  # no negative nought
        (0.276, 3, "0.276"),
        (None, 1, "NE"),
        (float("nan"), 1, "NE"),
        (float("inf"), 1, "NE"),
    ],
)
def test_rounding_is_half_away_from_zero(value, decimals, expected):
    assert formatting.rounded(value, decimals) == expected


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("number", "of", "expected"),
    [  # NETTER-2, tables 1 and 4
        (81, 151, "81 (54%)"),
        (1, 147, "1 (<1%)"),
        (69, 73, "69 (95%)"),
        (0, 73, "0"),
        (2, 2, "2 (100%)"),
        (999, 1000, "999 (>99%)"),
        (12345, 12345, "12\u202f345 (100%)"),
    ],
)
def test_counts_and_percentages_as_the_paper_prints_them(number, of, expected):
    assert formatting.count_percent(number, 100 * number / of) == expected


@pytest.mark.by_hand
def test_intervals_as_the_paper_prints_them():
    assert formatting.with_interval(22.8, 19.4, None) == "22.8 (19.4–NE)"
    assert formatting.with_interval(None, 2.3, None) == "NE (2.3–NE)"
    assert formatting.with_interval(19.4, None, None) == "19.4 (NE–NE)"
    assert formatting.with_interval(None, None, None) == "NE"
    assert formatting.hazard_ratio(0.276, 0.182, 0.418) == "0.276 (0.182–0.418)"
    assert formatting.span(-3.14, 12.4) == "−3.1 to 12.4"


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("value", "expected", "in_a_sentence"),
    [
        (2.3e-10, "<0.0001", "p<0.0001"),
        (0.0001, "0.0001", "p=0.0001"),
        (0.03125, "0.0313", "p=0.0313"),
        (0.99995, ">0.9999", "p>0.9999"),
        (None, "NE", "p=NE"),
    ],
)
def test_p_values(value, expected, in_a_sentence):
    assert formatting.p_value(value) == expected
    assert formatting.p_equals(value) == in_a_sentence


@pytest.mark.by_hand
def test_dates_in_words_and_partial_dates_as_they_came():
    assert formatting.long_date("2023-07-20") == "20 July 2023"
    assert formatting.long_date("2023-07") == "2023-07"


@pytest.mark.law
@given(st.floats(-1e9, 1e9), st.integers(0, 4))
def test_what_is_printed_lies_within_half_a_unit_of_the_last_place(value, decimals):
    printed = float(formatting.rounded(value, decimals).replace("−", "-"))
    assert abs(printed - value) <= 0.5000001 * 10**-decimals + 1e-11 * abs(value)


# --- tables

BASELINE = frame(
    row("baseline", "n", 151.0, arm="LU"),
    row("baseline", "n", 75.0, arm="CONTROL"),
    row("baseline", "n", 226.0, arm="ALL"),
    row("baseline", "label", variable="AGE", text="Age, years"),
    *(
        row("baseline", statistic, value, variable="AGE", arm=arm, dataset="ADSL")
        for arm, values in {"LU": (61.0, 51.0, 72.0), "CONTROL": (60.0, 51.0, 69.0)}.items()
        for statistic, value in zip(("median", "q1", "q3"), values, strict=True)
    ),
    row("baseline", "min", 21.0, variable="AGE", arm="LU"),
    row("baseline", "max", 88.0, variable="AGE", arm="LU"),
    row("baseline", "missing", 2.0, variable="AGE", arm="CONTROL"),
    row("baseline", "label", variable="SEX", text="Sex"),
    row("baseline", "count", 81.0, variable="SEX", level="M", arm="LU", method="count"),
    row("baseline", "percent", 100 * 81 / 151, variable="SEX", level="M", arm="LU", unit="%"),
    row("baseline", "count", 121.0, variable="SEX", level="M", arm="ALL"),
    row("baseline", "percent", 100 * 121 / 226, variable="SEX", level="M", arm="ALL", unit="%"),
    row("baseline", "count", 1.0, variable="SEX", level="F", arm="CONTROL"),
    row("baseline", "percent", 100 / 151, variable="SEX", level="F", arm="CONTROL", unit="%"),
    row("baseline", "count", 37.0, variable="METBONE", level="Y", arm="LU"),
    row("baseline", "count", 114.0, variable="METBONE", level="N", arm="LU"),
)


@pytest.mark.by_hand
def test_baseline_table():
    table = shown("base", "baseline", "baseline", groups={"Site of metastases": ("METBONE",)})

    found = lines_of(render(BASELINE, report=report_of(table)), "base")

    assert found == [
        ["", "Lutetium arm (n=151)", "Control arm (n=75)", "All subjects (n=226)"],
        ["Age, years", "61 (51–72)", "60 (51–69)", "NA"],
        ["  Missing", "NA", "2", "NA"],
        ["Sex", "", "", ""],
        ["  Male", "81 (54%)", "NA", "121 (54%)"],
        ["  Female", "NA", "1 (<1%)", "NA"],
        ["Site of metastases", "", "", ""],
        ["  METBONE", "37", "NA", "NA"],
    ]


@pytest.mark.by_hand
def test_a_number_can_be_traced_to_its_records_at_full_precision():
    page = render(BASELINE, report=report_of(shown("base", "baseline", "baseline"))).index_html

    cell = re.search(r"<td[^>]*>81 \(54%\)</td>", page)[0]

    assert 'data-analysis="baseline"' in cell
    assert 'data-statistic="count; percent"' in cell
    assert 'data-value="81.0; 53.64238410596027"' in cell
    assert 'data-method="count"' in cell
    assert "statistic: count; percent" in cell  # the title, for a reader without scripts


@pytest.mark.by_hand
def test_the_tab_key_stops_once_in_a_table_and_arrows_reach_the_other_numbers():
    page = render(BASELINE, report=report_of(shown("base", "baseline", "baseline"))).index_html
    stops = re.findall(r'<td tabindex="(-?\d)"', page)
    assert stops[0] == "0"
    assert set(stops[1:]) == {"-1"}


@pytest.mark.by_hand
def test_a_measure_is_printed_as_mean_and_deviation_where_its_label_wants_it():
    results = frame(
        row("b", "label", variable="AGE", text="Age, years", method="mean (SD)"),
        row("b", "median", 61.0, variable="AGE", arm="LU"),
        row("b", "mean", 63.25, variable="AGE", arm="LU"),
        row("b", "sd", 9.04, variable="AGE", arm="LU"),
        row("b", "not_available", variable="BMI", text="ADSL has no BMI"),
    )
    rendered = render(results, report=report_of(shown("b", "b", "baseline")))
    assert lines_of(rendered, "b")[1:] == [["Age, years", "63.3 (9.0)"], ["BMI", "ADSL has no BMI"]]
    assert "Data are mean (SD) or n (%)." in rendered.index_html


def rate_rows(arm, count, percent, lower, upper):
    key = {"arm": arm, "variable": "ORR", "level": "objective_response"}
    values = {"count": count, "percent": percent, "lower": lower, "upper": upper}
    return [row("orr", name, value, **key) for name, value in values.items()]


ORR = frame(
    row("orr", "n", 151.0, arm="LU"),
    row("orr", "n", 75.0, arm="CONTROL"),
    row("orr", "count", 8.0, variable="BOR", level="NE", arm="LU"),
    row("orr", "count", 57.0, variable="BOR", level="PR", arm="LU"),
    *rate_rows("LU", 65.0, 43.046, 35.03, 51.34),
    *rate_rows("CONTROL", 7.0, 9.333, 3.84, 18.29),
    row("orr", "difference", 33.71, variable="ORR", arm="LU v CONTROL"),
    row("orr", "difference_lower", 23.4, variable="ORR", arm="LU v CONTROL"),
    row("orr", "difference_upper", 44.0, variable="ORR", arm="LU v CONTROL"),
    row("orr", "odds_ratio", 7.81, variable="ORR", arm="LU v CONTROL"),
    row("orr", "odds_ratio_lower", 3.32, variable="ORR", arm="LU v CONTROL"),
    row("orr", "odds_ratio_upper", 18.4, variable="ORR", arm="LU v CONTROL"),
    row("orr", "p_value", 3e-7, variable="ORR", arm="LU v CONTROL"),
)


@pytest.mark.by_hand
def test_response_table_as_table_3_of_netter_2():
    found = lines_of(render(ORR, report=report_of(shown("orr", "orr", "response"))), "orr")

    assert found[1:] == [
        ["Best overall response", "", ""],
        ["  Partial response", "57", "NA"],  # in RECIST's order, not the frame's
        ["  Unknown", "8", "NA"],
        ["Objective response rate", "65 (43.0%; 95% CI 35.0–51.3)", "7 (9.3%; 95% CI 3.8–18.3)"],
        ["  Difference, percentage points (95% CI)", "33.7 (23.4–44.0)", ""],
        ["  Odds ratio (95% CI)", "7.81 (3.32–18.40)", ""],
        ["  p value", "<0.0001", ""],
    ]


def survival_rows(analysis="pfs"):
    medians = {"LU": (22.8, 19.4, None), "CONTROL": (8.5, 7.7, 13.8)}
    for (arm, values), n, events in zip(medians.items(), (151, 75), (55, 46), strict=True):
        yield row(analysis, "n", float(n), arm=arm)
        yield row(analysis, "events", float(events), arm=arm)
        for name, value in zip(("median", "median_lower", "median_upper"), values, strict=True):
            text = None if value else "NE"
            yield row(analysis, name, value, arm=arm, unit="months", text=text)
        yield row(analysis, "survival_at", 0.5, arm=arm, time_days=365.25)
        yield row(analysis, "survival_at_lower", 0.4125, arm=arm, time_days=365.25)
        yield row(analysis, "survival_at_upper", 0.6, arm=arm, time_days=365.25)


COMPARED = [
    row("pfs", name, value, arm="LU v CONTROL", method="stratified")
    for name, value in {
        "hazard_ratio": 0.276,
        "hazard_ratio_lower": 0.182,
        "hazard_ratio_upper": 0.418,
        "logrank_p": 2.3e-10,
    }.items()
]
TIMES = frame(*survival_rows(), *COMPARED)


@pytest.mark.by_hand
def test_times_to_event_with_a_bound_that_is_not_estimated():
    display = shown("times", "pfs", "time-to-event", also=("dor", "os"))
    dor = frame(row("dor", "reason", text="no responder in arm CONTROL"))

    found = lines_of(render(pl.concat([TIMES, dor]), report=report_of(display)), "times")

    assert found[1:] == [
        ["pfs", "", ""],
        ["  Subjects with an event", "55 of 151", "46 of 75"],
        ["  Median, months (95% CI)", "22.8 (19.4–NE)", "8.5 (7.7–13.8)"],
        ["  Event-free at 12 months, % (95% CI)", "50.0 (41.3–60.0)", "50.0 (41.3–60.0)"],
        ["  Hazard ratio (95% CI)", "0.276 (0.182–0.418)", ""],
        ["  Log-rank p value", "<0.0001", ""],
        ["dor", "", ""],
        ["  Not analysed", "no responder in arm CONTROL", ""],
        ["os", "", ""],
        ["  Not analysed", "The results hold no analysis 'os'.", ""],
    ]


@pytest.mark.by_hand
def test_an_arm_without_events_has_no_hazard_ratio_and_the_table_says_so():
    reason = "not estimable: no events in arm LU"
    told = row("pfs", "hazard_ratio", arm="LU v CONTROL", text=reason)
    results = frame(*survival_rows(), told)
    found = lines_of(render(results, report=report_of(shown("t", "pfs", "time-to-event"))), "t")
    assert ["Hazard ratio (95% CI)", reason, ""] in found


@pytest.mark.by_hand
def test_censoring_rules_side_by_side_with_their_reasons():
    def rule(endpoint, events, reasons):
        key = {"arm": "LU", "variable": endpoint}
        yield row("s", "n", 10.0, **key)
        yield row("s", "events", events, **key)
        yield row("s", "censored", 10 - events, **key)
        for reason, number in reasons.items():
            yield row("s", "censored", number, level=reason, text="CNSR 2", **key)

    results = frame(
        *rule("PFS", 4.0, {"Cutoff": 5.0, "New therapy": 1.0}),
        *rule("PFSEMA", 5.0, {"Cutoff": 5.0}),
    )
    labels = {"PFS": "FDA", "PFSEMA": "EMA"}

    rendered = render(results, report=report_of(shown("s", "s", "sensitivity"), labels=labels))

    assert lines_of(rendered, "s")[:6] == [
        ["", "FDA | Lu", "EMA | Lu"],
        ["Subjects", "10", "10"],
        ["Events", "4", "5"],
        ["Censored", "6", "5"],
        ["  Cutoff", "5", "5"],
        ["  New therapy", "1", "–"],  # a reason that the second rule does not know
    ]


@pytest.mark.by_hand
def test_the_chain_of_tests_shows_where_it_stopped():
    chain = (("pfs", 1e-9, "significant"), ("orr", 0.0301, "not significant"))
    rows = [row("h", "p_value", p, variable=v, text=t, arm="LU v CONTROL") for v, p, t in chain]
    rows.append(row("h", "p_value", variable="ttd", text="not tested", arm="LU v CONTROL"))
    rows.append(row("h", "alpha", 0.025, variable="pfs"))
    rows.append(row("h", "not_estimable", variable="ttd", text="not estimable: no QS"))
    rows.append(row("h", "stopped_at", variable="orr", text="Response rate"))

    rendered = render(frame(*rows), report=report_of(shown("h", "h", "hierarchy")))

    assert lines_of(rendered, "h")[1:] == [
        ["1. pfs", "0.025", "<0.0001", "Significant"],
        ["2. orr", "–", "0.0301", "Not significant"],
        ["3. ttd", "–", "not estimable: no QS", "Not tested"],
    ]
    assert "Formal testing stopped at: Response rate." in rendered.index_html


def event_rows(term, arm, everyone, severe):
    for level, number in (("all grades", everyone), ("grade >= 3", severe)):
        key = {"variable": term, "arm": arm, "level": level}
        yield row("ae", "count", float(number), **key)
        yield row("ae", "percent", 100 * number / 147, unit="%", **key)


@pytest.mark.by_hand
def test_adverse_event_terms_stand_by_frequency_under_two_heads():
    results = frame(
        row("ae", "n", 147.0, arm="LU"),
        *event_rows("Diarrhoea", "LU", 38, 2),
        *event_rows("Nausea", "LU", 40, 1),
    )
    rendered = render(results, report=report_of(shown("ae", "ae", "adverse-event-terms")))
    assert lines_of(rendered, "ae") == [
        ["Preferred term", "Lutetium arm (n=147) | All grades", "Lutetium arm (n=147) | Grade ≥3"],
        ["Nausea", "40 (27%)", "1 (<1%)"],
        ["Diarrhoea", "38 (26%)", "2 (1%)"],
    ]
    assert '<th scope="colgroup" colspan="2" class="group">Lutetium arm (n=147)</th>' in (
        rendered.index_html
    )


@pytest.mark.by_hand
def test_of_many_terms_the_common_ones_are_printed():
    results = frame(
        row("ae", "n", 147.0, arm="LU"),
        *event_rows("Diarrhoea", "LU", 38, 2),
        *event_rows("Hiccups", "LU", 1, 0),
        row("ae", "common", 1.0, variable="Diarrhoea", text="in at least 20% of an arm"),
    )
    rendered = render(results, report=report_of(shown("ae", "ae", "adverse-event-terms")))
    assert [line[0] for line in lines_of(rendered, "ae")[1:]] == ["Diarrhoea"]
    assert "Terms in at least 20% of an arm." in rendered.index_html


@pytest.mark.by_hand
def test_rows_of_the_safety_summary_are_set_in_and_tell_why_they_are_empty():
    results = frame(
        row("ae", "label", 0.0, variable="any", text="Adverse events"),
        *event_rows("any", "LU", 38, 2),
        row("ae", "label", 1.0, variable="rel", text="Related"),
        row("ae", "not_available", variable="rel", text="ADAE has no AREL"),
    )
    rendered = render(results, report=report_of(shown("ae", "ae", "adverse-events")))
    assert lines_of(rendered, "ae")[1:] == [
        ["Adverse events", "38 (26%)", "2 (1%)"],
        ["  Related", "ADAE has no AREL", ""],
    ]


@pytest.mark.by_hand
def test_subjects_who_are_in_no_number_are_told_of():
    results = frame(
        *survival_rows(),
        row("pfs", "missing", 2.0, arm="LU", text="subjects without a time of PFS"),
        row("pfs", "not_available", text="1 of 9 subjects have no arm"),
    )
    page = render(results, report=report_of(shown("t", "pfs", "time-to-event"))).index_html
    assert "Lu: 2 subjects without a time of PFS. 1 of 9 subjects have no arm." in page


BOTH = {"LU": 40.0, "CONTROL": 30.0}


@pytest.mark.by_hand
def test_agreement_crosses_the_evaluations_and_gives_kappa():
    results = frame(
        row("k", "count", 7.0, variable="CR", level="CR", arm="ALL"),
        row("k", "count", 1.0, variable="CR", level="PR", arm="ALL"),
        row("k", "kappa", 0.7312, arm="ALL"),
        row("k", "kappa_lower", 0.6511, arm="ALL"),
        row("k", "kappa_upper", 0.8113, arm="ALL"),
        *(row("k", "event_in_both", n, arm=a, variable="PFS v PFSI") for a, n in BOTH.items()),
        row("k", "gap_median", 0.0, arm="LU", variable="PFS v PFSI", unit="days"),
        row("k", "gap_q1", -3.0, arm="LU", variable="PFS v PFSI", unit="days"),
        row("k", "gap_q3", 8.0, arm="LU", variable="PFS v PFSI", unit="days"),
    )
    labels = {"PFS": "Central", "PFSI": "Local"}
    report = report_of(shown("k", "k", "agreement"), labels=labels)
    found = lines_of(render(results, report=report), "k")
    assert found == [
        ["", "Complete response", "Partial response"],
        ["Complete response", "7", "1"],
        ["Kappa (95% CI)", "0.731 (0.651–0.811)", ""],
        ["Central v Local", "", ""],
        ["  Event in both", "Lu 40; Control 30", ""],
        ["  Gap median, days (IQR)", "Lu 0 (−3 to 8)", ""],
    ]


# --- the page


@pytest.mark.by_hand
def test_six_lines_that_matter():
    found = headline(pl.concat([TIMES, ORR]), arms=ARMS)
    assert [(line.label, line.value, line.detail) for line in found] == [
        ("Subjects", "151 v 75", "Lu v Control"),
        ("Events", "55 v 46", "Lu v Control"),
        ("Median, months", "22.8 v 8.5", "95% CI 19.4–NE v 7.7–13.8"),
        ("Hazard ratio", "0.276", "95% CI 0.182–0.418"),
        ("Objective response", "43.0% v 9.3%", "Lu v Control"),
        ("p value", "<0.0001", "stratified"),
    ]


@pytest.mark.by_hand
def test_headline_gives_the_reason_where_there_is_no_number():
    told = row("pfs", "hazard_ratio", arm="LU v CONTROL", text="not estimable: no events")
    found = {line.label: line for line in headline(frame(told), arms=ARMS)}
    assert found["Hazard ratio"][:3] == ("Hazard ratio", "NE", "not estimable: no events")
    assert found["p value"].value == "NE"


@pytest.mark.by_hand
@pytest.mark.parametrize("kind", ["baseline", "kaplan-meier", "waterfall", "consort", "forest"])
def test_an_analysis_without_rows_prints_the_reason(kind):
    rendered = render(frame(), report=report_of(shown("d", "absent", kind)))
    told = "Not analysed: the results hold no rows of &#39;absent&#39;."
    assert told in rendered.index_html
    assert rendered.figures == {}
    assert rendered.tables == {}


@pytest.mark.by_hand
@pytest.mark.parametrize("kind", ["response", "kaplan-meier", "swimmer"])
def test_an_analysis_with_a_reason_prints_it(kind):
    results = frame(row("dor", "reason", text="no responder in arm CONTROL"))
    page = render(results, report=report_of(shown("d", "dor", kind))).index_html
    assert "Not analysed: no responder in arm CONTROL" in page


@pytest.mark.by_hand
def test_a_display_of_unknown_kind_says_which_kinds_there_are():
    page = render(TIMES, report=report_of(shown("d", "pfs", "pie"))).index_html
    assert "No display is of kind &#39;pie&#39;" in page
    assert "kaplan-meier" in page


def test_display_names_must_differ_and_be_fit_for_files():
    displays = [shown(name, "pfs", "hierarchy") for name in ("a", "a", "../b")]
    with pytest.raises(ValueError, match=r"2 faults in the displays.*'\.\./b'.*'a' is named 2"):
        render(TIMES, report=report_of(*displays))


INJECTION = '<script>alert("x")</script>'


def injected_report():
    findings = (Finding("TR", "error", INJECTION, 1, 2, (INJECTION,)),)
    display = shown("base", "baseline", "baseline", footnotes=(INJECTION,), population=INJECTION)
    return Report(
        title=INJECTION,
        subtitle=INJECTION,
        registry=INJECTION,
        arms=(Arm("LU", INJECTION, INJECTION),),
        displays=(display, shown("km", "pfs", "kaplan-meier")),
        simulated=True,
        findings=findings,
        methods=(INJECTION,),
        provenance={INJECTION: {"a": INJECTION}},
    )


def test_no_text_of_the_data_becomes_part_of_the_page():
    curve = (row("pfs", "survival", 1.0, arm="LU", time_days=0.0, method=INJECTION),)
    results = pl.concat([BASELINE, frame(*curve, row("pfs", "n", 1.0, arm="LU", where=INJECTION))])

    rendered = render(results, report=injected_report())

    for text in (rendered.index_html, rendered.tables["base.html"], *rendered.figures.values()):
        assert "&lt;script&gt;alert" in text
        assert "<script>alert" not in text


def test_a_csv_cell_cannot_be_a_formula():
    label = row("baseline", "label", variable="AGE", text="=HYPERLINK(1)")
    results = pl.concat([frame(label), BASELINE.filter(pl.col("statistic") != "label")])
    found = lines_of(render(results, report=report_of(shown("b", "baseline", "baseline"))), "b")
    assert found[1][0] == "'=HYPERLINK(1)"


FULL = report_of(
    shown("base", "baseline", "baseline"),
    shown("times", "pfs", "time-to-event"),
    shown("km", "pfs", "kaplan-meier"),
    shown("orr", "orr", "response"),
    simulated=True,
    cutoff="2023-07-20",
    registry="NCT03972488",
    populations=(("Full analysis set", "226"),),
    policies=(
        Policy("Minimum time to SD", "7 weeks", "6 weeks", "RECIST 1.1"),
        Policy("Median interval", "log-log", "log-log", "SAS"),
    ),
    findings=(Finding("TR", "error", "diameters are in mm", 3, 2011, ("N2-1 TRSEQ 4",)),),
    missing_domains=(MissingDomain("DD", "Causes of death are not tabulated."),),
    provenance={"inputs": {"DM": "abc"}, "seed": 7},
)
CURVES = frame(
    *(
        row("pfs", name, value, arm=arm, time_days=day)
        for arm, last in (("LU", 0.75), ("CONTROL", 0.25))
        for name in ("survival", "survival_lower", "survival_upper")
        for day, value in ((0.0, 1.0), (200.0, last))
    ),
    row("pfs", "at_risk", 151.0, arm="LU", time_days=0.0),
    row("pfs", "at_risk", 132.0, arm="LU", time_days=182.625),
)
EVERYTHING = pl.concat([BASELINE, TIMES, ORR, CURVES])


def test_same_input_same_bytes():
    assert render(EVERYTHING, report=FULL) == render(EVERYTHING.clone(), report=FULL)


def test_nothing_is_taken_from_another_place():
    rendered = render(EVERYTHING, report=FULL)
    for page in (rendered.index_html, *rendered.tables.values()):
        fetched = re.findall(r'(?:src|href|action)="([^"]+)"|@import|url\(([^)]+)\)', page)
        places = [first or second for first, second in fetched]
        assert all(place.startswith(("#", "data:text/csv")) for place in places), places


def test_simulated_data_are_marked_on_page_and_in_each_file():
    rendered = render(EVERYTHING, report=FULL)
    for text in (rendered.index_html, *rendered.tables.values(), *rendered.figures.values()):
        assert "Simulated data — no real patients" in text
    real = render(EVERYTHING, report=report_of(*FULL.displays))
    for text in (real.index_html, *real.tables.values(), *real.figures.values()):
        assert "Simulated" not in text


@pytest.mark.by_hand
def test_policies_findings_and_provenance_are_printed():
    rendered = render(EVERYTHING, report=FULL)

    policies = lines_of(rendered, "policies")[1:3]
    findings = lines_of(rendered, "findings")[1]
    provenance = lines_of(rendered, "provenance")[1:3]

    assert policies == [
        ["Minimum time to SD", "7 weeks *", "6 weeks", "RECIST 1.1"],
        ["Median interval", "log-log", "log-log", "SAS"],
    ]
    assert findings == ["TR", "error", "diameters are in mm", "3 of 2011", "N2-1 TRSEQ 4"]
    assert provenance == [["inputs DM", "abc"], ["seed", "7"]]
    assert "Causes of death are not tabulated." in rendered.index_html
    assert "20 July 2023" in rendered.index_html


def test_ids_of_the_page_are_its_own_and_every_link_inside_finds_its_end():
    page = render(EVERYTHING, report=FULL).index_html
    ids = re.findall(r' id="([^"]+)"', page)
    links = re.findall(r'href="#([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(links) <= set(ids)


def test_every_table_has_a_caption_and_heads_with_a_scope():
    for name, text in render(EVERYTHING, report=FULL).tables.items():
        if name.endswith(".html"):
            table = ElementTree.fromstring(re.search(r"<table.*</table>", text, re.DOTALL)[0])
            assert table.find("caption") is not None
            assert all(head.get("scope") for head in table.iter("th"))


# --- in a browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
PROBE = """<!DOCTYPE html><iframe src="index.html" width="390" height="800"></iframe><script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument;
  const cell = page.querySelector("td[data-analysis]");
  cell.focus();
  const inside = (e) => e.closest(".scroll, .drawing, .skip");
  const wide = [...page.querySelectorAll("body *")].filter(
    (e) => !inside(e) && e.getBoundingClientRect().right > 390.5);
  document.body.append(Object.assign(document.createElement("pre"), { textContent: JSON.stringify({
    beyond: page.documentElement.scrollWidth - page.documentElement.clientWidth,
    width: page.documentElement.clientWidth,
    wide: wide.map((e) => e.tagName + "." + e.className),
    fetched: page.defaultView.performance.getEntriesByType("resource").length,
    trace: page.getElementById("trace").textContent,
  }) }));
});
</script>"""


@pytest.mark.browser
def test_page_in_a_browser_at_the_width_of_a_phone(tmp_path):
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine; it is required where CI is set")
    assert CHROMIUM is not None, "CI is set and there is no Chromium"
    (tmp_path / "index.html").write_text(render(EVERYTHING, report=FULL).index_html, "utf-8")
    (tmp_path / "probe.html").write_text(PROBE, "utf-8")
    options = (
        "--headless --hide-scrollbars --no-sandbox --disable-gpu --no-first-run --disable-sync"
    )
    options += " --disable-background-networking --allow-file-access-from-files"
    options += f" --enable-logging=stderr --virtual-time-budget=3000 --user-data-dir={tmp_path}/p"

    seen = subprocess.run(
        [CHROMIUM, *options.split(), "--dump-dom", (tmp_path / "probe.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    told = re.search(r"<pre>(.*)</pre>", seen.stdout, re.DOTALL)[1]
    assert '"beyond":0,"width":390' in told
    assert '"wide":[]' in told
    assert '"fetched":0' in told
    assert '"trace":"analysisbaselinedatasetADSLarmLUmedian61.0q151.0q372.0"' in told
    assert "CONSOLE" not in seen.stderr
