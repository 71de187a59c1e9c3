# SPDX-License-Identifier: Apache-2.0
"""One region's scans to its time-integrated activity, by the method that the protocol names."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from radioligand.dosimetry.curve_forms import FORMS
from radioligand.dosimetry.curves import Curve, curve
from radioligand.dosimetry.degeneracy import long_tail
from radioligand.dosimetry.model_choice import FormChoice, choose_form
from radioligand.dosimetry.nuclide import Nuclide
from radioligand.dosimetry.single_time_point import (
    HalfLife,
    SinglePoint,
    haenscheid,
    in_window,
    madsen,
    prior_cycle,
)
from radioligand.dosimetry.time_activity import (
    CurveFit,
    fit_curve,
    half_life_prior,
)
from radioligand.dosimetry.trapezoid import trapezoid
from radioligand.protocol.records import DoseMethod, DosePrior

Floats = NDArray[np.float64]
EARLY = {"constant": "constant before the first scan", "zero": "rising from zero"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Integral:
    """What every method gives: the integral, its relative uncertainties, and what it rests on."""

    tia_mbq_h: float
    scan_uncertainty: float  # of these scans
    method: str
    borrowed_uncertainty: float = 0.0  # of a rate that is borrowed, the same in all cycles
    source: str = ""
    curve: Curve | None = None
    fit: CurveFit | None = None
    parameters: Floats = field(default_factory=lambda: np.array([]))
    residual: Floats = field(default_factory=lambda: np.array([]))
    chi_square: float = math.nan
    degrees_of_freedom: int = 0
    tail_fraction: float = math.nan
    warnings: tuple[str, ...] = ()


def integrate(
    time_hours: Floats,
    activity_mbq: Floats,
    relative_error: Floats,
    *,
    method: DoseMethod,
    prior: DosePrior | None,
    earlier: CurveFit | None,
    nuclide: Nuclide,
) -> Integral:
    """Return the integral of one region in one cycle.

    `earlier` is the patient's own curve of a cycle before, for "prior cycle": the first cycle is
    fitted, later ones may have one scan. Raises ValueError with the reason and the mend.
    """
    kind = method.integral
    if kind == "trapezoid":
        return _by_trapezoid(time_hours, activity_mbq, relative_error, method, nuclide)
    enough = time_hours.size >= FORMS[method.form].parameters
    if kind in ("curve", "map") or (kind == "prior cycle" and enough):
        borrowed = None
        if kind == "map" and prior:
            borrowed = half_life_prior(
                prior.median_hours, prior.log_sd, citation=prior.citation, nuclide=nuclide
            )
        said = ""
        if time_hours.size == 1:
            said = in_window(float(time_hours[0]), allowed=method.outside_window)
        fit = fit_curve(
            time_hours,
            activity_mbq,
            form=method.form,
            relative_error=relative_error,
            prior=borrowed,
            nuclide=nuclide,
        )
        found = _by_curve(fit)
        return dataclasses.replace(found, warnings=(*_outside(said), *found.warnings))
    if time_hours.size > 1:
        raise ValueError(
            f"the method {kind!r} takes one scan, and there are {time_hours.size}. Use "
            'integral = "curve" or "map", which use all of them.'
        )
    when, what, error = (float(each[0]) for each in (time_hours, activity_mbq, relative_error))
    if kind == "prior cycle":
        if earlier is None:
            raise ValueError(
                f"{time_hours.size} scan and no earlier cycle with a curve of its own. Scan the "
                f"first cycle {FORMS[method.form].parameters} times or more."
            )
        own = prior_cycle(
            what,
            when,
            earlier=earlier,
            relative_error=error,
            allow_outside_window=method.outside_window,
        )
        return _by_one(own)
    if prior is None:
        raise ValueError("no half-life to borrow is named; add it to [[dosimetry.priors]].")
    half_life = HalfLife(
        median_hours=prior.median_hours, log_sd=prior.log_sd, citation=prior.citation
    )
    rule = haenscheid if kind == "haenscheid" else madsen
    return _by_one(
        rule(
            what,
            when,
            half_life=half_life,
            relative_error=error,
            allow_outside_window=method.outside_window,
            nuclide=nuclide,
        )
    )


def chosen_form(
    curves: Sequence[tuple[Floats, Floats, Floats]], *, method: DoseMethod, nuclide: Nuclide
) -> FormChoice:
    """Choose among the forms of a method on all its curves: hours, MBq and relative errors each.

    Raises ValueError if AICc is not defined for any of them.
    """
    fits: dict[str, list[CurveFit | None]] = {form: [] for form in method.forms}
    for form in method.forms:
        for hours, mbq, error in curves:
            try:
                fit = fit_curve(hours, mbq, form=form, relative_error=error, nuclide=nuclide)
            except ValueError:
                fits[form].append(None)  # `choose_form` counts and says it
            else:
                fits[form].append(fit)
    return choose_form(fits)


def _by_curve(fit: CurveFit) -> Integral:
    borrowed = " with a prior" if fit.prior else ""
    return Integral(
        tia_mbq_h=fit.tia_mbq_h,
        scan_uncertainty=fit.scan_relative_uncertainty,
        borrowed_uncertainty=fit.borrowed_relative_uncertainty,
        method=f"{fit.form}-exponential fit{borrowed}"
        if fit.form in ("mono", "bi", "tri")
        else f"{fit.form} fit{borrowed}",
        source=fit.prior.citation if fit.prior else "",
        curve=fit.curve,
        fit=fit,
        parameters=fit.parameters,
        residual=fit.residual,
        chi_square=fit.chi_square,
        degrees_of_freedom=fit.degrees_of_freedom,
        tail_fraction=fit.tail_fraction,
        warnings=fit.warnings,
    )


def _by_one(found: SinglePoint) -> Integral:
    """One scan; its curve is the mono-exponential through it that has this integral's half-life."""
    rate = math.log(2) / found.half_life_hours
    tail = math.exp(-rate * found.time_hours)
    through = found.tia_mbq_h * rate
    return Integral(
        tia_mbq_h=found.tia_mbq_h,
        scan_uncertainty=found.scan_uncertainty,
        borrowed_uncertainty=found.borrowed_uncertainty,
        method=f"one scan, {found.method}",
        source=found.source,
        curve=curve([through], [rate]),
        tail_fraction=tail,
        warnings=(*_outside(found.outside_window), *long_tail(tail)),
    )


def _outside(said: str) -> tuple[str, ...]:
    return (f"outside its window: {said}",) if said else ()


def _by_trapezoid(
    time: Floats, activity: Floats, error: Floats, method: DoseMethod, nuclide: Nuclide
) -> Integral:
    """Straight lines; the uncertainty is that of the scans, moved one by one.

    A trapezoid has no model that could tell how wrong the lines are.
    """
    found = trapezoid(time, activity, tail=method.tail, before=method.before, nuclide=nuclide)
    step = 1e-4
    moved = [
        trapezoid(
            time,
            activity * (1 + step * (np.arange(time.size) == place)),
            tail=method.tail,
            before=method.before,
            nuclide=nuclide,
        ).tia_mbq_h
        for place in range(time.size)
    ]
    slopes = (np.array(moved) / found.tia_mbq_h - 1) / step
    bound = ("the tail is an upper bound",) if found.is_upper_bound else ()
    return Integral(
        tia_mbq_h=found.tia_mbq_h,
        scan_uncertainty=float(np.sqrt(np.sum((slopes * error) ** 2))),
        method=f"trapezoids, tail {method.tail}, {EARLY[method.before]}",
        tail_fraction=found.tail_fraction,
        warnings=bound,
    )
