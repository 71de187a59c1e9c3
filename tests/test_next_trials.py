# SPDX-License-Identifier: Apache-2.0
"""The trial concepts: each parses, is planned and has patients; what is assumed is said."""

import tomllib
from dataclasses import replace
from functools import cache
from importlib.resources import files

import polars as pl
import pytest

from radioligand.analysis import analyse
from radioligand.cdisc import check_study, join_supplemental
from radioligand.criteria import comparisons
from radioligand.derivation import derive, invariants
from radioligand.io.documents import read_protocol, shipped_protocols
from radioligand.planning import late_harm_plans, plan
from radioligand.protocol import ProtocolError, parse_protocol
from radioligand.protocol.inheritance import inherit
from radioligand.simulation.design import design_of
from radioligand.simulation.patients import read_population, simulate_study

CONCEPTS = (
    *("net-retreat", "prrt-immunotherapy", "prrt-ddr", "prrt-liver-directed"),
    *("prrt-resistant", "sabr-prrt", "captem-prrt", "dosimetry-prrt"),
)


def document(name: str) -> dict:
    return tomllib.loads((files("radioligand") / "trials" / f"{name}.toml").read_text("utf-8"))


@cache
def study(name: str) -> dict[str, pl.DataFrame]:
    """A virtual study of few subjects."""
    population = read_population(name)
    few = replace(population.enrolment, randomised=50, screen_failures=4)
    population = replace(population, enrolment=few)
    return simulate_study(protocol=read_protocol(name), population=population, seed=3)


@cache
def adam(name: str) -> dict[str, pl.DataFrame]:
    return derive(join_supplemental(study(name)).frames, protocol=read_protocol(name))


def test_all_are_shipped():
    assert set(shipped_protocols()) == {"netter-1", "netter-2", *CONCEPTS}


# -- what is assumed -------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONCEPTS)
def test_every_decision_of_a_concept_says_where_it_comes_from(name):
    own = document(name)
    told = {row["path"] for row in own["assumptions"]}
    decided = {f"arms.{arm['id']}" for arm in own["arms"]}
    decided |= {f"eligibility.{one['id']}" for one in own.get("eligibility", ())}
    decided |= {key for key in ("trial", "planning", "cutoff", "cohorts") if key in own}
    decided |= {"selection", "late_harm"} & own.keys()

    assert decided - told == set()
    if "randomisation" in own:
        assert any(path.startswith("randomisation") for path in told)


@pytest.mark.parametrize("name", CONCEPTS)
def test_both_kinds_of_origin_are_there(name):
    assert {row.origin for row in read_protocol(name).assumptions} == {"source", "assumed"}


@pytest.mark.by_hand
def test_what_the_report_fixes():
    retreat, ddr = read_protocol("net-retreat"), read_protocol("prrt-ddr")
    again = retreat.arms[0].treatments[0]
    assert (again.cycles, again.every_weeks, again.amount) == (2, 8, 7.4)  # 200 mCi
    assert retreat.arms[1].treatments[0].name == "EVEROLIMUS"
    stable = next(one for one in retreat.eligibility if one.id == "I21").holds
    assert (stable.field, stable.operator, stable.value) == (
        "months_stable_after_prrt",
        "at_least",
        12,
    )
    assert retreat.planning.median_experimental_months == 12.5
    combined = [arm.treatments[-1].name for arm in ddr.arms if arm.role == "experimental"]
    assert combined == ["TRIAPINE", "PEPOSERTIB", "OLAPARIB"]
    assert (ddr.late_harm[0].usual, ddr.late_harm[0].high) == (0.02, 0.08)
    strata = read_protocol("prrt-immunotherapy").randomisation.strata
    assert [factor.id for factor in strata] == ["STRORIG", "STRLINE"]


# -- planning --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONCEPTS)
def test_each_is_planned_with_the_power_it_asks_for(name):
    protocol = read_protocol(name)
    primary = plan(protocol)[0]

    assert primary.endpoint == protocol.cutoff.endpoint == protocol.planning.endpoint
    assert primary.power >= protocol.planning.power
    assert len(late_harm_plans(protocol, primary)) == len(
        [arm for arm in protocol.arms if arm.role == "experimental"]
    )


@pytest.mark.parametrize("name", [one for one in CONCEPTS if one != "prrt-ddr"])
def test_the_virtual_study_is_as_large_as_planned(name):
    planned, population = plan(read_protocol(name))[0], read_population(name)
    assert abs(population.enrolment.randomised - planned.subjects) <= 4


def test_the_virtual_study_of_a_selection_is_its_first_stage():
    protocol, population = read_protocol("prrt-ddr"), read_population("prrt-ddr")
    assert population.enrolment.randomised == protocol.selection.subjects
    assert protocol.cutoff.events == 2 * protocol.selection.events  # four arms, two in a comparison


# -- virtual patients ------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONCEPTS)
def test_the_study_is_sdtm_and_its_subjects_are_eligible(name):
    protocol, datasets = read_protocol(name), adam(name)
    randomised = datasets["ADSL"].filter(pl.col("RANDDT").is_not_null())
    judged = datasets["ADIE"].join(randomised, on="USUBJID", how="semi")
    # what no dataset of the study holds is asked of a patient to be screened alone
    asked = {
        variable.field
        for variable in protocol.variables
        if not (variable.source or variable.interval or variable.first_of)
    }
    unknown = {
        criterion.id
        for criterion in protocol.eligibility
        if {one.field for one in comparisons(criterion.holds)} & asked
    }

    assert check_study(study(name)).filter(severity="error").is_empty()
    assert judged.filter(AVALC="not met").is_empty()
    assert set(judged.filter(AVALC="unknown")["PARAMCD"]) == unknown
    assert set(randomised["TRT01P"]) == {arm.id for arm in protocol.arms}


@pytest.mark.parametrize("name", CONCEPTS)
def test_each_arm_is_given_its_own_drugs(name):
    protocol = read_protocol(name)
    given = study(name)["EX"].filter(EPOCH="TREATMENT")
    arms = adam(name)["ADSL"].select("USUBJID", "TRT01A")
    by_arm = given.join(arms, on="USUBJID").group_by("TRT01A").agg(pl.col("EXTRT").unique())

    for arm, drugs in by_arm.iter_rows():
        planned = next(one for one in protocol.arms if one.id == arm).treatments
        # a procedure is not in EX
        procedures = {"SABR", "HEPATIC ARTERY EMBOLISATION"}
        assert set(drugs) == {each.name for each in planned} - procedures
    infused = given.filter(EXTRT="177LU-DOTATATE").group_by("USUBJID").len()["len"]
    assert infused.max() == design_of(protocol, days=900).cycles


@pytest.mark.parametrize("name", CONCEPTS)
def test_the_study_is_derived_and_holds(name):
    protocol, datasets = read_protocol(name), adam(name)
    parameters = set(datasets["ADTTE"]["PARAMCD"])

    assert {protocol.planning.endpoint, "OS", "SHM"} <= parameters
    assert invariants(datasets, protocol=protocol)["broken"].sum() == 0


@pytest.mark.parametrize("name", ["prrt-liver-directed", "prrt-resistant"])
def test_every_comparison_is_analysed(name):
    protocol = read_protocol(name)
    results = analyse(adam(name), protocol=protocol)
    analysis = "hpfs" if name == "prrt-liver-directed" else "pfs"
    found = results.filter(analysis=analysis, statistic="logrank_p")
    control = protocol.arm("control").id

    assert set(found["arm"]) == {
        f"{arm.id} v {control}" for arm in protocol.arms if arm.role == "experimental"
    }


def test_hepatic_progression_is_no_earlier_than_any():
    times = adam("prrt-liver-directed")["ADTTE"].filter(pl.col("CNSR") == 0)
    both = times.filter(PARAMCD="HPFS").join(times.filter(PARAMCD="PFS"), on="USUBJID")

    assert both.height > 5
    # a sum of the liver alone can pass its limit before the sum of all lesions does
    assert (both["AVAL"] >= both["AVAL_right"]).mean() > 0.7


# -- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change", "path"),
    [
        ("prrt-ddr", {"selection": {"endpoint": "PFX"}}, "selection.endpoint"),
        ("captem-prrt", {"selection": {"endpoint": "PFS"}}, "selection"),
        ("captem-prrt", {"late_harm": [{"endpoint": "SHX"}]}, "late_harm[SHX].endpoint"),
        (
            "captem-prrt",
            {"late_harm": [{"endpoint": "SHM", "usual": 0.1, "high": 0.1}]},
            "late_harm[SHM].high",
        ),
        (
            "captem-prrt",
            {"assumptions": [{"path": "arms.NOBODY"}]},
            "assumptions[arms.NOBODY]",
        ),
        (
            "sabr-prrt",
            {"cohorts": [{"id": "X", "holds": {"field": "colour", "equals": "RED"}}]},
            "cohorts[X].holds",
        ),
    ],
)
def test_what_does_not_fit_is_refused(name, change, path):
    whole = inherit(document(name), document("netter-2"))
    with pytest.raises(ProtocolError) as told:
        parse_protocol({**whole, **change})
    assert path in {fault.path for fault in told.value.faults}


def test_virtual_patients_know_one_radioligand():
    protocol = read_protocol("captem-prrt")
    lu, captem = protocol.arms
    other = lu.treatments[0].model_copy(update={"cycles": 2})
    two = captem.model_copy(update={"treatments": (other, *captem.treatments)})
    with pytest.raises(ValueError, match="need one radioligand in GBq with its cycles"):
        design_of(protocol.model_copy(update={"arms": (lu, two)}), days=900)
