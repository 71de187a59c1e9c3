# SPDX-License-Identifier: Apache-2.0
"""Hazards and effects in steps, from the document: by hand, against rpact, and refused."""

import json
import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from radioligand.io.documents import read_protocol
from radioligand.planning import expected, plan, plan_results, scenarios, survival, wording
from radioligand.planning.assumptions import control_curve, experimental_curve
from radioligand.protocol import ProtocolError, parse_protocol
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.scenarios import parse_scenarios

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "planning.json").read_text())
DOCUMENT = tomllib.loads((files("radioligand") / "trials" / "netter-2.toml").read_text("utf-8"))
FADING = {
    "hazard_ratio": 0.5,
    "median_control_months": 6 + (np.log(2) - 0.18) / 0.06,
    "method": "lakatos",
    "hazard_steps": [
        {"from_month": 0, "per_month": 0.03},
        {"from_month": 6, "median_months": float(np.log(2) / 0.06)},
    ],
    "hazard_ratio_steps": [
        {"from_month": 0, "hazard_ratio": 1.0},
        {"from_month": 3, "hazard_ratio": 0.5},
        {"from_month": 18, "hazard_ratio": 0.8},
    ],
}


def protocol_of(ratio=1, **changes):
    arms = [
        {**arm, "ratio": ratio if place == 0 else 1} for place, arm in enumerate(DOCUMENT["arms"])
    ]
    kept = {key: one for key, one in DOCUMENT["planning"].items() if "median" not in key}
    given = {key: one for key, one in {**kept, **changes}.items() if one is not None}
    return parse_protocol({**DOCUMENT, "arms": arms, "planning": given})


@pytest.mark.by_hand
def test_curves_of_the_document_by_hand():
    """By month 24 control has 6 x 0.03 + 18 x 0.06 = 1.26; the others 0.09, half of 0.81, 0.288."""
    given = protocol_of(**FADING).planning

    control, experimental = control_curve(given), experimental_curve(given)

    assert survival(control, 24.0) == pytest.approx(np.exp(-1.26))
    assert survival(experimental, 24.0) == pytest.approx(np.exp(-(0.09 + 0.405 + 0.288)))


@pytest.mark.by_hand
def test_another_median_scales_the_hazards_and_another_effect_all_steps():
    given = protocol_of(**FADING).planning
    median = given.median_control_months
    twice = given.model_copy(update={"median_control_months": 2 * median})

    # to month 2m: 0.18 + 0.06 (2m - 6), which is to become log 2
    factor = np.log(2) / (0.18 + 0.06 * (2 * median - 6))
    assert survival(control_curve(twice), 24.0) == pytest.approx(np.exp(-1.26 * factor))
    assert experimental_curve(given, hazard_ratio=0.25).hazard_ratios == pytest.approx(
        (1.0, 0.25, 0.64)
    )
    assert experimental_curve(given, hazard_ratio=1.0).hazard_ratios == (1.0, 1.0, 1.0)
    assert experimental_curve(given, delay_months=2.0).starts_months == (0.0, 2.0, 5.0, 20.0)


@pytest.mark.reference
def test_a_plan_of_steps_expects_the_events_that_rpact_expects():
    case = next(one for one in REFERENCE["courses"] if len(one["starts"]) == 2)
    (start, later), control = case["starts"], case["lambda2"]
    ratios = np.array(case["lambda1"]) / control
    months = zip((start, later), control, ratios, strict=True)
    steps = [{"from_month": m, "per_month": h, "hazard_ratio": float(r)} for m, h, r in months]
    accrual = zip(case["accrual_starts"], case["accrual_rates"], strict=True)
    protocol = protocol_of(
        hazard_ratio=float(min(ratios)),
        median_control_months=later + (np.log(2) - later * control[0]) / control[1],
        method="lakatos",
        hazard_steps=[{k: s[k] for k in ("from_month", "per_month")} for s in steps],
        hazard_ratio_steps=[{k: s[k] for k in ("from_month", "hazard_ratio")} for s in steps],
        accrual_per_month=None,
        accrual_steps=[{"from_month": m, "per_month": r} for m, r in accrual],
        accrual_months=9 + (case["subjects"] - 38) / 12,
        dropout_fraction=float(1 - np.exp(-12 * case["dropout"])),
        dropout_months=12.0,
    )

    (found,) = plan(protocol)

    assert found.subjects == case["subjects"]
    events = expected(found.course, case["times"]).events
    assert events / found.subjects == pytest.approx(case["probability"], rel=3e-5)


def test_a_plan_tells_its_steps():
    protocol = protocol_of(**FADING, power=0.6)
    plans = plan(protocol)

    told = wording(plans[0], protocol=protocol)[0]
    rows = plan_results(plans, protocol=protocol)

    assert "hazard that changes in month 6" in told
    assert "hazard ratio of 1 from month 0, 0.5 from month 3, 0.8 from month 18" in told
    assert "0.03 a month from month 0; 0.06 a month from month 6" in str(rows.to_dicts())
    labels = [one.label for one in scenarios(plans[0])]
    assert any("never have the event" in label for label in labels)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"median_control_months": 20.0}, "the steps make a median of 14.55 months, not 20"),
        ({"hazard_ratio": 0.6}, "0.6 is not the smallest of the steps, 0.5"),
        ({"method": "schoenfeld"}, "planning.method: the hazard ratio has steps"),
        ({"shape": 1.4}, "shape tells the hazards as well"),
        ({"delay_months": 2.0}, "hazard_ratio_steps tell the effect as well"),
        ({"margin": 1.3, "hazard_ratio": 0.5}, "planning.margin: the hazard ratio has steps"),
        ({"interim": {"events": [50, 99]}}, "by theory looks have one hazard ratio"),
        ({"hazard_steps": [{"from_month": 0}]}, "1 of 1 steps have not one of per_month"),
        ({"hazard_steps": [{"from_month": 0, "per_month": 0}]}, "half never have the event"),
        ({"hazard_steps": [{"from_month": 1, "per_month": 0.1}]}, r"begin at \[1\]"),
        ({"hazard_ratio_steps": [{"from_month": 0, "hazard_ratio": 1}]}, "no step has an effect"),
        ({"hazard_ratio_steps": [{"from_month": 0, "ratio": 1}]}, "unknown key 'ratio'"),
        ({"hazard_ratio_steps": [{"from_month": 0, "hazard_ratio": 0}]}, "hazard_ratio"),
        ({"hazard_steps": 5}, "planning.hazard_steps"),
        ({"hazard_steps": [{"from_month": 0, "per_month": "x"}]}, "per_month"),
        ({"hazard_steps": [{"from_month": 0, "per_month": 1}, {"per_month": 1}]}, "from_month"),
        ({"hazard_steps": [{"from_month": "a", "median_months": 3}, 4]}, "from_month"),
    ],
)
def test_refuses_steps_that_contradict_what_else_is_assumed(changes, says):
    with pytest.raises(ProtocolError, match=says):
        protocol_of(**{**FADING, **changes})


@pytest.mark.parametrize("late", [{"delay_months": 4.0}, {"crossover_per_month": 0.02}])
def test_refuses_looks_at_a_hazard_ratio_that_changes(late):
    """The power of looks is that of one hazard ratio, and would be told far too high."""
    planned = {"median_control_months": 15.0, "method": "lakatos"}
    interim = {"interim": {"events": [50, 99]}}
    with pytest.raises(ProtocolError, match="by theory looks have one hazard ratio"):
        protocol_of(**planned, **late, **interim)
    protocol_of(**planned, **late)
    protocol_of(**planned, **interim)


@pytest.mark.parametrize("late", ["delay_months = 4", "crossover_per_month = 0.02"])
def test_refuses_a_selection_at_a_hazard_ratio_that_changes(late, tmp_path):
    path = tmp_path / "late.toml"
    path.write_text(f'document = 1\nlike = "prrt-ddr"\n[planning]\n{late}\n', "utf-8")
    with pytest.raises(ProtocolError, match="by theory a selection has one hazard ratio"):
        read_protocol(path)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"hazard_steps": [{"from_month": 3, "per_month": 0.1}]}, r"hazard_steps: they begin"),
        ({"hazard_ratio_steps": [{"from_month": 0, "ratio": 1}]}, "unknown key 'ratio'"),
        ({"hazard_steps": 5}, "hazard_steps"),
        (
            {"hazard_ratio_steps": FADING["hazard_ratio_steps"], "assume": {"delay_months": 2}},
            "assume.delay_months: hazard_ratio_steps tell the effect",
        ),
        (
            {"hazard_steps": FADING["hazard_steps"], "assume": {"shape": 2}},
            "assume.shape: hazard_steps tell the hazards",
        ),
    ],
)
def test_a_scenario_refuses_them_as_well(document, says):
    with pytest.raises(SimulationError, match=says):
        parse_scenarios({"document": 1, **document})
