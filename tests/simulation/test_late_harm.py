# SPDX-License-Identifier: Apache-2.0
"""A late harm in virtual trials: what theory says if nobody is lost, and less if somebody is."""

import json
from math import exp, log

import polars as pl
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.io.documents import read_protocol
from radioligand.planning import late_harm_plans, plan
from radioligand.simulation.adaptive_design import virtual_design
from radioligand.simulation.late_harm import late_harm_outcomes
from radioligand.simulation.scenarios import Scenario

TRIALS = 1500
RETREAT = read_protocol("net-retreat")
KEPT = Scenario(dropout_per_month=0.0)  # and nobody dies


def one_stratum(protocol):
    """The same without factors, so that blocks make arms of exactly the planned sizes."""
    held = protocol.randomisation.model_copy(update={"strata": ()})
    return protocol.model_copy(update={"randomisation": held})


def outcomes(protocol, scenario, trials=TRIALS):
    design = virtual_design(protocol, scenario)
    return late_harm_outcomes(design, protocol.late_harm, seed=3, trials=trials)


@pytest.mark.law
def test_with_nobody_lost_it_is_what_the_plan_says():
    whole = one_stratum(RETREAT)
    planned = late_harm_plans(whole, plan(whole)[0])[0]

    found = next(one for one in outcomes(whole, KEPT) if one.arm == planned.arm)

    assert found.subjects == pytest.approx(planned.subjects, abs=0.5)
    assert found.known == found.subjects
    assert not found.deaths
    for at, seen in ((found.usual, planned.seen_usual), (found.high, planned.seen_high)):
        assert at.seen == pytest.approx(seen, abs=4 * at.seen_error + 0.002)
        spread = (at.share * (1 - at.share) / (TRIALS * found.subjects)) ** 0.5
        assert at.incidence == pytest.approx(at.share, abs=4 * spread)
    excluded = found.usual
    assert excluded.excluded == pytest.approx(
        planned.excluded, abs=4 * excluded.excluded_error + 0.002
    )
    assert found.high.excluded <= 0.05 + 4 * found.high.excluded_error
    assert found.month == pytest.approx(planned.month, abs=1)  # entry is random, then as planned


@pytest.mark.by_hand
def test_dropout_takes_subjects_and_leaves_the_incidence():
    lost = outcomes(RETREAT, Scenario(dropout_per_month=0.01))[0]
    kept = outcomes(RETREAT, KEPT)[0]

    # at 1 % a month exp(-0.6) are followed for 60 months; one in a hundred has the harm before
    assert lost.known / lost.subjects == pytest.approx(exp(-0.6), abs=0.02)
    assert lost.usual.incidence == pytest.approx(kept.usual.incidence, abs=0.003)
    assert lost.usual.seen < kept.usual.seen
    assert lost.usual.excluded < kept.usual.excluded


@pytest.mark.by_hand
def test_death_before_the_harm_competes():
    deadly = Scenario(
        dropout_per_month=0.0, deaths_among_events=1.0, hazard_ratio=1.0, median_control_months=20.0
    )
    found = outcomes(RETREAT, deadly)[0]

    harm, death = -log(1 - 0.08) / 60, log(2) / 20  # constant hazards a month
    expected = harm / (harm + death) * (1 - exp(-60 * (harm + death)))
    assert found.deaths
    assert found.known == found.subjects  # who died before is known not to have it
    assert found.high.incidence == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("name", ["prrt-ddr", "sabr-prrt"])
def test_several_arms_and_cohorts_have_it_too(name):
    protocol = read_protocol(name)
    found = outcomes(protocol, Scenario(), trials=50)

    assert [one.arm for one in found] == [
        arm.id for arm in sorted(protocol.arms, key=lambda arm: arm.role != "control")
    ]
    for one in found:
        assert 0 < one.known < one.subjects
        assert one.usual.seen <= one.high.seen


def test_the_command_tells_it_in_json_on_the_terminal_and_on_the_page(tmp_path):
    words = ["simulate", "net-retreat", "--trials", "100", "--no-null"]

    told = json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)["late_harm"]
    shown = CliRunner().invoke(cli, [*words, "--out", str(tmp_path / "out")]).stdout

    assert [one["arm"] for one in told] == ["EVEROL", "LU"]
    assert "late harm             Myelodysplastic syndrome or acute leukaemia" in shown
    assert f"known in {told[0]['known']:.1f} of {told[0]['subjects']:.1f} subjects" in shown
    table = pl.read_csv(tmp_path / "out" / "results.csv").filter(
        analysis="late-harm", statistic="seen_percent"
    )
    assert table["value"].to_list() == pytest.approx(
        [100 * one[at]["seen"] for one in told for at in ("usual", "high")]
    )
