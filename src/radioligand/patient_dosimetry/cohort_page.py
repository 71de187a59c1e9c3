# SPDX-License-Identifier: Apache-2.0
"""What the report of doses tells of many patients: plan against given, sites, dose and effect."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from radioligand.dosimetry.heterogeneity import Spread
from radioligand.patient_dosimetry.page_parts import Numbers, cells, columns, number_text
from radioligand.report.document import Part, Section
from radioligand.report.dose_figures import effect_figure
from radioligand.report.tables import Body, Row


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cohort:
    """Frames of `adam.adherence`, `sites.declared_methods` and `adam.effects`, and the spreads."""

    adherence: pl.DataFrame
    sites: pl.DataFrame
    spreads: Mapping[str, Spread | str]
    effects: pl.DataFrame


def cohort_sections(cohort: Cohort, numbers: Numbers) -> Iterator[Section]:
    """Yield a section for each part that there is something of."""
    if cohort.adherence["planned_gbq"].is_not_null().any():
        part = _adherence(cohort.adherence, numbers)
        yield Section("section-given", "Plan against given", (part,))
    if cohort.effects.height:
        parts = tuple(_effects(cohort.effects, numbers))
        yield Section("section-effects", "Dose and effect", parts)
    if cohort.sites.height:
        parts = tuple(_sites(cohort.sites, cohort.spreads, numbers))
        yield Section("section-sites", "Sites", parts)


def _adherence(frame: pl.DataFrame, numbers: Numbers) -> Part:
    heads = ("Planned, GBq", "Given, GBq", "Difference, %")
    rows = tuple(
        Row(
            f"{subject}, cycle {cycle}",
            cells(
                number_text(planned),
                number_text(given),
                "" if difference is None else f"{difference:+.1f}",
            ),
        )
        for subject, cycle, planned, given, difference in frame.iter_rows()
    )
    note = "Given is the activity at the start of the infusion, less what was left over."
    body = Body("Cycle", columns(heads), rows, (note,))
    return numbers.table("given", "Activity planned and given", body)


def _effects(frame: pl.DataFrame, numbers: Numbers) -> Iterator[Part]:
    """Each pair of dose and effect: a figure of the subjects, and the correlation of ranks."""
    found = {}
    for key, part in frame.partition_by(
        ["analysis", "parameter", "variable"], as_dict=True, maintain_order=True
    ).items():
        region, effect = str(key[1]), str(key[2])
        each = part.filter(pl.col("subject").is_not_null())
        dose, seen = (each.filter(statistic=name)["value"] for name in ("dose", "effect"))
        arms = each.filter(statistic="dose")["arm"].fill_null("").to_list()
        found[f"{region}: {effect}"] = part.filter(pl.col("subject").is_null())
        if dose.len():
            place = len(found)
            title = f"{region}: cumulative dose and {effect}"
            drawn = effect_figure(
                np.array(dose),
                np.array(seen),
                arms,
                effect_label=effect,
                name=f"effect-{place}",
                title=title,
            )
            yield numbers.figure(f"effect-{place}", title, drawn)
    heads = ("Subjects", "Spearman", "p", "Remark")
    rows = []
    for name, part in found.items():
        told = dict(part.select("statistic", "value").iter_rows())
        remark = part.filter(statistic="not_estimated")["text"].to_list()
        rows.append(
            Row(
                name,
                cells(
                    *(number_text(told.get(key)) for key in ("subjects", "spearman", "spearman_p")),
                    remark[0] if remark else "",
                ),
            )
        )
    note = "A correlation of ranks over subjects; it is not adjusted and shows no cause."
    body = Body("Dose and effect", columns(heads), tuple(rows), (note,))
    yield numbers.table("effects", "Dose and effect", body)


def _sites(
    sites: pl.DataFrame, spreads: Mapping[str, Spread | str], numbers: Numbers
) -> Iterator[Part]:
    heads = ("Subjects", "Camera", "Calibration, cps per MBq", "Recovery curve", "Integrals")
    rows = tuple(
        Row(str(site), cells(*(str(one) for one in rest))) for site, *rest in sites.iter_rows()
    )
    yield numbers.table("sites", "What each site measured with", Body("Site", columns(heads), rows))
    parts = ("Subjects", "Sites", "Spread, %", "Between sites", "Measurement", "Patients")
    rows = tuple(
        Row(region, cells("", "", "", one, "", ""))
        if isinstance(one, str)
        else Row(
            region,
            cells(
                str(one.subjects),
                str(one.sites),
                f"{100 * one.log_sd:.0f}",
                *(f"{100 * share:.0f} %" for share in (one.site, one.measurement, one.patients)),
            ),
        )
        for region, one in spreads.items()
    )
    note = (
        "Variance of ln(Gy/GBq) over subjects: between sites, what the stated uncertainty explains "
        "within sites, and the rest. Sites have different patients too, so not all of the first "
        "part need be method."
    )
    body = Body("Region", columns(parts), rows, (note,))
    yield numbers.table("spread", "What part of the spread is method", body)
