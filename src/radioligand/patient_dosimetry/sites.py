# SPDX-License-Identifier: Apache-2.0
"""Sites side by side: what each measured with, and what part of the spread is method."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from radioligand.dosimetry.heterogeneity import Spread, spread_of
from radioligand.patient_dosimetry.measurements import Measurements
from radioligand.patient_dosimetry.records import RegionDose

DECLARED = ("camera", "calibration_factor", "recovery_curve")


def declared_methods(measured: Measurements, doses: Sequence[RegionDose]) -> pl.DataFrame:
    """A row a site: subjects, cameras, calibration factors, recovery curves, ways of integration.

    Empty where no scan names its site. What a site did not declare is said so.
    """
    scans = measured.regions.filter(pl.col("site").is_not_null())
    used = pl.DataFrame(
        {
            "subject": [one.subject for one in doses],
            "cycle": [one.cycle for one in doses],
            "region": [one.region for one in doses],
            "method": [one.method for one in doses],
        },
        schema={
            "subject": pl.String, "cycle": pl.Int64, "region": pl.String, "method": pl.String
        },
    )  # fmt: skip
    joined = scans.join(used, on=["subject", "cycle", "region"], how="left")
    return (
        joined.group_by("site")
        .agg(
            pl.col("subject").n_unique().alias("subjects"),
            *(
                pl.col(name).drop_nulls().cast(pl.String).unique().sort().str.join(", ")
                for name in (*DECLARED, "method")
            ),
        )
        .with_columns(pl.col(*DECLARED).replace("", "not declared"))
        .sort("site")
    )


def spreads(measured: Measurements, doses: Sequence[RegionDose]) -> dict[str, Spread | str]:
    """The spread of each region's Gy/GBq over subjects in its parts, or why there is none.

    A subject counts once, by the geometric mean over cycles. Lesions are one group: their names
    differ from patient to patient.
    """
    scans = measured.regions.filter(pl.col("site").is_not_null())
    site_of = dict(scans.select("subject", "site").unique("subject", keep="first").iter_rows())
    groups: dict[str, dict[str, list[RegionDose]]] = {}
    for one in doses:
        if one.dose_gy is not None and one.subject in site_of:
            name = "lesions" if one.role == "lesion" else one.region
            groups.setdefault(name, {}).setdefault(one.subject, []).append(one)
    found: dict[str, Spread | str] = {}
    for name, by_subject in groups.items():
        value = [
            np.exp(np.mean([np.log(one.gy_per_gbq or np.nan) for one in each]))
            for each in by_subject.values()
        ]
        own = [np.mean([one.budget.own for one in each]) for each in by_subject.values()]
        try:
            found[name] = spread_of(value, [site_of[one] for one in by_subject], own)
        except ValueError as error:
            found[name] = str(error)
    return found


def sites_document(declared: pl.DataFrame, spread: Mapping[str, Spread | str]) -> dict[str, Any]:
    """Both as plain values for JSON; a region whose spread has no parts says why."""
    return {
        "declared": declared.to_dicts(),
        "spread": [
            {"region": region, "not_estimated": one}
            if isinstance(one, str)
            else {
                "region": region,
                "subjects": one.subjects,
                "sites": one.sites,
                "log_sd": one.log_sd,
                "between_sites": one.site,
                "measurement": one.measurement,
                "patients": one.patients,
            }
            for region, one in spread.items()
        ],
    }
