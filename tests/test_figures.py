# SPDX-License-Identifier: Apache-2.0
"""Figures: what must be read from them is in them, each is safe beside others, same bytes twice."""

import re
from xml.etree import ElementTree

import matplotlib as mpl
import polars as pl
import pytest

from radioligand.report import Arm, Display, Report, document, figures, render

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
MONTH = 30.4375


def row(statistic, value=None, **keys):
    return {"analysis": "a", "statistic": statistic, "value": value, **keys}


def drawn(kind, rows, *, simulated=False, month_days=MONTH, **more):
    """The SVG of one display over these rows, and the page around it."""
    frame = pl.DataFrame([dict.fromkeys(SCHEMA) | each for each in rows], schema=SCHEMA)
    display = Display(name="fig", analysis="a", kind=kind, title="Title", section="S", **more)
    report = Report(
        title="A trial",
        arms=ARMS,
        displays=(display,),
        simulated=simulated,
        month_days=month_days,
    )
    rendered = render(frame, report=report)
    return rendered.figures["fig.svg"], rendered.index_html


def words(svg):
    """The texts of the drawing, without title and description, in the order they were drawn."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def curve_rows():
    for arm, last, numbers in (("LU", 0.6, (151, 132, 98)), ("CONTROL", 0.2, (75, 41, 12))):
        for name, shift in (("survival", 0), ("survival_lower", -0.1), ("survival_upper", 0.1)):
            yield row(name, 1.0, arm=arm, time_days=0.0)
            yield row(name, 0.8, arm=arm, time_days=100.0)
            yield row(name, last + shift, arm=arm, time_days=300.0)
        yield row("censor", 0.8, arm=arm, time_days=150.0)
        for place, number in enumerate(numbers):
            yield row("at_risk", float(number), arm=arm, time_days=6 * MONTH * place)
        yield row("median", 22.8 if arm == "LU" else None, arm=arm, unit="months", text="NE")
        yield row("median_lower", 19.4, arm=arm)
    yield row("hazard_ratio", 0.276, arm="LU v CONTROL")
    yield row("hazard_ratio_lower", 0.182, arm="LU v CONTROL")
    yield row("hazard_ratio_upper", 0.418, arm="LU v CONTROL")
    yield row("logrank_p", 1e-9, arm="LU v CONTROL")


@pytest.mark.by_hand
def test_kaplan_meier_has_numbers_at_risk_under_its_ticks():
    found = words(drawn("kaplan-meier", curve_rows())[0])
    assert {"151", "132", "98", "75", "41", "12"} <= set(found)
    assert {"0", "6", "12", "Months since randomisation"} <= set(found)
    assert found.count("Control") == 2  # at the end of its curve and beside its numbers at risk
    assert "Lu: median 22.8 (19.4–NE) months" in found
    assert "Control: median NE (19.4–NE) months" in found
    assert any("Hazard ratio 0.276 (95% CI 0.182–0.418)" in text for text in found)


@pytest.mark.by_hand
def test_numbers_at_risk_stand_where_their_ticks_stand():
    svg = drawn("kaplan-meier", curve_rows())[0]

    def place(text):
        element = re.search(rf"<text [^>]*?translate\(([\d.]+) [\d.]+\)[^>]*>{text}<", svg) or (
            re.search(rf'<text [^>]*? x="([\d.]+)"[^>]*>{text}<', svg)
        )
        return float(element[1])

    assert place("132") == pytest.approx(place("41"), abs=0.01)
    assert place("98") - place("132") == pytest.approx(place("132") - place("151"), abs=0.01)
    assert place("132") == pytest.approx(place("6"), abs=0.01)


@pytest.mark.by_hand
def test_kaplan_meier_counts_in_the_months_of_the_protocol():
    rows = [each | {"time_days": each["time_days"] * 28 / MONTH} if each.get("time_days") else each
            for each in curve_rows()]  # fmt: skip
    svg, page = drawn("kaplan-meier", rows, month_days=28)
    assert {"0", "6", "12"} <= set(words(svg))
    assert "Months are days divided by 28." in page


@pytest.mark.by_hand
def test_kaplan_meier_says_why_there_is_no_hazard_ratio():
    rows = [each for each in curve_rows() if each.get("arm") != "LU v CONTROL"]
    told = "not estimable: no events in arm LU"
    found = words(
        drawn("kaplan-meier", [*rows, row("hazard_ratio", arm="LU v CONTROL", text=told)])[0]
    )
    assert f"Hazard ratio {told}" in found


def forest_rows():
    for variable, level, events, ratio in (
        (None, None, (55, 46), (0.276, 0.182, 0.418)),
        ("SEX", "M", (29, 26), (0.31, 0.02, 9.0)),
        ("SEX", "F", (0, 20), (None, None, None)),
    ):
        key = {"variable": variable, "level": level}
        for arm, number in zip(("LU", "CONTROL"), events, strict=True):
            yield row("events", float(number), arm=arm, **key)
            yield row("n", 80.0, arm=arm, **key)
        names = ("hazard_ratio", "hazard_ratio_lower", "hazard_ratio_upper")
        for name, value in zip(names, ratio, strict=True):
            yield row(name, value, arm="LU v CONTROL", **key)


@pytest.mark.by_hand
def test_forest_has_events_of_n_ratios_and_favours():
    found = words(drawn("forest", forest_rows())[0])
    assert {"All subjects", "55/80", "46/80", "0.276 (0.182–0.418)"} <= set(found)
    assert {"Male", "29/80", "0.310 (0.020–9.000)", "Female", "0/80", "NE"} <= set(found)
    assert {"← Favours Lu", "Favours Control →", "1", "0.5", "2"} <= set(found)


def change_rows():
    for number, (arm, change, response) in enumerate(
        [("LU", -62.0, "PR"), ("LU", -100.0, "CR"), ("LU", 140.0, "PD"), ("CONTROL", -35.0, "SD")]
    ):
        yield row("best_change", change, arm=arm, subject=f"S{number}", text=response)
        yield row("change", 0.0, arm=arm, subject=f"S{number}", text=response, time_days=0.0)
        yield row("change", change, arm=arm, subject=f"S{number}", text=response, time_days=120.0)
    yield row("n", 5.0, arm="LU")


@pytest.mark.by_hand
def test_waterfall_is_coloured_by_confirmed_response_and_not_by_length():
    svg, page = drawn("waterfall", change_rows())
    found = words(svg)
    assert {"CR", "PR", "SD", "PD", "Lu (3 of 5)", "Control (1)", "−30", "20"} <= set(found)
    # one path of bars and one square of the key each: the control subject shrank by 35 % and is
    # not confirmed, so it has the grey of SD and not the blue of PR
    assert [svg.count(colour) for colour in ("#56b4e9", "#b3b3b3", "#009e73")] == [2, 2, 2]
    assert "Growth beyond 100% is cut there (1 subject)." in page


@pytest.mark.by_hand
def test_spider_draws_each_subject_of_each_arm():
    found = words(drawn("spider", change_rows())[0])
    assert {"Lu (3)", "Control (1)", "Months since randomisation"} <= set(found)


def lane_rows(number, *, responders):
    for place in range(number):
        subject = {"arm": "LU", "subject": f"S{place:03}"}
        yield row("duration", 100.0 + place, **subject)
        yield row("cycle", time_days=8.0, **subject)
        yield row("ongoing", time_days=100.0 + place, **subject)
        if place < responders:
            yield row("response_start", time_days=60.0, **subject)


@pytest.mark.by_hand
@pytest.mark.parametrize(
    ("number", "responders", "lanes", "remark"),
    [
        (3, 1, 3, ""),
        (12, 4, 4, "Of 12 subjects the 4 with a response are drawn."),
        (12, 11, 10, "Of 12 subjects, of 11 with a response the 10 longest on study are drawn."),
        (12, 0, 10, "Of 12 subjects the 10 longest on study are drawn."),
    ],
)
def test_swimmer_holds_as_many_lanes_as_it_may_and_says_which(number, responders, lanes, remark):
    svg, page = drawn("swimmer", lane_rows(number, responders=responders), limit=10)
    assert f"Lu ({lanes})" in words(svg)
    assert remark in page
    assert {"Progression", "Death", "On study at cutoff", "Cycle given"} <= set(words(svg))


def flow_rows():
    yield row("count", 261.0, variable="screened")
    yield row("count", 35.0, variable="not_randomised")
    yield row("count", 12.0, variable="not_randomised", level="Ki-67 outside 10–55%")
    yield row("count", 226.0, variable="randomised", arm="ALL")
    for arm, number, treated in (("LU", 151.0, 147.0), ("CONTROL", 75.0, 73.0)):
        yield row("count", number, variable="randomised", arm=arm)
        yield row("count", treated, variable="treated", arm=arm)
        yield row("count", number - treated, variable="not_treated", arm=arm)
        yield row("count", number, variable="analysed", level="Full analysis set", arm=arm)
    yield row("count", 29.0, variable="crossed_over", arm="CONTROL")


@pytest.mark.by_hand
def test_consort_counts_every_step():
    found = words(drawn("consort", flow_rows())[0])
    assert {"261 screened", "35 not randomised", "12 Ki-67 outside 10–55%"} <= set(found)
    assert {"226 randomised", "151 assigned to Lutetium arm", "75 assigned to Control arm"} <= set(
        found
    )
    assert {"147 treated", "4 randomised, not treated", "29 crossed over"} <= set(found)
    assert found.count("Analysed") == 2


def plan_rows():
    """Rows of a plan of 99 events: two curves, a power curve, two looks and a calendar."""
    days = [0.0, 12 * 30.4375, 36 * 30.4375]
    rows = [row("median", 15.0, arm=arm) for arm in ("LU", "CONTROL")]
    for day, share, subjects, events in zip(days, (1.0, 0.6, 0.2), (0, 120, 222), (0, 20, 99)):
        rows += [
            row("planned_survival", share, arm=arm, time_days=day) for arm in ("LU", "CONTROL")
        ]
        rows.append(row("expected_subjects", subjects, arm="ALL", time_days=day))
        for end, width in (("", 0), ("_lower", -5), ("_upper", 5)):
            value = events + width
            rows.append(row(f"expected_events{end}", value, arm="ALL", time_days=day))
    for ratio, power in (("0.3", 0.99), ("0.5", 0.902), ("1", 0.025)):
        rows.append(row("power", power, variable="hazard_ratio", level=ratio))
    for events, z, p in ((50, 2.963, 0.00305), (99, 1.969, 0.0245)):
        level = f"{events} events"
        for name, value in (("look_events", events), ("boundary_z", z), ("boundary_p", p)):
            rows.append(row(name, value, variable="looks", level=level))
    rows += [row("planned_hazard_ratio", 0.5), row("planned_power", 0.9)]
    return [*rows, row("planned_events", 99.0), row("analysis_month", 34.9)]


@pytest.mark.by_hand
def test_figures_of_a_plan_name_what_was_planned():
    assert "Events" in words(drawn("timeline", plan_rows())[0])
    assert "99 events, month 34.9" in words(drawn("timeline", plan_rows())[0])
    assert "90.2 % at 0.5" in words(drawn("power-curve", plan_rows())[0])
    assert {"50", "99", "p = 0.0031", "p = 0.025"} <= set(
        words(drawn("boundaries", plan_rows())[0])
    )


EVERY = {
    **dict.fromkeys(("planned-curves", "power-curve", "boundaries", "timeline"), plan_rows),
    "kaplan-meier": curve_rows,
    "forest": forest_rows,
    "waterfall": change_rows,
    "spider": change_rows,
    "swimmer": lambda: lane_rows(5, responders=2),
    "consort": flow_rows,
}


def test_every_kind_of_figure_is_drawn_here():
    assert set(EVERY) == set(figures.DRAWINGS) == set(document.FIGURES)


@pytest.mark.parametrize("kind", EVERY)
def test_svg_is_well_formed_described_and_scales(kind):
    svg = drawn(kind, EVERY[kind](), simulated=True)[0]
    root = ElementTree.fromstring(svg)
    assert root.get("viewBox").startswith("0 0 500 " if kind == "forest" else "0 0 410 ")
    assert root.get("width") is None
    assert root[0].tag.endswith("title")
    assert root[0].text == "Figure 1: Title"
    assert len(root[1].text) > 40
    assert "Simulated data — no real patients" in words(svg)


@pytest.mark.parametrize("kind", EVERY)
def test_ids_begin_with_the_name_of_the_display_and_every_use_finds_its_id(kind):
    svg = drawn(kind, EVERY[kind]())[0]
    ids = re.findall(r'\bid="([^"]+)"', svg)
    used = re.findall(r'(?:url\(#|href="#)([^")]+)', svg)
    assert all(each.startswith("fig-") for each in ids)
    assert len(ids) == len(set(ids))
    assert set(used) <= set(ids)


@pytest.mark.parametrize("kind", EVERY)
def test_same_bytes_whatever_the_user_has_set_and_nothing_is_left_set(kind):
    first = drawn(kind, EVERY[kind]())[0]
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        again = drawn(kind, EVERY[kind]())[0]
        assert dict(mpl.rcParams) == before
    assert first == again


@pytest.mark.by_hand
def test_profile_has_no_box_for_an_arm_that_cannot_cross_over():
    rows = [*flow_rows(), row("count", 29.0, variable="crossed_over", level="Early", arm="CONTROL")]
    found = words(drawn("consort", rows)[0])
    assert {"29 crossed over", "29 Early"} <= set(found)
    assert "Crossed over" not in found
