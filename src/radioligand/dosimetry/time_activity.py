# SPDX-License-Identifier: Apache-2.0
"""Time–activity curves: fitted, integrated, with what is known of their uncertainty.

The effective rate of every term is the physical decay plus something positive, so no fit can be
slower than physics. Errors of the measurements are relative or in MBq, known or to be estimated
from the scatter about the curve. A fit that the data do not determine is refused by name.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from radioligand.dosimetry.curve_forms import FORMS, Form, FormName
from radioligand.dosimetry.curve_kernel import (
    fit_rows,
    integral_and_slope,
    unfold,
    value_and_slope,
)
from radioligand.dosimetry.curves import Curve, Floats
from radioligand.dosimetry.degeneracy import fit_warnings, refuse_degenerate
from radioligand.dosimetry.nuclide import LUTETIUM_177, Nuclide
from radioligand.dosimetry.posterior import log_integral_spread

STARTS_PER_HOUR = (0.04, 0.3, 1.5)  # first guesses of the rate of a faster phase


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prior:
    """What a declared cohort tells of the biological rates: ln(lambda_eff - lambda_phys), normal.

    `mean` (k,) and `covariance` (k, k) are of the logarithms of the rates' increments per hour,
    in the order of their speed. The amplitude is left to the patient's own scans.
    """

    mean: Floats
    covariance: Floats
    citation: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CurveFit:
    """A fitted time–activity curve. Uncertainties are standard, of the random errors alone."""

    form: str
    nuclide: Nuclide
    time_hours: Floats  # (n,)
    activity_mbq: Floats  # (n,) as measured
    error_mbq: Floats  # (n,) standard error of each, as used
    curve: Curve
    parameters: Floats  # (p,) logarithms of amplitudes in MBq, then of increments of rates per hour
    covariance: Floats  # (p, p)
    tia_mbq_h: float
    tia_uncertainty_mbq_h: float
    scan_relative_uncertainty: float  # the part of it that is of these scans; the rest is borrowed
    tail_fraction: float
    chi_square: float
    degrees_of_freedom: int
    errors: Literal["known", "estimated"]
    prior: Prior | None
    warnings: tuple[str, ...]

    @property
    def fitted_mbq(self) -> Floats:
        return self.curve.activity_mbq(self.time_hours)

    @property
    def residual(self) -> Floats:
        """Measured less fitted, in standard errors, (n,)."""
        return (self.activity_mbq - self.fitted_mbq) / self.error_mbq

    @property
    def tia_relative_uncertainty(self) -> float:
        return self.tia_uncertainty_mbq_h / self.tia_mbq_h

    @property
    def borrowed_relative_uncertainty(self) -> float:
        """The part that the prior leaves, which other cycles with the same prior share."""
        both = self.tia_relative_uncertainty**2 - self.scan_relative_uncertainty**2
        return math.sqrt(max(both, 0.0))

    @property
    def effective_half_life_hours(self) -> float:
        return self.curve.terminal_half_life_hours

    @property
    def effective_half_life_uncertainty_hours(self) -> float:
        terms = FORMS[self.form].terms
        slowest = self.curve.rate_per_hour[0]
        biological = slowest - self.nuclide.decay_per_hour
        u_rate = biological * math.sqrt(self.covariance[terms, terms])
        return float(math.log(2) / slowest * u_rate / slowest)


def half_life_prior(
    median_hours: float, log_sd: float, *, citation: str, nuclide: Nuclide = LUTETIUM_177
) -> Prior:
    """Return the prior of a mono-exponential from an effective half-life of a cohort.

    `log_sd` is the standard deviation of the logarithm of the effective half-life. With
    lambda = ln 2 / median, d ln(lambda - lambda_phys) / d ln T = -lambda / (lambda - lambda_phys).

    Raises ValueError without a citation, or for a half-life that is not shorter than the physical.
    """
    faults = []
    if not citation.strip():
        faults.append("a prior needs a citation: name the cohort it was taken from")
    if not 0 < median_hours < nuclide.half_life_hours:
        faults.append(
            f"prior effective half-life {median_hours:g} h: it must lie between 0 and the "
            f"physical {nuclide.half_life_hours:.1f} h"
        )
    if not log_sd > 0:
        faults.append(f"prior log_sd {log_sd:g}: a spread is positive")
    if faults:
        raise ValueError("; ".join(faults) + ".")
    rate = math.log(2) / median_hours
    biological = rate - nuclide.decay_per_hour
    spread = log_sd * rate / biological
    return Prior(
        mean=np.array([math.log(biological)]),
        covariance=np.array([[spread**2]]),
        citation=citation,
    )


def fit_curve(
    time_hours: ArrayLike,
    activity_mbq: ArrayLike,
    *,
    form: FormName,
    relative_error: ArrayLike | None = None,
    absolute_error_mbq: ArrayLike | None = None,
    errors: Literal["known", "estimated"] = "known",
    prior: Prior | None = None,
    nuclide: Nuclide = LUTETIUM_177,
) -> CurveFit:
    r"""Fit a curve by weighted least squares and integrate it.

    Parameters
    ----------
    time_hours : (n,) from the start of the infusion, ascending.
    activity_mbq : (n,) at those times, not corrected for decay; a concentration in MBq/mL will do.
    form : "mono", "bi", "tri", "uptake" (mono with uptake from 0), "uptake-bi".
    relative_error, absolute_error_mbq : one of them, a number or (n,): standard errors.
    errors : "known", or "estimated": only their proportions are, and the scatter about the
        curve gives their size, which takes more scans than parameters.
    prior : of the rates; the fit is then the most probable curve (MAP), and one scan may do.

    Raises ValueError for times or activities that cannot be, and for fewer scans than parameters;
    DegenerateFitError where two parameters cannot be told apart, a phase lies where no scan is, or
    the decay is slower than physical beyond twice its uncertainty.

    Notes
    -----
    :math:`\tilde A = \sum_i A_i/\lambda_i`, its variance :math:`g^\top V g` with the gradient g by
    the parameters and V the inverse of the normal equations. Errors that all scans share, such as
    that of calibration, do not belong here: they would shrink with n (EANM guidance of 2018).
    With a prior a mono-exponential's uncertainty is that of `posterior.log_integral_spread`; of it
    :math:`g^\top (V - V P V) g` is of the scans, with P the prior's precision, and the rest is of
    the prior.

    """
    time, activity, error = _measured(time_hours, activity_mbq, relative_error, absolute_error_mbq)
    shape = FORMS[form]
    free = shape.parameters - (prior.mean.size if prior else 0)
    if prior and prior.mean.size != shape.terms + shape.takes_up:
        raise ValueError(f"the prior has {prior.mean.size} rates, the form {form!r} another number")
    needed = free + (errors == "estimated")
    if time.size < needed:
        scans = f"{time.size} scan{'s' if time.size > 1 else ''}"
        raise ValueError(
            f"{scans} for the form {form!r}, which has {free} free parameters"
            f"{' and an error to be estimated' if errors == 'estimated' else ''}: it takes "
            f"{needed} scans or more, or a form with fewer parameters."
        )
    centre, precision = _prior_terms(prior, shape)
    parameters, chi_square = _best(time, activity, error, shape, nuclide, centre, precision)
    degrees = time.size - free
    scale = chi_square / degrees if errors == "estimated" else 1.0
    covariance = _covariance(time, error, parameters, shape, nuclide, precision) * scale
    found = _curve(parameters, shape, nuclide)
    slope = np.empty(shape.parameters)
    size, rate = unfolded(parameters, shape, nuclide)
    integral = integral_and_slope(size, rate, shape.terms, slope)
    at_decay = refuse_degenerate(
        time, activity, error, parameters, covariance, found, form, nuclide, prior is not None
    )
    uncertainty = math.sqrt(max(float(slope @ covariance @ slope), 0.0))
    if prior is not None and form == "mono":
        uncertainty = integral * log_integral_spread(
            time,
            activity,
            error,
            log_rate=float(parameters[1]),
            log_rate_sd=math.sqrt(float(covariance[1, 1])),
            prior_mean=float(prior.mean[0]),
            prior_precision=1 / float(prior.covariance[0, 0]),
            nuclide=nuclide,
        )
    lent = covariance @ slope
    of_scans = float(slope @ lent - lent @ precision @ lent)
    tail = found.tail_fraction(float(time[-1]))
    return CurveFit(
        form=form,
        nuclide=nuclide,
        time_hours=time,
        activity_mbq=activity,
        error_mbq=error * math.sqrt(scale),
        curve=found,
        parameters=parameters,
        covariance=covariance,
        tia_mbq_h=float(integral),
        tia_uncertainty_mbq_h=uncertainty,
        scan_relative_uncertainty=min(math.sqrt(max(of_scans, 0.0)), uncertainty) / integral,
        tail_fraction=tail,
        chi_square=chi_square / scale if scale else 0.0,
        degrees_of_freedom=degrees,
        errors=errors,
        prior=prior,
        warnings=tuple(fit_warnings(found, time, tail, at_decay, degrees)),
    )


def _measured(
    time_hours: ArrayLike,
    activity_mbq: ArrayLike,
    relative_error: ArrayLike | None,
    absolute_error_mbq: ArrayLike | None,
) -> tuple[Floats, Floats, Floats]:
    """Return times, activities and their standard errors, or raise with every fault."""
    time = np.atleast_1d(np.asarray(time_hours, float))
    activity = np.atleast_1d(np.asarray(activity_mbq, float))
    if time.shape != activity.shape or time.ndim != 1 or not time.size:
        raise ValueError(f"times and activities differ: {time.shape}, {activity.shape}.")
    faults = []
    if bad := int(np.sum(~(np.isfinite(time) & (time >= 0)))):
        faults.append(f"{bad} of {time.size} times are missing or before the infusion")
    elif np.any(np.diff(time) <= 0):
        faults.append(f"times are not ascending, or one stands twice: {time.tolist()} h")
    if bad := int(np.sum(~(np.isfinite(activity) & (activity > 0)))):
        faults.append(
            f"{bad} of {activity.size} activities are missing, zero or negative; leave such a "
            "scan out with its reason, or mend the background correction"
        )
    if (relative_error is None) == (absolute_error_mbq is None):
        faults.append("give one of relative_error and absolute_error_mbq")
        raise ValueError("; ".join(faults) + ".")
    given = relative_error if absolute_error_mbq is None else absolute_error_mbq
    error = np.broadcast_to(np.asarray(given, float), time.shape).copy()
    if not np.all(np.isfinite(error) & (error > 0)):
        faults.append("an error of measurement is positive")
    if faults:
        raise ValueError("; ".join(faults) + ".")
    return time, activity, error * activity if absolute_error_mbq is None else error


def _prior_terms(prior: Prior | None, shape: Form) -> tuple[Floats, Floats]:
    """Centre and precision over all parameters; amplitudes have none."""
    centre = np.zeros(shape.parameters)
    precision = np.zeros((shape.parameters, shape.parameters))
    if prior:
        centre[shape.terms :] = prior.mean
        precision[shape.terms :, shape.terms :] = np.linalg.inv(prior.covariance)
    return centre, precision


def unfolded(parameters: Floats, shape: Form, nuclide: Nuclide) -> tuple[Floats, Floats]:
    """Return the exponentials of the parameters, (p,), and the effective rates, first of (p,)."""
    size, rate = np.empty(shape.parameters), np.empty(shape.parameters)
    unfold(parameters, shape.terms, nuclide.decay_per_hour, size, rate)
    return size, rate


def _curve(parameters: Floats, shape: Form, nuclide: Nuclide) -> Curve:
    amplitude = np.exp(parameters[: shape.terms])
    rate = nuclide.decay_per_hour + np.cumsum(np.exp(parameters[shape.terms :]))
    if shape.takes_up:
        amplitude = np.append(amplitude, -amplitude.sum())
    return Curve(amplitude_mbq=amplitude, rate_per_hour=rate)


def _starts(
    time: Floats, activity: Floats, shape: Form, nuclide: Nuclide, centre: Floats | None
) -> Floats:
    """First guesses, (s, p): the terminal phase from the last scans, faster ones from a grid."""
    decay = nuclide.decay_per_hour
    late = slice(-2, None) if time.size > 2 else slice(None)
    slow = 1.5 * decay
    if time.size > 1:
        slow = -float(np.polyfit(time[late], np.log(activity[late]), 1)[0])
    slow = max(slow, 1.02 * decay)
    if centre is not None:
        slow = decay + math.exp(centre[shape.terms])
    amplitude = activity[-1] * math.exp(slow * time[-1])
    others = len(STARTS_PER_HOUR) if shape.parameters > 2 else 1
    starts = np.empty((others, shape.parameters))
    for row, fast in enumerate(STARTS_PER_HOUR[:others]):
        starts[row, : shape.terms] = math.log(amplitude) - np.log(2.0) * np.arange(shape.terms)
        starts[row, shape.terms] = math.log(slow - decay)
        more = shape.parameters - shape.terms - 1
        starts[row, shape.terms + 1 :] = math.log(fast) + np.log(3.0) * np.arange(more)
        if centre is not None:
            starts[row, shape.terms :] = centre[shape.terms :]
    return starts


def _best(
    time: Floats,
    activity: Floats,
    error: Floats,
    shape: Form,
    nuclide: Nuclide,
    centre: Floats,
    precision: Floats,
) -> tuple[Floats, float]:
    """The parameters of the smallest chi-square over all first guesses."""
    guess = centre if np.any(precision) else None
    starts = _starts(time, activity, shape, nuclide, guess)
    each = (len(starts), time.size)
    parameters, chi_square, _ = fit_replicates(
        np.broadcast_to(time, each),
        np.broadcast_to(activity, each),
        np.broadcast_to(error, each),
        starts,
        shape=shape,
        nuclide=nuclide,
        centre=centre,
        precision=precision,
    )
    best = int(np.argmin(chi_square))
    return parameters[best], float(chi_square[best])


def fit_replicates(
    time_hours: Floats,
    activity_mbq: Floats,
    error_mbq: Floats,
    start: Floats,
    *,
    shape: Form,
    nuclide: Nuclide,
    centre: Floats | None = None,
    precision: Floats | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Fit many rows of one form: parameters (rows, p), chi-square and integral in MBq h (rows,).

    All of `time_hours`, `activity_mbq` and `error_mbq` are (rows, n), `start` is (rows, p).
    """
    rows, p = start.shape
    parameters, chi_square, integral = np.empty((rows, p)), np.empty(rows), np.empty(rows)
    fit_rows(
        np.ascontiguousarray(time_hours),
        np.ascontiguousarray(activity_mbq),
        np.ascontiguousarray(error_mbq),
        np.ascontiguousarray(start),
        np.zeros(p) if centre is None else centre,
        np.zeros((p, p)) if precision is None else precision,
        shape.terms,
        nuclide.decay_per_hour,
        parameters,
        chi_square,
        integral,
        np.empty(rows, bool),
    )
    return parameters, chi_square, integral


def _covariance(
    time: Floats,
    error: Floats,
    parameters: Floats,
    shape: Form,
    nuclide: Nuclide,
    precision: Floats,
) -> Floats:
    """The inverse of the normal equations, (p, p)."""
    slope = np.empty((time.size, shape.parameters))
    size, rate = unfolded(parameters, shape, nuclide)
    for n, hours in enumerate(time):
        value_and_slope(size, rate, shape.terms, hours, slope[n])
    scaled = slope / error[:, None]
    normal = scaled.T @ scaled + precision
    size = np.sqrt(np.maximum(np.diag(normal), 1e-150))  # the inverse is of numbers near 1
    try:
        with np.errstate(over="ignore"):
            return np.asarray(np.linalg.inv(normal / np.outer(size, size)) / np.outer(size, size))
    except np.linalg.LinAlgError:
        return np.full(normal.shape, np.inf)
