# SPDX-License-Identifier: Apache-2.0
"""The plan of a trial on the terminal, as JSON, and as a design report."""

import json
import platform
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any

from radioligand.cli.design_contents import design_report
from radioligand.io.documents import DocumentError, protocol_chain, read_protocol
from radioligand.io.outputs import MARK, check_output, parquet, sha256, write_folder
from radioligand.planning import (
    AdaptationPlan,
    EventDate,
    LateHarmPlan,
    Plan,
    RatePlan,
    adaptation_plan,
    adaptation_wording,
    any_cohort,
    cohort_plans,
    cohort_stops,
    cohort_wording,
    late_harm_plans,
    late_harm_wording,
    plan,
    plan_rates,
    plan_results,
    predict_events,
    rate_wording,
    selection_pace,
    selection_powers,
    wording,
)
from radioligand.protocol import Protocol

PACKAGES = ("radioligand", "polars", "numpy", "scipy", "matplotlib", "pydantic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """All that was planned for a protocol, primary endpoint first."""

    protocol: Protocol
    plans: tuple[Plan, ...]
    cohorts: tuple[Plan, ...]
    adaptation: AdaptationPlan | None
    rates: tuple[RatePlan, ...]
    late_harm: tuple[LateHarmPlan, ...]
    prediction: EventDate | None

    @property
    def lines(self) -> tuple[str, ...]:
        """The plan as paragraphs of a terminal."""
        plans = (*self.plans, *self.cohorts)
        told = [text for one in plans for text in wording(one, protocol=self.protocol)]
        told += cohort_wording(self.cohorts, self.plans[0])
        told += adaptation_wording(self.adaptation)
        told += [rate_wording(one) for one in self.rates]
        told += late_harm_wording(self.late_harm)
        if found := self.prediction:
            told.append(_predicted(found))
        return tuple(told)

    def as_json(self) -> dict[str, Any]:
        """The plan as a JSON object: the primary endpoint, the others under "also"."""
        primary, *others = (_as_json(one, self.protocol) for one in self.plans)
        rates = [
            {"label": one.given.label, "subjects": one.subjects_needed, "power": one.power}
            for one in self.rates
        ]
        found = self.prediction
        prediction = found and {
            "events": found.events,
            "events_so_far": found.events_so_far,
            "cutoff": found.cutoff.isoformat(),
            "date": _iso(found.day),
            "lower": _iso(found.lower),
            "upper": _iso(found.upper),
            "level": found.level,
        }
        harm = [
            {
                "endpoint": one.given.endpoint,
                "arm": one.arm,
                "subjects": one.subjects,
                "seen_usual": one.seen_usual,
                "seen_high": one.seen_high,
                "needed": one.needed,
                "excluded": one.excluded,
                "month": one.month,
            }
            for one in self.late_harm
        ]
        cohorts = [
            {"cohort": one.cohort.id, "label": one.cohort.label, **_as_json(one, self.protocol)}
            for one in self.cohorts
            if one.cohort
        ]
        power, error = any_cohort(self.cohorts)
        return {
            **primary,
            "also": others,
            "cohorts": cohorts,
            "adaptation": _rules(self.adaptation),
            "any_cohort": {"power": power, "type_one_error": error} if cohorts else None,
            "cohort_stops": _stops(self.cohorts, self.plans[0]) if cohorts else None,
            "rates": rates,
            "late_harm": harm,
            "prediction": prediction,
        }


def _stops(cohorts: tuple[Plan, ...], together: Plan) -> dict[str, float | None]:
    """Subjects and month of the test of all if cohorts that stop take nobody in any more."""
    subjects, month = cohort_stops(cohorts, together)
    return {"subjects": subjects, "month": month if month < float("inf") else None}


def run_plan(name: str, *, adam: Path | None = None, cutoff: date | None = None) -> Planned:
    """Plan the protocol `name`; with ADaM datasets of the trial, predict when its events are due.

    The datasets are ADSL and ADTTE as known on the day of the cutoff.
    """
    protocol = read_protocol(name)
    plans = plan(protocol)
    prediction = None
    if adam is not None and cutoff is not None:
        from radioligand.io.datasets import read_datasets

        datasets = read_datasets(adam)
        if missing := sorted({"ADSL", "ADTTE"} - datasets.keys()):
            raise DocumentError(f"{adam}: no {' and no '.join(missing)}; derive the study first.")
        due = protocol.cutoff
        primary = plans[0]
        prediction = predict_events(
            datasets["ADSL"],
            datasets["ADTTE"],
            endpoint=due.endpoint if due else primary.endpoint,
            events=due.events if due else primary.events,
            cutoff=cutoff,
            subjects=primary.subjects,
            month_days=protocol.data.month_days,
        )
    rates = plan_rates(protocol, subjects=plans[0].subjects)
    return Planned(
        protocol=protocol,
        plans=plans,
        cohorts=cohort_plans(protocol),
        adaptation=adaptation_plan(plans[0], protocol),
        rates=rates,
        late_harm=late_harm_plans(protocol, plans[0]),
        prediction=prediction,
    )


def write_design(planned: Planned, *, name: str, out: Path) -> None:
    """Write the design report: index.html, results, tables and figures."""
    from radioligand.analysis import results_json
    from radioligand.report import render

    check_output(out)
    (content, document), *bases = protocol_chain(name)
    provenance = {
        "protocol": {
            "trial": planned.protocol.trial.id,
            "document": Path(document).name,
            "sha256": sha256(content),
            **({"like": {Path(file).name: sha256(base) for base, file in bases}} if bases else {}),
        },
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
    }
    plans = (*planned.plans, *planned.cohorts)
    results = plan_results(plans, planned.rates, protocol=planned.protocol)
    report = design_report(
        planned.protocol,
        plans,
        words=planned.lines,
        rates=bool(planned.rates),
        provenance=provenance,
    )
    pages = render(results, report=report)
    write_folder(
        out,
        {
            "index.html": pages.index_html,
            "plan.json": json.dumps(planned.as_json(), indent=2, ensure_ascii=False) + "\n",
            "results.parquet": parquet(results),
            "results.json": results_json(results),
            **{f"tables/{file}": text for file, text in pages.tables.items()},
            **{f"figures/{file}": text for file, text in pages.figures.items()},
            MARK: json.dumps(provenance, indent=2, sort_keys=True) + "\n",
        },
    )


def _as_json(one: Plan, protocol: Protocol) -> dict[str, Any]:
    looks = one.looks
    return {
        "endpoint": one.endpoint,
        "method": one.given.method,
        "hazard_ratio": one.given.hazard_ratio,
        "events": one.events,
        "events_needed": one.events_needed,
        "subjects": one.subjects,
        "power": one.power,
        "duration_months": one.analysis_months,
        "duration_interval_months": one.event_months and [_finite(m) for m in one.event_months],
        "accrual_months": one.accrual_months,
        "expected_events": one.expected_events,
        "boundaries": [
            {
                "events": events,
                "fraction": float(looks.fractions[look]),
                "z": float(looks.z[look]),
                "nominal_p": float(looks.nominal_p[look]),
                "cumulative_alpha": float(looks.cumulative_alpha[look]),
            }
            for look, events in enumerate(one.look_events)
        ],
        "methods": {
            size.method: {"events": size.events, "subjects": size.subjects} for size in one.methods
        },
        "selection": _selected(one),
        "stated": {"events": one.given.events, "subjects": one.given.subjects},
        "wording": list(wording(one, protocol=protocol)),
    }


def _selected(one: Plan) -> dict[str, Any] | None:
    """What picking the winner does, if one arm is as assumed, and if all are."""
    powers = selection_powers(one)
    if powers is None:
        return None
    keys = ("chosen", "stopped", "power", "power_of", "ratio_at_end")
    cases = (("one_arm", powers[0]), ("every_arm", powers[1]))
    told: dict[str, Any] = {
        name: {key: getattr(power, key) for key in keys} for name, power in cases
    }
    month, subjects = selection_pace(one) or (None, None)
    return {"alpha": one.comparison.alpha, "month": month, "subjects_then": subjects, **told}


def _rules(found: AdaptationPlan | None) -> dict[str, Any] | None:
    """What theory says of each rule by which the trial changes itself."""
    if found is None:
        return None
    return {
        "drops": [
            {
                **one.given.model_dump(),
                "month": _finite(one.month),
                "kept_alone": one.kept_alone,
                "kept_of_all": one.kept_of_all,
                "kept_without_effect": one.kept_without_effect,
            }
            for one in found.drops
        ],
        "additions": [
            {**one.given.model_dump(), "subjects": one.subjects, "controls": one.controls}
            for one in found.additions
        ],
        "resizing": found.resizing
        and {
            **found.resizing.given.model_dump(),
            "expected_month": _finite(found.resizing.month),
            "raised": found.resizing.raised,
            "raised_without_effect": found.resizing.raised_without_effect,
        },
    }


def _predicted(found: EventDate) -> str:
    """The prediction in one sentence."""
    so_far = f"{found.events_so_far} of {found.events} events by {found.cutoff}"
    if found.day is None:
        return f"{so_far}; that many are not expected at the pace of events so far."
    if found.events_so_far >= found.events:
        return f"{so_far}; event {found.events} was on {found.day}."
    upper = found.upper or "never"
    percent = f"{100 * found.level:g} %"
    return (
        f"{so_far}, {found.followed} subjects followed, {found.lost} lost, {found.to_enter} to "
        f"enter: event {found.events} is predicted on {found.day} ({percent} interval "
        f"{found.lower} to {upper}), without a look at the arms."
    )


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _finite(months: float) -> float | None:
    return months if isfinite(months) else None
