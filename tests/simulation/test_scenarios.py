"""Scenario documents: what they mean, every fault of them, and what cannot be simulated."""

import json
import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.protocol import parse_protocol
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.scenarios import (
    ASSUMED,
    HAZARDS,
    Scenario,
    StratumAssumption,
    parse_scenarios,
    without_effect,
)
from radioligand.simulation.trial_design import trial_design

PAGE = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text("utf-8")


def test_the_page_lists_every_key():
    rows = re.findall(r"^\| (`.+?) \|", PAGE.split("| key of `[assume]`")[1], re.M)
    told = [key for row in rows for key in re.findall(r"`(\w+)`", row)]

    assert [key for key in ASSUMED if key not in told] == []
    known = {field.name for field in fields(Scenario)}
    tables = {"hazard_ratios", "cohorts", "strata", "looks", "chain", "primaries", "adaptation"}
    assert set(ASSUMED) == known - {"name"} - tables - set(HAZARDS)
    assert all(f"[{table}" in PAGE or f"`{table}" in PAGE for table in tables)


def test_the_example_of_the_page_is_read(protocol):
    text = re.search(r"```toml\n(.*?)```", PAGE, re.S)[1]

    found = parse_scenarios(tomllib.loads(text))

    assert [(one.hazard_ratio, one.accrual_per_month) for one in found] == [
        (0.5, 7),
        (0.5, 10),
        (0.6, 7),
        (0.6, 10),
    ]
    assert found[2].name == "hazard_ratio 0.6, accrual_per_month 7"
    design = trial_design(protocol, found[0])
    assert design.chain == ("primary", "response", "survival")
    assert design.model.look_events.tolist() == [66, 99]
    assert design.model.futility_z.tolist() == [0.0, -np.inf]
    assert design.model.visits[:4].tolist() == [113, 169, 253, 337]  # weeks 16, 24, 36, 48


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "document: this has to be 1"),
        ({"asume": {}}, "asume: unknown key. Did you mean 'assume'?"),
        ({"assume": {"hazard_ration": 1}}, "Did you mean 'hazard_ratio'?"),
        ({"assume": {"hazard_ratio": -1}}, "assume.hazard_ratio: -1. Give a number, above 0."),
        ({"assume": {"hazard_ratio": "half"}}, "assume.hazard_ratio: 'half'"),
        ({"assume": {"hazard_ratio": float("nan")}}, "assume.hazard_ratio: nan"),
        ({"assume": {"hazard_ratio": []}}, "the list is empty"),
        ({"assume": {"subjects": 20.5}}, "assume.subjects: 20.5. Give a whole number"),
        ({"assume": {"visits": 1}}, "assume.visits: 1. Write true or false."),
        ({"assume": {"missed_fraction": 0.1}}, "Add visits."),
        ({"assume": {"crossover_fraction": 0.1}}, "progression_to_death_months_crossed"),
        ({"assume": {"response_control": 0.1}}, "response_experimental"),
        ({"assume": {"progression_to_death_months_control": 9}}, "is given for one arm"),
        ({"assume": {"progression_to_death_months_crossed": 9}}, "survival of the arms is missing"),
        ({"assume": []}, "Write [assume]."),
        ({"assume": {"shape": [1.0] * 40, "events": list(range(40, 80))}}, "1600 scenarios"),
        ({"looks": {"events": [50, 50]}}, "Give whole numbers that rise."),
        ({"looks": {"events": [50, 99], "futility_z": [0, 0]}}, "a z for each look but the last"),
        ({"looks": {"events": [50, 99], "spending": "even"}}, "Use one of obrien-fleming"),
        ({"looks": {"events": [50]}, "assume": {"events": 60}}, "Leave one of them out."),
        ({"looks": 3}, "Write [looks]."),
        ({"chain": ["response"]}, "Begin with 'primary'"),
        ({"chain": ["primary", "response"]}, "response is tested, and no rates are assumed"),
        ({"chain": ["primary", "survival"]}, "survival is tested, and none is assumed"),
        ({"strata": {"id": "2"}}, "Write [[strata]]"),
        ({"strata": [{"id": 2, "share": 0}]}, "strata[0].share: 0"),
    ],
)
def test_every_fault_is_told_with_its_path(document, says):
    whole = document if not document else {"document": 1, **document}

    with pytest.raises(SimulationError) as told:
        parse_scenarios(whole, name="mine.toml")

    assert says in str(told.value)
    assert str(told.value).startswith("mine.toml: ")


def test_faults_are_told_together():
    document = {"document": 2, "assume": {"shape": 0, "gama": 1}, "chain": 7}

    with pytest.raises(SimulationError, match="4 to mend"):
        parse_scenarios(document)


def without(document, *keys):
    return {key: value for key, value in document.items() if key not in keys}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: without(d, "planning"), "no [planning]"),
        (
            lambda d: {**d, "arms": [*d["arms"], {**d["arms"][0], "id": "B", "ratio": 3}]},
            "two arms are simulated",
        ),
    ],
)
def test_says_what_cannot_be_simulated(document, change, says):
    protocol = parse_protocol(change(document))
    with pytest.raises(SimulationError) as told:
        trial_design(protocol)
    assert says in str(told.value)


def test_strata_have_to_be_those_of_the_protocol(protocol):
    other = Scenario(strata=(StratumAssumption(id="2", share=1.0),))
    with pytest.raises(SimulationError, match="they are 2/PANCREAS, 2/OTHER"):
        trial_design(protocol, other)


def test_scans_may_not_change_their_order(protocol):
    with pytest.raises(SimulationError, match=r"Narrow window_days\."):
        trial_design(protocol, Scenario(visits=True, window_days=28))


@pytest.mark.by_hand
def test_a_design_is_what_protocol_and_scenario_say(protocol, plain):
    model = trial_design(protocol, plain).model
    month = 30.4375

    assert model.subjects == 222
    assert model.block_experimental == 4
    assert model.look_events.tolist() == [99]
    assert model.stratum_chance / 65536 == pytest.approx([0.36, 0.65, 0.84], abs=1e-5)
    assert model.recruitment.ravel() == pytest.approx([0, 0, month / 10])
    mean = 15 * month / np.log(2)
    assert model.curves[:, 2, 0] == pytest.approx([mean, 2 * mean])


@pytest.mark.by_hand
def test_a_late_effect_has_a_knot(protocol):
    curves = trial_design(protocol, Scenario(delay_months=4)).model.curves

    days, summed, each = curves[1]
    mean = 15 * 30.4375 / np.log(2)
    assert days == pytest.approx([0, 121.75])
    assert summed == pytest.approx([0, 121.75 / mean])
    assert each == pytest.approx([mean, 2 * mean])


def test_without_effect_the_arms_are_alike(protocol, fuller):
    model = trial_design(protocol, without_effect(replace(fuller, shape=1.3))).model

    assert model.curves[0] == pytest.approx(model.curves[1])
    assert model.response_chance[0] == model.response_chance[1]
    assert model.later_days[0] == model.later_days[1]


def test_the_command_prints_what_machines_and_people_read(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text("document = 1\n[assume]\nhazard_ratio = [0.5, 0.8]\n", "utf-8")
    words = ["simulate", "netter-2", "--trials", "500", "--seed", "3", "--scenario", str(path)]

    told = json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)
    read = CliRunner().invoke(cli, words).stdout

    assert told["trials"] == 500
    assert [one["scenario"] for one in told["scenarios"]] == [
        "hazard_ratio 0.5",
        "hazard_ratio 0.8",
    ]
    assert told["power"] > told["scenarios"][1]["power"] > told["type_one_error"]["rate"]
    assert set(told["theory"].values()) == {None}
    assert f"power                 {100 * told['power']:.1f} %" in read
    assert "type I error" in read


def test_the_command_refuses_a_broken_scenario_in_one_message(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("document = 1\n[assume]\nshape = 0\n", "utf-8")

    refused = CliRunner().invoke(cli, ["simulate", "netter-2", "--scenario", str(path)])

    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"Error: {path}: 1 to mend.")
