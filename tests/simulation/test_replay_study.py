"""A trial written as SDTM goes the way of a real study and gives the kernel's statistics."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from radioligand.analysis import analyse
from radioligand.cdisc import check_study, join_supplemental
from radioligand.cli import cli
from radioligand.cli.simulation import trial_studies
from radioligand.derivation import derive
from radioligand.io.datasets import read_study
from radioligand.io.documents import read_protocol, shipped_protocols
from radioligand.protocol import Adaptation, ArmAddition
from radioligand.simulation.adaptive_design import virtual_design
from radioligand.simulation.adaptive_replay import replay_adaptive_trial
from radioligand.simulation.cohort_kernels import cohort_seeds
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.replay import replay_trial
from radioligand.simulation.replay_study import trial_study
from radioligand.simulation.scenarios import LookAssumption, Scenario
from radioligand.simulation.trial_design import trial_design

SEED = 20_260_101
TRIALS = 100
FEW = 8  # of several parts each
PAIR = "LU v CONTROL"


def of_protocol(protocol, endpoint):
    """The same protocol with the analyses of progression-free and of overall survival alone."""
    few = [
        one.model_copy(
            update={"figure": False} | ({"endpoint": endpoint} if one.id == "pfs" else {})
        )
        for one in protocol.analyses
        if one.id in ("pfs", "os")
    ]
    endpoints = [one for one in protocol.endpoints if one.id in (endpoint, "OS")]
    return protocol.model_copy(
        update={"analyses": tuple(few), "endpoints": tuple(endpoints), "eligibility": ()}
    )


def told_by(results, design, *, survival):
    """The numbers of the slow path, by the kernel's names."""

    def number(analysis, statistic, arm):
        found = results.filter(analysis=analysis, statistic=statistic, arm=arm)["value"]
        return np.nan if found.drop_nulls().is_empty() else found.drop_nulls()[0]

    found = {
        "z": number("pfs", "logrank_z", PAIR),
        "log_hazard_ratio": np.log(number("pfs", "hazard_ratio", PAIR)),
        "median_control": number("pfs", "median", "CONTROL") * design.month_days,
        "median_experimental": number("pfs", "median", "LU") * design.month_days,
    }
    if survival:
        found["survival_z"] = number("os", "logrank_z", PAIR)
        found["survival_log_hazard_ratio"] = np.log(number("os", "hazard_ratio", PAIR))
    return found


def together(studies):
    """Many studies as one; the first part of an identifier tells them apart."""
    named = [
        {
            domain: frame.with_columns(USUBJID=pl.lit(f"{number:03d}-") + pl.col("USUBJID"))
            for domain, frame in study.items()
            if domain != "TS"
        }
        for number, study in enumerate(studies)
    ]
    return {domain: pl.concat([one[domain] for one in named]) for domain in named[0]}


CASES = {
    # progression is seen on its day
    "at once": ("PFS", {"visits": False, "events": 45}),
    # every scan is held: the protocol's own rule of censoring finds the same
    "scans": ("PFS", {"visits": True, "events": 45}),
    "fuller": ("PFSEMA", {"looks": LookAssumption(events=(30, 45), futility_z=(0.0,))}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_way_from_sdtm_gives_the_kernels_statistics(protocol, plain, fuller, case):
    endpoint, more = CASES[case]
    scenario = replace(fuller if case == "fuller" else plain, subjects=90, **more)
    design, short = trial_design(protocol, scenario), of_protocol(protocol, endpoint)
    virtual = [replay_trial(design, seed=SEED, trial=trial) for trial in range(TRIALS)]
    studies = [trial_study(one, design=design, protocol=protocol) for one in virtual]
    # subjects do not depend on each other, so that all trials are derived at once
    adam = derive(join_supplemental(together(studies)).frames, protocol=short)

    for number, one in enumerate(virtual):
        own = pl.col("USUBJID").str.starts_with(f"{number:03d}-")
        frames = {name: adam[name].filter(own) for name in ("ADSL", "ADTTE")}
        found = told_by(analyse(frames, protocol=short), design, survival=case == "fuller")

        assert found == pytest.approx(
            {name: one.results[name] for name in found}, rel=1e-9, abs=1e-9, nan_ok=True
        )


def test_every_subject_has_the_days_of_the_kernel(protocol, fuller):
    design = trial_design(protocol, fuller)
    virtual = replay_trial(design, seed=1, trial=0)
    study = join_supplemental(trial_study(virtual, design=design, protocol=protocol)).frames
    adtte = derive(study, protocol=of_protocol(protocol, "PFSEMA"))["ADTTE"].sort("USUBJID")

    assert check_study(study).is_empty()
    for parameter, days, event in (
        ("PFSEMA", virtual.time_days, virtual.event),
        ("OS", virtual.survival_days, virtual.died),
    ):
        own = adtte.filter(PARAMCD=parameter)
        assert own["AVAL"].to_list() == days.tolist()
        assert (own["CNSR"] == 0).to_list() == event.tolist()


def test_nothing_is_written_after_the_last_look(protocol, fuller):
    design = trial_design(protocol, fuller)
    virtual = replay_trial(design, seed=2, trial=3)
    study = trial_study(virtual, design=design, protocol=protocol)
    last = protocol.trial.first_screened.toordinal() + int(virtual.results["day"])

    for domain, column in (("TR", "TRDTC"), ("SV", "SVSTDTC"), ("DS", "DSSTDTC"), ("DM", "DTHDTC")):
        latest = study[domain][column].str.to_date().max()
        assert latest.toordinal() <= last, domain
    assert study["TS"].filter(TSPARMCD="SIMULATD")["TSVAL"].to_list() == ["Y"]


def test_the_command_writes_one_trial_that_analyse_reads(tmp_path):
    scenario, out = tmp_path / "scans.toml", tmp_path / "trial"
    scenario.write_text("document = 1\n[assume]\nvisits = true\n", "utf-8")
    words = ["simulate", "netter-2", "--scenario", str(scenario), "--replay", "17", "--json"]

    run = CliRunner().invoke(cli, [*words, "--out", str(out)])

    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    study = read_study(out / "sdtm")
    protocol = read_protocol("netter-2")
    results = analyse(
        derive(study, protocol=of_protocol(protocol, "PFS")),
        protocol=of_protocol(protocol, "PFS"),
    )
    z = results.filter(analysis="pfs", statistic="logrank_z", arm=PAIR)["value"][0]
    assert z == pytest.approx(told["results"]["z"], abs=1e-9)


def test_a_trial_is_written_into_a_folder_that_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    run = CliRunner().invoke(cli, ["simulate", "netter-2", "--replay", "1"])

    assert run.exit_code == 2
    assert "Give --out" in run.stderr
    assert not list(tmp_path.iterdir())


def test_progression_on_the_day_of_entry_is_no_scan(protocol, plain):
    design = trial_design(protocol, plain)
    found = (replay_trial(design, seed=1, trial=trial) for trial in range(200))
    virtual = next(one for one in found if (one.event & (one.time_days == 1)).any())
    soon = virtual.event & (virtual.time_days == 1)
    study = trial_study(virtual, design=design, protocol=protocol)

    assert (study["DM"]["DTHFL"] == "Y").to_list() == soon.tolist()
    followed = replace(virtual, survival_days=virtual.time_days)
    with pytest.raises(SimulationError, match="progress on the day of entry"):
        trial_study(followed, design=design, protocol=protocol)


SEVERAL = {
    "picked": ("prrt-ddr", Scenario()),
    "scans": ("prrt-resistant", Scenario(visits=True)),
    "added": (
        "prrt-resistant",
        Scenario(adaptation=Adaptation(additions=(ArmAddition(arm="LUCAP", month=8.0),))),
    ),
}


@pytest.mark.parametrize("case", SEVERAL)
def test_every_comparison_of_several_arms_goes_the_way_from_sdtm(case):
    name, scenario = SEVERAL[case]
    protocol = read_protocol(name)
    design, short = virtual_design(protocol, scenario), of_protocol(protocol, "PFS")
    control = design.arms[0]
    ended = [
        one
        for trial in range(FEW)
        for one in replay_adaptive_trial(design, seed=SEED, trial=trial).comparisons
    ]
    studies = [trial_study(one, design=design, protocol=protocol) for one in ended]
    adam = derive(join_supplemental(together(studies)).frames, protocol=short)

    assert len(ended) >= 2 * FEW
    for number, one in enumerate(ended):
        own = pl.col("USUBJID").str.starts_with(f"{number:03d}-")
        frames = {name: adam[name].filter(own) for name in ("ADSL", "ADTTE")}
        results = analyse(frames, protocol=short).filter(analysis="pfs")
        pair = f"{one.arm} v {control}"
        for statistic, expected in (
            ("logrank_z", one.results["z"]),
            ("hazard_ratio", np.exp(one.results["log_hazard_ratio"])),
        ):
            found = results.filter(statistic=statistic, arm=pair)["value"]
            assert found[0] == pytest.approx(expected, rel=1e-9, abs=1e-9), (number, statistic)


def test_each_cohort_goes_the_way_from_sdtm():
    protocol = read_protocol("sabr-prrt")
    design, short = virtual_design(protocol), of_protocol(protocol, "PFS")
    seeds = cohort_seeds(4, 2).tolist()
    ended = [
        (own, replay_trial(own, seed=seed, trial=trial))
        for own, seed in zip(design.cohorts, seeds, strict=True)
        for trial in range(FEW)
    ]
    studies = [trial_study(one, design=own, protocol=protocol) for own, one in ended]
    adam = derive(join_supplemental(together(studies)).frames, protocol=short)

    for number, (_, one) in enumerate(ended):
        own = pl.col("USUBJID").str.starts_with(f"{number:03d}-")
        frames = {name: adam[name].filter(own) for name in ("ADSL", "ADTTE")}
        results = analyse(frames, protocol=short).filter(analysis="pfs", statistic="logrank_z")
        assert results["value"][0] == pytest.approx(one.results["z"], abs=1e-9)


@pytest.mark.parametrize("name", shipped_protocols())
def test_every_shipped_protocol_is_simulated_with_the_test_of_its_analysis(name):
    protocol = read_protocol(name)
    endpoint = protocol.planning.endpoint
    own = next(
        one
        for one in protocol.analyses
        if one.kind == "time to event" and one.endpoint == endpoint and one.test
    )
    short = protocol.model_copy(
        update={
            "analyses": (own.model_copy(update={"figure": False}),),
            "endpoints": (protocol.endpoint(endpoint),),
            "eligibility": (),
        }
    )
    parts = list(trial_studies(virtual_design(protocol), protocol, trial=3, seed=1))
    adam = derive(
        join_supplemental(together([study for _, _, study in parts])).frames, protocol=short
    )

    assert parts
    for number, (_, results, _) in enumerate(parts):
        mine = pl.col("USUBJID").str.starts_with(f"{number:03d}-")
        frames = {name: adam[name].filter(mine) for name in ("ADSL", "ADTTE")}
        found = analyse(frames, protocol=short).filter(statistic="logrank_z")["value"]
        assert found.drop_nulls().to_list() == [pytest.approx(results["z"], abs=1e-9)]


def test_what_is_assumed_of_strata_goes_before_the_protocol():
    netter_1, netter_2 = read_protocol("netter-1"), read_protocol("netter-2")

    assert not trial_design(netter_1).model.stratified
    assert trial_design(netter_1, Scenario(stratified=True)).model.stratified
    assert trial_design(netter_2).model.stratified
    assert not trial_design(netter_2, Scenario(stratified=False)).model.stratified


def test_weights_that_are_not_simulated_are_refused(protocol):
    weighed = protocol.model_copy(
        update={
            "analyses": tuple(
                one.model_copy(
                    update={"test": one.test.model_copy(update={"weights": "tarone-ware"})}
                )
                if one.id == "pfs"
                else one
                for one in protocol.analyses
            )
        }
    )

    with pytest.raises(SimulationError, match="'tarone-ware', which are not simulated"):
        trial_design(weighed)
    assert trial_design(weighed, Scenario(rho=1.0)).model.rho == 1.0


@pytest.mark.parametrize(
    ("name", "parts"),
    [("prrt-ddr", {"LUATR", "LUDNAPK", "LUPARP"}), ("sabr-prrt", {"PANCREAS", "OTHER"})],
)
def test_the_command_writes_every_part_of_a_trial(name, parts, tmp_path):
    words = ["simulate", name, "--replay", "3", "--out", str(tmp_path / "out"), "--json"]
    run = CliRunner().invoke(cli, words)

    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)["parts"]
    assert len(told) == len(parts)
    for part, results in told.items():
        subjects = read_study(tmp_path / "out" / part / "sdtm")["DM"]
        assert subjects.height == results["entered"]


def test_scans_are_those_of_the_kernel(protocol):
    design = trial_design(protocol, Scenario(visits=True))
    virtual = replay_trial(design, seed=1, trial=0)

    assert (virtual.scan_days == design.model.visits[: virtual.scan_days.shape[1]]).all()
