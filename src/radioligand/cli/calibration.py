# SPDX-License-Identifier: Apache-2.0
"""A calibrated cohort: found, written as a population and as a study, and analysed."""

import json
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from radioligand.cli.main_job import run_analysis, versions
from radioligand.cli.progress import counts
from radioligand.evidence.calibration import Calibrated, Effort, calibrate
from radioligand.evidence.calibration_page import calibration_page, misses
from radioligand.evidence.target_documents import read_targets
from radioligand.io.documents import protocol_bytes, read_protocol
from radioligand.io.outputs import MARK, check_output, parquet, sha256, write_folder
from radioligand.protocol import Protocol
from radioligand.report import CALIBRATED
from radioligand.simulation.parameters import read_population
from radioligand.simulation.patients import simulate_study
from radioligand.simulation.writing import population_document


def run_calibration(
    study: str, *, out: Path, seed: int, effort: float, quiet: bool = False
) -> Calibrated:
    """Calibrate virtual patients to a study's targets and write everything into `out`.

    The folder holds the page, the targets as JSON and tables, the population, the cohort as SDTM,
    and in `report` what `radioligand analyse` makes of it at the targets' cutoff.
    """
    targets = read_targets(study)
    protocol = read_protocol(targets.protocol)
    check_output(out)
    with counts(quiet=quiet) as told:
        found = calibrate(
            read_population(protocol.trial.id),
            targets,
            protocol=protocol,
            seed=seed,
            effort=Effort().scaled(effort),
            progress=told,
        )
    _write(found, protocol, out=out, seed=seed, effort=effort)
    run_analysis(
        targets.protocol, out / "sdtm", out=out / "report", cutoff=targets.cutoff, quiet=quiet
    )
    return found


def _write(found: Calibrated, protocol: Protocol, *, out: Path, seed: int, effort: float) -> None:
    targets, chosen = found.targets, found.population.calibration
    assert chosen is not None  # calibrate always makes one
    heading = (
        f"{CALIBRATED}.\n\nVirtual patients calibrated to {targets.paper}, cutoff "
        f"{targets.cutoff}, {targets.reviewer} review.\n"
        f"  radioligand demo {targets.protocol} --population population.toml --cutoff "
        f"{targets.cutoff} --out study\n"
        "simulates the chosen cohort again; with --seed, another study of the same population."
    )
    population = population_document(found.population, heading=heading)
    study = simulate_study(protocol=protocol, population=found.population, seed=chosen.seed)
    provenance = {
        "targets": targets.id,
        "protocol": sha256(protocol_bytes(targets.protocol)[0]),
        "population": sha256(population.encode()),
        "seed": seed,
        "effort": effort,
        "seed of the cohort": chosen.seed,
        **versions(),
    }
    page = calibration_page(found, provenance=provenance)
    write_folder(
        out,
        {
            "index.html": page.index_html,
            "calibration.json": as_json(found) + "\n",
            "population.toml": population,
            **{f"tables/{name}": text for name, text in page.tables.items()},
            **{f"sdtm/{name.lower()}.parquet": parquet(frame) for name, frame in study.items()},
            MARK: json.dumps(provenance, indent=2, sort_keys=True) + "\n",
        },
    )


def as_json(found: Calibrated) -> str:
    """The calibration as a JSON object."""
    return json.dumps(found.as_json(), indent=2, ensure_ascii=False)


def tell(found: Calibrated, *, out: Path, console: Console) -> None:
    """Print each target with what was reached, what stands apart, and where everything is."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in ("target", "published", "reached", "misses by"):
        table.add_column(head, overflow="fold")
    for row in found.rows:
        style = "" if row.met else "dim" if row.target.role == "shown" else "yellow"
        told = (row.target.says, row.target.published, row.reached, misses(row))
        table.add_row(*(Text(text, style) for text in told))
    console.print(table)
    for one in found.contradictions:
        console.print(Text(one.says))
    for role in ("primary", "secondary"):
        met, total = found.counted(role)
        console.print(f"{role}: {met} of {total} at printed precision")
    console.print(Text(CALIBRATED, "bold"))
    console.print(f"Page: {out / 'index.html'}; report: {out / 'report' / 'index.html'}")
