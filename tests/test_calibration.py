# SPDX-License-Identifier: Apache-2.0
"""Calibrated cohorts: the targets' arithmetic, the choice of draws, and what is written."""

import json
import tomllib
from dataclasses import replace
from datetime import date
from math import inf, nan

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from radioligand.analysis import analyse
from radioligand.cdisc import join_supplemental
from radioligand.cli import cli
from radioligand.derivation import derive
from radioligand.evidence import cohorts as c
from radioligand.evidence import contradictions as untied
from radioligand.evidence.calibration import Effort
from radioligand.evidence.levers import lever, turned, with_levers
from radioligand.evidence.measures import MEASURES, asked_of, measured
from radioligand.evidence.search import choose_draws, distance, rivals, seeds_of_size, steered
from radioligand.evidence.target_documents import parse_targets, read_targets, shipped_targets
from radioligand.evidence.targets import WEIGHT, Target, TargetsError
from radioligand.io.documents import read_protocol
from radioligand.report import CALIBRATED
from radioligand.simulation.parameters import parse_population, read_population
from radioligand.simulation.patients import simulate_study
from radioligand.simulation.writing import population_document

PROTOCOL = read_protocol("netter-2")
POPULATION = read_population("netter-2")
TARGETS = read_targets("netter-2")
ASKED = asked_of(PROTOCOL)
SEED = 3


def target(published="22.8 (19.4–NE)", **more):
    given = {"measure": "median", "role": "primary", "scale": 0.5, "endpoint": "PFS", "arm": "LU"}
    return Target(id="one", says="One", place="Here", published=published, **{**given, **more})


# -- contradictions ------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_exponential_arms_cannot_carry_netter_2():
    (shown,) = untied.contradictions(TARGETS)

    assert shown.implied == pytest.approx(8.5 / 22.8)  # 0.3728
    assert f"{shown.implied:.3f}" == "0.373"
    assert shown.published == 0.276
    assert shown.inside  # of 0.182 to 0.418
    # (8.5 / 22.8) ** 1.305 = exp(1.305 * -0.98669) = exp(-1.28763) = 0.276
    assert shown.shape == pytest.approx(1.305, abs=5e-4)


@pytest.mark.by_hand
def test_an_exponential_control_arm_leaves_too_many_at_month_20_of_netter_1():
    rate, ratio = untied.contradictions(read_targets("netter-1"))

    assert f"{rate.implied:.1f}" == "19.2"  # 100 * 0.5 ** (20 / 8.4)
    assert rate.inside  # of 3.5 to 23.0
    assert f"{rate.shape:.2f}" == "1.34"
    assert f"{ratio.implied:.3f}" == "0.192"  # ln 0.652 / ln 0.108 = 0.42771 / 2.22562


@pytest.mark.law
@given(st.floats(2, 60), st.floats(2, 60), st.floats(0.5, 3))
def test_the_weibull_shape_unties_medians_and_ratio(median, control, shape):
    if abs(median - control) < 0.1:
        control = median + 1
    ratio = (control / median) ** shape

    assert untied.shape_of_ratio(median, control, ratio) == pytest.approx(shape)


# -- targets -------------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_a_number_meets_its_target_if_it_prints_the_same():
    one = target()

    assert one.printed((22.76, 19.449, nan)) == "22.8 (19.4–NE)"
    assert one.misses((22.76, 19.449, nan)) == (0, 0, 0)
    assert one.printed((22.74, 19.4, 31.06)) == "22.7 (19.4–31.1)"
    assert one.misses((22.70, 19.4, 31.06)) == pytest.approx((0.1, 0, inf))
    assert one.printed((nan, 19.4, nan)) == "NE (19.4–NE)"


@pytest.mark.by_hand
def test_bounds_are_met_as_bounds():
    p = target("<0.001", measure="log-rank p")

    assert p.printed((0.0002,)) == "<0.001"
    assert p.printed((0.0042,)) == "0.0042"
    assert p.misses((0.0042,)) == pytest.approx((0.0032,))


@pytest.mark.by_hand
def test_distance_is_in_units_of_the_scale_and_slow_beyond_one():
    one = target("22.8", measure="events", scale=0.5)

    assert one.distance((22.84,)) == 0
    assert one.distance((23.1,)) == pytest.approx(0.6)
    assert one.distance((24.3,)) == pytest.approx(1 + np.log(3))
    assert one.distance((nan,)) == 4


@pytest.mark.law
@given(
    st.sampled_from(["22.8", "−12.3", "151", "<0.001", "0.276", "NE"]),
    st.floats(-200, 200) | st.just(nan),
)
def test_no_miss_and_equal_texts_are_the_same(published, value):
    one = target(published, measure="events")

    assert (one.misses((value,)) == (0,)) == (one.printed((value,)) == published)


@pytest.mark.parametrize("name", shipped_targets())
def test_shipped_targets_name_what_is_there(name):
    found = read_targets(name)
    protocol = read_protocol(found.protocol)
    population = read_population(protocol.trial.id)

    assert {one.endpoint for one in found.targets} - {""} <= {e.id for e in protocol.endpoints}
    assert {one.arm for one in found.targets} - {""} <= {arm.id for arm in protocol.arms}
    assert all(lever(population, path) for path in found.levers)
    assert len({one.id for one in found.targets}) == len(found.targets)


def test_a_document_of_targets_is_told_all_its_faults():
    row = {"id": "a", "says": "A", "measure": "median", "published": "8.5", "place": "x",
           "role": "main", "scale": 1.0, "colour": "red"}  # fmt: skip
    document = {
        "study": {"id": "x", "title": "X", "protocol": "p", "paper": "P", "reviewer": "central",
                  "cutoff": date(2020, 1, 1)},
        "targets": [row, {**row, "id": "b", "measure": "mode", "role": "primary"}],
        "contradictions": [{"kind": "odd", "targets": ["z"]}],
    }  # fmt: skip

    with pytest.raises(TargetsError) as told:
        parse_targets(document, name="mine.toml")

    said = str(told.value)
    for fault in (
        "study: levers is missing",
        "a: unknown key 'colour'",
        "a: median has 3 numbers, not '8.5'",
        "a: role 'main'",
        "b: measure 'mode'",
        "contradictions: no target 'z'",
        "kind 'odd'",
    ):
        assert fault in said


def test_an_unknown_study_is_refused_with_those_there_are():
    with pytest.raises(TargetsError, match="netter-1, netter-2, shrinkage"):
        read_targets("netter-3")


# -- draws ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool():
    members = [
        c.virtual_cohort(POPULATION, TARGETS, protocol=PROTOCOL, seed=SEED, draw=draw)
        for draw in range(3)
    ]
    return c.pooled(members)


@pytest.mark.law
def test_a_cohort_put_together_is_the_study_simulated_of_its_draws(pool):
    draws = np.arange(pool["arm"].shape[1]) % 3
    together = c.chosen(pool, draws)
    by_consent = c.by_consent(draws, together, POPULATION, protocol=PROTOCOL, seed=SEED)
    population = c.calibrated(POPULATION, TARGETS, seed=SEED, draws=by_consent)
    study = simulate_study(protocol=PROTOCOL, population=population, seed=SEED, without=c.WITHOUT)

    simulated = c.arrays(study, TARGETS, protocol=PROTOCOL)

    assert set(by_consent) == {0, 1, 2}
    assert simulated.keys() == together.keys()
    for name, values in simulated.items():
        assert values.tolist() == pytest.approx(together[name].tolist(), nan_ok=True), name


@pytest.mark.law
def test_who_is_randomised_after_the_cutoff_keeps_the_draw_of_the_seed():
    targets, population = read_targets("netter-1"), read_population("netter-1")
    protocol = read_protocol("netter-1")
    given = {"protocol": protocol, "seed": SEED}
    cohort = c.virtual_cohort(population, targets, **given)
    draws = np.ones(cohort["arm"].size, dtype=np.int64)

    by_consent = c.by_consent(draws, cohort, population, **given)

    late = 231 - cohort["arm"].size
    assert late == 3
    assert sorted(by_consent) == [0] * late + [1] * (231 - late)
    calibrated = c.calibrated(population, targets, seed=SEED, draws=by_consent)
    study = simulate_study(population=calibrated, without=c.WITHOUT, **given)
    again = c.arrays(study, targets, protocol=protocol)
    drawn = c.virtual_cohort(population, targets, draw=1, **given)
    assert again["PFS time"].tolist() == pytest.approx(drawn["PFS time"].tolist(), nan_ok=True)


@pytest.mark.law
def test_another_seed_of_a_calibrated_population_is_an_ordinary_study_that_says_so():
    population = c.calibrated(POPULATION, TARGETS, seed=SEED, draws=[1] * 226)
    lean = {"protocol": PROTOCOL, "seed": SEED + 1, "without": c.WITHOUT}
    usual, other = (simulate_study(population=one, **lean) for one in (POPULATION, population))

    for name, frame in usual.items():
        if name != "TS":
            assert_frame_equal(frame, other[name])
    told = other["TS"].filter(TSPARMCD="SIMCALIB")["TSVAL"].to_list()
    assert told == ["Singh 2024, cutoff 2023-07-20, central review"]


@pytest.mark.law
@pytest.mark.parametrize("name", ["netter-1", "netter-2"])
def test_what_is_left_out_of_the_draws_changes_no_target_that_counts(name):
    targets, protocol = read_targets(name), read_protocol(name)
    without = c.left_out(protocol, targets)
    given = {"protocol": protocol, "seed": SEED, "draw": 1}
    lean, whole = (
        c.virtual_cohort(read_population(name), targets, without=left, **given)
        for left in (without, ())
    )

    assert without == {"netter-1": ("AE", "QS"), "netter-2": ("AE", "LB", "QS")}[name]
    asked = asked_of(protocol)
    for one in targets.targets:
        if one.role != "shown":
            values = measured(whole, one, asked=asked)
            assert measured(lean, one, asked=asked) == pytest.approx(values, nan_ok=True), one.id


def test_draws_of_another_number_of_subjects_are_refused():
    population = c.calibrated(POPULATION, TARGETS, seed=SEED, draws=[1, 2])

    with pytest.raises(ValueError, match="2 draws for 226 randomised subjects"):
        simulate_study(protocol=PROTOCOL, population=population, seed=SEED)


def small_pool():
    """Six subjects of one arm with four draws; in the last one everybody responds."""
    response = np.array([["SD"] * 6, ["PD"] * 6, ["SD", "PD"] * 3, ["PR"] * 6])
    return {
        "arm": np.full((4, 6), "LU"),
        "member": np.ones((4, 6), dtype=bool),
        "response": response,
    }


def count_of(level, published):
    return target(published, measure="responses", levels=(level,), scale=1.0)


@pytest.mark.by_hand
def test_the_choice_meets_what_can_be_met_and_is_the_same_again():
    wanted = [replace(count_of("PR", "2"), id="pr"), replace(count_of("PD", "3"), id="pd")]
    choose = {"asked": ASKED, "steps": 400, "seed": 1, "progress": lambda done, total: None}

    draws = choose_draws(small_pool(), wanted, **choose)

    cohort = c.chosen(small_pool(), draws)
    assert sorted(cohort["response"].tolist()) == ["PD", "PD", "PD", "PR", "PR", "SD"]
    assert draws.tolist() == choose_draws(small_pool(), wanted, **choose).tolist()


@pytest.mark.by_hand
def test_what_stands_against_a_target_is_told():
    everyone = [replace(count_of("PR", "6"), id="pr"), replace(count_of("SD", "6"), id="sd")]
    draws = np.zeros(6, dtype=np.int64)  # all SD: the second is met, the first cannot be too

    (found,) = rivals(small_pool(), draws, everyone, asked=ASKED, steps=400, seed=1)

    assert found.target == "pr"
    assert found.tried == 18  # of each of six subjects the three other draws
    assert found.nearer == 6  # one of these is a response
    assert found.spoiled == (("sd", 6),)
    assert found.alone


@pytest.mark.by_hand
def test_a_target_that_no_draw_can_meet_is_not_met_alone():
    draws = np.zeros(6, dtype=np.int64)

    (found,) = rivals(small_pool(), draws, [count_of("CR", "1")], asked=ASKED, steps=400, seed=1)

    assert (found.nearer, found.spoiled, found.alone) == (0, (), False)


def test_seeds_have_arms_of_the_size_published():
    seeds = seeds_of_size(POPULATION, TARGETS, protocol=PROTOCOL, first=1, wanted=3, limit=200)

    assert len(seeds) == 3
    cohort = c.baseline_cohort(POPULATION, TARGETS, protocol=PROTOCOL, seed=seeds[0])
    assert [int((cohort["arm"] == arm).sum()) for arm in ("LU", "CONTROL")] == [151, 75]


# -- measures ------------------------------------------------------------------------------------


def value(results, analysis, statistic, **keys):
    rows = results.filter(
        pl.col("analysis") == analysis,
        pl.col("statistic") == statistic,
        pl.col("level").is_null() | pl.lit("level" in keys),
        **keys,
    )
    assert rows.height == 1, (analysis, statistic, keys)
    return rows["value"][0]


def analysed(targets, ids, *, seed):
    """A virtual cohort as arrays, and the results of the protocol's analyses of it."""
    protocol = read_protocol(targets.protocol)
    population = read_population(protocol.trial.id)
    study = simulate_study(protocol=protocol, population=population, seed=seed, without=c.WITHOUT)
    adam = derive(join_supplemental(study).frames, protocol=protocol, cutoff=targets.cutoff)
    wanted = tuple(one for one in protocol.analyses if one.id in ids)
    results = analyse(adam, protocol=protocol.model_copy(update={"analyses": wanted}))
    cohort = c.arrays(study, targets, protocol=protocol)
    asked = asked_of(protocol)

    def reached(name):
        return measured(cohort, targets.target(name), asked=asked)

    return reached, results


@pytest.mark.law
def test_measures_are_what_the_analyses_of_netter_2_find():
    reached, results = analysed(TARGETS, ("pfs", "orr", "dor"), seed=SEED)
    months = PROTOCOL.data.month_days
    ratio = [value(results, "pfs", f"hazard_ratio{end}") for end in ("", "_lower", "_upper")]
    odds = [
        value(results, "orr", f"odds_ratio{end}", variable="ORR")
        for end in ("", "_lower", "_upper")
    ]

    assert reached("pfs-events-lu")[0] == value(results, "pfs", "events", arm="LU")
    assert reached("pfs-median-control")[0] * months == pytest.approx(
        value(results, "pfs", "median", arm="CONTROL") * months
    )
    assert reached("pfs-hazard-ratio") == pytest.approx(ratio)
    assert reached("pfs-p")[0] == pytest.approx(value(results, "pfs", "logrank_p"))
    assert reached("odds-ratio") == pytest.approx(odds)
    assert reached("pr-lu")[0] == value(results, "orr", "count", arm="LU", level="PR")


@pytest.mark.law
def test_measures_are_what_the_shrinkage_analyses_find():
    ids = ("shrinkage-landmarks", "shrinkage-pfs")
    reached, results = analysed(read_targets("shrinkage"), ids, seed=SEED)

    for name, moment, arm in (
        ("no-limit-lu", "no limit", "LU"),
        ("day-150-control", "day 150", "CONTROL"),
    ):
        keys = {"arm": arm, "variable": moment}
        ends = ("", "_lower", "_upper")
        found = [value(results, ids[0], f"hazard_ratio{end}", **keys) for end in ends]
        assert reached(name) == pytest.approx(found)
    assert reached("analysed-lu")[0] == value(results, ids[0], "n", arm="LU", variable="no limit")
    keys = {"arm": "CONTROL", "variable": "day 336"}
    assert reached("change-48-control")[0] == pytest.approx(
        value(results, ids[0], "median", **keys)
    )
    assert reached("pfs-30")[0] == pytest.approx(value(results, ids[1], "median", arm="LU >= 30%"))


def test_every_measure_is_asked_for_by_a_shipped_document():
    asked = {one.measure for name in shipped_targets() for one in read_targets(name).targets}
    assert asked == set(MEASURES)


# -- levers --------------------------------------------------------------------------------------


@pytest.mark.by_hand
def test_levers_are_read_and_set_by_their_path():
    path = "conduct.death_after_progression_per_year.NONE"
    changed = with_levers(POPULATION, {path: 0.5, "arms.LU.growth_sd": 0.4, "growth.new_lesion": 1})

    assert lever(POPULATION, "arms.LU.correlation") == POPULATION.growth.correlation
    assert (lever(changed, path), changed.arms["LU"].growth_sd) == (0.5, 0.4)
    assert changed.arms["CONTROL"] == POPULATION.arms["CONTROL"]


@pytest.mark.parametrize("path", ["arms.LU.hue", "arms.MOON.growth_sd", "growth", "name"])
def test_what_is_no_lever_is_refused(path):
    with pytest.raises(TargetsError, match=path):
        lever(POPULATION, path)


@pytest.mark.law
def test_an_arm_may_have_the_correlation_of_all():
    own = with_levers(POPULATION, {"arms.LU.correlation": POPULATION.growth.correlation})
    lean = {"protocol": PROTOCOL, "seed": SEED, "without": c.WITHOUT}

    usual, same = (simulate_study(population=one, **lean)["TR"] for one in (POPULATION, own))

    assert_frame_equal(usual, same)


@pytest.mark.by_hand
def test_a_lever_is_turned_towards_its_target_and_held_back():
    path = "arms.LU.growth_per_week"
    wanted = count_of("PR", "60")

    def cohorts_of(population):
        times = lever(population, path) / lever(POPULATION, path)
        return tuple({"one": (50 * times + noise,)} for noise in (-1.0, 0.0, 1.0))

    found = turned(POPULATION, [path], [wanted], cohorts_of=cohorts_of, rounds=2)

    times = lever(found.population, path) / lever(POPULATION, path)
    assert found.steps
    assert 1.1 < times < 1.2  # 60 of 50 would be 1.2
    still = turned(POPULATION, [path], [wanted], cohorts_of=cohorts_of, rounds=0)
    assert still.population == POPULATION


# -- documents and command -----------------------------------------------------------------------


@pytest.mark.law
@pytest.mark.parametrize("name", ["netter-1", "netter-2"])
def test_a_population_is_written_as_it_is_read(name):
    population = c.calibrated(read_population(name), TARGETS, seed=2, draws=range(300))

    text = population_document(population, heading='two\nlines, "quoted"')

    assert text.startswith("# two\n# lines")
    assert parse_population(tomllib.loads(text)) == population


def test_effort_is_scaled_and_never_nothing():
    assert Effort().scaled(1) == Effort()
    least = Effort().scaled(0)
    assert (least.rounds, least.cohorts, least.seeds, least.draws, least.steps) == (0, 2, 1, 2, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("calibrated") / "cohort"
    words = ["calibrate", "netter-2", "--out", str(out), "--effort", "0", "--json"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == json.loads((out / "calibration.json").read_text("utf-8"))
    return out


def test_the_command_writes_page_population_study_and_report(folder):
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    assert {"index.html", "population.toml", "calibration.json", "provenance.json"} <= names
    assert {"tables/targets-primary.csv", "tables/targets-primary.html"} <= names
    assert {"sdtm/dm.parquet", "sdtm/lb.parquet", "report/index.html"} <= names


def test_every_page_and_file_says_that_it_is_no_evidence(folder):
    pages = [*folder.glob("*.html"), *folder.glob("**/tables/*"), *folder.glob("**/figures/*")]
    without = [path.name for path in pages if CALIBRATED not in path.read_text("utf-8")]

    assert len(pages) > 60
    assert without == []
    assert "Simulated data" not in (folder / "report" / "index.html").read_text("utf-8")
    assert CALIBRATED in (folder / "report" / "index.html").read_text("utf-8")
    assert CALIBRATED in (folder / "population.toml").read_text("utf-8")


@pytest.mark.law
def test_the_written_population_gives_the_written_cohort(folder):
    document = tomllib.loads((folder / "population.toml").read_text("utf-8"))
    population = parse_population(document)
    seed = population.calibration.seed

    study = simulate_study(protocol=PROTOCOL, population=population, seed=seed)

    for name in ("TR", "DS", "AE"):
        assert_frame_equal(
            study[name], pl.read_parquet(folder / "sdtm" / f"{name.lower()}.parquet")
        )


@pytest.mark.law
def test_demo_of_the_written_population_is_the_report_of_the_cohort(folder, tmp_path):
    words = ["demo", "netter-2", "--population", str(folder / "population.toml")]
    words += ["--cutoff", "2023-07-20", "--out", str(tmp_path / "again"), "--json"]

    done = CliRunner().invoke(cli, words)

    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["calibrated"]
    again = (tmp_path / "again" / "results.json").read_bytes()
    assert again == (folder / "report" / "results.json").read_bytes()


def test_a_population_that_is_no_document_is_one_message(tmp_path):
    path = tmp_path / "patients.toml"
    path.write_text("name = ", "utf-8")
    words = ["demo", "netter-2", "--population", str(path), "--out", str(tmp_path / "x")]

    done = CliRunner().invoke(cli, words)

    assert done.exit_code == 1
    assert "patients.toml: this is no TOML document" in done.output


def test_what_was_reached_is_what_the_report_finds(folder):
    reached = {
        row["id"]: row for row in json.loads((folder / "calibration.json").read_text())["targets"]
    }
    results = pl.read_parquet(folder / "report" / "results.parquet")

    assert reached["pfs-hazard-ratio"]["values"][0] == pytest.approx(
        value(results, "pfs", "hazard_ratio")
    )
    assert reached["sd-lu"]["values"][0] == value(results, "orr", "count", arm="LU", level="SD")


def test_targets_met_count_for_nothing_in_the_distance():
    cohort = c.virtual_cohort(POPULATION, TARGETS, protocol=PROTOCOL, seed=SEED)
    apart = [
        WEIGHT[one.role] * one.distance(measured(cohort, one, asked=ASKED))
        for one in steered(TARGETS)
    ]

    assert distance(cohort, steered(TARGETS), asked=ASKED) == pytest.approx(sum(apart))
    assert any(away == 0 for away in apart)


def test_an_unknown_study_is_one_message(tmp_path):
    done = CliRunner().invoke(cli, ["calibrate", "netter-3", "--out", str(tmp_path / "x")])

    assert done.exit_code == 1
    assert "There are netter-1, netter-2, shrinkage" in done.output
