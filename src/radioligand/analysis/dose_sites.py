# SPDX-License-Identifier: Apache-2.0
"""What each site measured doses with, and what part of their spread is method."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from radioligand.analysis.results import Row
from radioligand.analysis.scope import Scope
from radioligand.dosimetry.heterogeneity import spread_of

USED = {"CAMERA": "camera", "CALFAC": "calibration", "RECCURVE": "recovery", "METHOD": "integral"}
LESIONS = "LESIONS"


def sites(scope: Scope, records: pl.DataFrame) -> Iterator[Row]:
    """Yield what each site declared, then the spread of Gy/GBq over subjects in its parts.

    A subject counts once, by the geometric mean over cycles; lesions are one group, for their names
    differ from patient to patient.
    """
    scope.records("ADRAD", "SITEID", "UOWN", *USED)  # tells what is lacking
    known = records.filter(pl.col("SITEID").is_not_null(), pl.col("AVAL").is_not_null())
    doses = known.filter(PARAMCD="DOSEACT").sort("SITEID", "USUBJID", "XRLOC", "AVISITN")
    origin = scope.origin("ADRAD", parameter="DOSEACT")
    for (site,), own in doses.partition_by(["SITEID"], as_dict=True, maintain_order=True).items():
        variable = f"site {site}"
        yield origin.row("label", variable=variable, text=str(site))
        yield origin.row("subjects", own["USUBJID"].n_unique(), variable=variable)
        for column, statistic in USED.items():
            told = ", ".join(own[column].drop_nulls().unique().sort())
            yield origin.row(statistic, variable=variable, text=told or "not declared")
    group = pl.when(pl.col("PARCAT1") == "LESION").then(pl.lit(LESIONS)).otherwise("XRLOC")
    each = (
        doses.with_columns(group=group)
        .group_by("group", "SITEID", "USUBJID", maintain_order=True)
        .agg(value=pl.col("AVAL").log().mean().exp(), own=pl.col("UOWN").mean())
    )
    for (region,), part in each.partition_by(["group"], as_dict=True, maintain_order=True).items():
        variable = f"spread {region}"
        yield origin.row("label", variable=variable, text=str(region).capitalize())
        try:
            found = spread_of(*(part[one].to_numpy() for one in ("value", "SITEID", "own")))
        except ValueError as error:
            yield origin.row("not_estimable", variable=variable, text=str(error))
            continue
        method = "one-way analysis of variance of ln(Gy/GBq), random sites"
        for statistic, value in (
            ("subjects", found.subjects),
            ("sites", found.sites),
            ("log_sd", found.log_sd),
            ("share_site", found.site),
            ("share_measurement", found.measurement),
            ("share_patients", found.patients),
        ):
            if np.isfinite(value):
                yield origin.row(statistic, value, variable=variable, method=method)
