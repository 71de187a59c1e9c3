# SPDX-License-Identifier: Apache-2.0
"""Repeated measures on plain arrays: the mixed model of a value seen at several visits.

R's `nlme::gls` is the oracle, and `lmerTest` for degrees of freedom.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from radioligand.statistics import special
from radioligand.statistics.cox import symmetric_inverse
from radioligand.statistics.observations import Floats, Ints, check_choice, check_level
from radioligand.statistics.records import Record, Values
from radioligand.statistics.repeated_rows import Study, check_visits, checked
from radioligand.statistics.restricted_likelihood import (
    Structure,
    Top,
    most_likely,
    rows_of_patterns,
    structure,
)

__all__ = [
    "Convergence",
    "CovariateSlopes",
    "LeastSquaresMeans",
    "MeanContrast",
    "MeanDifferences",
    "RepeatedMeasures",
    "repeated_measures",
]

Freedom = Literal["satterthwaite", "residual"]
Slopes = Literal["by-visit", "common"]

OF_VISIT = ("unstructured", "heterogeneous-autoregressive")  # have a variance for each visit
ALIASED = 1e-9  # what is left of a column of length 1 that others explain


@dataclass(frozen=True, slots=True)
class Convergence(Values):
    """Signs that the restricted likelihood is at its top."""

    iterations: int
    decrement: float  # log likelihood that one more step would gain; 0 but for rounding
    least_eigenvalue: float  # of the observed information, scaled to unit diagonal; above 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastSquaresMeans(Record, rows="estimate"):
    """The mean of each arm at each visit, at the mean of each covariate; m = arms x visits."""

    arm: tuple[Any, ...]
    visit: tuple[Any, ...]
    rows: Ints  # (m,) seen
    estimate: Floats  # (m,), as are the others
    standard_error: Floats
    degrees_of_freedom: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanDifferences(Record, rows="estimate"):
    """The mean of each further arm less that of the first, at each visit; m of them."""

    arm: tuple[Any, ...]
    reference: tuple[Any, ...]
    visit: tuple[Any, ...]
    estimate: Floats  # (m,), as are the others
    standard_error: Floats
    degrees_of_freedom: Floats
    lower: Floats
    upper: Floats
    t: Floats
    p_value: Floats  # two-sided


@dataclass(frozen=True, slots=True, kw_only=True)
class CovariateSlopes(Record, rows="estimate"):
    """What a unit of each covariate adds to the mean, at each visit if asked for; m of them."""

    covariate: tuple[str, ...]
    visit: tuple[Any, ...]  # None where one slope holds for all visits
    estimate: Floats  # (m,), as are the others
    standard_error: Floats
    degrees_of_freedom: Floats
    lower: Floats
    upper: Floats
    t: Floats
    p_value: Floats  # two-sided


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanContrast(Record):
    """A weighted sum of least-squares means."""

    estimate: float
    standard_error: float
    degrees_of_freedom: float
    lower: float
    upper: float
    t: float
    p_value: float  # two-sided


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedMeasures(Record):
    """A fitted model of g arms and v visits."""

    arms: tuple[Any, ...]
    visits: tuple[Any, ...]
    means: LeastSquaresMeans
    differences: MeanDifferences
    slopes: CovariateSlopes
    covariance: Floats  # (v, v) of a subject's values, given arm and covariates
    structure: Structure
    parameters: int  # of the covariance
    log_likelihood: float  # restricted
    convergence: Convergence
    freedom: Freedom
    rows: int
    subjects: int
    level: float
    mean_covariance: Floats  # (g v, g v) of the means, arm by arm
    mean_covariance_slope: Floats  # (q, g v, g v) its derivative by the parameters
    parameter_covariance: Floats  # (q, q)
    residual_freedom: int  # rows less fixed effects

    @property
    def correlation(self) -> Floats:
        """Correlation of a subject's values, (v, v)."""
        deviation = np.sqrt(np.diag(self.covariance))
        return np.asarray(self.covariance / np.outer(deviation, deviation), np.float64)

    def contrast(self, weights: ArrayLike) -> MeanContrast:
        """Return the sum of least-squares means times `weights`, (g, v), arms first.

        For a difference averaged over visits give the reference -1/v at each and the other 1/v.
        Raises ValueError for weights of another shape, missing, infinite, or all 0.
        """
        given = np.asarray(weights, np.float64)
        shape = (len(self.arms), len(self.visits))
        if given.shape != shape or not np.all(np.isfinite(given)) or not np.any(given):
            raise ValueError(
                f"weights: have shape {given.shape}; give {shape} numbers, arms first, not all 0."
            )
        found = inference(
            given.reshape(1, -1),
            self.means.estimate,
            Uncertainty(
                self.mean_covariance,
                self.mean_covariance_slope,
                self.parameter_covariance,
                self.residual_freedom if self.freedom == "residual" else None,
            ),
            self.level,
        )
        return MeanContrast(**{name: float(part[0]) for name, part in found._asdict().items()})


def repeated_measures(
    value: ArrayLike,
    subject: ArrayLike,
    visit: ArrayLike,
    arm: ArrayLike,
    *,
    covariates: ArrayLike | None = None,
    covariance: Structure = "unstructured",
    slopes: Slopes = "by-visit",
    degrees_of_freedom: Freedom = "satterthwaite",
    level: float = 0.95,
    arms: Sequence[Hashable] | None = None,
    visits: Sequence[Hashable] | None = None,
    names: Sequence[str] | None = None,
) -> RepeatedMeasures:
    r"""Fit the mixed model for repeated measures: a mean for each arm at each visit.

    A subject counts with the visits it made. That is right if what keeps values from being seen
    depends on nothing but what was seen (missing at random).

    Parameters
    ----------
    value : (n,) numbers, such as changes from baseline; one row for each visit made.
    subject : (n,) label of the subject, of whom rows depend on each other.
    visit : (n,) label of the visit, after baseline; sorted, unless `visits` says the order.
    arm : (n,) each subject's arm; sorted, unless `arms` says which comes first.
    covariates : (n,) or (n, p) numbers, such as the value at baseline.
    covariance : of a subject's values. "unstructured" assumes nothing, and is the usual choice;
        with few subjects "heterogeneous-autoregressive" (a variance for each visit, correlations
        that fade with the number of visits between), "autoregressive" (one variance), or
        "compound-symmetry" (one variance and one correlation, as of a random intercept).
    slopes : "by-visit" lets covariates matter differently at each visit, "common" does not.
    degrees_of_freedom : of t. "satterthwaite", or "residual": rows less fixed effects, which is
        R's ``gls``, and too many where subjects are few.
    level : coverage of the intervals.
    names : p words for the covariates, used in messages.

    Raises ValueError that names each fault of the input: a subject twice at a visit or in two arms,
    an arm that nobody of was seen at a visit, visits that nobody made both, covariates that are
    constant or combinations; and if the covariance is singular or the climb does not converge.

    Notes
    -----
    :math:`y_i\sim N(X_i\beta,\ V_i(\theta))`; :math:`\theta` maximises the restricted likelihood,
    :math:`\hat\beta` are generalised least squares with covariance :math:`C=(X'V^{-1}X)^{-1}`, not
    widened for estimating V (Kenward and Roger do). Satterthwaite's degrees of freedom of a
    contrast c are :math:`2(c'Cc)^2/(g'Ag)`, g the derivative of :math:`c'Cc` by :math:`\theta` and
    A the inverse of the observed information. Patterson and Thompson, Biometrika 1971;58:545;
    Fai and Cornelius, J Stat Comput Simul 1996;54:363; Mallinckrodt and others, Drug Inf J
    2008;42:303. Oracle: R ``nlme::gls``.

    """
    check_level(level)
    check_choice("covariance", covariance, get_args(Structure))
    check_choice("slopes", slopes, get_args(Slopes))
    check_choice("degrees_of_freedom", degrees_of_freedom, get_args(Freedom))
    study = checked(value, subject, visit, arm, covariates, arms, visits, names)
    check_visits(study, linked=covariance == "unstructured")
    g, v, p = len(study.arms), len(study.visits), study.covariates.shape[1]

    rows = study.value.size
    cell = study.arm * v + study.visit
    centred = study.covariates - study.covariates.mean(0)
    design = np.zeros((rows, g * v + p * (v if slopes == "by-visit" else 1)))
    design[np.arange(rows), cell] = 1
    for code in range(p):
        place = g * v + (code * v + study.visit if slopes == "by-visit" else code)
        design[np.arange(rows), place] = centred[:, code]

    # in an orthonormal basis, of residuals of unit variance: the same model, without rounding
    q, r = basis_of(design, study, slopes)
    start = q.T @ study.value
    residual = study.value - q @ start
    spread = spreads(residual, study, per_visit=covariance in OF_VISIT)
    scale = spread[study.visit]
    seen = np.zeros((study.subjects, v), np.bool_)
    seen[study.subject, study.visit] = True
    placed = np.zeros((study.subjects, v, q.shape[1]))
    placed[study.subject, study.visit] = q / scale[:, None]
    outcome = np.zeros((study.subjects, v))
    outcome[study.subject, study.visit] = residual / scale
    shape, unit = structure(covariance, v)
    top = most_likely(
        rows_of_patterns(placed, outcome, seen),
        shape,
        unit,
        lambda part: singular(part, study, covariance),
    )

    back = np.linalg.inv(r)
    effects = back @ (start + top.found.effects)
    uncertainty = Uncertainty(
        back @ top.found.covariance @ back.T,
        back @ top.found.slope @ back.T,
        symmetric_inverse(top.found.likelihood.information),
        rows - effects.size if degrees_of_freedom == "residual" else None,
    )
    return record(
        study, effects, uncertainty, top,
        between=top.found.between * np.outer(spread, spread),
        log_likelihood=top.found.likelihood.value
        - float(np.log(scale).sum() + np.log(np.abs(np.diag(r))).sum()),
        slopes=slopes, covariance=covariance, freedom=degrees_of_freedom, level=level,
    )  # fmt: skip


def basis_of(design: Floats, study: Study, slopes: Slopes) -> tuple[Floats, Floats]:
    """Return an orthonormal basis of the fixed effects and its factor; refuse combinations."""
    rows, columns = design.shape
    if rows <= columns:
        raise ValueError(
            f"value: {rows} rows for {columns} fixed effects; nothing is left to tell a variance."
        )
    q, r = np.linalg.qr(design)
    left = np.abs(np.diag(r)) / np.maximum(np.sqrt(np.sum(design**2, axis=0)), 1e-300)
    if (aliased := np.flatnonzero(left < ALIASED)).size:
        by_visit = slopes == "by-visit"
        place = int(aliased[0]) - len(study.arms) * len(study.visits)
        word = study.words[place // (len(study.visits) if by_visit else 1)]
        where = (
            " at some visit; leave it out, or give slopes='common'."
            if by_visit
            else "; leave it out."
        )
        raise ValueError(f"{word}: is constant or a combination of the others{where}")
    return np.asarray(q, np.float64), np.asarray(r, np.float64)


def spreads(residual: Floats, study: Study, *, per_visit: bool) -> Floats:
    """Return the standard deviation of residuals at each visit, (v,), or of all; refuse none."""
    v = len(study.visits)
    square = np.bincount(study.visit, residual**2, v) / np.bincount(study.visit, minlength=v)
    typical = np.bincount(study.visit, study.value**2, v) / np.bincount(study.visit, minlength=v)
    none = square <= 1e-24 * typical
    if np.any(none if per_visit else np.all(none)):
        where = ", ".join(str(study.visits[code]) for code in np.flatnonzero(none))
        raise ValueError(
            f"value: does not vary at visit {where} but for arm and covariates; leave it out."
        )
    return np.sqrt(square) if per_visit else np.full(v, np.sqrt(np.mean(residual**2)))


def singular(part: Floats, study: Study, covariance: Structure) -> str:
    """Say of which visits the covariance is singular, and what to do; `part` is (v,)."""
    told = ", ".join(str(study.visits[code]) for code in np.flatnonzero(part > 0.05 * part.max()))
    return (
        f"The {covariance} covariance of {study.subjects} subjects is singular: their values at "
        f"visits {told} determine each other; give a simpler covariance or fewer visits."
    )


class Uncertainty(NamedTuple):
    """Covariance of m estimates, its derivative by the q parameters, and theirs."""

    covariance: Floats  # (m, m)
    slope: Floats  # (q, m, m)
    parameters: Floats  # (q, q)
    residual_freedom: int | None  # degrees of freedom, if not Satterthwaite's


class Inference(NamedTuple):
    """Contrasts with their intervals and tests, (m,) each."""

    estimate: Floats
    standard_error: Floats
    degrees_of_freedom: Floats
    lower: Floats
    upper: Floats
    t: Floats
    p_value: Floats


def inference(contrasts: Floats, effects: Floats, by: Uncertainty, level: float) -> Inference:
    """Estimate `contrasts` (m, p) of effects (p,), each with degrees of freedom of its own."""
    estimate = contrasts @ effects
    variance = np.sum((contrasts @ by.covariance) * contrasts, axis=1)
    if by.residual_freedom is None:
        gradient = np.sum((contrasts @ by.slope) * contrasts, axis=2)  # (q, m)
        freedom = 2 * variance**2 / np.sum((by.parameters @ gradient) * gradient, axis=0)
    else:
        freedom = np.full(len(contrasts), float(by.residual_freedom))
    error = np.sqrt(variance)
    t, width = estimate / error, special.stdtrit(freedom, 0.5 + level / 2) * error
    return Inference(
        estimate, error, freedom, estimate - width, estimate + width, t,
        2 * special.stdtr(freedom, -np.abs(t)),
    )  # fmt: skip


def record(
    study: Study,
    effects: Floats,
    by: Uncertainty,
    top: Top,
    *,
    between: Floats,
    log_likelihood: float,
    slopes: Slopes,
    covariance: Structure,
    freedom: Freedom,
    level: float,
) -> RepeatedMeasures:
    """Gather means, differences and slopes from the effects of cells and covariates."""
    g, v = len(study.arms), len(study.visits)
    all_of = np.eye(effects.size)
    own, others = all_of[: g * v], all_of[g * v :]
    against_first = (own.reshape(g, v, -1) - own[:v]).reshape(g * v, -1)[v:]
    means = inference(own, effects, by, level)
    differences = inference(against_first, effects, by, level)
    added = inference(others, effects, by, level)
    of_visit: tuple[Any, ...] = study.visits if slopes == "by-visit" else (None,)
    return RepeatedMeasures(
        arms=study.arms,
        visits=study.visits,
        means=LeastSquaresMeans(
            arm=tuple(arm for arm in study.arms for _ in study.visits),
            visit=study.visits * g,
            rows=np.bincount(study.arm * v + study.visit),
            estimate=means.estimate,
            standard_error=means.standard_error,
            degrees_of_freedom=means.degrees_of_freedom,
            lower=means.lower,
            upper=means.upper,
        ),
        differences=MeanDifferences(
            arm=tuple(arm for arm in study.arms[1:] for _ in study.visits),
            reference=study.arms[:1] * (v * (g - 1)),
            visit=study.visits * (g - 1),
            **differences._asdict(),
        ),
        slopes=CovariateSlopes(
            covariate=tuple(word for word in study.words for _ in of_visit),
            visit=of_visit * len(study.words),
            **added._asdict(),
        ),
        covariance=between,
        structure=covariance,
        parameters=len(by.parameters),
        log_likelihood=log_likelihood,
        convergence=Convergence(top.iterations, top.decrement, top.least_eigenvalue),
        freedom=freedom,
        rows=study.value.size,
        subjects=study.subjects,
        level=level,
        mean_covariance=by.covariance[: g * v, : g * v],
        mean_covariance_slope=by.slope[:, : g * v, : g * v],
        parameter_covariance=by.parameters,
        residual_freedom=study.value.size - effects.size,
    )
