# SPDX-License-Identifier: Apache-2.0
"""The report of a patient's dosimetry: a physicist can repeat every number on it by hand.

Each dose stands with its scans, curve, mass and energy; the formula and the constants stand once.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from radioligand.dosimetry.nuclide import Nuclide, gray_grams
from radioligand.patient_dosimetry.carried import carry_doses
from radioligand.patient_dosimetry.cohort_page import Cohort, cohort_sections
from radioligand.patient_dosimetry.page_parts import Numbers, cells, columns, number_text
from radioligand.patient_dosimetry.plans import SubjectPlan
from radioligand.patient_dosimetry.records import RegionDose
from radioligand.patient_dosimetry.results import cumulative_frame
from radioligand.protocol.records import Dosimetry
from radioligand.report import KeyLine, RenderedReport, Report
from radioligand.report.document import Part, Section, render_sections
from radioligand.report.dose_figures import (
    Activity,
    Cumulative,
    activity_figure,
    course_figure,
)
from radioligand.report.tables import Body, Column, Row, cell

POINTS = 120  # of a drawn curve
LINE = "For research. A recommendation is not a prescription."


def dose_page(
    doses: Sequence[RegionDose],
    plans: Sequence[SubjectPlan],
    *,
    dosimetry: Dosimetry,
    nuclide: Nuclide,
    title: str,
    warnings: Sequence[str],
    provenance: Mapping[str, object],
    cohort: Cohort,
    given: pl.DataFrame,
) -> RenderedReport:
    """Return the page with its tables and figures, the same for the same doses.

    given : `Measurements.given`, what was infused in each cycle.
    """
    numbers = Numbers()
    sections = []
    if plans:
        sections.append(Section("section-plan", "The next activity", tuple(_plans(plans, numbers))))
    if warnings:
        rows = tuple(Row(str(place), (cell(one),)) for place, one in enumerate(warnings, 1))
        said = numbers.table("warnings", "Warnings", Body("No.", (Column("What"),), rows))
        sections.append(Section("section-warnings", "Warnings", (said,)))
    sections.append(
        Section("section-doses", "Doses", tuple(_doses(doses, plans, dosimetry, given, numbers)))
    )
    sections += cohort_sections(cohort, numbers)
    infused = numbers.table("infused", "Activity infused", _infused(given, nuclide))
    sections.append(Section("section-infused", "Activity infused", (infused,)))
    sections.append(Section("section-regions", "Region by region", tuple(_regions(doses, numbers))))
    sections.append(
        Section(
            "section-method",
            "How to repeat it",
            (
                numbers.table("constants", "Constants", _constants(nuclide)),
                numbers.table("protocol", "What the protocol says", _asked(dosimetry)),
            ),
            _method(nuclide),
        )
    )
    made_from = Body(
        "What",
        (Column("Value"),),
        tuple(Row(name, (cell(str(value)),)) for name, value in provenance.items()),
    )
    part = numbers.table("provenance", "What this page was made from", made_from)
    sections.append(Section("section-provenance", "Provenance", (part,)))
    subjects = sorted({one.subject for one in doses})
    report = Report(
        title="Dosimetry",
        subtitle=f"{title}; {', '.join(subjects[:5])}{' ...' if len(subjects) > 5 else ''}",
        arms=(),
        displays=(),
        simulated=False,
        key_lines=tuple(_key_lines(doses, plans)),
        provenance=provenance,
        line=LINE,
    )
    return render_sections(sections, report=report)


def _key_lines(doses: Sequence[RegionDose], plans: Sequence[SubjectPlan]) -> Iterator[KeyLine]:
    yield KeyLine("Subjects", str(len({one.subject for one in doses})))
    yield KeyLine("Cycles measured", str(len({(one.subject, one.cycle) for one in doses})))
    for one in plans[:4]:
        yield KeyLine(
            f"{one.subject}, cycle {one.next_cycle}",
            f"{one.plan.activity_gbq:.2f} GBq: {one.plan.status}, {one.plan.binding}",
        )


# -- the plan -------------------------------------------------------------------------------------


def _plans(plans: Sequence[SubjectPlan], numbers: Numbers) -> Iterator[Part]:
    heads = ("Recommended, GBq", "Status", "Binds", "Steering now, Gy", "Then, Gy", "Cycles left")
    rows = tuple(
        Row(
            f"{one.subject}, cycle {one.next_cycle}",
            cells(
                f"{one.plan.activity_gbq:.3f}",
                one.plan.status,
                one.plan.binding,
                number_text(one.plan.steering_gy),
                number_text(one.plan.expected_steering_gy),
                str(one.plan.cycles_left),
            ),
        )
        for one in plans
    )
    yield numbers.table("plan", "Next activity", Body("Subject", columns(heads), rows))
    heads = (
        "Allows, GBq", "Held to, Gy", "As", "Used, Gy", "Gy/GBq", "Chance to exceed",
    )  # fmt: skip
    rows = tuple(
        Row(
            f"{one.subject}: {each.name}",
            cells(
                f"{each.activity_gbq:.3f}",
                number_text(each.limit_gy),
                each.quantity if each.kind == "organ" else each.kind,
                number_text(each.accumulated_gy, 6),
                number_text(each.gy_per_gbq, 6),
                f"{100 * one.plan.exceeding[each.name]:.1f} %" if each.kind == "organ" else "",
            ),
        )
        for one in plans
        for each in one.plan.constraints
    )
    note = (
        "Of an organ, what is used is the sum of upper 95 % bounds D (1 + 1.645 u) by cycle, u of "
        "the fit and of the largest part that the cycles share, in squares, and "
        "Gy/GBq is the foretold one × (1 + 1.645 v), v² = u² of the last cycle + spread²; of "
        "lesions they are medians. Activity = (held to - used) / (cycles left × Gy/GBq). For BED, "
        "with b = (held to - used) / cycles left and g = G / (alpha/beta) of the last cycle: "
        "(-1 + root(1 + 4 b g)) / (2 g Gy/GBq). The smallest activity binds. "
        "A target whose lower end is reached allows nothing more."
    )
    body = Body("What bounds it", columns(heads), rows, (note,))
    yield numbers.table("constraints", "What bounds the next activity", body)


# -- doses ----------------------------------------------------------------------------------------


def _doses(
    doses: Sequence[RegionDose],
    plans: Sequence[SubjectPlan],
    dosimetry: Dosimetry,
    given: pl.DataFrame,
    numbers: Numbers,
) -> Iterator[Part]:
    dosed = [one for one in doses if one.dose_gy is not None]
    if not dosed:
        return
    heads = ("Gy", "95 % interval", "Gy/GBq", "BED, Gy", "EQD2, Gy", "u, %")
    rows = []
    for one in dosed:
        lower, upper = one.limits_gy or (math.nan, math.nan)
        rows.append(
            Row(
                f"{one.subject}, cycle {one.cycle}, {one.region}",
                cells(
                    number_text(one.dose_gy),
                    f"{number_text(lower)} to {number_text(upper)}",
                    number_text(one.gy_per_gbq),
                    number_text(one.bed_gy),
                    number_text(one.eqd2_gy),
                    f"{100 * one.budget.total:.1f}",
                ),
            )
        )
    yield numbers.table("doses", "Absorbed dose", Body("Region", columns(heads), tuple(rows)))
    rows = [
        Row(
            f"{one['subject']}, {one['region']}",
            cells(
                _cycles(one),
                number_text(one["dose_gy"]),
                number_text(one["bed_gy"]),
                number_text(one["eqd2_gy"]),
                number_text(one["injected_gbq"]),
            ),
        )
        for one in cumulative_frame(dosed, given, dosimetry=dosimetry).to_dicts()
    ]
    heads_after = ("Cycles", "Gy", "BED, Gy", "EQD2, Gy", "GBq given")
    note = (
        "BED is the sum over cycles. Of a cycle that is carried the dose is the Gy/GBq of the "
        "nearest measured cycle × the activity given; with one that is undosed no sum is known."
    )
    body = Body("Region", columns(heads_after), tuple(rows), (note,))
    yield numbers.table("cumulative", "Over all cycles", body)
    carried = carry_doses(dosed, given, dosimetry=dosimetry)
    every = sorted([*dosed, *carried], key=lambda one: one.cycle)
    yield from _courses(dosed, every, plans, dosimetry, numbers)


def _cycles(row: Mapping[str, Any]) -> str:
    """How many cycles were given, and which of them were carried or have no dose."""
    told = str(row["cycles"])
    for label in ("carried", "undosed"):
        if row[label]:
            told += f", {label}: {', '.join(map(str, row[label]))}"
    return told


def _courses(
    dosed: Sequence[RegionDose],
    every: Sequence[RegionDose],
    plans: Sequence[SubjectPlan],
    dosimetry: Dosimetry,
    numbers: Numbers,
) -> Iterator[Part]:
    """A figure a subject; `every` are the doses with those that were carried, by cycle."""
    by_subject = {one.subject: one for one in plans}
    limits = {one.region: one for one in dosimetry.limits if one.quantity == "dose"}
    target = dosimetry.target
    for place, subject in enumerate(dict.fromkeys(one.subject for one in dosed)):
        plan = by_subject.get(subject)
        shown = []
        own = [one for one in dosed if one.subject == subject]
        for region in dict.fromkeys(one.region for one in own):
            cycles = [one for one in every if (one.subject, one.region) == (subject, region)]
            amounts = np.array([one.dose_gy for one in cycles], float)
            upper = amounts * [1 + 1.6448536269514722 * one.budget.total for one in cycles]
            planned = math.nan
            if plan:
                planned = plan.plan.activity_gbq * (cycles[-1].gy_per_gbq or math.nan)
            limit = limits.get(region)
            is_target = cycles[0].role == "lesion" and target is not None
            shown.append(
                Cumulative(
                    region,
                    amounts,
                    upper,
                    planned,
                    limit.limit_gy if limit else math.nan,
                    (target.lower_gy, target.upper_gy) if is_target and target else None,
                )
            )
        title = f"{subject}: doses over cycles, with the upper bound"
        drawn = course_figure(shown, name=f"course-{place}", title=title)
        yield numbers.figure(f"course-{place}", title, drawn)


def _infused(given: pl.DataFrame, nuclide: Nuclide) -> Body:
    """From the measurement of the vial to the activity at the start of the infusion."""
    heads = ("Measured, MBq", "At", "Left over, MBq", "Infused at", "Hours between", "Given, GBq")
    rows = []
    for row in given.sort("subject", "cycle").iter_rows(named=True):
        hours = (row["start"] - row["calibrated_at"]).total_seconds() / 3600
        rows.append(
            Row(
                f"{row['subject']}, cycle {row['cycle']}",
                cells(
                    f"{row['activity_mbq']:.6g}",
                    f"{row['calibrated_at']:%Y-%m-%d %H:%M}",
                    f"{row['residual_mbq'] or 0.0:.6g}",
                    f"{row['start']:%Y-%m-%d %H:%M}",
                    f"{hours:.5g}",
                    f"{row['injected_gbq']:.6g}",
                ),
            )
        )
    note = (
        "Given = (measured - left over) × exp(-lambda × hours between) / 1000, lambda = "
        f"{nuclide.decay_per_hour:.6g} per h."
    )
    return Body("Cycle", columns(heads), tuple(rows), (note,))


# -- regions --------------------------------------------------------------------------------------


def _regions(doses: Sequence[RegionDose], numbers: Numbers) -> Iterator[Part]:
    for place, one in enumerate(doses):
        who = f"{one.subject}, cycle {one.cycle}, {one.region}"
        yield numbers.table(f"region-{place}", f"{who}: from scans to dose", _worked(one))
        hours = np.linspace(0, max(float(one.time_hours.max()) * 1.08, 24.0), POINTS)
        drawn = activity_figure(
            Activity(
                one.time_hours,
                one.activity_mbq,
                one.relative_error * one.activity_mbq,
                hours[1:] if one.curve else np.array([]),
                one.curve.activity_mbq(hours[1:]) if one.curve else np.array([]),
                one.residual,
            ),
            name=f"curve-{place}",
            title=f"{who}: activity over time",
        )
        yield numbers.figure(f"curve-{place}", f"{who}: activity over time, residuals", drawn)


def _worked(one: RegionDose) -> Body:
    """Every number from the scans to the dose, in the order in which they follow."""
    rows = [
        Row(
            f"Scan at {hours:.6g} h",
            cells(f"{mbq:.6g} MBq", f"random error {100 * u:.4g} %; entered {told}"),
        )
        for hours, mbq, u, told in zip(
            one.time_hours, one.activity_mbq, one.relative_error, one.entered, strict=True
        )
    ]
    rows.append(Row("Method", cells(one.method, one.method_source)))
    if one.curve is not None:
        for amplitude, rate in zip(one.curve.amplitude_mbq, one.curve.rate_per_hour, strict=True):
            half = math.log(2) / rate
            rows.append(
                Row("Term", cells(f"{amplitude:.6g} MBq", f"{rate:.6g} per h, {half:.4g} h"))
            )
    rows += _fitted(one)
    if one.degrees_of_freedom:
        rows.append(
            Row("Chi-square", cells(f"{one.chi_square:.3g}", f"on {one.degrees_of_freedom}"))
        )
    rows.append(Row("Integral", cells(f"{one.tia_mbq_h:.6g} MBq h", "sum of amplitude / rate")))
    rows.append(Row("Behind the last scan", cells(f"{100 * one.tail_fraction:.1f} %", "")))
    if one.dose_gy is not None:
        by = "integral × energy × k / mass"
        if one.role == "marrow":
            by = "3.6 × S × mass of the phantom × integral × ratio / density"
            rows.append(Row("Marrow", cells(one.dose_method, "integral in MBq h per mL")))
        else:
            volume = f"{one.volume_ml:.5g} mL × {one.density_g_per_ml:.4g} g/mL"
            energy = f"{one.energy_kev:.6g} keV per decay"
            rows.append(Row("Mass", cells(f"{one.mass_g:.5g} g", volume)))
            rows.append(Row("Energy that stays", cells(energy, one.dose_method)))
        rows += [
            Row("Self-dose", cells(f"{one.self_gy:.6g} Gy", by)),
            *(
                Row(
                    f"From {term.source}",
                    cells(
                        f"{term.dose_gy:.6g} Gy",
                        f"3.6 × {term.s_mgy_per_mbq_s:.6g} mGy/(MBq s) × "
                        f"{term.tia_mbq_h:.6g} MBq h",
                    ),
                )
                for term in one.cross_terms
            ),
            Row("Cross dose", cells(f"{one.cross_gy:.6g} Gy", "")),
            Row("Dose", cells(f"{one.dose_gy:.6g} Gy", f"of {one.injected_gbq:.6g} GBq given")),
        ]
        band = one.plausible_gy_per_gbq
        told = f"plausible: {band[0]:g} to {band[1]:g}" if band else "no band in the protocol"
        rows.append(Row("Dose per activity", cells(f"{one.gy_per_gbq:.4g} Gy/GBq", told)))
    if not math.isnan(one.bed_gy):
        rows.append(
            Row("BED", cells(f"{one.bed_gy:.6g} Gy", f"protraction G {one.protraction:.6g}"))
        )
        rows.append(Row("EQD2", cells(f"{one.eqd2_gy:.6g} Gy", "BED / (1 + 2 / (alpha/beta))")))
    parts = one.budget
    rows.append(
        Row(
            "Uncertainty",
            cells(
                f"{100 * parts.total:.4g} %",
                f"fit {100 * parts.fit:.4g}, borrowed {100 * parts.borrowed:.4g}, activity "
                f"{100 * parts.activity:.4g}, volume {100 * parts.volume:.4g}, dose factor "
                f"{100 * parts.dose_factor:.4g}; in squares",
            ),
        )
    )
    if one.limits_gy is not None:
        power = parts.volume / one.volume_error if one.volume_error else 0.0
        rows.append(
            Row(
                "Of the volume",
                cells(
                    f"{100 * parts.volume:.4g} %",
                    f"{100 * one.volume_error:.4g} % × {power:.6g}, the power of the volume that "
                    "the dose falls with",
                ),
            )
        )
        lower, upper = one.limits_gy
        rows.append(Row("95 % interval", cells(f"{lower:.6g} to {upper:.6g} Gy", "")))
    rows += [Row("Warning", cells(said, "")) for said in one.warnings]
    return Body("Step", columns(("Value", "From")), tuple(rows))


def _fitted(one: RegionDose) -> Iterator[Row]:
    """The parameters of a fit with errors and correlations, and what it leaves of each scan."""
    if not one.covariance.size or one.curve is None:
        return
    error = np.sqrt(np.diag(one.covariance))
    terms = one.curve.rate_per_hour.size
    amplitudes = one.parameters.size - terms  # an uptake has one less
    names = [f"ln A{place + 1}" for place in range(amplitudes)]
    names += [f"r{place + 1}" for place in range(terms)]
    for place, name in enumerate(names):
        correlated = ", ".join(
            f"{one.covariance[place, other] / (error[place] * error[other]):.6g} with "
            f"{names[other]}"
            for other in range(place)
        )
        told = f"standard error {error[place]:.6g}" + (f"; {correlated}" if correlated else "")
        yield Row(f"Parameter {name}", cells(f"{one.parameters[place]:.7g}", told))
    fitted = one.curve.activity_mbq(one.time_hours)
    for hours, mbq, residual in zip(one.time_hours, fitted, one.residual, strict=True):
        yield Row(
            f"Curve at {hours:.6g} h",
            cells(f"{mbq:.6g} MBq", f"residual {residual:+.4g} standard errors"),
        )


def _constants(nuclide: Nuclide) -> Body:
    rows: list[tuple[str, Any, str]] = [
        ("Nuclide", nuclide.name, nuclide.source),
        ("Half-life, d", nuclide.half_life_days, nuclide.reason),
        ("Its uncertainty, d", nuclide.half_life_uncertainty_days, ""),
        ("Electrons, keV per decay", nuclide.electron_kev, ""),
        ("Photons, keV per decay", nuclide.photon_kev, ""),
        ("k, Gy g per MBq h and keV", f"{gray_grams(1.0):.6g}", "1.602176634e-16 × 3.6e9 × 1e3"),
    ]
    return Body(
        "Constant",
        columns(("Value", "From")),
        tuple(Row(name, cells(str(value), says)) for name, value, says in rows),
    )


def _asked(dosimetry: Dosimetry) -> Body:
    """Limits, target, expectations and caps, as the document has them."""
    rows = [
        Row(
            f"Limit of {one.region}",
            cells(
                f"{one.limit_gy:g} Gy {one.quantity}, alpha/beta {number_text(one.alpha_beta_gy)} "
                f"Gy, repair {number_text(one.repair_half_time_hours)} h",
                one.citation,
            ),
        )
        for one in dosimetry.limits
    ]
    if dosimetry.target:
        told = dosimetry.target
        ends = f"{told.lower_gy:g} to {told.upper_gy:g} Gy, aim {told.aim_gy:g} Gy"
        rows.append(Row("Target", cells(ends, f"{told.steering} of target lesions")))
    for name, expected in (("organs", dosimetry.organs), ("lesions", dosimetry.lesions)):
        said = f"{expected.by} Gy/GBq × {expected.factor:g}, spread {100 * expected.spread:g} %"
        rows.append(Row(f"Next cycle of {name}", cells(said, "")))
    step = f", step {dosimetry.step_ratio:g}" if dosimetry.step_ratio else ""
    shared = "shared by cycles left" if dosimetry.spread_over_cycles else "all in the next cycle"
    rows.append(Row("Caps", cells(f"{dosimetry.cap_gbq:g} GBq{step}", shared)))
    rows.append(Row("Strategy", cells(dosimetry.strategy, f"{dosimetry.cycles} cycles")))
    rows += [
        Row(
            f"Borrowed half-life {one.id}",
            cells(f"{one.median_hours:g} h, log sd {one.log_sd:g}", one.citation),
        )
        for one in dosimetry.priors
    ]
    return Body("What", columns(("Value", "From")), tuple(rows))


def _method(nuclide: Nuclide) -> tuple[str, ...]:
    return (
        "A curve is a sum of exponentials whose rates are physical decay "
        f"({nuclide.decay_per_hour:.6g} per h) plus something positive, fitted by least squares "
        "weighted with the random errors. The integral is the sum of amplitude over rate. "
        "Parameters are the logarithms of the amplitudes and r, of which rate j is physical decay "
        "+ exp(r1) + ... + exp(rj); of one exponential the integral's relative error is the root "
        "of a² + (f b)² - 2 f c a b, with the errors a of ln A1 and b of r1, their correlation c, "
        "and f = 1 - physical decay / rate.",
        "Of one scan A at T: Haenscheid 2 A T / ln 2; with a half-life borrowed from a cohort or "
        "an earlier cycle A exp(rate T) / rate. Trapezoids join scans by lines and end as the "
        "method says.",
        "An activity corrected to injection is multiplied by exp(-lambda t), one per mL by its "
        "volume; an organ is without the lesions inside it.",
        "Self-dose in Gy is the integral in MBq h times the energy that stays per decay in keV "
        f"times k = {gray_grams(1.0):.6g} over the mass in g. Mass is volume times density.",
        "The relative uncertainty of a dose is the root of the sum of squares of its parts: of the "
        "fit, of a rate that is borrowed, of what all scans share, of the volume by way of the "
        "mass, and of the dose factor. "
        "The 95 % interval is dose × exp(± 1.96 u).",
        "BED of one cycle is D (1 + G D / (alpha/beta)); BED of cycles add. G = 2 sum over i, j of "
        "Ai Aj / ((li + lj) (m + lj)) / integral², with amplitudes A and rates l of the curve and "
        "m = ln 2 / repair half-time.",
    )
