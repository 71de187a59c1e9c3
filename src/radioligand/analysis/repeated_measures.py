# SPDX-License-Identifier: Apache-2.0
"""Quality of life by a mixed model for repeated measures: the arms compared at each visit.

The model holds if what keeps forms from being seen depends on nothing but the answers seen.
"""

from collections.abc import Iterator

import polars as pl

from radioligand.analysis.quality_of_life import nearest_forms
from radioligand.analysis.results import Row
from radioligand.analysis.scope import NO_COMPARISON, NotAvailable, Scope
from radioligand.protocol.records import RepeatedMeasures
from radioligand.statistics.longitudinal import repeated_measures as fitted

BOUNDS = ("", "_lower", "_upper")


def repeated_measures(scope: Scope, analysis: RepeatedMeasures) -> Iterator[Row]:
    """Fit the change of one scale on arm, visit and baseline; each arm against the control."""
    columns = ("PARAM", "BASE", "CHG", "AWTARGET", "ADT")
    records = scope.records("ADQS", *columns, parameter=analysis.scale)
    origin = scope.origin("ADQS", parameter=analysis.scale)
    if not scope.comparisons:
        raise NotAvailable(NO_COMPARISON)
    days = [round(7 * week) for week in analysis.weeks]
    forms = nearest_forms(records).filter(
        pl.col("AWTARGET").is_in(days), pl.col("BASE").is_not_null()
    )
    control = scope.comparisons[0].control
    arms = (control, *(pair.experimental for pair in scope.comparisons))
    forms = forms.filter(pl.col("arm").is_in(arms)).sort("USUBJID", "AWTARGET")
    yield from scope.sizes(origin, forms.unique("USUBJID"))
    yield origin.row("label", variable=analysis.scale, text=str(records["PARAM"][0]))
    try:
        model = fitted(
            forms["CHG"].to_numpy(),
            forms["USUBJID"].to_numpy(),
            forms["AWTARGET"].to_numpy(),
            forms["arm"].to_numpy(),
            covariates=forms["BASE"].to_numpy(),
            covariance=analysis.covariance,
            level=analysis.level,
            arms=arms,
            visits=days,
            names=("baseline",),
        )
    except ValueError as error:
        yield from origin.not_estimable(str(error), "ls_mean", "ls_difference")
        return
    method = (
        f"mixed model for repeated measures: arm by visit, baseline by visit, {model.structure} "
        f"covariance, restricted likelihood; {analysis.level:.0%} interval by Satterthwaite"
    )
    means, differences = model.means, model.differences
    for place, (arm, visit) in enumerate(zip(means.arm, means.visit, strict=True)):
        key = {"arm": str(arm), "variable": analysis.scale}
        yield origin.row("forms", int(means.rows[place]), time_days=visit, **key)
        values = (means.estimate, means.lower, means.upper)
        for end, of in zip(BOUNDS, values, strict=True):
            value = float(of[place])
            yield origin.row(
                f"ls_mean{end}", value, time_days=visit, unit="points", method=method, **key
            )
    compared = zip(differences.arm, differences.visit, strict=True)
    for place, (arm, visit) in enumerate(compared):
        key = {"arm": f"{arm} v {control}", "variable": analysis.scale}
        values = (differences.estimate, differences.lower, differences.upper)
        for end, of in zip(BOUNDS, values, strict=True):
            value = float(of[place])
            yield origin.row(
                f"ls_difference{end}", value, time_days=visit, unit="points", method=method, **key
            )
        p = float(differences.p_value[place])
        yield origin.row(
            "ls_difference_p", p, time_days=visit, method=f"{method}; two-sided", **key
        )
