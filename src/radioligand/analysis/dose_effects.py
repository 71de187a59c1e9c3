# SPDX-License-Identifier: Apache-2.0
"""Each subject's dose beside an effect, and whether the one goes with the other."""

from collections.abc import Iterator

import polars as pl

from radioligand.analysis.results import Origin, Row
from radioligand.dosimetry.dose_effect import rank_correlation


def effect_rows(
    origin: Origin, frame: pl.DataFrame, *, variable: str, unit: str, dose_unit: str = "Gy"
) -> Iterator[Row]:
    """Yield two rows a subject, then Spearman's correlation or the reason why there is none.

    frame : columns USUBJID, arm, dose and effect; subjects without both are left out.
    """
    known = frame.drop_nulls(["dose", "effect"]).sort("USUBJID")
    for subject, arm, dose, effect in known.select("USUBJID", "arm", "dose", "effect").iter_rows():
        key = {"arm": arm, "variable": variable, "subject": subject}
        yield origin.row("dose", dose, unit=dose_unit, **key)
        yield origin.row("effect", effect, unit=unit, **key)
    try:
        test = rank_correlation(known["dose"], known["effect"])
    except ValueError as error:
        yield origin.row("not_estimated", variable=variable, text=str(error))
        return
    method = "rank correlation (Spearman)"
    yield origin.row("subjects", test.subjects, variable=variable)
    yield origin.row("spearman", test.rho, variable=variable, method=method)
    approximated = f"{method}, t approximation"
    yield origin.row("spearman_p", test.p_value, variable=variable, method=approximated)
