# SPDX-License-Identifier: Apache-2.0
"""How near the virtual population of a trial comes to what was published.

Simulates studies, cuts each at the event of progression-free survival that its protocol waits for,
derives it as any study is derived, and prints for each measure what was published, the mean over
the studies, the spread between studies (the sampling error that the published number has itself),
and the standard error of the mean (of this benchmark).

    python benchmarks/calibration.py netter-2 --seeds 150
"""

import argparse
import math
import tomllib
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import cache, partial
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import polars as pl

from radioligand.analysis import analyse
from radioligand.cdisc import join_supplemental
from radioligand.derivation import date_of_event, derive
from radioligand.protocol import AdverseEvents, Protocol, TimeToEvent, parse_protocol
from radioligand.simulation.patients import read_population, simulate_study
from radioligand.statistics.survival import cox, kaplan_meier

Study = Mapping[str, pl.DataFrame]
MONTH_DAYS = 30.4375
FIRST_SEED = 20_000  # not the seeds on which the population was calibrated
# domains that the measures below do not ask for
UNUSED = {
    "netter-1": ("LB", "VS", "EC"),
    "netter-2": ("AE", "SUPPAE", "LB", "QS", "VS", "EC"),
}


class Measure(NamedTuple):
    """One published number; `name` is the key of its value in `measures`."""

    name: str
    published: float
    says: str


# Singh et al., Lancet 2024;403:2807-17: results, figure 1, tables 2 and 3. Hazard ratios are
# averaged on the log scale.
NETTER_2 = (
    Measure("pfs_events_LU", 55, "central PFS events, 177Lu-Dotatate"),
    Measure("pfs_events_CONTROL", 46, "central PFS events, control"),
    Measure("pfs_median_LU", 22.8, "central PFS median, months, 177Lu-Dotatate"),
    Measure("pfs_median_CONTROL", 8.5, "central PFS median, months, control"),
    Measure("pfs_log_hazard_ratio", math.log(0.276), "central PFS hazard ratio, stratified, log"),
    Measure("local_median_LU", 22.6, "local PFS median, months, 177Lu-Dotatate"),
    Measure("local_median_CONTROL", 8.2, "local PFS median, months, control"),
    Measure("response_LU", 43.0, "objective response, %, 177Lu-Dotatate"),
    Measure("response_CONTROL", 9.3, "objective response, %, control"),
    Measure("CR_LU", 8, "complete response, 177Lu-Dotatate"),
    Measure("PR_LU", 57, "partial response, 177Lu-Dotatate"),
    Measure("SD_LU", 72, "stable disease, 177Lu-Dotatate"),
    Measure("PD_LU", 8, "progressive disease, 177Lu-Dotatate"),
    Measure("NE_LU", 6, "unknown, 177Lu-Dotatate"),
    Measure("CR_CONTROL", 0, "complete response, control"),
    Measure("PR_CONTROL", 7, "partial response, control"),
    Measure("SD_CONTROL", 42, "stable disease, control"),
    Measure("NON-CR/NON-PD_CONTROL", 1, "non-CR/non-PD, control"),
    Measure("PD_CONTROL", 14, "progressive disease, control"),
    Measure("NE_CONTROL", 11, "unknown, control"),
    Measure("duration_LU", 23.3, "duration of response, months, 177Lu-Dotatate"),
    Measure("follow_up", 23.2, "follow-up to the cutoff, median, months"),
    Measure("treated_LU", 147, "treated, 177Lu-Dotatate"),
    Measure("treated_CONTROL", 73, "treated, control"),
    Measure("ongoing_LU", 78, "on treatment at the cutoff, 177Lu-Dotatate"),
    Measure("ongoing_CONTROL", 15, "on treatment at the cutoff, control"),
    Measure("four_cycles", 129, "four cycles given"),
    Measure("three_cycles", 7, "three cycles given"),
    Measure("two_cycles", 10, "two cycles given"),
    Measure("activity_gbq", 29.2, "cumulative activity, median, GBq"),
    Measure("exposure_LU", 71.1, "exposure, median, weeks, 177Lu-Dotatate"),
    Measure("exposure_CONTROL", 40.3, "exposure, median, weeks, control"),
    Measure("crossover", 29, "controls in the crossover phase"),
    Measure("later_radioligand", 7, "controls given a radioligand later"),
)


# Strosberg et al., N Engl J Med 2017;376:125-35: results, tables 2 and 3.
NETTER_1 = (
    Measure("subjects", 229, "randomised by the cutoff"),
    Measure("pfs_events_LU", 23, "central PFS events, 177Lu-Dotatate"),
    Measure("pfs_events_CONTROL", 68, "central PFS events, control"),
    Measure("pfs_median_CONTROL", 8.4, "central PFS median, months, control"),
    Measure("pfs_at_20_LU", 65.2, "central PFS at month 20, %, 177Lu-Dotatate"),
    Measure("pfs_at_20_CONTROL", 10.8, "central PFS at month 20, %, control"),
    Measure("pfs_log_hazard_ratio", math.log(0.21), "central PFS hazard ratio, log"),
    Measure("os_events_LU", 14, "deaths, 177Lu-Dotatate"),
    Measure("os_events_CONTROL", 26, "deaths, control"),
    Measure("os_log_hazard_ratio", math.log(0.40), "overall survival hazard ratio, log"),
    Measure("evaluable_LU", 101, "evaluable for response, 177Lu-Dotatate"),
    Measure("evaluable_CONTROL", 100, "evaluable for response, control"),
    Measure("CR_LU", 1, "complete response, 177Lu-Dotatate"),
    Measure("PR_LU", 17, "partial response, 177Lu-Dotatate"),
    Measure("CR_CONTROL", 0, "complete response, control"),
    Measure("PR_CONTROL", 3, "partial response, control"),
    Measure("follow_up", 14, "follow-up to the cutoff, median, months"),
    Measure("treated_LU", 111, "treated, 177Lu-Dotatate"),
    Measure("treated_CONTROL", 110, "treated, control"),
    Measure("four_of_treated", 77, "four cycles given, % of the treated"),
    Measure("reduced", 8, "patients with a dose reduction, 177Lu-Dotatate"),
    Measure("any_LU", 95, "any adverse event, %, 177Lu-Dotatate"),
    Measure("any_CONTROL", 86, "any adverse event, %, control"),
    Measure("related_LU", 86, "related, %, 177Lu-Dotatate"),
    Measure("related_CONTROL", 31, "related, %, control"),
    Measure("severe_LU", 41, "grade 3 or worse, %, 177Lu-Dotatate"),
    Measure("severe_CONTROL", 33, "grade 3 or worse, %, control"),
    Measure("serious_LU", 26, "serious, %, 177Lu-Dotatate"),
    Measure("serious_CONTROL", 24, "serious, %, control"),
    Measure("serious-related_LU", 9, "serious and related, %, 177Lu-Dotatate"),
    Measure("serious-related_CONTROL", 1, "serious and related, %, control"),
    Measure("withdrawal_LU", 6, "withdrawal for an event, %, 177Lu-Dotatate"),
    Measure("withdrawal_CONTROL", 9, "withdrawal for an event, %, control"),
    Measure("nausea_LU", 59, "nausea, %, 177Lu-Dotatate"),
    Measure("nausea_CONTROL", 12, "nausea, %, control"),
    Measure("diarrhoea_CONTROL", 19, "diarrhoea, %, control"),
    Measure("lymphopenia_LU", 18, "lymphopenia, %, 177Lu-Dotatate"),
    Measure("musculoskeletal-pain_LU", 29, "musculoskeletal pain, %, 177Lu-Dotatate"),
)
PUBLISHED = {"netter-1": NETTER_1, "netter-2": NETTER_2}


@cache
def protocol(trial: str) -> Protocol:
    path = files("radioligand") / "trials" / f"{trial}.toml"
    return parse_protocol(tomllib.loads(path.read_text(encoding="utf-8")), name=path.name)


def simulated(seed: int, *, trial: str) -> Study:
    study = simulate_study(protocol=protocol(trial), population=read_population(trial), seed=seed)
    return join_supplemental({k: v for k, v in study.items() if k not in UNUSED[trial]}).frames


def measures(study: Study, *, trial: str) -> dict[str, float]:
    """What the published analysis would find in a study, by name; nan: not estimated."""
    plan = protocol(trial)
    assert plan.cutoff is not None
    whole = derive(study, protocol=plan)
    cutoff = date_of_event(whole["ADTTE"], endpoint="PFS", events=plan.cutoff.events)
    adam = derive(study, protocol=plan, cutoff=cutoff)
    subjects = adam["ADSL"].filter(FASFL="Y")
    found = (
        _survival(adam["ADTTE"], subjects, plan)
        | _response(adam["ADRS"], subjects)
        | _conduct(study, subjects, cutoff)
    )
    return found | (_safety(adam, plan) if "ADAE" in adam else {})


def _safety(adam: Study, plan: Protocol) -> dict[str, float]:
    """Percentages of subjects in the rows of the overview and of the queries."""
    asked = [
        one.model_copy(update={"compare": None})
        for one in plan.analyses
        if isinstance(one, AdverseEvents) and one.table != "terms"
    ]
    rows = analyse(adam, protocol=plan.model_copy(update={"analyses": tuple(asked)}))
    shares = rows.filter(statistic="percent", level="all grades")
    severe = rows.filter(statistic="percent", level="grade >= 3", variable="any")
    named = pl.concat([shares, severe.with_columns(variable=pl.lit("severe"))])
    keys = named.select(pl.concat_str("variable", "arm", separator="_")).to_series()
    return dict(zip(keys, named["value"], strict=True))


def _survival(adtte: pl.DataFrame, subjects: pl.DataFrame, plan: Protocol) -> dict[str, float]:
    found: dict[str, float] = {}
    rows = adtte.join(subjects.select("USUBJID", "STRATUM", arm="TRT01P"), on="USUBJID")
    local = "PFS" + next(each.suffix for each in plan.evaluations if not each.governs)
    first = next(each for each in plan.analyses if isinstance(each, TimeToEvent))
    stratified = first.model is not None and first.model.stratified
    for parameter, name in (("PFS", "pfs"), (local, "local"), ("DOR", "duration")):
        for (arm,), part in rows.filter(PARAMCD=parameter).group_by("arm"):
            event = (part["CNSR"] == 0).to_numpy()
            curve = kaplan_meier(part["AVAL"].to_numpy(), event)
            key = "duration_{}" if name == "duration" else name + "_median_{}"
            found[key.format(arm)] = curve.median / MONTH_DAYS
            found[f"{name}_events_{arm}"] = float(event.sum())
            at_20 = curve.survival_at([20 * MONTH_DAYS])
            found[f"{name}_at_20_{arm}"] = 100 * float(at_20.estimate[0])
    for parameter, name in (("PFS", "pfs"), ("OS", "os")):
        part = rows.filter(PARAMCD=parameter)
        model = cox(
            part["AVAL"].to_numpy(),
            (part["CNSR"] == 0).to_numpy(),
            (part["arm"] == "LU").to_numpy().astype(float),
            strata=part["STRATUM"].to_list() if stratified else None,
        )
        for arm, deaths in part.filter(CNSR=0).group_by("arm").len().iter_rows():
            found[f"{name}_events_{arm}"] = float(deaths)
        found[f"{name}_log_hazard_ratio"] = float(model.log_hazard_ratio[0])
    return found


def _response(adrs: pl.DataFrame, subjects: pl.DataFrame) -> dict[str, float]:
    best = adrs.filter(PARAMCD="BOR").join(subjects.select("USUBJID", arm="TRT01P"), on="USUBJID")
    best = best.with_columns(AVALC=pl.col("AVALC").replace({"MISSING": "NE"}))
    seen = adrs.filter((pl.col("PARAMCD") == "OVR") & ~pl.col("AVALC").is_in(["NE", "ND"]))
    found = {}
    for arm in ("LU", "CONTROL"):
        own = best.filter(arm=arm)
        evaluable = subjects.filter(TRT01P=arm).join(seen, on="USUBJID", how="semi")
        found[f"evaluable_{arm}"] = float(evaluable.height)
        for level in ("CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE"):
            found[f"{level}_{arm}"] = float(own.filter(AVALC=level).height)
        responders = own.filter(pl.col("AVALC").is_in(["CR", "PR"])).height
        found[f"response_{arm}"] = 100 * responders / own.height
    return found


def _conduct(study: Study, subjects: pl.DataFrame, cutoff: date) -> dict[str, float]:
    found = {
        "subjects": float(subjects.height),
        "follow_up": float((cutoff - subjects["RANDDT"]).dt.total_days().median()) / MONTH_DAYS,
    }
    arms = subjects.select("USUBJID", "TRTSDT", arm="TRT01P")
    day = pl.col("EXSTDTC").str.slice(0, 10).str.to_date()
    doses = (
        study["EX"].with_columns(day=day).filter(pl.col("day") <= cutoff).join(arms, on="USUBJID")
    )
    own = doses.filter(EPOCH="TREATMENT")
    given = (
        own.filter(EXTRT="177LU-DOTATATE")
        .group_by("USUBJID")
        .agg(cycles=pl.len(), activity=pl.col("EXDOSE").sum())
    )
    for cycles, name in ((4, "four"), (3, "three"), (2, "two"), (1, "one")):
        found[f"{name}_cycles"] = float(given.filter(cycles=cycles).height)
    found["four_of_treated"] = 100 * found["four_cycles"] / given.height
    changed = own.filter(pl.col("EXADJ").str.contains("REDUCED"), EXTRT="177LU-DOTATATE")
    found["reduced"] = float(changed["USUBJID"].n_unique())
    found["activity_gbq"] = float(given["activity"].median())
    ended = study["DS"].filter(
        (pl.col("DSSCAT") == "STUDY TREATMENT") & (pl.col("DSSTDTC") <= cutoff.isoformat())
    )
    for arm in ("LU", "CONTROL"):
        part = own.filter(arm=arm)
        spans = part.group_by("USUBJID").agg(
            weeks=((pl.col("day").max() - pl.col("day").min()).dt.total_days() + 28) / 7
        )
        found[f"treated_{arm}"] = float(spans.height)
        found[f"exposure_{arm}"] = float(spans["weeks"].median())
        found[f"ongoing_{arm}"] = float(spans.join(ended, on="USUBJID", how="anti").height)
    crossed = doses.filter(EPOCH="CROSSOVER", arm="CONTROL")["USUBJID"].n_unique()
    later = study["CM"].filter(
        (pl.col("CMCAT") == "SUBSEQUENT CANCER THERAPY")
        & (pl.col("CMSCAT") == "PRRT")
        & (pl.col("CMSTDTC") <= cutoff.isoformat())
    )
    return found | {"crossover": float(crossed), "later_radioligand": float(later.height)}


def measured(seed: int, *, trial: str) -> dict[str, float]:
    return measures(simulated(seed, trial=trial), trial=trial)


def table(found: list[dict[str, float]], published: tuple[Measure, ...]) -> pl.DataFrame:
    """One row a measure; `within` counts standard errors of the mean, `spreads` the spreads."""
    rows = []
    for measure in published:
        values = np.array([each.get(measure.name, math.nan) for each in found])
        values = values[np.isfinite(values)]
        mean = float(values.mean()) if values.size else math.nan
        spread = float(values.std(ddof=1)) if values.size > 1 else math.nan
        error = spread / math.sqrt(max(values.size, 1))
        away = mean - measure.published
        rows.append(
            {
                "measure": measure.says,
                "published": measure.published,
                "mean": mean,
                "spread": spread,
                "error": error,
                "spreads": away / spread if spread else math.nan,
                "errors": away / error if error else math.nan,
                "estimated": values.size,
            }
        )
    return pl.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("trial", choices=sorted(PUBLISHED), nargs="?", default="netter-2")
    parser.add_argument("--seeds", type=int, default=100, help="studies to simulate")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="the first seed")
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    measure = partial(measured, trial=chosen.trial)
    if chosen.workers > 1:
        from multiprocessing import get_context  # polars and fork do not mix

        with ProcessPoolExecutor(chosen.workers, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(measure, seeds))
    else:
        found = [measure(seed) for seed in seeds]
    print(f"{'':48s}{'published':>10s}{'mean':>9s}{'spread':>8s}{'error':>7s}   within")
    for row in table(found, PUBLISHED[chosen.trial]).iter_rows(named=True):
        near = "2 errors" if abs(row["errors"]) <= 2 else f"{abs(row['spreads']):.2f} spreads"
        near = "equal" if row["mean"] == row["published"] else near
        print(
            f"{row['measure']:48s}{row['published']:10.2f}{row['mean']:9.2f}"
            f"{row['spread']:8.2f}{row['error']:7.3f}   {near}"
        )


if __name__ == "__main__":
    main()
