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


def drawn(kind, rows, *, simulated=False, month_days=MONTH, arms=ARMS, **more):
    """The SVG of one display over these rows, and the page around it."""
    frame = pl.DataFrame([dict.fromkeys(SCHEMA) | each for each in rows], schema=SCHEMA)
    display = Display(name="fig", analysis="a", kind=kind, title="Title", section="S", **more)
    report = Report(
        title="A trial",
        arms=arms,
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


def several_rows():
    """The same of two experimental arms against one control."""
    for arm, (ratio, events) in {"LU": (0.5, 30.0), "PLUS": (0.8, 40.0)}.items():
        names = ("hazard_ratio", "hazard_ratio_lower", "hazard_ratio_upper")
        for level in (None, "M"):
            key = {"variable": level and "SEX", "level": level}
            yield row("events", events, arm=arm, **key)
            yield row("n", 80.0, arm=arm, **key)
            for name, factor in zip(names, (1, 0.7, 1.4), strict=True):
                yield row(name, ratio * factor, arm=f"{arm} v CONTROL", **key)
    for level in (None, "M"):
        key = {"variable": level and "SEX", "level": level}
        yield row("events", 55.0, arm="CONTROL", **key)
        yield row("n", 81.0, arm="CONTROL", **key)


@pytest.mark.by_hand
def test_forest_of_several_arms_has_each_comparison_with_control():
    several = (*ARMS, Arm("PLUS", "Combination", "Plus"))
    found = words(drawn("forest", several_rows(), arms=several)[0])

    first, second = found.index("Lu v Control"), found.index("Plus v Control")
    assert "0.500 (0.350–0.700)" in found[first:second]
    assert found[first:second].count("55/81") == 2
    assert "0.800 (0.560–1.120)" in found[second:]
    assert found[second:].count("40/80") == 2
    assert found.index("40/80", second) < found.index("55/81", second)  # experimental first
    assert {"← Favours experimental", "Favours control →"} <= set(found)


def scenario_rows():
    for ratio, power in (("0.5", 0.91), ("0.7", 0.38)):
        for pace in ("5", "8"):
            key = {"variable": f"hazard ratio {ratio}", "level": f"accrual per month {pace}"}
            yield row("power", power, **key)


@pytest.mark.by_hand
def test_map_of_scenarios_has_a_cell_each():
    found = words(drawn("scenario-map", scenario_rows())[0])
    assert found.count("91.0") == found.count("38.0") == 2
    assert {"0.5", "0.7", "5", "8", "Hazard ratio", "Accrual per month"} <= set(found)


def fan_rows():
    for name, height in (("subjects", 100.0), ("events", 40.0)):
        for which, shift in (("lower", -5), ("median", 0), ("upper", 5)):
            for month, share in ((0, 0.1), (12, 0.5), (24, 1.0)):
                value = height * share + shift
                yield row(f"{name}_{which}", value, arm="ALL", time_days=month * MONTH)
    yield row("stop_lower", 14.0)
    yield row("stop_upper", 20.0)


@pytest.mark.by_hand
def test_fan_says_when_the_last_look_is():
    svg = drawn("fan", fan_rows())[0]
    assert {"Subjects", "Events", "last look, month 14 to 20"} <= set(words(svg))
    assert "events: 40 (35 to 45)" in svg


def simulated_power_rows():
    for ratio, power in (("0.5", 0.9), ("0.75", 0.3), ("1", 0.025)):
        yield row("power", power, variable="hazard_ratio", level=ratio)
        yield row("power_simulated", power + 0.01, variable="simulated", level=ratio)
        yield row("power_error", 0.005, variable="simulated", level=ratio)
    yield row("level", 0.025)


@pytest.mark.by_hand
def test_simulated_power_is_drawn_over_theory():
    svg = drawn("simulated-power", simulated_power_rows())[0]
    assert {"theory", "simulated, 95 % interval", "True hazard ratio"} <= set(words(svg))
    assert "91.0 % at 0.5; 31.0 % at 0.75; 3.5 % at 1." in svg


def simulated_look_rows():
    for events, z, middle in ((50, 2.963, 1.8), (99, 1.969, 3.4)):
        key = {"variable": "looks", "level": f"{events} events"}
        yield row("look_events", float(events), **key)
        yield row("boundary_z", z, **key)
        for name, shift in (("z_lower", -1.6), ("z_median", 0.0), ("z_upper", 1.6)):
            yield row(name, middle + shift, **key)
    yield row("futility_z", 0.0, variable="looks", level="50 events")


@pytest.mark.by_hand
def test_simulated_looks_have_boundaries_and_the_z_of_trials():
    svg = drawn("simulated-looks", simulated_look_rows())[0]
    assert {"efficacy", "futility", "z, nine in ten trials", "50", "99"} <= set(words(svg))
    assert "bound 2.963 and median z 1.80 at 50 events" in svg


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


def landmark_rows():
    for moment, label in (("day 180", "180 days"), ("no limit", "No limit (naive)")):
        yield row("label", variable=moment, text=label)
        for arm, n, ratio in (("LU", 102.0, 1.002), ("CONTROL", 64.0, 0.918)):
            key = {"arm": arm, "variable": moment}
            for name, value in (("n", n), ("events", n - 20), ("median", -12.3), ("min", -60.0)):
                yield row(name, value, **key)
            yield row("max", 11.4, **key)
            for name, value in (("", ratio), ("_lower", ratio - 0.05), ("_upper", ratio + 0.05)):
                yield row(f"hazard_ratio{name}", value, **key)


@pytest.mark.by_hand
def test_forest_of_shrinkage_has_each_arm_over_its_landmarks():
    found = words(drawn("shrinkage-forest", landmark_rows())[0])
    assert {"Lu", "Control", "180 days", "No limit (naive)", "Events/n"} <= set(found)
    assert {"82/102", "1.002 (0.952–1.052)", "44/64", "0.918 (0.868–0.968)"} <= set(found)
    assert {"0.9", "0.95", "1", "1.05"} <= set(found)  # an axis for ratios near 1


@pytest.mark.by_hand
def test_medians_stand_over_the_numbers_analysed_and_leave_out_a_landmark_without():
    rows = [*landmark_rows(), row("label", variable="day 84", text="Week 12")]
    found = words(
        drawn("shrinkage-medians", [*rows, row("median", variable="day 84", arm="LU")])[0]
    )
    assert {"180 days", "Number analysed", "−60", "0"} <= set(found)
    assert found.count("102") == found.count("64") == 2
    assert "Week 12" not in found


def contrast_rows():
    pair = "LU >= 30% v LU < 30%"
    yield row("n", 100.0, arm="LU")
    yield row("label", variable="RECIST", text="RECIST (≥ 30%)")
    for level, ratio in (("naive", 0.2), ("landmark", 0.6), ("time-dependent", 0.7)):
        key = {"variable": "RECIST", "level": level}
        for name, value in (("", ratio), ("_lower", ratio / 2), ("_upper", ratio * 2)):
            yield row(f"hazard_ratio{name}", value, arm=pair, **key)
        for part, events in zip(pair.split(" v "), (5.0, 40.0), strict=True):
            yield row("events", events, arm=part, **key)
            if level != "time-dependent":
                yield row("n", 50.0, arm=part, **key)


@pytest.mark.by_hand
def test_contrast_sets_the_naive_ratio_beside_the_others():
    found = words(drawn("shrinkage-contrast", contrast_rows())[0])
    assert {"RECIST (≥ 30%)", "naive", "landmark", "time-dependent"} <= set(found)
    assert {"0.200 (0.100–0.400)", "0.600 (0.300–1.200)", "0.700 (0.350–1.400)"} <= set(found)
    assert [found.count(each) for each in ("5/50", "40/50", "5", "40")] == [2, 2, 1, 1]


def point_rows():
    for number, (arm, change, day, seen) in enumerate(
        [("LU", -62.0, 700.0, "censored"), ("LU", 140.0, 80.0, "event"), ("LU", 0.0, 90.0, "event")]
    ):
        key = {"arm": arm, "subject": f"S{number}", "time_days": day, "text": seen}
        yield row("change_by_time", change, **key)


@pytest.mark.by_hand
def test_scatter_counts_events_and_censored():
    svg, page = drawn("shrinkage-scatter", point_rows())
    assert "Lu: 2 events, 1 censored" in words(svg)
    assert "Filled: event; hollow: censored." in page
    assert "Growth beyond 100% is cut there (1 subject)." in page


@pytest.mark.by_hand
def test_a_deep_bar_that_is_no_response_has_a_letter_and_the_caption_its_reason():
    rows = [
        *change_rows(),
        row("not_response", -35.0, arm="CONTROL", subject="S3", text="not confirmed"),
    ]
    svg, page = drawn("waterfall", rows)
    assert words(svg).count("a") == 1
    assert "a: not confirmed." in page


def incidence_rows():
    for arm, top in (("LU", 3.0), ("CONTROL", 0.0)):
        yield row("events", top and 3.0, arm=arm)
        yield row("n", 148.0, arm=arm)
        yield row("competing", 27.0, arm=arm)
        for day, value in ((0.0, 0.0), (400.0, top), (900.0, top)):
            yield row("incidence", value, arm=arm, time_days=day)
            yield row("incidence_lower", value and 0.8, arm=arm, time_days=day)
            yield row("incidence_upper", value and 7.8, arm=arm, time_days=day)
        for place, number in enumerate((148, 105, 35)):
            yield row("at_risk", float(number), arm=arm, time_days=12 * MONTH * place)


@pytest.mark.by_hand
def test_incidence_has_its_cases_and_an_axis_that_holds_its_limits():
    found = words(drawn("incidence", incidence_rows())[0])
    assert "Lu: 3 of 148 subjects, 27 competing events" in found
    assert {"Cumulative incidence (%)", "148", "105", "10"} <= set(found)
    assert "20" not in found  # the limit of 7.8 % fits below 10 %


def grade_rows():
    yield row("label", variable="PLAT low", text="Low platelets")
    for arm in ("LU", "CONTROL"):
        for week in (4.0, 8.0):
            key = {"arm": arm, "variable": "PLAT low", "time_days": 7 * week}
            yield row("at_visit", 50.0, **key)
            for grade, share in enumerate((60.0, 20.0, 12.0, 6.0, 2.0)):
                yield row("grade_share", share, level=f"grade {grade}", unit="%", **key)


@pytest.mark.by_hand
def test_grades_over_time_are_a_panel_a_test_and_arm():
    svg = drawn("grades-over-time", grade_rows())[0]
    found = words(svg)
    assert {"Lu", "Control", "Low platelets", "Grade 1", "Grade 4", "Subjects (%)"} <= set(found)
    assert "Low platelets at most 8% of grade 3 or 4 at a visit" in svg


def mean_rows():
    yield row("label", variable="QL2", text="Global health status", method="lower is worse")
    for arm in ("LU", "CONTROL"):
        for month, change in ((3, -2.0), (6, -4.0)):
            key = {"arm": arm, "variable": "QL2", "time_days": 84.0 * month / 3}
            yield row("mean_change", change, **key)
            yield row("mean_change_lower", change - 3, **key)
            yield row("mean_change_upper", change + 3, **key)


@pytest.mark.by_hand
def test_a_profile_says_which_way_is_worse():
    found = words(drawn("profile", mean_rows())[0])
    assert {"Global health status", "lower is worse", "Mean change", "Lu", "Control"} <= set(found)


def heterogeneity_rows():
    """The fixed design, and an informed one at two spreads between sites."""
    shares = {("fixed", "any"): 20.0, ("lesion target, one scan", "0"): 60.0,
              ("lesion target, one scan", "0.3"): 40.0}  # fmt: skip
    return [
        row(name, value, variable=line, level=level)
        for (line, level), share in shares.items()
        for name, value in (("share_percent", share), ("share_error_percent", 2.0))
    ]


def dose_rows():
    """Two subjects an arm: doses of lesions and kidneys over two cycles, plan, and an effect."""
    rows = [
        row("target_lower", 80.0, variable="TARGET LESIONS"),
        row("target_upper", 120.0, variable="TARGET LESIONS"),
        row("limit", 23.0, variable="KIDNEYS"),
    ]
    for place, (subject, arm) in enumerate(
        (("S1", "LU"), ("S2", "LU"), ("S3", "CONTROL"), ("S4", "CONTROL"))
    ):
        who = {"arm": arm, "subject": subject}
        for cycle in (1, 2):
            level = {"level": str(cycle), **who}
            rows += [
                row("cumulative", 30.0 * cycle + place, variable="TARGET LESIONS", **level),
                row("cumulative", 4.0 * cycle + place, variable="KIDNEYS", **level),
                row("planned", 7.4 + place * cycle, **level),
                row("given", 7.2 + place * cycle, **level),
            ]
        for pair, unit, effect in (
            ("target lesions: best change of the sum of diameters", "%", -10.0 * place),
            ("target lesions: confirmed response", "1", float(place > 1)),
            ("kidneys: worst grade of creatinine, high", "grade", float(place)),
        ):
            rows += [
                row("dose", 60.0 + place, variable=pair, unit="Gy", **who),
                row("effect", effect, variable=pair, unit=unit, **who),
            ]
    pair = "target lesions: best change of the sum of diameters"
    told = {"subjects": 4.0, "spearman": -1.0, "spearman_p": 0.0}
    return [*rows, *(row(name, value, variable=pair) for name, value in told.items())]


def test_dose_figures_tell_target_limit_and_correlation():
    over_cycles = words(drawn("dose-cycles", dose_rows())[0])
    assert {"80–120 Gy", "limit 23 Gy", "Target lesions", "Kidneys"} <= set(over_cycles)
    effects = words(drawn("dose-effect", dose_rows())[0])
    assert "Spearman −1.00, p&lt;0.0001" in effects
    assert "no correlation can be told" in effects  # of the pairs without one


EVERY = {
    **dict.fromkeys(("dose-cycles", "dose-plan", "dose-effect"), dose_rows),
    **dict.fromkeys(("planned-curves", "power-curve", "boundaries", "timeline"), plan_rows),
    "shrinkage-forest": landmark_rows,
    "shrinkage-medians": landmark_rows,
    "shrinkage-contrast": contrast_rows,
    "shrinkage-scatter": point_rows,
    "incidence": incidence_rows,
    "grades-over-time": grade_rows,
    "profile": mean_rows,
    "kaplan-meier": curve_rows,
    "forest": forest_rows,
    "waterfall": change_rows,
    "spider": change_rows,
    "swimmer": lambda: lane_rows(5, responders=2),
    "consort": flow_rows,
    "scenario-map": scenario_rows,
    "fan": fan_rows,
    "simulated-power": simulated_power_rows,
    "simulated-looks": simulated_look_rows,
    "dose-heterogeneity": heterogeneity_rows,
}


def test_every_kind_of_figure_is_drawn_here():
    assert set(EVERY) == set(figures.DRAWINGS) == set(document.FIGURES)


@pytest.mark.parametrize("kind", EVERY)
def test_svg_is_well_formed_described_and_scales(kind):
    svg = drawn(kind, EVERY[kind](), simulated=True)[0]
    root = ElementTree.fromstring(svg)
    wide = ("forest", "shrinkage-forest", "shrinkage-contrast")
    assert root.get("viewBox").startswith("0 0 500 " if kind in wide else "0 0 410 ")
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


def test_a_profile_is_drawn_though_one_arm_has_too_few_forms():
    rows = [each for each in mean_rows() if each.get("arm") != "CONTROL"]
    control = row("baseline_n", 4.0, arm="CONTROL", variable="QL2", time_days=0.0)
    assert "Global health status" in words(drawn("profile", [*rows, control])[0])
