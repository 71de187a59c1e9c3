# SPDX-License-Identifier: Apache-2.0
"""Virtual trials on the terminal: scenarios read, run with a progress bar, told as text or JSON."""

import json
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radioligand.cli.adaptive_simulation import as_told, text
from radioligand.cli.cohort_simulation import cohorts_json, cohorts_text
from radioligand.cli.late_harm import late_harm_text
from radioligand.cli.pair_simulation import pair_json, pair_text, share_text
from radioligand.dosimetry.next_activity import Strategy
from radioligand.io.documents import DocumentError, read_protocol
from radioligand.protocol import Protocol
from radioligand.simulation.adaptive_design import AdaptiveDesign, virtual_design
from radioligand.simulation.adaptive_tallies import AdaptiveCharacteristics
from radioligand.simulation.cohort_design import CohortDesign
from radioligand.simulation.cohort_tallies import CohortCharacteristics
from radioligand.simulation.dose_courses import DesignOutcome
from radioligand.simulation.late_harm import (
    LATE_TRIALS,
    LateHarmOutcome,
    late_harm_outcomes,
)
from radioligand.simulation.results import Run
from radioligand.simulation.scenarios import Scenario, parse_scenarios, without_effect
from radioligand.simulation.tallies import Characteristics
from radioligand.simulation.trial_design import TrialDesign
from radioligand.simulation.trials import AnyCharacteristics, AnyDesign, simulate

if TYPE_CHECKING:
    import polars as pl

PATIENTS = 300  # whose doses are compared
STRATEGIES: tuple[Strategy, ...] = ("lesion target", "organ limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One scenario: its trials, and those without effect."""

    design: AnyDesign
    found: AnyCharacteristics
    null: AnyCharacteristics | None
    seconds: float
    doses: tuple[DesignOutcome, ...] | None = None  # None: the protocol has no dosimetry
    late_harm: tuple[LateHarmOutcome, ...] = ()


def run_simulation(
    name: str,
    *,
    trials: int,
    seed: int,
    scenario: Path | None = None,
    threads: int | None = None,
    scheduler: str | None = None,
    out: Path | None = None,
    null: bool = True,
    doses: Path | None = None,
    patients: int = PATIENTS,
    quiet: bool = False,
) -> list[Simulated]:
    """Run the virtual trials of a protocol under each scenario, with and without effect.

    A late harm of the protocol is followed in the first LATE_TRIALS trials of each scenario.

    Of a protocol with dosimetry, activities fixed and informed are compared on so many `patients`
    of the document `doses`, or of the virtual patients that are shipped.

    With `out`, finished parts are kept in its folder "parts", and the results stand beside them:
    a page with figures, JSON, CSV, each table and figure.
    """
    protocol = read_protocol(name)
    chosen = read_scenarios(scenario) if scenario else (Scenario(),)
    margin = protocol.planning.margin if protocol.planning else 1.0
    pairs = [
        (
            virtual_design(protocol, one),
            virtual_design(protocol, without_effect(one, margin=margin)) if null else None,
        )
        for one in chosen
    ]
    found = []
    with progress_bar(len(pairs) * trials * (1 + null), quiet=quiet) as told:
        for design, without in pairs:
            begun = time.perf_counter()
            run = partial(
                simulate,
                trials=trials,
                seed=seed,
                threads=threads,
                scheduler=scheduler,
                folder=out / "parts" if out else None,
                progress=told,
            )
            with_effect, none = run(design), run(without) if without else None
            seconds = time.perf_counter() - begun
            harms = late_harm_outcomes(
                design, protocol.late_harm, seed=seed, trials=min(trials, LATE_TRIALS)
            )
            found.append(
                Simulated(
                    design=design,
                    found=with_effect,
                    null=none,
                    seconds=seconds,
                    late_harm=harms,
                )
            )
    if protocol.dosimetry:
        compared = compared_doses(protocol, doses, patients=patients, seed=seed, quiet=quiet)
        found = [replace(one, doses=compared) for one in found]
    if out:
        from radioligand.cli.simulation_contents import write_page

        runs = [
            Run(design=one.design, found=one.found, null=one.null, late_harm=one.late_harm)
            for one in found
        ]
        answer = without_speed(as_json(found, seed=seed))
        compared = found[0].doses or ()
        write_page(out, runs, protocol=protocol, seed=seed, told=answer, doses=compared)
    return found


def compared_doses(
    protocol: Protocol, doses: Path | None, *, patients: int, seed: int, quiet: bool
) -> tuple[DesignOutcome, ...]:
    """What fixed and informed activity do, by both strategies; empty where no kinetics are known.

    Raises SimulationError or DocumentError for a document that does not say enough.
    """
    from radioligand.cli.dosimetry import dose_designs
    from radioligand.io.documents import read_tables
    from radioligand.simulation.dose_scenarios import parse_dose_scenario
    from radioligand.simulation.parameters import PopulationError, read_population

    if doses is not None:
        assumed = parse_dose_scenario(read_tables(doses), name=str(doses))
    else:
        try:
            shipped = read_population(protocol.trial.id).dosimetry
        except PopulationError:
            shipped = None
        if shipped is None:
            return ()
        assumed = shipped
    steered = protocol.dosimetry is not None and protocol.dosimetry.target is not None
    strategies = STRATEGIES if steered else STRATEGIES[1:]
    return dose_designs(
        protocol, assumed, patients=patients, seed=seed, strategies=strategies, quiet=quiet
    )


def write_trial(
    name: str, *, trial: int, seed: int, scenario: Path | None = None, out: Path
) -> dict[str, Any]:
    """Write one virtual trial of the first scenario as SDTM, and return what the kernel found.

    A trial of two arms stands in the folder sdtm; of several arms each comparison with control, as
    it stood when its arm ended, and of cohorts each cohort, in a folder of its own.
    """
    from radioligand.io.outputs import MARK, check_output, parquet, write_folder

    check_output(out)
    protocol = read_protocol(name)
    chosen = read_scenarios(scenario)[0] if scenario else Scenario()
    design = virtual_design(protocol, chosen)
    told: dict[str, Any] = {"trial": trial, "seed": seed, "scenario": chosen.name}
    files: dict[str, Any] = {}
    for folder, results, study in trial_studies(design, protocol, trial=trial, seed=seed):
        files |= {
            f"{folder}sdtm/{domain.lower()}.parquet": parquet(frame)
            for domain, frame in study.items()
        }
        if folder:
            told.setdefault("parts", {})[folder.rstrip("/")] = results
        else:
            told["results"] = results
    told = _plain(told)
    write_folder(out, {**files, MARK: json.dumps(told, indent=2) + "\n"})
    return told


def trial_studies(
    design: AnyDesign, protocol: Protocol, *, trial: int, seed: int
) -> "Iterator[tuple[str, dict[str, float], dict[str, pl.DataFrame]]]":
    """Folder, what the kernel found and SDTM of each part of a trial drawn again."""
    from radioligand.simulation.adaptive_replay import replay_adaptive_trial
    from radioligand.simulation.cohort_kernels import cohort_seeds
    from radioligand.simulation.replay import replay_trial
    from radioligand.simulation.replay_study import trial_study

    if isinstance(design, AdaptiveDesign):
        for one in replay_adaptive_trial(design, seed=seed, trial=trial).comparisons:
            yield f"{one.arm}/", one.results, trial_study(one, design=design, protocol=protocol)
        return
    parts = [("", design, seed)] if isinstance(design, TrialDesign) else []
    if isinstance(design, CohortDesign):
        seeds = cohort_seeds(seed, len(design.names)).tolist()
        names = [f"{name}/" for name in design.names]
        parts = list(zip(names, design.cohorts, seeds, strict=True))
    for folder, own, own_seed in parts:
        virtual = replay_trial(own, seed=own_seed, trial=trial)
        yield folder, virtual.results, trial_study(virtual, design=own, protocol=protocol)


def without_speed(answer: dict[str, Any]) -> dict[str, Any]:
    """The same without how fast it ran, so that the same trials give the same bytes."""
    for one in (answer, *answer.get("scenarios", [])):
        del one["seconds"], one["trials_per_second"]
    return answer


def read_scenarios(path: Path) -> tuple[Scenario, ...]:
    """Read a scenario document.

    Raises DocumentError if it is no TOML, SimulationError with every fault of what it says.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DocumentError(f"{path}: this is no TOML document: {error}") from None
    return parse_scenarios(document, name=str(path))


@contextmanager
def progress_bar(total: int, *, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """Show trials done, their rate and the time left, on the error stream."""
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f} a second" if task.speed else "compiling")

    columns = (MofNCompleteColumn(), BarColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("trials", total=total)
        yield lambda done: bar.advance(task, done)


# --- as JSON --------------------------------------------------------------------------------------


def as_json(found: list[Simulated], *, seed: int) -> dict[str, Any]:
    """The first scenario as a JSON object, and all of them under "scenarios" if there are several.

    Times are in months; what was not estimated is null.
    """
    told = [_one_json(one) for one in found]
    answer = {"seed": seed, **told[0]}
    if len(told) > 1:
        answer["scenarios"] = [dict(one) for one in told]
    if found[0].doses is not None:
        answer["dosimetry"] = [asdict(one) for one in found[0].doses]
    return _plain(answer)  # type: ignore[no-any-return]


def _one_json(one: Simulated) -> dict[str, Any]:
    run = one.found.trials * (1 if one.null is None else 2)
    more: dict[str, Any] = {"seconds": one.seconds, "trials_per_second": run / one.seconds}
    if one.late_harm:
        more["late_harm"] = [asdict(harm) for harm in one.late_harm]
    match one:
        case Simulated(
            design=AdaptiveDesign() as several,
            found=AdaptiveCharacteristics() as of_arms,
            null=None | AdaptiveCharacteristics() as nothing,
        ):
            return as_told(several, of_arms, nothing) | more
        case Simulated(
            design=TrialDesign() as pair,
            found=Characteristics() as of_pair,
            null=None | Characteristics() as nothing_of_pair,
        ):
            return pair_json(pair, of_pair, nothing_of_pair) | more
        case Simulated(
            design=CohortDesign() as parted,
            found=CohortCharacteristics() as of_cohorts,
            null=None | CohortCharacteristics() as nothing_of_cohorts,
        ):
            return cohorts_json(parted, of_cohorts, nothing_of_cohorts) | more
    raise TypeError(one)  # not reached: a design has the characteristics of its kind


def _plain(value: Any) -> Any:
    """The same without numbers that JSON has not."""
    if isinstance(value, dict):
        return {key: _plain(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [_plain(inside) for inside in value]
    return None if isinstance(value, float) and not isfinite(value) else value


# --- as text --------------------------------------------------------------------------------------


def lines(found: list[Simulated]) -> list[str]:
    """What was found, for a terminal."""
    return [*(line for one in found for line in _one_text(one)), *_dose_text(found[0].doses)]


def _dose_text(doses: tuple[DesignOutcome, ...] | None) -> Iterator[str]:
    """Fixed against informed activity, on virtual patients whose true doses are known."""
    if doses is None:
        return
    if not doses:
        yield "\nNo kinetics of this trial's patients are known; name a document with --doses."
        return
    from radioligand.cli.dosimetry import design_lines

    yield f"\nDoses of {doses[0].patients} virtual patients, fixed and informed by dosimetry"
    yield from design_lines([asdict(one) for one in doses])


def _one_text(one: Simulated) -> Iterator[str]:
    told, design = _one_json(one), one.design
    yield f"\n{design.trial}, {design.scenario.name}: {one.found.trials:,} virtual trials"
    if isinstance(design, TrialDesign) and isinstance(one.found, Characteristics):
        yield from pair_text(told, design, one.found)
    elif isinstance(design, CohortDesign):
        yield from cohorts_text(told)
    else:
        yield from text(told, share=share_text)
    yield from late_harm_text(one.late_harm)
    yield f"  {told['trials_per_second']:,.0f} trials a second, {one.seconds:.1f} s"
