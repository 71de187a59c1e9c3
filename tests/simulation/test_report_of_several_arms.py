"""A report of several arms: figure and table tell every comparison, not the first alone."""

import csv
import io
import re

import polars as pl

from radioligand.report import Arm, Display, Report, render

ARMS = (Arm("A", "Arm A", "A"), Arm("B", "Arm B", "B"), Arm("C", "Control", "C"))
COLUMNS = (
    *("analysis", "dataset", "where", "population", "parameter", "arm", "variable", "level"),
    *("subject", "statistic", "text", "unit", "method"),
)
SCHEMA = {**dict.fromkeys(COLUMNS, pl.String), "time_days": pl.Float64, "value": pl.Float64}


def rendered(kind, rows):
    frame = pl.DataFrame(
        [dict.fromkeys(SCHEMA) | {"analysis": "one"} | row for row in rows], schema=SCHEMA
    )
    display = Display(name="one", analysis="one", kind=kind, title="Title", section="S")
    return render(frame, report=Report(title="T", arms=ARMS, displays=(display,), simulated=False))


def test_the_curves_tell_every_comparison():
    rows = [
        {"statistic": statistic, "arm": arm.id, "time_days": days, "value": value}
        for arm in ARMS
        for statistic, days, value in (
            ("survival", 0.0, 1.0),
            ("survival", 300.0, 0.5),
            ("at_risk", 0.0, 10.0),
        )
    ]
    for pair, ratio, p in (("A v C", 0.5, 0.01), ("B v C", 0.7, 0.2)):
        rows += [
            {"statistic": name, "arm": pair, "value": value}
            for name, value in (
                ("hazard_ratio", ratio),
                ("hazard_ratio_lower", ratio / 2),
                ("hazard_ratio_upper", ratio * 2),
                ("logrank_p", p),
            )
        ]

    drawn = rendered("kaplan-meier", rows).figures["one.svg"]
    told = re.search("<desc[^>]*>(.*?)</desc>", drawn, re.S)[1]

    assert "A v C: Hazard ratio 0.500" in told
    assert "B v C: Hazard ratio 0.700" in told
    assert told.count("Log-rank p") == 2


def test_grays_test_is_told_of_every_comparison():
    rows = [{"statistic": "events", "arm": arm.id, "value": 1.0} for arm in ARMS]
    rows.append({"statistic": "gray_p", "arm": "A v C", "value": 0.2})
    rows.append({"statistic": "not_estimable", "arm": "B v C", "text": "no events"})

    table = rendered("competing-risks", rows).tables["one.csv"].removeprefix("\ufeff")
    by_label = {line[0]: line[1:] for line in csv.reader(io.StringIO(table))}

    assert by_label["Gray's test, A v C"][0] == "0.2000"
    assert "Gray's test, B v C" in by_label
    assert "Gray's test" not in by_label
