# SPDX-License-Identifier: Apache-2.0
"""The commands: read, check, call pure functions, write. Nothing is decided here."""

import gc
import json
import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from radioligand.cli.allocation import list_group
from radioligand.cli.ledger import audit, ledger_group
from radioligand.cli.portal import serve

if TYPE_CHECKING:
    from radioligand.cli.main_job import Outcome


class Shell(click.Group):
    """Turns what a user can mend into one message and exit status 1; bugs keep their trace."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; the errors are imported late, so that help starts fast."""
        try:
            return super().invoke(ctx)
        except (ValueError, OSError) as error:
            from radioligand.cli.errors import mendable

            if isinstance(error, mendable()):
                raise click.ClickException(str(error)) from None
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order of a trial's life, not of the alphabet."""
        return list(self.commands)


class Cutoff(click.ParamType[date | str]):
    """A date, or the word "events": the day of the event that the protocol waits for."""

    name = "date|events"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> date | str:
        """Turn the text of the option into a date or leave the word."""
        if isinstance(value, date) or value == "events":
            return value  # type: ignore[no-any-return]
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither a date such as 2023-07-20 nor 'events'", param, ctx)


class Day(click.ParamType[date]):
    """A date."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Turn the text of the option into a date."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date such as 2023-07-20", param, ctx)


@click.group(cls=Shell, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="radioligand")
def cli() -> None:
    """Run, analyse and plan radioligand-therapy trials from one protocol document.

    Example:  radioligand demo netter-2 --out demo-report
    """


def main() -> None:
    """Start the command line."""
    # What a command makes lives to its end: to look it through for what may be let go, again and
    # again and once more as Python ends, would be a tenth of the time of an analysis.
    gc.set_threshold(100_000, 50, 10)
    # What polars lets go is given back to the system, and not kept for its next frame.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:500,muzzy_decay_ms:500")
    try:
        cli(prog_name="radioligand")
    finally:
        gc.freeze()


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable results only.")
def trials(as_json: bool) -> None:
    """List the protocols that come with radioligand.

    Example:  radioligand trials
    """
    from radioligand.io.documents import read_protocol, shipped_protocols

    known = [(name, read_protocol(name).trial) for name in shipped_protocols()]
    if as_json:
        rows = [{"id": name, **trial.model_dump(mode="json")} for name, trial in known]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for name, trial in known:
        click.echo(f"{name:<20} {trial.registry:<14} phase {trial.phase}  {trial.title}")


ADD = click.option(
    "--add",
    "plans",
    multiple=True,
    metavar="PLAN",
    help="Also do the analyses of a plan: a shipped one (shrinkage) or a TOML document.",
)


@cli.command()
@click.argument("protocol")
@ADD
@click.option(
    "--design",
    is_flag=True,
    help="Also hold the design against published considerations for trials in NET.",
)
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable results only.")
def check(protocol: str, plans: tuple[str, ...], design: bool, as_json: bool) -> None:
    """Validate a protocol document; every fault with its path and its mend.

    PROTOCOL is a shipped name (see `radioligand trials`) or the path of a TOML document. A
    consideration of design that is not met is no fault: the exit status stays 0.

    Example:  radioligand check my-trial.toml
    """
    from radioligand.io.documents import read_protocol
    from radioligand.protocol import ProtocolError

    try:
        found = read_protocol(protocol, plans=plans)
    except ProtocolError as error:
        if not as_json:
            raise
        faults = [{"path": f.path, "says": f.says, "mend": f.mend} for f in error.faults]
        click.echo(json.dumps({"protocol": protocol, "faults": faults}, indent=2))
        raise SystemExit(1) from None
    if as_json:
        told: dict[str, Any] = {"protocol": protocol, "faults": []}
        if design:
            from radioligand.cli.design_check import as_rows

            told["design"] = as_rows(found)
            told["assumptions"] = [row.model_dump() for row in found.assumptions]
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    ratio = ":".join(str(arm.ratio) for arm in found.arms)
    click.echo(f"{protocol}: no faults. {found.trial.name} ({found.trial.registry})")
    click.echo(
        f"  {len(found.arms)} arms {ratio}, {len(found.eligibility)} eligibility criteria, "
        f"{len(found.schedule)} scheduled activities, {len(found.variables)} subject variables,\n"
        f"  {len(found.endpoints)} endpoints, {len(found.analyses)} analyses."
    )
    if design:
        from radioligand.cli.design_check import lines

        for line in lines(found):
            click.echo(line)


def _job_options(command: Any) -> Any:
    for option in (
        ADD,
        click.option(
            "--out",
            required=True,
            type=click.Path(file_okay=False, path_type=Path),
            help="Folder for the report; an earlier report there is replaced.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the key results as JSON."),
    ):
        command = option(command)
    return command


@cli.command()
@click.argument("protocol", default="netter-2")
@_job_options
@click.option(
    "--seed",
    type=int,
    show_default="1, or that of a calibration",
    help="Seed of the virtual study.",
)
@click.option(
    "--population",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Document of the virtual patients, such as `radioligand calibrate` writes; the shipped "
    "ones of the protocol otherwise.",
)
@click.option(
    "--cutoff",
    type=Cutoff(),
    default="events",
    show_default=True,
    help="Data cutoff: a date, or the day of the event the protocol waits for.",
)
def demo(
    protocol: str,
    out: Path,
    plans: tuple[str, ...],
    as_json: bool,
    seed: int | None,
    population: Path | None,
    cutoff: date | str,
) -> None:
    """Simulate a virtual study of a protocol, then derive, analyse and report it.

    The study is written as SDTM beside the report. Every page says that it is simulated.

    Example:  radioligand demo netter-2 --out demo-report
    """
    from radioligand.cli.main_job import run_demo

    done = run_demo(
        protocol,
        out=out,
        seed=seed,
        cutoff=cutoff,
        population=population,
        plans=plans,
        quiet=as_json,
    )
    _tell(done, as_json=as_json)


@cli.command()
@click.argument("protocol")
@click.argument("sdtm", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_job_options
@click.option(
    "--cutoff",
    type=Cutoff(),
    help="Data cutoff: a date, or 'events' for the day of the event the protocol waits for. "
    "Without it, all data in the folder are used.",
)
@click.option(
    "--dictionary",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your own medical dictionary for events that are not coded: MedDRA's mdhier.asc, or a "
    "table with TERM, PREFERRED and CLASS.",
)
def analyse(
    protocol: str,
    sdtm: Path,
    out: Path,
    plans: tuple[str, ...],
    as_json: bool,
    cutoff: date | str | None,
    dictionary: Path | None,
) -> None:
    """Derive, analyse and report a study from a folder of SDTM datasets.

    The folder may mix XPT, Parquet, CSV and Dataset-JSON, one file a domain.

    Example:  radioligand analyse netter-2 sdtm/ --out report --cutoff 2023-07-20
    """
    from radioligand.cli.main_job import run_analysis

    outcome = run_analysis(
        protocol, sdtm, out=out, cutoff=cutoff, plans=plans, dictionary=dictionary, quiet=as_json
    )
    _tell(outcome, as_json=as_json)


def _tell(outcome: "Outcome", *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(outcome.as_json(), indent=2, ensure_ascii=False))
        return
    for line in outcome.lines:
        click.echo(line)


@cli.command()
@click.argument("study", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as a JSON list, no more.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write the rows as a page into this folder.",
)
def reproduce(study: str | None, as_json: bool, out: Path | None) -> None:
    """Compare published numbers with what is recomputed, row by row.

    STUDY is netter-1, netter-2, shrinkage or board; without it, all are recomputed. A row matches
    at printed precision by the standard method, or by a named alternative only, or not; what does
    not has its reason.

    Example:  radioligand reproduce netter-2 --out netter-2-published
    """
    from rich.console import Console

    from radioligand.cli import reproduction

    rows, published = reproduction.reproduced(study)
    page = reproduction.write_page(rows, published, out=out) if out else None
    if as_json:
        click.echo(reproduction.as_json(rows))
        return
    reproduction.tell(rows, published, console=Console())
    if page:
        click.echo(f"Page: {page}")


@cli.command()
@click.argument("study")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the page, the population, the cohort as SDTM and its report.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of the search.")
@click.option(
    "--effort",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0, max=20),
    help="How long to look: 0.1 is a rough look, 4 meets more.",
)
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable results only.")
def calibrate(study: str, out: Path, seed: int, effort: float, as_json: bool) -> None:
    """Make virtual patients, and one cohort, look like a published trial.

    STUDY is netter-1, netter-2 or shrinkage: the targets of one paper, one cutoff and one
    reviewer. Each target is told with what was reached. The cohort is chosen to agree: it is not
    patient data and no evidence, and every page says so.

    Example:  radioligand calibrate netter-2 --out calibrated
    """
    from radioligand.cli import calibration

    found = calibration.run_calibration(study, out=out, seed=seed, effort=effort, quiet=as_json)
    if as_json:
        click.echo(calibration.as_json(found))
        return
    from rich.console import Console

    calibration.tell(found, out=out, console=Console())


@cli.command()
@click.argument("protocol")
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable results only.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the design report; an earlier report there is replaced.",
)
@click.option(
    "--adam",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with ADSL and ADTTE of the trial so far, to predict when its events are due.",
)
@click.option("--cutoff", type=Day(), help="The day up to which the datasets are known.")
def plan(
    protocol: str, as_json: bool, out: Path | None, adam: Path | None, cutoff: date | None
) -> None:
    """Find events, subjects, power, duration and boundaries of a protocol, by theory.

    With --adam, also predict the date of the events that the protocol waits for, from the
    trial so far and blinded to its arms.

    Example:  radioligand plan netter-2 --out design
    """
    from radioligand.cli.planning import run_plan, write_design

    if (adam is None) != (cutoff is None):
        raise click.UsageError("Give --adam and --cutoff together, or neither.")
    planned = run_plan(protocol, adam=adam, cutoff=cutoff)
    if out is not None:
        write_design(planned, name=protocol, out=out)
    if as_json:
        click.echo(json.dumps(planned.as_json(), indent=2, ensure_ascii=False))
        return
    if out is not None:
        click.echo(f"Design report: {out / 'index.html'}")
    for line in planned.lines:
        click.echo(f"\n{click.wrap_text(line, width=100)}")


@cli.command()
@click.argument("protocol")
@click.option("--trials", default=100_000, show_default=True, help="How many virtual trials.")
@click.option("--seed", default=1, show_default=True, help="Seed of the virtual trials.")
@click.option(
    "--scenario",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML document of what is assumed otherwise than the protocol plans.",
)
@click.option("--threads", type=click.IntRange(1), help="Cores to use; all of them without it.")
@click.option("--scheduler", help="Address of a Dask scheduler whose workers run the trials.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for a page, results and finished parts; an interrupted run goes on from these.",
)
@click.option("--null/--no-null", default=True, help="Also simulate no effect: the type I error.")
@click.option(
    "--doses",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML document of kinetics and scans, in place of the shipped virtual patients.",
)
@click.option(
    "--patients",
    default=300,
    show_default=True,
    type=click.IntRange(1),
    help="Whose doses are compared, where the protocol has dosimetry.",
)
@click.option(
    "--replay",
    type=click.IntRange(0),
    metavar="NUMBER",
    help="Write this one trial as SDTM into the folder of --out, and run no others.",
)
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable results only.")
def simulate(
    protocol: str,
    trials: int,
    seed: int,
    scenario: Path | None,
    threads: int | None,
    scheduler: str | None,
    out: Path | None,
    null: bool,
    doses: Path | None,
    patients: int,
    replay: int | None,
    as_json: bool,
) -> None:
    """Run a protocol as virtual trials: power, type I error, duration, bias, coverage.

    The same seed gives the same trials, on however many cores. Of a protocol with dosimetry, a
    fixed activity is also compared with one that measured doses decide: dose to lesions, who ends
    in the target or over a limit, with several scans and with one, by spread between sites.

    Example:  radioligand simulate netter-2 --trials 100000
    """
    from radioligand.cli import simulation

    if replay is not None:
        if out is None:
            raise click.UsageError("Give --out, the folder for the trial.")
        told = simulation.write_trial(protocol, trial=replay, seed=seed, scenario=scenario, out=out)
        click.echo(json.dumps(told, indent=2) if as_json else f"Trial {replay}: {out}")
        return
    found = simulation.run_simulation(
        protocol,
        trials=trials,
        seed=seed,
        scenario=scenario,
        threads=threads,
        scheduler=scheduler,
        out=out,
        null=null,
        doses=doses,
        patients=patients,
        quiet=as_json,
    )
    if as_json:
        told = simulation.as_json(found, seed=seed)
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for line in simulation.lines(found):
        click.echo(line)


@cli.command()
@click.argument("protocol")
@click.argument("patient", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable results only.")
@click.option("--template", is_flag=True, help="Print an empty patient form for PROTOCOL.")
def screen(protocol: str, patient: Path | None, as_json: bool, template: bool) -> None:
    """Judge one patient's eligibility: eligible, not eligible or undetermined, and why.

    PATIENT is a JSON form; --template prints an empty one with every field and its unit.

    Example:  radioligand screen netter-2 patient.json
    """
    from radioligand.cli.patient_screening import form_template, screened

    if template:
        click.echo(form_template(protocol))
        return
    if patient is None:
        raise click.UsageError("Give a patient's form, or --template for an empty one.")
    answer = screened(protocol, patient)
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    marks = {"met": "✓", "not met": "✗", "unknown": "?"}
    for criterion in answer["criteria"]:
        mark = marks.get(criterion["verdict"], "–")
        click.echo(f"{mark} {criterion['id']}  {criterion['says']}")
        value = criterion["value"]
        seen = value if isinstance(value, dict) else {"value": value}
        told = ", ".join(f"{field} {found}" for field, found in seen.items() if found is not None)
        click.echo(f"       {criterion['verdict']}: {told or 'nothing is known'}")
    click.echo(f"\n{answer['verdict'].upper()}")
    missing = sorted({field for one in answer["criteria"] for field in one["missing"]})
    if missing:
        click.echo(f"Missing: {', '.join(missing)}")


@cli.command()
@click.argument("patient", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable results only.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the tumour board's sheet and page; an earlier one there is replaced.",
)
@click.option("--pdf", is_flag=True, help="Print the sheet as PDF as well.")
@click.option("--template", is_flag=True, help="Print an empty patient form.")
@click.option(
    "--add",
    "added",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also use the statements of a guideline document of your own.",
)
@click.option(
    "--on",
    type=Day(),
    help="The day to which the age of sources is counted, if not that of the assessment.",
)
def advise(
    patient: Path | None,
    as_json: bool,
    out: Path | None,
    pdf: bool,
    template: bool,
    added: tuple[Path, ...],
    on: date | None,
) -> None:
    """Hold guideline statements against one patient: what applies, what does not, what is open.

    PATIENT is a JSON form or an HL7 FHIR bundle; without it, all statements are listed. A table
    (CSV, Parquet) with a patient a row is counted by statement. For professionals, research and
    teaching: not a device, not for individual treatment decisions.

    Example:  radioligand advise patient.json --out sheet
    """
    from radioligand.cli import guidance
    from radioligand.guidance import LINE

    if template:
        click.echo(guidance.form_template(added))
        return
    if pdf and (out is None or patient is None or guidance.is_registry(patient)):
        raise click.UsageError("--pdf prints the sheet of one PATIENT into the folder of --out.")
    if patient is not None and guidance.is_registry(patient):
        counts, page = guidance.run_registry(patient, added=added, out=out)
        if as_json:
            click.echo(json.dumps(counts, indent=2, ensure_ascii=False))
            return
        click.echo(LINE)
        for row in counts:
            told = f"{row['applies']} apply, {row['undetermined']} undetermined"
            click.echo(f"{row['statement']:<36} {row['stance']:<16} {told}")
        if page:
            click.echo(f"\nPage: {page}")
        return
    advice = guidance.advised(patient, added=added, on=on)
    page = out and guidance.write_page(advice, path=patient, added=added, out=out, pdf=pdf)
    if as_json:
        click.echo(json.dumps(advice.as_json(), indent=2, ensure_ascii=False))
        return
    click.echo(LINE)
    guidance.tell(advice)
    if page:
        sheet = page.with_name("sheet.pdf" if pdf else "sheet.html")
        click.echo(f"\nPage: {page}" if patient is None else f"\nSheet: {sheet}\nPage: {page}")


@cli.group()
def dose() -> None:
    """Absorbed dose of patients' cycles, and the next activity.

    Example:  radioligand dose plan dosimetry-prrt patients
    """


STRATEGY = click.option(
    "--strategy",
    type=click.Choice(["lesion target", "organ limit"]),
    help="Another strategy than the protocol's.",
)
PATIENTS = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))


@dose.command("fit")
@click.argument("protocol")
@PATIENTS
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable results only.")
def dose_fit(protocol: str, folder: Path, as_json: bool) -> None:
    """Find the dose of every region and cycle, with its uncertainty.

    FOLDER holds activities.csv and administrations.csv, and svalues.csv if organs shall have
    cross doses. PROTOCOL names the methods in its [dosimetry].

    Example:  radioligand dose fit dosimetry-prrt patients
    """
    from radioligand.cli import dosimetry

    found = dosimetry.found_in(folder, protocol=protocol, quiet=as_json)
    if as_json:
        document = dosimetry.document_of(found, ())
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    dosimetry.tell_doses(found)


@dose.command("plan")
@click.argument("protocol")
@PATIENTS
@STRATEGY
@click.option("--seed", default=1, show_default=True, help="Seed of the sampled probabilities.")
@click.option(
    "--log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Add what was given and what is recommended to this log; lines are never changed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable results only.")
def dose_plan(
    protocol: str, folder: Path, strategy: str | None, seed: int, log: Path | None, as_json: bool
) -> None:
    """Recommend the next activity of every subject, and say what binds it.

    Limits, target, caps and the statistic that steers stand in the protocol. Every cycle that was
    given needs its dose, unless the protocol carries one. Subjects whose arm in administrations.csv
    is not one of dosimetry get none; those without arm are taken for one.

    Example:  radioligand dose plan dosimetry-prrt patients --log activities.log
    """
    from datetime import UTC, datetime

    from radioligand.cli import dosimetry
    from radioligand.io.activity_log import append_log

    found = dosimetry.found_in(folder, protocol=protocol, strategy=strategy, quiet=as_json)
    plans = dosimetry.planned(found, seed=seed)
    head = None
    if log:
        head = append_log(log, dosimetry.log_entries(found, plans, now=datetime.now(UTC)))
    if as_json:
        document = dosimetry.document_of(found, plans)
        click.echo(json.dumps(document["plans"], indent=2, ensure_ascii=False))
        return
    dosimetry.tell_plans(found, plans)
    if head:
        click.echo(f"\nLog: {log}, {head.lines} lines, the last of hash {head.hash}")


@dose.command("report")
@click.argument("protocol")
@PATIENTS
@STRATEGY
@click.option("--seed", default=1, show_default=True, help="Seed of the sampled probabilities.")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the report; an earlier report there is replaced.",
)
@click.option(
    "--adam",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="ADaM datasets of the study: doses are set beside response and toxicity.",
)
def dose_report(
    protocol: str, folder: Path, strategy: str | None, seed: int, out: Path, adam: Path | None
) -> None:
    """Write doses and plan as one page on which every number can be repeated by hand.

    Beside it stand results.json with inputs' hashes, constants and methods, doses.csv,
    recommendation.json and the doses as an ADaM dataset, adam/ADRAD.parquet.

    Example:  radioligand dose report dosimetry-prrt patients --out doses
    """
    from radioligand.cli import dosimetry

    found = dosimetry.found_in(folder, protocol=protocol, strategy=strategy)
    plans = dosimetry.planned(found, seed=seed)
    page = dosimetry.write_report(found, plans, out=out, adam=adam)
    dosimetry.tell_doses(found)
    dosimetry.tell_plans(found, plans)
    click.echo(f"\nReport: {page}")


@dose.command("simulate")
@click.argument("protocol")
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--patients", default=500, show_default=True, type=click.IntRange(1), help="In each design."
)
@click.option("--seed", default=1, show_default=True, help="Seed of the virtual patients.")
@STRATEGY
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable results only.")
def dose_simulate(
    protocol: str, scenario: Path, patients: int, seed: int, strategy: str | None, as_json: bool
) -> None:
    """Compare a fixed activity with one informed by dosimetry, on virtual patients.

    SCENARIO is a TOML file of what is assumed: doses per activity, half-lives, errors of scans and
    between sites. Told are the true doses to lesions, the share in the target and over a limit,
    with several scans and with one, for each spread between sites.

    Example:  radioligand dose simulate dosimetry-prrt scenario.toml
    """
    from radioligand.cli import dosimetry

    outcomes = dosimetry.simulated(
        protocol, scenario, patients=patients, seed=seed, strategy=strategy, quiet=as_json
    )
    if as_json:
        click.echo(json.dumps(outcomes, indent=2, ensure_ascii=False))
        return
    dosimetry.tell_designs(outcomes)


@dose.command("image")
@click.argument("document", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the report and the dose files; an earlier report there is replaced.",
)
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable results only.")
def image_doses(document: Path, out: Path, as_json: bool) -> None:
    """Compute the dose of every voxel from the images of one cycle.

    DOCUMENT is a TOML file that names images, regions and the activity given. Writes a report
    with isodose lines and dose-volume histograms, doses as JSON and CSV, the dose image as NIfTI,
    and for DICOM images also RTDOSE, SEG and SR. Needs radioligand[images].

    Example:  radioligand dose image cycle-1.toml --out cycle-1
    """
    from radioligand.cli import dose_image as job

    found = job.run_dose_image(document, out=out, quiet=as_json)
    if as_json:
        click.echo(job.as_json(found), nl=False)
        return
    for line in job.lines(found, out=out):
        click.echo(line)


@cli.command()
@click.argument("adam", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--protocol", help="Also check what this protocol promises.")
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable results only.")
def verify(adam: Path, protocol: str | None, as_json: bool) -> None:
    """Check derived datasets of any origin against what must hold in every study.

    Progression-free survival no longer than survival, confirmed responses among the responses,
    flags that follow from the records they point to. Exit status 1 if one is broken.

    Example:  radioligand verify demo-report/adam
    """
    from radioligand.derivation import invariants
    from radioligand.io.datasets import read_datasets
    from radioligand.io.documents import read_protocol

    frames = read_datasets(adam)
    found = invariants(frames, protocol=read_protocol(protocol) if protocol else None)
    if as_json:
        click.echo(json.dumps(found.to_dicts(), indent=2, ensure_ascii=False))
    else:
        for row in found.to_dicts():
            mark = "✗" if row["broken"] else "✓"
            click.echo(f"{mark} {row['says']} ({row['datasets']}): {row['checked']} checked")
            if row["broken"]:
                click.echo(f"    {row['broken']} break this: {row['examples']}")
    if found["broken"].sum():
        raise SystemExit(1)


for command in (list_group, ledger_group, audit, serve):
    cli.add_command(command)
