# SPDX-License-Identifier: Apache-2.0
"""Virtual trials on the terminal: scenarios read, run with a progress bar, told as text or JSON."""

import json
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import exp, isfinite, log
from pathlib import Path
from typing import Any

from radioligand.cli.adaptive_simulation import as_told, text, told_mean
from radioligand.dosimetry.next_activity import Strategy
from radioligand.io.documents import DocumentError, read_protocol
from radioligand.planning import (
    PlanningError,
    expected_power,
    months_to_events,
)
from radioligand.protocol import Protocol
from radioligand.simulation.adaptive_design import AdaptiveDesign, virtual_design
from radioligand.simulation.adaptive_tallies import AdaptiveCharacteristics
from radioligand.simulation.dose_courses import DesignOutcome
from radioligand.simulation.faults import SimulationError
from radioligand.simulation.results import Run
from radioligand.simulation.scenarios import Scenario, parse_scenarios, without_effect
from radioligand.simulation.tallies import SHARES, Characteristics, level_of
from radioligand.simulation.trial_design import TrialDesign
from radioligand.simulation.trials import simulate

PATIENTS = 300  # whose doses are compared
STRATEGIES: tuple[Strategy, ...] = ("lesion target", "organ limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One scenario: its trials, and those without effect."""

    design: TrialDesign | AdaptiveDesign
    found: Characteristics | AdaptiveCharacteristics
    null: Characteristics | AdaptiveCharacteristics | None
    seconds: float
    doses: tuple[DesignOutcome, ...] | None = None  # None: the protocol has no dosimetry


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

    Of a protocol with dosimetry, activities fixed and informed are compared on so many `patients`
    of the document `doses`, or of the virtual patients that are shipped.

    With `out`, finished parts are kept in its folder "parts", and the results stand beside them:
    a page with figures, JSON, CSV, each table and figure.
    """
    protocol = read_protocol(name)
    chosen = read_scenarios(scenario) if scenario else (Scenario(),)
    pairs = [
        (
            virtual_design(protocol, one),
            virtual_design(protocol, without_effect(one)) if null else None,
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
            found.append(Simulated(design=design, found=with_effect, null=none, seconds=seconds))
    if protocol.dosimetry:
        compared = compared_doses(protocol, doses, patients=patients, seed=seed, quiet=quiet)
        found = [replace(one, doses=compared) for one in found]
    if out:
        from radioligand.cli.simulation_contents import write_page

        runs = [Run(design=one.design, found=one.found, null=one.null) for one in found]
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

    Raises SimulationError for a trial of several arms or with changes, or without scans.
    """
    from radioligand.io.outputs import MARK, check_output, parquet, write_folder
    from radioligand.simulation.replay import replay_trial
    from radioligand.simulation.replay_study import trial_study

    check_output(out)
    protocol = read_protocol(name)
    chosen = read_scenarios(scenario)[0] if scenario else Scenario()
    design = virtual_design(protocol, chosen)
    if not isinstance(design, TrialDesign):
        raise SimulationError(
            f"{design.trial}: trials of two arms without changes are written as SDTM; this has "
            "several arms, rules of change, looks by the calendar or max_combo."
        )
    virtual = replay_trial(design, seed=seed, trial=trial)
    study = trial_study(virtual, design=design, protocol=protocol)
    told: dict[str, Any] = _plain(
        {"trial": trial, "seed": seed, "scenario": chosen.name, "results": virtual.results}
    )
    write_folder(
        out,
        {
            **{f"sdtm/{domain.lower()}.parquet": parquet(frame) for domain, frame in study.items()},
            MARK: json.dumps(told, indent=2) + "\n",
        },
    )
    return told


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
    speed = {"seconds": one.seconds, "trials_per_second": run / one.seconds}
    match one:
        case Simulated(
            design=AdaptiveDesign() as several,
            found=AdaptiveCharacteristics() as of_arms,
            null=None | AdaptiveCharacteristics() as nothing,
        ):
            return as_told(several, of_arms, nothing) | speed
        case Simulated(
            design=TrialDesign() as pair,
            found=Characteristics() as of_pair,
            null=None | Characteristics() as nothing_of_pair,
        ):
            return _pair_json(pair, of_pair, nothing_of_pair) | speed
    raise TypeError(one)  # not reached: a design has the characteristics of its kind


def _pair_json(
    design: TrialDesign, found: Characteristics, null: Characteristics | None
) -> dict[str, Any]:
    means, month = found.means, design.month_days
    ratio = means["log_hazard_ratio"]
    answer: dict[str, Any] = {
        "scenario": design.scenario.name,
        "endpoint": design.endpoint,
        "trials": found.trials,
        "power": found.power,
        "power_error": found.power_error,
        "type_one_error": null
        and {"rate": null.power, "error": null.power_error, "nominal": level_of(design.plan)},
        "hazard_ratio": {
            "assumed": exp(design.log_hazard_ratio),
            "geometric_mean": exp(ratio.mean),
            "log_bias": ratio.mean - design.log_hazard_ratio,
            "log_bias_error": ratio.error,
            "log_standard_deviation": ratio.standard_deviation,
            "coverage": found.coverage,
            "quantiles": _quantiles(found.hazard_ratio_quantiles),
        },
        "duration_months": {
            **told_mean(means["day"], month),
            "quantiles": _quantiles(tuple(day / month for day in found.day_quantiles)),
        },
        "subjects": told_mean(means["entered"]),
        "events": told_mean(means["events"]),
        "median_months": {
            "control": told_mean(means["median_control"], month),
            "experimental": told_mean(means["median_experimental"], month),
        },
        "looks": [
            {"events": int(events), "z": float(z), "efficacy": efficacy, "futility": futility}
            for events, z, efficacy, futility in zip(
                design.model.look_events,
                design.model.stop_z,
                found.efficacy,
                found.futility,
                strict=True,
            )
        ],
        "chain": [
            {"step": step, "probability": share}
            for step, share in zip(design.chain, found.chain, strict=True)
        ],
        "significant_harm": found.harm,
        "events_not_reached": found.unreached,
        "theory": theory(design),
    }
    if design.scenario.has_response:
        answer["response"] = {arm: told_mean(means[f"response_{arm}"]) for arm in ARMS}
    if design.scenario.primaries:
        answer["primaries"] = {
            "rule": design.scenario.primaries.rule,
            "held": dict(zip(design.scenario.primaries.endpoints, found.primaries, strict=True)),
        }
    if design.scenario.has_survival:
        answer["survival"] = {
            "hazard_ratio": exp(means["survival_log_hazard_ratio"].mean),
            "deaths": told_mean(means["deaths"]),
            "crossed_over": told_mean(means["crossed"]),
        }
    return answer


ARMS = ("control", "experimental")


def theory(design: TrialDesign) -> dict[str, Any]:
    """Power and months by theory, for the assumptions of the protocol's own plan alone.

    `power` is that of the plan, by its `method`; `power_lakatos` Lakatos' at the level of the only
    look. With unequal arms the two lie on either side of the truth. None where the scenario assumes
    otherwise.
    """
    told = dict.fromkeys(("method", "power", "power_lakatos", "duration_months"))
    if design.scenario != Scenario(name=design.scenario.name):
        return told
    plan = design.plan
    told |= {"method": plan.given.method, "power": plan.power}
    try:
        months = months_to_events(plan.course, plan.events)
    except PlanningError:
        return told
    if plan.looks.z.size > 1:
        return told | {"duration_months": months}
    level = float(plan.looks.nominal_p[-1])
    power = expected_power(
        plan.course, analysis_months=plan.analysis_months, alpha=level, sided=plan.given.sided
    )
    return told | {"power_lakatos": power, "duration_months": plan.analysis_months}


def _quantiles(values: tuple[float, ...]) -> dict[str, float]:
    return {f"{share:g}": value for share, value in zip(SHARES, values, strict=True)}


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
        yield from _pair_text(told, design, one.found)
    else:
        yield from text(told, share=_share)
    yield f"  {told['trials_per_second']:,.0f} trials a second, {one.seconds:.1f} s"


def _pair_text(told: dict[str, Any], design: TrialDesign, found: Characteristics) -> Iterator[str]:
    means, month = found.means, design.month_days
    yield f"  power                 {_share(found.power, found.power_error)}"
    if (by := told["theory"])["power"] is not None:
        others = {by["method"]: by["power"], "lakatos": by["power_lakatos"]}
        shown = (f"{100 * p:.1f} % ({m.title()})" for m, p in others.items() if p is not None)
        yield f"  power by theory       {', '.join(shown)}"
    if error := told["type_one_error"]:
        level = f"nominal {100 * error['nominal']:g} %"
        yield f"  type I error          {_share(error['rate'], error['error'])}, {level}"
    low, middle, high = found.hazard_ratio_quantiles
    assumed = exp(design.log_hazard_ratio)
    yield (
        f"  hazard ratio          {middle:.3f} (90 % of trials {low:.2f} to {high:.2f}), "
        f"{assumed:g} assumed; interval covers it in {100 * found.coverage:.1f} %"
    )
    low, middle, high = (day / month for day in found.day_quantiles)
    yield f"  duration, months      {means['day'].mean / month:.1f} ({low:.1f} to {high:.1f})"
    yield f"  subjects, events      {means['entered'].mean:.1f}, {means['events'].mean:.1f}"
    medians = " and ".join(f"{means[f'median_{arm}'].mean / month:.1f} ({arm})" for arm in ARMS)
    yield f"  mean median, months   {medians}"
    if len(design.model.stop_z) > 1:
        for look in told["looks"]:
            yield (
                f"  look at {look['events']:>4} events   stops for efficacy in "
                f"{100 * look['efficacy']:.1f} %, for futility in {100 * look['futility']:.1f} %"
            )
    if len(design.chain) > 1:
        steps = ", ".join(
            f"{one['step']} {100 * one['probability']:.1f} %" for one in told["chain"]
        )
        yield f"  chain of tests        {steps}"
    if primaries := told.get("primaries"):
        held = ", ".join(f"{step} {100 * p:.1f} %" for step, p in primaries["held"].items())
        yield f"  primary endpoints     {held} ({primaries['rule']})"
    if found.unreached:
        yield f"  events never reached  in {100 * found.unreached:.2f} % of trials"


def _share(share: float, error: float) -> str:
    digits = 1 if error <= 0 else max(1, min(4, -int(log(100 * error, 10) // 1)))
    return f"{100 * share:.{digits}f} % ± {100 * error:.{digits}f}"
