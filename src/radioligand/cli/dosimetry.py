# SPDX-License-Identifier: Apache-2.0
"""Dosimetry of patients: read the folder, find doses, plan, tell, log, write."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
import polars as pl

from radioligand.analysis import results_json
from radioligand.cdisc.rules import Rule, check
from radioligand.cli.main_job import versions
from radioligand.cli.progress import stages
from radioligand.dosimetry.absorbed_dose import SValues
from radioligand.dosimetry.next_activity import Strategy
from radioligand.io.datasets import read_datasets
from radioligand.io.documents import (
    DocumentError,
    protocol_chain,
    read_protocol,
    read_table,
    read_tables,
)
from radioligand.io.outputs import MARK, check_output, parquet, sha256, write_folder
from radioligand.patient_dosimetry import (
    Measurements,
    RegionDose,
    SubjectPlan,
    check_measurements,
    dose_page,
    doses_frame,
    find_doses,
    plan_subjects,
    results_document,
)
from radioligand.patient_dosimetry.adam import adherence, derive_adrad, effects
from radioligand.patient_dosimetry.carried import carry_doses
from radioligand.patient_dosimetry.cohort_page import Cohort
from radioligand.patient_dosimetry.doses import density_warnings, whole_body_warnings
from radioligand.patient_dosimetry.plans import plans_frame, uninformed
from radioligand.patient_dosimetry.s_values import read_s_values
from radioligand.patient_dosimetry.sites import declared_methods, sites_document, spreads
from radioligand.protocol.records import Dosimetry, Protocol
from radioligand.simulation.dose_courses import DesignOutcome, compare_designs
from radioligand.simulation.dose_scenarios import DoseScenario, parse_dose_scenario

TABLES = ("activities.csv", "administrations.csv", "svalues.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything that one run knows of a folder of patients."""

    dosimetry: Dosimetry
    title: str
    study: str
    measured: Measurements
    doses: tuple[RegionDose, ...]
    warnings: tuple[str, ...]
    provenance: dict[str, object]


def asked_dosimetry(protocol: str, *, strategy: str | None) -> tuple[Dosimetry, Protocol]:
    """A protocol's dosimetry, with another strategy if one is named.

    Raises DocumentError if it has none.
    """
    document = read_protocol(protocol)
    if document.dosimetry is None:
        raise DocumentError(
            f"{protocol}: the document has no [dosimetry]; add it, or use dosimetry-prrt."
        )
    if strategy:
        return document.dosimetry.model_copy(update={"strategy": strategy}), document
    return document.dosimetry, document


def found_in(
    folder: Path, *, protocol: str, strategy: str | None = None, quiet: bool = False
) -> Found:
    """Read a folder's tables and find every dose by the protocol.

    Raises DocumentError for a protocol without dosimetry or a table that cannot be read, and
    DatasetError that tells of every fault of the tables.
    """
    dosimetry, document = asked_dosimetry(protocol, strategy=strategy)
    activities, administrations = (read_table(folder / name) for name in TABLES[:2])
    table: SValues | None = None
    if (folder / TABLES[2]).exists():
        table = read_s_values(read_table(folder / TABLES[2]))
    with stages(2, quiet=quiet) as told:
        told("checking")
        measured = check_measurements(activities, administrations, dosimetry=dosimetry)
        _check_arms(measured, document)
        told("fitting")
        doses = find_doses(measured, dosimetry=dosimetry, table=table)
    region_warnings = [
        f"{one.subject}, cycle {one.cycle}, {one.region}: {said}"
        for one in doses
        for said in one.warnings
    ]
    hashes: dict[str, object] = {
        name: sha256((folder / name).read_bytes()) for name in TABLES if (folder / name).exists()
    }
    hashes |= {name: sha256(content) for content, name in protocol_chain(protocol)}
    return Found(
        dosimetry=dosimetry,
        title=document.trial.name,
        study=document.trial.id.upper(),
        measured=measured,
        doses=doses,
        warnings=(
            *region_warnings,
            *density_warnings(measured),
            *whole_body_warnings(doses, measured),
        ),
        provenance=hashes | {"strategy": dosimetry.strategy} | versions(),
    )


def _check_arms(measured: Measurements, document: Protocol) -> None:
    """Raise DatasetError for an arm that the protocol does not have."""
    known = [one.id for one in document.arms]
    rule = Rule(
        holds=pl.col("arm").is_in(known) | pl.col("arm").is_null(),
        says=f"an arm is one of the protocol's: {', '.join(known)}",
        shows=("subject", "cycle", "arm"),
        mend="Correct it, or leave it empty.",
    )
    check(measured.given, dataset=TABLES[1], rules=(rule,))


def planned(found: Found, *, seed: int) -> tuple[SubjectPlan, ...]:
    """The next activity of every subject; each has random numbers of its own."""

    def stream(subject: str) -> np.random.Generator:
        own = int.from_bytes(hashlib.sha256(subject.encode()).digest()[:8])
        return np.random.default_rng([seed, own])

    return plan_subjects(found.doses, found.measured, dosimetry=found.dosimetry, rng=stream)


def document_of(found: Found, plans: tuple[SubjectPlan, ...]) -> dict[str, Any]:
    """Doses and plans as `--json` prints them and results.json holds them."""
    return results_document(
        found.doses,
        plans,
        given=found.measured.given,
        dosimetry=found.dosimetry,
        nuclide=found.measured.nuclide,
        provenance=found.provenance,
        warnings=found.warnings,
        sites=sites_document(
            declared_methods(found.measured, found.doses), spreads(found.measured, found.doses)
        ),
    )


def tell_doses(found: Found) -> None:
    """Print a line a region and cycle, then the warnings."""
    click.echo(f"{'':44}{'Gy':>8}  95 % interval     Gy/GBq  method")
    for one in found.doses:
        name = f"{one.subject}, cycle {one.cycle}, {one.region}"
        if one.dose_gy is None or one.limits_gy is None:
            click.echo(f"{name:44}{'':36}{one.method}")
            continue
        lower, upper = one.limits_gy
        click.echo(
            f"{name:44}{one.dose_gy:8.2f}  {lower:6.2f} to {upper:6.2f}  {one.gy_per_gbq:8.3f}  "
            f"{one.method}"
        )
    for said in found.warnings:
        click.echo(f"Warning: {said}")


def tell_plans(found: Found, plans: tuple[SubjectPlan, ...]) -> None:
    """Print each subject's next activity, what bounds it and the chance to exceed a limit.

    Told first is who is not planned for the arm, and that arms are not known.
    """
    for subject, arm in uninformed(found.measured, dosimetry=found.dosimetry).items():
        click.echo(f"{subject}: arm {arm} is not informed by dosimetry; nothing is recommended.")
    known = set(found.measured.given.drop_nulls("arm")["subject"])
    if unknown := len({one.subject for one in plans} - known):
        click.echo(
            f"administrations.csv has no arm of {unknown} of {len(plans)} subjects; they are taken "
            f"for arm {' or '.join(found.dosimetry.arms)}."
        )
    if not plans:
        click.echo("No subject has a cycle left to plan.")
    for one in plans:
        plan = one.plan
        click.echo(
            f"{one.subject}, cycle {one.next_cycle}: {plan.activity_gbq:.3f} GBq, {plan.status}; "
            f"{plan.binding} binds."
        )
        for each in sorted(plan.constraints, key=lambda one: one.activity_gbq):
            chance = plan.exceeding.get(each.name) if each.kind == "organ" else None
            told = f", exceeded with {100 * chance:.1f} %" if chance is not None else ""
            click.echo(f"  {each.name} allows {each.activity_gbq:.3f} GBq{told}")
        if plan.target_interval_gbq:
            low, high = plan.target_interval_gbq
            click.echo(f"  the target is reached from {low:.3f} to {high:.3f} GBq a cycle")


def log_entries(
    found: Found, plans: tuple[SubjectPlan, ...], *, now: datetime
) -> list[dict[str, Any]]:
    """What was given, cycle by cycle, and what is recommended next.

    A recommendation has the method of each dose that it rests on: a form that was chosen on the
    cohort may be another one when the cohort has grown.
    """
    logged = now.isoformat(timespec="seconds")
    given = [
        {
            "kind": "given",
            "subject": row["subject"],
            "cycle": row["cycle"],
            "activity_gbq": row["injected_gbq"],
            "start": row["start"].isoformat(),
            "logged": logged,
        }
        for row in found.measured.given.to_dicts()
    ]
    recommended = [
        {
            "kind": "recommended",
            "subject": row["subject"],
            "cycle": row["cycle"],
            "activity_gbq": row["recommended_gbq"],
            "status": row["status"],
            "binding": row["binding"],
            "strategy": row["strategy"],
            "methods": [
                {"cycle": one.cycle, "region": one.region, "method": one.method}
                for one in found.doses
                if one.subject == row["subject"] and one.dose_gy is not None
            ],
            "inputs": {name: found.provenance[name] for name in found.provenance},
            "logged": logged,
        }
        for row in (plans_frame(plans).to_dicts() if plans else ())
    ]
    return [*given, *recommended]


def simulated(
    protocol: str,
    scenario: Path,
    *,
    patients: int,
    seed: int,
    strategy: str | None,
    quiet: bool = False,
) -> list[dict[str, Any]]:
    """What each design does to virtual patients; the fixed activity is that of the control arm.

    Raises DocumentError or SimulationError for a document that does not say enough.
    """
    dosimetry, document = asked_dosimetry(protocol, strategy=strategy)
    assumed = parse_dose_scenario(read_tables(scenario), name=str(scenario))
    outcomes = dose_designs(
        document,
        assumed,
        patients=patients,
        seed=seed,
        strategies=(dosimetry.strategy,),
        quiet=quiet,
    )
    return [asdict(one) for one in outcomes]


def dose_designs(
    document: Protocol,
    assumed: DoseScenario,
    *,
    patients: int,
    seed: int,
    strategies: tuple[Strategy, ...],
    quiet: bool = False,
) -> tuple[DesignOutcome, ...]:
    """Compare the activity of the control arm with one informed by dosimetry, by each strategy.

    Raises DocumentError for a control arm without an activity in GBq.
    """
    given = [one.amount for one in document.arm("control").treatments if one.unit == "GBq"]
    if len(given) != 1 or given[0] is None or document.dosimetry is None:
        raise DocumentError(
            f"{document.trial.id}: the control arm has no activity in GBq to compare with."
        )
    with stages(2 * len(strategies) * len(assumed.scanning.site_log_sd), quiet=quiet) as told:
        return compare_designs(
            document.dosimetry,
            assumed,
            fixed_gbq=given[0],
            patients=patients,
            rng=np.random.default_rng(seed),
            strategies=strategies,
            progress=told,
        )


def tell_designs(outcomes: list[dict[str, Any]]) -> None:
    """Print a line a design."""
    for line in design_lines(outcomes):
        click.echo(line)


def design_lines(outcomes: list[dict[str, Any]]) -> Iterator[str]:
    """A line a design: what is given, what lesions get, who is in the target or over a limit."""
    yield (
        f"{'design':24}{'scans':15}{'sites':>6}{'GBq':>8}{'lesions, Gy (5-95 %)':>26}"
        f"{'in target':>11}{'over limit':>12}"
    )
    for one in outcomes:
        spread = f"{one['steering_gy']:.0f} ({one['steering_lower_gy']:.0f}-"
        spread += f"{one['steering_upper_gy']:.0f})"
        design = f"{one['design']}, {one['strategy']}" if one["strategy"] else one["design"]
        yield (
            f"{design:24}{one['scans']:15}{one['site_log_sd']:6.2f}"
            f"{one['activity_gbq']:8.1f}{spread:>26}"
            f"{100 * one['in_target']:9.1f} %{100 * one['over_limit']:10.1f} %"
        )


def write_report(
    found: Found, plans: tuple[SubjectPlan, ...], *, out: Path, adam: Path | None
) -> Path:
    """Write page, results, ADRAD, tables and figures into a folder; return the page's path.

    With `adam`, a folder of ADaM datasets, subjects have their arm, and doses stand beside response
    and toxicity.
    """
    check_output(out)
    datasets = read_datasets(adam) if adam else {}
    adrad = derive_adrad(
        found.doses,
        datasets.get("ADSL"),
        study=found.study,
        measured=found.measured,
        carried=carry_doses(found.doses, found.measured.given, dosimetry=found.dosimetry),
        target=found.dosimetry.target,
    )
    seen = effects(adrad, datasets)
    page = dose_page(
        found.doses,
        plans,
        dosimetry=found.dosimetry,
        nuclide=found.measured.nuclide,
        title=found.title,
        warnings=found.warnings,
        provenance=found.provenance,
        given=found.measured.given,
        cohort=Cohort(
            adherence=adherence(found.measured.given),
            sites=declared_methods(found.measured, found.doses),
            spreads=spreads(found.measured, found.doses),
            effects=seen,
        ),
    )
    document = document_of(found, plans)
    files: dict[str, str | bytes] = {
        "index.html": page.index_html,
        "results.json": json.dumps(document, indent=2, ensure_ascii=False) + "\n",
        "recommendation.json": json.dumps(document["plans"], indent=2, ensure_ascii=False) + "\n",
        "doses.csv": _csv(doses_frame(found.doses)),
        "adam/ADRAD.parquet": parquet(adrad),
        "effects.json": results_json(seen),
        **{f"tables/{name}": text for name, text in page.tables.items()},
        **{f"figures/{name}": text for name, text in page.figures.items()},
        MARK: json.dumps(found.provenance, indent=2, sort_keys=True) + "\n",
    }
    write_folder(out, files)
    return out / "index.html"


def _csv(frame: pl.DataFrame) -> str:
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None)).write_csv()
