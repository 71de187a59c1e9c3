# SPDX-License-Identifier: Apache-2.0
"""Virtual trials against those of rpact, which draws and tests them by itself."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radioligand.planning import plan_endpoint
from radioligand.simulation.scenarios import (
    LookAssumption,
    Scenario,
    parse_scenarios,
    without_effect,
)
from radioligand.simulation.trial_design import trial_design
from radioligand.simulation.trials import simulate

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "planning.json").read_text())
POWERS = {case["name"]: case for case in REFERENCE["powers"]}
TRIALS = 40_000
DAY = 1 / 30.4375  # rpact has moments where radioligand has whole days


def assumed(case) -> dict:
    """The [planning] of a case: its curve, its effect, its margin."""
    shape = case["shape"]
    return {
        "ratio": case["ratio"],
        "median_control_months": float(np.log(2) ** (1 / shape) / case["lambda2"][0]),
        "shape": shape,
        "hazard_ratio": case["hazard_ratio"] or case["lambda1"][-1] / case["lambda2"][-1],
        "margin": case["margin"],
        "accrual_per_month": case["subjects"] / case["accrual"],
        "accrual_months": case["accrual"],
        "dropout_fraction": 0.0,
        "events": None,
        "subjects": None,
    }


def agrees(protocol, case):
    """Hold power and months of virtual trials against those of rpact."""
    looks = LookAssumption(
        events=tuple(case["events"]),
        spending="pocock" if case["type"] == "asP" else "obrien-fleming",
    )
    scenario = Scenario(looks=looks, subjects=case["subjects"], stratified=False)

    found = simulate(trial_design(protocol, scenario), trials=TRIALS, seed=6)

    error = np.hypot(found.power_error, np.sqrt(0.25 / case["trials"]))
    assert found.power == pytest.approx(case["simulated"], abs=3 * error)
    day = found.means["day"]
    months = day.mean / 30.4375
    assert months == pytest.approx(case["simulated_month"], abs=6 * day.error * DAY + DAY)


@pytest.mark.reference
@pytest.mark.parametrize("name", ["1:1", "2:1", "Weibull", "margin", "looks", "pocock"])
def test_virtual_trials_have_the_power_of_those_of_rpact(changed, name):
    agrees(changed(**assumed(POWERS[name])), POWERS[name])


@pytest.mark.reference
def test_an_effect_that_begins_late_has_the_power_of_virtual_trials_of_rpact(changed):
    case = POWERS["late"]
    agrees(changed(**assumed(case), delay_months=float(case["starts"][1])), case)


@pytest.mark.reference
@pytest.mark.parametrize("name", ["pieces", "fading"])
def test_hazards_in_steps_have_the_power_of_virtual_trials_of_rpact(changed, name):
    """From the protocol, and from a scenario of the plain one, which gives the same trials."""
    case = POWERS[name]
    starts, control = case["starts"], case["lambda2"]
    ratios = np.array(case["lambda1"]) / control if name == "fading" else [0.6, 0.6]
    steps = {
        "hazard_steps": [
            {"from_month": month, "per_month": hazard}
            for month, hazard in zip(starts, control, strict=True)
        ],
        "hazard_ratio_steps": [
            {"from_month": month, "hazard_ratio": float(ratio)}
            for month, ratio in zip(starts, ratios, strict=True)
        ],
    }
    median = starts[1] + (np.log(2) - control[0] * starts[1]) / control[1]
    common = assumed(case) | {"hazard_ratio": float(min(ratios)), "method": "lakatos", "power": 0.5}
    protocol = changed(**(common | {"median_control_months": median}), **steps)

    agrees(protocol, case)

    told = {"document": 1, "looks": {"events": case["events"]}, **steps}
    told["assume"] = {"subjects": case["subjects"], "stratified": False}
    (scenario,) = parse_scenarios(told)
    by_scenario = trial_design(changed(**common), scenario).model
    by_protocol = trial_design(protocol, replace(scenario, hazard_steps=(), hazard_ratio_steps=()))
    assert by_scenario.curves == pytest.approx(by_protocol.model.curves, rel=1e-9)
    null = trial_design(protocol, without_effect(scenario)).model.curves
    assert (null[0] == null[1]).all()


@pytest.mark.reference
@pytest.mark.parametrize("name", ["looks", "pocock"])
def test_the_plan_of_looks_has_the_power_that_rpact_gives(changed, name):
    case = POWERS[name]
    spending = "pocock" if case["type"] == "asP" else "obrien-fleming"
    interim = {"events": case["events"], "spending": spending}
    protocol = changed(**assumed(case), interim=interim)

    found = plan_endpoint(protocol, protocol.planning)

    assert found.power == pytest.approx(case["power"], abs=1e-6)
    assert found.analysis_months == pytest.approx(case["months"][-1], rel=3e-5)
