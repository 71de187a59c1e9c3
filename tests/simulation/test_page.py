"""The page of simulated scenarios: figures say what the results say, and nothing is outside."""

import json
import re

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from radioligand.cli import cli
from radioligand.simulation.calendar import calendar_fan, z_at_looks
from radioligand.simulation.results import curve_ratios, varied
from radioligand.simulation.scenarios import Scenario
from radioligand.simulation.trial_design import trial_design

GRID = """document = 1
[assume]
hazard_ratio = [0.5, 0.7]
accrual_per_month = [6, 12]
[looks]
events = [50, 75, 99]
futility_z = [0.0, 0.5]
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    (folder / "grid.toml").write_text(GRID, "utf-8")
    words = ["simulate", "netter-2", "--trials", "600", "--scenario", str(folder / "grid.toml")]
    for name in ("out", "again"):
        run = CliRunner().invoke(cli, [*words, "--out", str(folder / name)])
        assert run.exit_code == 0, run.output
    return folder


def test_every_file_is_there_and_the_same_each_time(written):
    out = written / "out"
    files = sorted(path.relative_to(out) for path in out.rglob("*.*") if "parts" not in path.parts)

    assert {"index.html", "results.json", "results.csv"} <= {str(one) for one in files}
    assert {one.stem for one in files if one.suffix == ".svg"} == {
        "map",
        "simulated-power",
        "fan",
        "simulated-looks",
    }
    for one in files:
        assert (out / one).read_bytes() == (written / "again" / one).read_bytes(), one


def test_the_page_of_several_arms_tells_of_each(tmp_path):
    words = ["simulate", "prrt-ddr", "--trials", "300", "--out", str(tmp_path / "out"), "--json"]

    told = json.loads(CliRunner().invoke(cli, words).stdout)

    each = pl.read_csv(tmp_path / "out" / "tables" / "each-arm.csv")
    assert each[:, 0].to_list() == [one["arm"] for one in told["arms"]]
    found = pl.read_csv(tmp_path / "out" / "results.csv").filter(
        analysis="each-arm", statistic="found_percent"
    )
    assert found["value"].to_list() == pytest.approx([100 * one["power"] for one in told["arms"]])
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert page.count("<svg") == 2  # power and calendar; looks are those of each comparison
    assert "Theory is that of picking the winner" in page


def test_one_look_has_no_figure_and_each_of_several_arms_its_theory(tmp_path):
    words = ["simulate", "netter-2", "--trials", "100", "--no-null", "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(cli, words).exit_code == 0
    figures = {one.stem for one in (tmp_path / "out" / "figures").iterdir()}
    assert figures == {"simulated-power", "fan"}

    words = ["simulate", "prrt-resistant", "--trials", "100", "--no-null"]
    told = CliRunner().invoke(cli, words).output
    # 51 events at one-sided 10 %: phi(|log 0.55| sqrt(51) / 2 - 1.2816)
    assert "power by theory       of each arm 80.3 % (Schoenfeld)" in told


def test_more_than_two_assumptions_make_a_map_for_each_of_the_others(tmp_path):
    grid = tmp_path / "grid.toml"
    lists = "hazard_ratio = [0.5, 0.7]\naccrual_per_month = [6, 12]\nvisits = [true, false]\n"
    grid.write_text(f"document = 1\n[assume]\n{lists}", "utf-8")
    words = ["simulate", "netter-2", "--trials", "200", "--scenario", str(grid), "--json"]

    run = CliRunner().invoke(cli, [*words, "--no-null", "--out", str(tmp_path / "out")])

    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)["scenarios"]
    seen = []
    for name, visits in (("map-1", "true"), ("map-2", "false")):
        drawn = (tmp_path / "out" / "figures" / f"{name}.svg").read_text("utf-8")
        described = re.search("<desc[^>]*>(.*?)</desc>", drawn, re.S)[1]
        own = [one for one in told if one["scenario"].endswith(f"visits {visits}")]
        for one in own:
            key = one["scenario"].rsplit(",", 1)[0].replace("_", " ")
            assert f"{key}: {100 * one['power']:.1f} %" in described
        seen += own
    assert len(seen) == 8
    assert "Power by scenario: visits yes" in (tmp_path / "out" / "index.html").read_text("utf-8")


def test_the_page_holds_everything_itself(written):
    page = (written / "out" / "index.html").read_text("utf-8")

    assert page.count("<svg") == 4
    assert not re.search(r'<(?:script|img|link)[^>]+(?:src|href)="(?!data:|#)', page)
    assert "2 scenarios" not in page
    assert "4 scenarios, each also without effect, seed 1" in page


def test_figures_tell_the_numbers_of_the_results(written):
    out = written / "out"
    told = json.loads((out / "results.json").read_text("utf-8"))["scenarios"]
    described = {
        name: re.search("<desc[^>]*>(.*?)</desc>", (out / "figures" / f"{name}.svg").read_text())[1]
        for name in ("map", "fan", "simulated-looks", "simulated-power")
    }

    for one in told:
        key = one["scenario"].replace("_", " ")
        assert f"{key}: {100 * one['power']:.1f} %" in described["map"]
    for look in told[0]["looks"]:
        bound = f"bound {look['z']:.3f}"
        assert re.search(f"{bound} and .* at {look['events']} events", described["simulated-looks"])
    low, high = (told[0]["duration_months"]["quantiles"][one] for one in ("0.05", "0.95"))
    assert f"last look, month {low:.0f} to {high:.0f}" in described["fan"]
    assert described["simulated-power"].endswith(" % at 1.")


def test_the_curve_of_power_is_simulated_and_near_theory(written):
    frame = pl.read_csv(written / "out" / "results.csv").filter(analysis="power")
    points = frame.filter(statistic="power_simulated")
    theory = frame.filter(statistic="power")
    errors = frame.filter(statistic="power_error")["value"].to_numpy()
    expected = np.interp(
        points["level"].cast(pl.Float64).to_numpy(),
        theory["level"].cast(pl.Float64).to_numpy(),
        theory["value"].to_numpy(),
    )

    assert points.height == 7
    # a chance to stop for futility costs power, and the test at 2:1 gains some
    assert points["value"].to_numpy() == pytest.approx(expected, abs=4 * errors.max() + 0.03)


@pytest.mark.law
def test_the_fan_rises_and_holds_its_middle(protocol, plain):
    fan = calendar_fan(
        trial_design(protocol, plain), seed=2, trials=60, months=np.linspace(0, 60, 61)
    )

    for values in (fan.subjects, fan.events):
        assert (np.diff(values, axis=0) >= 0).all()
        assert (np.diff(values, axis=1) >= 0).all()
    assert fan.subjects[:2, 0].tolist() == [0, 0]  # on the first day one may enter
    assert fan.subjects[1, -1] == 222
    # ten a month: after a year 120 are expected, with the spread of a Poisson number
    assert fan.subjects[1, 12] == pytest.approx(120, abs=6)


def test_z_at_looks_is_about_its_drift(changed):
    design = trial_design(changed(ratio=1, hazard_ratio=0.6, dropout_fraction=0.0))

    (quantiles,) = z_at_looks(design, seed=1, trials=2000)

    drift = -np.log(0.6) * np.sqrt(design.plan.events) / 2
    assert quantiles[1] == pytest.approx(drift, abs=0.15)
    assert quantiles[2] - quantiles[0] == pytest.approx(2 * 1.645, abs=0.25)


@pytest.mark.by_hand
def test_what_varies_and_where_power_is_told(protocol, plain):
    pair = (Scenario(hazard_ratio=0.5, visits=True), Scenario(hazard_ratio=0.6, visits=True))

    assert varied(pair) == ("hazard_ratio",)
    assert curve_ratios(trial_design(protocol, plain)) == pytest.approx(
        [0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]
    )
