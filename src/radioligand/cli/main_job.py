# SPDX-License-Identifier: Apache-2.0
"""The main job: a protocol and SDTM in; ADaM, results and report out."""

import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from radioligand.analysis import analyse, invariant_rows, results_json
from radioligand.cdisc import Dictionary, Study, find_study, join_supplemental, refuse, together
from radioligand.cli.contents import report_of
from radioligand.cli.progress import Stages, stages
from radioligand.derivation import (
    cut,
    date_of_event,
    derive,
    gathered,
    in_blocks,
    invariants,
    joined,
    missing_domains,
    remarks,
    summed,
    unavailable,
)
from radioligand.dosimetry.absorbed_dose import SValues
from radioligand.io.datasets import inspect_study
from radioligand.io.dictionaries import demonstration_dictionary, read_dictionary
from radioligand.io.documents import (
    DocumentError,
    plan_bytes,
    protocol_chain,
    read_protocol,
    read_table,
    read_tables,
)
from radioligand.io.outputs import MARK, check_output, hashes, parquet, sha256, write_folder
from radioligand.patient_dosimetry.s_values import read_s_values
from radioligand.protocol import Protocol
from radioligand.report import CALIBRATED, KeyLine, render

if TYPE_CHECKING:
    from radioligand.simulation.parameters import Population

NOT_REAL = "simulated data: no real patients"
PACKAGES = ("radioligand", "polars", "numpy", "scipy", "matplotlib", "pydantic", "pyreadstat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done, for whoever asked: where the report is, and the lines that matter."""

    out: Path
    protocol: str
    cutoff: date | None
    simulated: bool
    calibrated: bool
    key_lines: tuple[KeyLine, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The outcome as lines of a terminal."""
        width = max((len(line.label) for line in self.key_lines), default=0)
        said = [f"{line.label:<{width}}  {line.value}  {line.detail}" for line in self.key_lines]
        told = f"{CALIBRATED[0].lower()}{CALIBRATED[1:]}" if self.calibrated else NOT_REAL
        note = f"  ({told})" if self.simulated else ""
        return (f"Report: {self.out / 'index.html'}{note}", *(line.rstrip() for line in said))

    def as_json(self) -> dict[str, Any]:
        """The outcome as a JSON object."""
        return {
            "report": str(self.out / "index.html"),
            "protocol": self.protocol,
            "cutoff": self.cutoff.isoformat() if self.cutoff else None,
            "simulated": self.simulated,
            "calibrated": self.calibrated,
            "results": {
                line.label: f"{line.value} {line.detail}".strip() for line in self.key_lines
            },
        }


def run_demo(
    name: str,
    *,
    out: Path,
    seed: int | None,
    cutoff: date | str | None,
    population: Path | None = None,
    plans: tuple[str, ...] = (),
    quiet: bool = False,
) -> Outcome:
    """Simulate a virtual study of the protocol `name`, then do the main job on it.

    `population` is a document of patients in place of the shipped one; without a seed, the study
    is that of its calibration, or of seed 1.
    """
    from radioligand.simulation.patients import simulate_study

    protocol = read_protocol(name, plans=plans)
    if protocol.dosimetry and protocol.dosimetry.s_values:
        raise DocumentError(
            f"{name}: [dosimetry.s_values] names files of a study, and a virtual one has none. "
            "Leave it out for the demonstration."
        )
    check_output(out)
    patients = _population(population, protocol)
    calibration = patients.calibration
    if seed is None:
        seed = calibration.seed if calibration else 1
    with _work(quiet) as told:
        told("virtual study")
        frames = simulate_study(protocol=protocol, population=patients, seed=seed)
        told("SDTM")
        files = {f"sdtm/{domain.lower()}.parquet": parquet(f) for domain, f in frames.items()}
        study = join_supplemental(frames)
        study = Study(study.frames, together([study.findings, find_study(study.frames)]))
        refuse(study.findings)
        inputs = {file.removeprefix("sdtm/"): sha256(content) for file, content in files.items()}
        return _analyse(
            (name, *plans), protocol, study, told, out, inputs, cutoff, files, seed, None
        )


def _population(document: Path | None, protocol: Protocol) -> "Population":
    from radioligand.simulation.parameters import parse_population, read_population

    if document is None:
        return read_population(protocol.trial.id)
    return parse_population(read_tables(document), name=document.name)


def run_analysis(
    name: str,
    sdtm: Path,
    *,
    out: Path,
    cutoff: date | str | None,
    plans: tuple[str, ...] = (),
    dictionary: Path | None = None,
    quiet: bool = False,
) -> Outcome:
    """Do the main job on the SDTM datasets of a folder; a dictionary codes what is not coded."""
    protocol = read_protocol(name, plans=plans)
    own = read_dictionary(dictionary) if dictionary else None
    check_output(out)
    with _work(quiet) as told:
        told("SDTM")
        named = protocol.dosimetry.s_values if protocol.dosimetry else None
        files = named.by_sex if named else {}
        study = inspect_study(sdtm, beside=files.values())
        refuse(study.findings)
        tables = {
            sex: read_s_values(read_table(sdtm / file), name=file) for sex, file in files.items()
        }
        return _analyse(
            (name, *plans), protocol, study, told, out, hashes(sdtm), cutoff, {}, None, own,
            tables or None,
        )  # fmt: skip


@contextmanager
def _work(quiet: bool) -> Iterator[Stages]:
    with stages(14, quiet=quiet) as told:
        yield told


def _analyse(
    names: tuple[str, ...],
    protocol: Protocol,
    study: Study,
    told: Stages,
    out: Path,
    inputs: Mapping[str, str],
    cutoff: date | str | None,
    files: Mapping[str, bytes],
    seed: int | None,
    own: Dictionary | None,
    s_values: Mapping[str, SValues] | None = None,
) -> Outcome:
    dictionary = own or demonstration_dictionary()
    day = _cutoff(study.frames, protocol, cutoff, told)
    simulated = _says(study.frames, "SIMULATD", pl.lit("Y"))
    calibrated = simulated and _says(study.frames, "SIMCALIB", pl.col("TSVAL"))
    missing = missing_domains(study.frames, protocol=protocol)
    blocks = in_blocks(_given_away(study.frames), ids=study.frames["DM"]["USUBJID"])
    parts, said, checked = [], [], []
    while blocks:
        block = cut(blocks.pop(0), cutoff=day) if day else blocks.pop(0)
        parts.append(
            derive(
                block,
                protocol=protocol,
                cutoff=day,
                dictionary=dictionary,
                s_values=s_values,
                progress=told,
            )
        )
        said.append(remarks(block, parts[-1], protocol=protocol))
        checked.append(invariants(parts[-1], protocol=protocol))
        if len(parts) == 1:
            missing += unavailable(block, parts[0], protocol=protocol)
        del block  # the last one too: a large study has no room for it beside the analyses
    adam = gathered(parts)
    told("analyses")
    results = pl.concat([analyse(adam, protocol=protocol), invariant_rows(joined(checked))])
    provenance = _provenance(names, protocol, inputs, day, seed)
    if own or ("ADAE" in adam and (adam["ADAE"]["AEDICT"] == dictionary.name).any()):
        provenance["dictionary"] = {
            "name": dictionary.name,
            "columns": ", ".join(dictionary.columns),
            "terms": dictionary.terms.height,
            "sha256": dictionary.sha256,
        }
    told("report")
    report = report_of(
        protocol,
        results,
        missing=missing,
        findings=together([study.findings, summed(said)]),
        cutoff=day,
        simulated=simulated,
        calibrated=calibrated,
        provenance=provenance,
    )
    pages = render(results, report=report)
    told("files")
    write_folder(
        out,
        {
            **files,
            "index.html": pages.index_html,
            "results.parquet": parquet(results),
            "results.json": results_json(results),
            **{f"adam/{dataset.lower()}.parquet": parquet(f) for dataset, f in adam.items()},
            **{f"tables/{file}": text for file, text in pages.tables.items()},
            **{f"figures/{file}": text for file, text in pages.figures.items()},
            MARK: json.dumps(provenance, indent=2, sort_keys=True) + "\n",
        },
    )
    return Outcome(
        out=out,
        protocol=protocol.trial.id,
        cutoff=day,
        simulated=simulated,
        calibrated=calibrated,
        key_lines=report.key_lines,
    )


def _given_away(frames: dict[str, pl.DataFrame]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each domain once; what is given is let go, so that a large study is not held twice."""
    while frames:
        yield frames.popitem()


def _cutoff(
    frames: Mapping[str, pl.DataFrame],
    protocol: Protocol,
    cutoff: date | str | None,
    told: Stages,
) -> date | None:
    """The day of the data cutoff: as given, or that of the event the protocol waits for."""
    if cutoff != "events":
        return cutoff if isinstance(cutoff, date) else None
    plan = protocol.cutoff
    if plan is None:
        raise DocumentError(
            f"{protocol.trial.id}: the protocol waits for no number of events ([cutoff]). "
            "Give a date as --cutoff."
        )
    told("cutoff")
    ids = frames["DM"]["USUBJID"]
    times = [
        derive(block, protocol=protocol).get("ADTTE")
        for block in in_blocks(frames.items(), ids=ids)
    ]
    known = [each for each in times if each is not None]
    if not known:
        raise DocumentError(f"{plan.endpoint} cannot be derived from this study. Give a date.")
    try:
        return date_of_event(pl.concat(known), endpoint=plan.endpoint, events=plan.events)
    except ValueError as error:  # too few events so far
        raise DocumentError(str(error)) from None


def _says(frames: Mapping[str, pl.DataFrame], parameter: str, value: pl.Expr) -> bool:
    """Whether the trial summary has the parameter with that value."""
    summary = frames.get("TS")
    if summary is None or not {"TSPARMCD", "TSVAL"} <= set(summary.columns):
        return False
    return not summary.filter(pl.col("TSVAL") == value, TSPARMCD=parameter).is_empty()


def _provenance(
    names: tuple[str, ...],
    protocol: Protocol,
    inputs: Mapping[str, str],
    cutoff: date | None,
    seed: int | None,
) -> dict[str, Any]:
    (content, document), *bases = protocol_chain(names[0])
    plans = [plan_bytes(plan) for plan in names[1:]]
    return {
        "protocol": {
            "trial": protocol.trial.id,
            "document": Path(document).name,
            "sha256": sha256(content),
            **({"like": {Path(file).name: sha256(base) for base, file in bases}} if bases else {}),
        },
        **({"plans": {Path(file).name: sha256(plan) for plan, file in plans}} if plans else {}),
        "inputs": dict(inputs),
        "cutoff": cutoff.isoformat() if cutoff else None,
        "seed": seed,
        **versions(),
    }


def versions() -> dict[str, Any]:
    """What computed: the versions of Python and of the packages."""
    return {
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
    }
