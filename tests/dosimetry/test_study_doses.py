# SPDX-License-Identifier: Apache-2.0
"""Dosimetry of a study: from SDTM (XA, EX, EC) to ADRAD, its invariants, results and report."""

import re
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from radioligand.analysis import analyse
from radioligand.cdisc import DatasetError, check_study, join_supplemental
from radioligand.derivation import cut, derive, invariants, missing_domains, remarks
from radioligand.io.documents import read_protocol
from radioligand.patient_dosimetry.adam import PARAMETERS
from radioligand.patient_dosimetry.sdtm import VARIABLES, study_measurements
from radioligand.report import render
from radioligand.simulation.design import design_of
from radioligand.simulation.dose_study import simulate_doses
from radioligand.simulation.patients import read_population, simulate_study
from radioligand.simulation.population import simulate_subjects

PROTOCOL = read_protocol("dosimetry-prrt")
ORGAN_LIMIT = PROTOCOL.model_copy(
    update={"dosimetry": PROTOCOL.dosimetry.model_copy(update={"strategy": "organ limit"})}
)


@cache
def study(strategy: str = "lesion target") -> dict[str, pl.DataFrame]:
    population = read_population("dosimetry-prrt")
    few = replace(population.enrolment, randomised=24, screen_failures=2)
    population = replace(population, enrolment=few)
    protocol = PROTOCOL if strategy == "lesion target" else ORGAN_LIMIT
    return simulate_study(
        protocol=protocol, population=population, seed=5, without=("AE", "VS", "QS")
    )


@cache
def adam() -> dict[str, pl.DataFrame]:
    return derive(join_supplemental(study()).frames, protocol=PROTOCOL)


def adrad(code: str, **keys: object) -> pl.DataFrame:
    return adam()["ADRAD"].filter(PARAMCD=code, **keys)


def infused() -> pl.DataFrame:
    """Infusions of the treatment period in SDTM: subject, cycle, GBq and start."""
    ex = study()["EX"].filter(EXTRT="177LU-DOTATATE", EPOCH="TREATMENT")
    return ex.with_columns(AVISITN=pl.col("VISIT").str.extract(r"(\d+)").cast(pl.Float64))


def test_the_study_is_sound_and_keeps_every_invariant():
    check_study(study())
    checks = invariants(adam(), protocol=PROTOCOL)
    of_doses = checks.filter(pl.col("invariant").str.starts_with("adrad"))
    assert of_doses.height == 8
    assert of_doses["checked"].min() > 0
    assert checks.filter(pl.col("broken") > 0).is_empty()


@pytest.mark.by_hand
def test_a_dose_follows_from_the_scans_of_xa():
    """Kidneys of one cycle again, by a straight line through the logarithms.

    The weights of a fit with proportional errors are nearly those of the logarithms, so the two
    agree within 2 %; k is 5.76784e-4 Gy g / (MBq h keV) and 151.6 keV stay in 310 g.
    """
    xa = study()["XA"].filter(XALOC="KIDNEYS")
    own = xa.filter(pl.col("USUBJID") == xa["USUBJID"][0], pl.col("VISIT") == "CYCLE 1 DAY 1")
    start = infused().filter(USUBJID=own["USUBJID"][0], AVISITN=1.0)["EXSTDTC"][0]
    hours = (
        own["XADTC"].str.to_datetime() - pl.Series([start]).str.to_datetime()[0]
    ).dt.total_minutes() / 60
    slope, height = np.polyfit(hours, np.log(own["XASTRESN"]), 1)
    integral = np.exp(height) / -slope
    mass = own["XAVOL"].mean() * 1.05
    by_hand = integral * 151.6 * 5.76784e-4 / mass

    found = adrad("DOSE", USUBJID=own["USUBJID"][0], XRLOC="KIDNEYS", AVISITN=1.0)
    assert found["AVAL"].item() == pytest.approx(by_hand, rel=0.02)


@pytest.mark.by_hand
def test_activity_is_that_of_exposure():
    given = adrad("ACTGIVEN").select("USUBJID", "AVISITN", "AVAL")
    both = given.join(infused(), on=["USUBJID", "AVISITN"])
    assert both.height == given.height > 60
    assert both.select((pl.col("AVAL") - pl.col("EXDOSE")).abs().max()).item() < 1e-12


@pytest.mark.by_hand
def test_the_interval_of_a_sum_lies_between_independent_and_shared_errors():
    """Of two equal doses with own error a and shared error s: u = sqrt(a²/2 + s²)."""
    for (subject,), own in adrad("DOSE", XRLOC="KIDNEYS").group_by("USUBJID"):
        if own.height < 2 or own["AVAL"].null_count():
            continue
        own = own.sort("AVISITN")
        summed = adrad("CUMDOSE", XRLOC="KIDNEYS", USUBJID=subject).sort("AVISITN")
        u = np.log(own["AVALHI"] / own["AVAL"]).to_numpy()[:2] / 1.959964
        width = np.log(summed["AVALHI"] / summed["AVAL"]).to_numpy()[1] / 1.959964
        dose = own["AVAL"].to_numpy()[:2]
        assert np.hypot(*(u * dose)) / dose.sum() < width < (u * dose).sum() / dose.sum()


def test_the_plan_of_the_dosimetry_arm_is_what_the_doses_recommended():
    """EC holds the recommendation of the simulation; ACTREC is found again from XA and EX."""
    both = adrad("ACTREC").join(adrad("ACTPLAN"), on=["USUBJID", "AVISITN"], suffix="_PLAN")
    known = both.drop_nulls("AVAL")
    assert known.height > 20
    assert known["AVAL"].n_unique() > 10
    less = known["AVAL"] - known["AVAL_PLAN"]
    assert less.min() >= -1e-9  # never above
    assert less.max() < 0.01  # by less than the step in which activity is ordered
    assert set(known["TRT01P"]) == {"DOSE"}


def test_exposure_is_held_against_the_recommendation_and_not_the_usual_activity():
    adex = adam()["ADEX"].filter(
        PARAMCD="DOSE", PARCAT1="INDIVIDUAL", PARCAT2="177LU-DOTATATE", EPOCH="TREATMENT"
    )
    informed = adex.filter(pl.col("TRT01P") == "DOSE", pl.col("CYCLE") > 1)
    assert informed["PLANNED"].n_unique() > 10
    assert set(adex.filter(TRT01P="LU")["PLANNED"]) == {7.4}
    reduced = informed["EXADJ"].str.contains("REDUCED").fill_null(False)
    share = (informed["AVAL"] / informed["PLANNED"]).filter(~reduced)
    assert share.is_between(0.75, 1.15).all()


@pytest.mark.by_hand
def test_relative_intensity_counts_what_was_planned_of_each_cycle():
    adex = adam()["ADEX"].filter(PARCAT2="177LU-DOTATATE", EPOCH="TREATMENT", TRT01P="DOSE")
    each = adex.filter(PARAMCD="DOSE").sort("USUBJID", "ASTDT")
    of_all = adex.filter(PARAMCD="RDI")
    subject = each.filter(pl.len().over("USUBJID") == 4)["USUBJID"][0]
    own = each.filter(USUBJID=subject)
    weeks = ((own["ASTDT"][-1] - own["ASTDT"][0]).days + 56) / (4 * 56)
    by_hand = own["AVAL"].sum() / own["PLANNED"].sum() / weeks
    assert of_all.filter(USUBJID=subject)["AVAL"].item() == pytest.approx(by_hand)


def test_both_strategies_steer_the_study():
    """By the limit of an organ lesions do not hold activity back: more is given."""
    given = {
        strategy: study(strategy)["EX"].filter(EXTRT="177LU-DOTATATE", EPOCH="TREATMENT")
        for strategy in ("lesion target", "organ limit")
    }
    mean = {name: frame["EXDOSE"].mean() for name, frame in given.items()}
    assert mean["organ limit"] > mean["lesion target"] + 1
    derived = derive(study("organ limit"), protocol=ORGAN_LIMIT)["ADRAD"]
    binds = set(derived.filter(PARAMCD="ACTREC")["METHOD"].drop_nulls())
    assert "KIDNEYS" in binds
    assert "mean of target lesions" not in binds


def test_a_document_chooses_the_other_strategy(tmp_path):
    """What `demo` and `analyse` are given: the shipped document, and the line that differs."""
    path = tmp_path / "organ-limit.toml"
    path.write_text(
        'document = 1\nlike = "dosimetry-prrt"\n[dosimetry]\nstrategy = "organ limit"\n', "utf-8"
    )
    read = read_protocol(str(path))
    assert read.dosimetry == ORGAN_LIMIT.dosimetry
    assert read.analyses == PROTOCOL.analyses


@pytest.mark.by_hand
def test_dose_drives_shrinkage_by_the_declared_power():
    """Twice the reference dose at a slope of 1 shrinks twice as fast; at a slope of 0 alike."""
    population = read_population("dosimetry-prrt")
    few = replace(population.enrolment, randomised=24, screen_failures=2)
    days = (few.followed_until - few.first_screened).days
    design = design_of(PROTOCOL, days=days)

    def doses(slope: float):
        effect = replace(population.dosimetry.effect, slope=slope)
        assumed = replace(population.dosimetry, effect=effect)
        changed = replace(population, enrolment=few, dosimetry=assumed)
        subjects = simulate_subjects(changed, design=design, seed=5)
        # those who failed screening too: of them nothing is looked at
        return simulate_doses(
            subjects, protocol=PROTOCOL, population=changed, design=design, seed=5
        )

    plain, steep = doses(0.0), doses(1.0)
    assert np.all(plain.shrinkage == 1)
    lesions = steep.true_gy_per_gbq[:, :, steep.roles == "lesion"]
    dose = (lesions * steep.given_gbq[:, :, None]).sum(axis=1).mean(axis=1)
    assert steep.shrinkage == pytest.approx(dose / population.dosimetry.effect.reference_gy)
    assert np.array_equal(plain.given_gbq, steep.given_gbq)


# -- what is lacking or wrong ----------------------------------------------------------------------


def test_a_cycle_without_scans_makes_later_sums_unknown_and_says_why():
    first = study()["XA"]["USUBJID"][0]
    gone = (pl.col("USUBJID") == first) & (pl.col("VISIT") == "CYCLE 2 DAY 1")
    less = {**study(), "XA": study()["XA"].filter(~gone)}
    derived = derive(less, protocol=PROTOCOL)
    own = derived["ADRAD"].filter(USUBJID=first)
    kidneys = own.filter(PARAMCD="DOSE", XRLOC="KIDNEYS").sort("AVISITN")
    assert kidneys["AVAL"].is_null().to_list()[:2] == [False, True]
    assert kidneys["REASON"][1] == "there is no scan of it"
    assert own.filter(PARAMCD="CUMDOSE", XRLOC="KIDNEYS")["AVISITN"].to_list() == [1.0]
    said = remarks(less, derived, protocol=PROTOCOL).filter(dataset="ADRAD")
    assert "a region has a dose in every cycle that was given" in said["rule"].to_list()


def test_a_cutoff_within_a_cycle_leaves_it_without_a_dose():
    """One scan of the last cycle is known by then: too few for a curve, which is told."""
    first = study()["XA"]["USUBJID"][0]
    own = study()["XA"].filter(USUBJID=first).sort("XADTC")
    day = own.filter(VISIT="CYCLE 2 DAY 1")["XADTC"][0][:10]
    derived = derive(
        cut(study(), cutoff=date.fromisoformat(day)),
        protocol=PROTOCOL,
        cutoff=date.fromisoformat(day),
    )["ADRAD"]
    kidneys = derived.filter(USUBJID=first, PARAMCD="DOSE", XRLOC="KIDNEYS").sort("AVISITN")
    assert kidneys["AVAL"].is_null().to_list() == [False, True]
    assert "scan" in kidneys["REASON"][1]


def test_before_the_first_scan_there_is_no_dose_and_no_fault():
    day = date(2026, 1, 1)
    derived = derive(cut(study(), cutoff=day), protocol=PROTOCOL, cutoff=day)
    assert "ADRAD" not in derived
    told = analyse(adam() | {"ADRAD": adam()["ADRAD"].clear()}, protocol=PROTOCOL)
    assert told.filter(analysis="absorbed-dose").height > 0
    lacking = {name: frame for name, frame in adam().items() if name != "ADRAD"}
    said = analyse(lacking, protocol=PROTOCOL).filter(analysis="dose-effects")
    assert said["text"].to_list() == ["the study has no ADRAD"]


def test_scans_without_their_unit_or_the_hour_of_the_infusion_are_refused():
    xa, ex = study()["XA"], study()["EX"]
    wrong = xa.with_columns(XASTRESU=pl.lit("counts"))
    dated = ex.with_columns(pl.col("EXSTDTC").str.slice(0, 10))
    with pytest.raises(DatasetError) as raised:
        study_measurements(
            wrong, dated, adam()["ADEX"], adam()["ADSL"], dosimetry=PROTOCOL.dosimetry
        )
    assert "XA: the unit of an activity is one of kBq" in str(raised.value)
    assert "EX: infusion and calibration have their times" in str(raised.value)


def test_supplemental_qualifiers_are_read_as_columns_are():
    """XA with its qualifiers in SUPPXA, all of them text, gives the same doses."""
    xa = study()["XA"]
    known = {"XASTRESN", "XASTRESU", "XALOC", "XADTC", "USUBJID"}
    names = [one for one in VARIABLES.values() if one in xa.columns and one not in known]
    supplemental = (
        xa.select("USUBJID", pl.col("XASEQ", *names).cast(pl.String))
        .unpivot(names, index=["USUBJID", "XASEQ"], variable_name="QNAM", value_name="QVAL")
        .select(
            "USUBJID", "QNAM", "QVAL", STUDYID=pl.lit("S"), RDOMAIN=pl.lit("XA"),
            IDVAR=pl.lit("XASEQ"), IDVARVAL="XASEQ",
        )
    )  # fmt: skip
    frames = {**study(), "XA": xa.drop(names), "SUPPXA": supplemental}
    again = derive(join_supplemental(frames).frames, protocol=PROTOCOL)["ADRAD"]
    assert again.equals(adam()["ADRAD"])


def test_a_protocol_without_dosimetry_does_not_miss_its_scans():
    without = PROTOCOL.model_copy(update={"dosimetry": None})
    assert "XA" not in dict(missing_domains({}, protocol=without))
    assert "XA" in dict(missing_domains({}, protocol=PROTOCOL))


@pytest.mark.parametrize(
    ("code", "invariant"),
    [
        ("CUMDOSE", "adrad-cumdose"),
        ("DOSEACT", "adrad-activity"),
        ("BED", "adrad-bed"),
        ("STEERDOS", "adrad-steering"),
        ("ACTREC", "adrad-cap"),
    ],
)
def test_a_changed_number_breaks_its_invariant(code, invariant):
    factor = 0.1 if code == "BED" else 100.0
    is_first = (pl.col("PARAMCD") == code) & (pl.col("PARAMCD").cum_count().over("PARAMCD") == 1)
    value = pl.when(is_first).then(pl.col("AVAL").fill_null(1.0) * factor).otherwise("AVAL")
    changed = {**adam(), "ADRAD": adam()["ADRAD"].with_columns(AVAL=value)}
    broken = invariants(changed, protocol=PROTOCOL).filter(pl.col("broken") > 0)
    assert invariant in broken["invariant"].to_list()


# -- results and report ----------------------------------------------------------------------------


@cache
def results() -> pl.DataFrame:
    return analyse(adam(), protocol=PROTOCOL)


def number(analysis: str, statistic: str, variable: str, **keys: object) -> float:
    rows = results().filter(analysis=analysis, statistic=statistic, variable=variable, **keys)
    return rows.filter(pl.col("subject").is_null())["value"].item()


@pytest.mark.by_hand
def test_the_share_in_the_target_is_counted_of_the_last_cycle():
    last = adrad("ACTGIVEN").group_by("USUBJID").agg(pl.col("AVISITN").max())
    final = adrad("STEERDOS").join(last, on=["USUBJID", "AVISITN"]).filter(TRT01P="DOSE")
    inside = final["AVAL"].is_between(80, 120).sum()
    found = number("absorbed-dose", "count", "target", arm="DOSE", level="80 to 120 Gy")
    assert found == inside > 0
    shares = [
        number("absorbed-dose", "percent", "target", arm="DOSE", level=band)
        for band in ("below 80 Gy", "80 to 120 Gy", "above 120 Gy")
    ]
    assert sum(shares) == pytest.approx(100)


@pytest.mark.by_hand
def test_the_dose_of_a_cycle_is_the_mean_of_its_lesions():
    own = adrad("DOSE", AVISITN=2.0, PARCAT1="LESION", TRT01P="LU")
    mean = own.group_by("USUBJID").agg(
        pl.col("AVAL").mean(), pl.col("AVAL").null_count().alias("k")
    )
    by_hand = mean.filter(pl.col("k") == 0)["AVAL"].mean()
    found = number("absorbed-dose", "mean", "DOSE TARGET LESIONS 2", arm="LU")
    assert found == pytest.approx(by_hand)


@pytest.mark.by_hand
def test_broken_limits_are_counted_by_dose_and_by_bound():
    last = adrad("ACTGIVEN").group_by("USUBJID").agg(pl.col("AVISITN").max())
    kidneys = adrad("CUMDOSE", XRLOC="KIDNEYS").join(last, on=["USUBJID", "AVISITN"])
    for arm in ("DOSE", "LU"):
        own = kidneys.filter(TRT01P=arm)
        over = number("absorbed-dose", "count", "over KIDNEYS", arm=arm)
        bound = number("absorbed-dose", "count", "bound KIDNEYS", arm=arm)
        assert over == (own["AVAL"] > 23).sum()
        assert bound == (own["AVALHI"] > 23).sum() >= over


def test_dose_stands_beside_response_and_toxicity():
    pairs = results().filter(analysis="dose-effects", statistic="label")["variable"].to_list()
    assert pairs == [
        "target lesions: best change of the sum of diameters",
        "target lesions: confirmed response",
        "kidneys: worst grade of creatinine, high",
        "activity: worst grade of platelets, low",
    ]
    changes = adam()["ADTR"].filter(PARAMCD="SDIAM", ANL02FL="Y")["USUBJID"]
    told = results().filter(analysis="dose-effects", variable=pairs[0], statistic="effect")
    assert 10 < told.height <= changes.n_unique()
    assert set(told["subject"]) <= set(changes)


def test_sites_are_in_the_results_with_what_part_is_method():
    # of so few subjects hardly two share a site: here the sites of a country are one
    together = adam()["ADRAD"].with_columns(pl.col("SITEID").str.slice(0, 2))
    found = analyse({**adam(), "ADRAD": together}, protocol=PROTOCOL).filter(analysis="dose-sites")
    kidneys = found.filter(variable="spread KIDNEYS")
    of = dict(kidneys.select("statistic", "value").iter_rows())
    parts = ("share_site", "share_measurement", "share_patients")
    assert sum(of[part] for part in parts) == pytest.approx(1)
    assert of["sites"] == together["SITEID"].drop_nulls().n_unique() > 1
    cameras = found.filter(statistic="camera")["text"]
    assert set(", ".join(cameras)) <= set("ABC, ")
    told = ", ".join(found.filter(statistic="recovery")["text"])
    assert set(re.findall(r"spheres, camera (\w)", told)) <= {"A", "B", "C"}
    assert "not declared" not in told
    assert "spheres, camera" in told


def within_their_panels(rows: pl.DataFrame) -> pl.DataFrame:
    """No cumulative dose is above 20 Gy, so that none leaves a panel with target or limit."""
    is_dose = pl.col("statistic") == "cumulative"
    value = pl.when(is_dose).then(pl.col("value").clip(upper_bound=20)).otherwise("value")
    return rows.with_columns(value=value)


def outside_of(pages) -> int:
    told = re.search(r"leave their panel at the top: (\d+)", pages.index_html)
    return int(told[1]) if told else 0


def test_the_report_has_its_tables_and_figures():
    from radioligand.cli.contents import report_of

    report = report_of(
        PROTOCOL,
        results(),
        missing=(),
        findings=remarks(study(), adam(), protocol=PROTOCOL),
        cutoff=None,
        simulated=True,
        provenance={},
    )
    pages = render(results(), report=report)
    within = render(within_their_panels(results()), report=report)
    drawn = {"absorbed-dose-cycles", "dose-activities-plan", "dose-effects-figure"}
    assert {f"{name}.svg" for name in drawn} <= set(pages.figures)
    for name in ("absorbed-dose", "dose-activities", "dose-effects", "dose-sites"):
        assert f"{name}.csv" in pages.tables
    assert "80 to 120 Gy" in pages.tables["absorbed-dose.csv"]
    assert "Between sites" in pages.tables["dose-sites-spread.csv"]
    assert 'id="absorbed-dose"' in pages.index_html
    assert outside_of(pages) > 0 == outside_of(within)
    told = "80 to 120 Gy to target lesions (mean), 100 Gy aimed at; at most 23 Gy of kidneys (dose)"
    assert told in pages.index_html


def test_every_variable_and_parameter_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "dosimetry.md").read_text("utf-8")
    for word in (*VARIABLES.values(), *PARAMETERS):
        assert word in text, word
