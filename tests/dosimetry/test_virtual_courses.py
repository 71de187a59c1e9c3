# SPDX-License-Identifier: Apache-2.0
"""Virtual courses: exact without errors, sensible with them, and the scenario's faults."""

import json
import math
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.io.documents import read_protocol
from radioligand.simulation.dose_courses import MULTIPLE, SINGLE, compare_designs
from radioligand.simulation.dose_scenarios import DoseScenario, parse_dose_scenario
from radioligand.simulation.faults import SimulationError

PATH = Path(__file__).parent / "scenario.toml"
DOCUMENT = tomllib.loads(PATH.read_text("utf-8"))


def scenario(**changes) -> DoseScenario:
    return parse_dose_scenario({**DOCUMENT, **changes}, name="scenario.toml")


def without_spread(**lesion) -> DoseScenario:
    """Every patient alike, and measured without error."""
    still = {"log_sd": 0.0, "within_log_sd": 0.0, "half_life_log_sd": 0.0, "cycle_log_sd": 0.0}
    still |= {"volume_error": 0.0, "cycle_factor": 1.0}
    plain = scenario()
    return replace(
        plain,
        organs=tuple(replace(one, **still) for one in plain.organs),
        lesion=replace(plain.lesion, **still | lesion),
        scanning=replace(
            plain.scanning, random_error=1e-9, systematic_error=0.0, site_log_sd=(0.0,)
        ),
    )


def outcomes(assumed: DoseScenario, *, patients: int = 40, **changes):
    dosimetry = read_protocol("dosimetry-prrt").dosimetry.model_copy(update=changes)
    return compare_designs(
        dosimetry, assumed, fixed_gbq=7.4, patients=patients, rng=np.random.default_rng(1)
    )


@pytest.mark.by_hand
def test_without_errors_the_aim_is_met_and_the_fixed_activity_is_what_it_is():
    fixed, multiple, single = outcomes(without_spread())
    assert fixed.steering_gy == pytest.approx(4 * 7.4 * 4.0)  # 118.4 Gy
    assert (fixed.activity_gbq, fixed.in_target, fixed.over_limit) == (29.6, 1.0, 0.0)
    for one in (multiple, single):
        assert one.steering_gy == pytest.approx(100, rel=1e-6)
        assert one.activity_gbq == pytest.approx(25, rel=1e-6)
        assert one.in_target == 1.0


@pytest.mark.by_hand
def test_without_errors_the_kidneys_stop_what_lesions_would_ask():
    # lesions of 1 Gy/GBq would need 100 GBq; 23 Gy of kidneys at 0.45 allow 51.1, less the margin
    # that the spread from cycle to cycle asks of what is not yet given
    _, multiple, _ = outcomes(without_spread(gy_per_gbq=1.0), cap_gbq=100.0, step_ratio=None)
    assert multiple.over_limit == 0.0
    assert 0.45 * multiple.activity_gbq < 23
    margin = 1 + 1.6448536269514722 * 0.1
    assert 0.45 * multiple.activity_gbq > 23 / margin


@pytest.mark.by_hand
def test_lesions_that_have_enough_get_no_more():
    _, multiple, _ = outcomes(without_spread(gy_per_gbq=12.0))
    assert multiple.steering_gy == pytest.approx(7.4 * 12)  # 88.8 Gy after the first cycle
    assert multiple.cycles == 1


def weighted_by_mass():
    target = read_protocol("dosimetry-prrt").dosimetry.target
    return target.model_copy(update={"steering": "mass-weighted mean"})


def test_a_target_weighted_by_mass_needs_masses():
    with pytest.raises(SimulationError, match=r"add mass_g and mass_log_sd to its \[lesion\]"):
        outcomes(scenario(), patients=5, target=weighted_by_mass())


def test_a_target_weighted_by_mass_is_no_plain_mean():
    def steering(mass_log_sd: float, **changes) -> list[float]:
        lesion = {**DOCUMENT["lesion"], "mass_g": 20.0, "mass_log_sd": mass_log_sd}
        return [one.steering_gy for one in outcomes(scenario(lesion=lesion), **changes)]

    plain = steering(1e-12)
    assert steering(1.5) == plain  # the mean knows no mass
    assert steering(1e-12, target=weighted_by_mass())[0] == pytest.approx(plain[0])
    apart = steering(1.5, target=weighted_by_mass())
    assert apart[0] != pytest.approx(plain[0], rel=1e-3)


@pytest.mark.by_hand
def test_one_heavy_lesion_is_the_weighted_mean():
    # of spread 8 one of three lesions holds nearly all mass: the mean of the patient is that
    # lesion's, and 5th and 95th percentile lie as wide apart as those of a single lesion
    lesion = {**DOCUMENT["lesion"], "mass_g": 20.0, "mass_log_sd": 8.0}
    fixed = outcomes(scenario(lesion=lesion), patients=400, target=weighted_by_mass())[0]
    spread = math.hypot(lesion["log_sd"], lesion["within_log_sd"])
    width = math.log(fixed.steering_upper_gy / fixed.steering_lower_gy)
    assert width == pytest.approx(2 * 1.645 * spread, rel=0.15)


def test_informed_brings_more_into_the_target_and_fewer_over_the_limit():
    found = {(one.design, one.scans, one.site_log_sd): one for one in
             outcomes(scenario(), patients=300)}  # fmt: skip
    fixed = found["fixed", "none", 0.0]
    best, apart = found["informed", MULTIPLE, 0.0], found["informed", MULTIPLE, 0.3]
    single = found["informed", SINGLE, 0.0]
    assert best.in_target > fixed.in_target + 5 * fixed.in_target_error
    assert best.over_limit <= fixed.over_limit + 0.02
    assert best.in_target > apart.in_target  # sites that measure differently cost
    assert fixed.in_target < single.in_target <= best.in_target + 3 * best.in_target_error
    for one in found.values():
        assert one.below_target + one.in_target + one.above_target == pytest.approx(1)


def test_the_same_seed_gives_the_same():
    assert outcomes(scenario(), patients=20) == outcomes(scenario(), patients=20)


def test_a_limit_in_effective_dose_is_kept():
    limit = read_protocol("dosimetry-prrt").dosimetry.limits[0]
    bed = limit.model_copy(update={"quantity": "bed", "limit_gy": 10.0})
    fixed, multiple, _ = outcomes(without_spread(), limits=(bed,))
    assert fixed.over_limit == 1.0  # 3.33 Gy a cycle are 3.55 in BED, four of them 14
    assert multiple.over_limit == 0.0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"lesions": 0}, "lesions: 0 is no whole number"),
        ({"organs": []}, "organs: add one entry"),
        ({"colour": 1}, "colour: unknown; known: about"),
        ({"lesion": {**DOCUMENT["lesion"], "gy_per_gbq": 0}}, "lesion.gy_per_gbq: 0; it must be"),
        ({"lesion": {"gy_per_gbq": 3}}, "lesion.log_sd: missing"),
        ({"scanning": {**DOCUMENT["scanning"], "hours": [96]}}, "are not two times or more"),
        ({"scanning": {**DOCUMENT["scanning"], "x": 1}}, "scanning.x: unknown"),
    ],
)
def test_each_fault_of_a_scenario_is_named(changes, says):
    with pytest.raises(SimulationError) as told:
        scenario(**changes)
    assert says in str(told.value)


def test_a_limited_organ_needs_its_kinetics():
    organs = [{**DOCUMENT["organs"][0], "region": "LIVER"}]
    with pytest.raises(SimulationError, match="needs the kinetics of KIDNEYS"):
        outcomes(scenario(organs=organs))
    with pytest.raises(SimulationError, match=r"no \[dosimetry.target\] to compare"):
        outcomes(scenario(), target=None)


def test_from_the_command_line():
    words = ["dose", "simulate", "dosimetry-prrt", str(PATH), "--patients", "20"]
    told = CliRunner().invoke(cli, words)
    assert told.exit_code == 0, told.output
    assert "in target" in told.output
    found = json.loads(CliRunner().invoke(cli, [*words, "--json"]).output)
    assert [one["design"] for one in found] == ["fixed"] + ["informed"] * 4
