# SPDX-License-Identifier: Apache-2.0
"""The fit of a time–activity curve, compiled: a region at a time or a million replicates.

A curve has m terms that wash out and perhaps one that takes up, equal to their sum with the other
sign, so that nothing is there at time 0. Its parameters are p = (a_1 .. a_m, r_1 .. r_k), with
k = m, or m + 1 with uptake:

    A_i = exp(a_i),   lambda_j = lambda_phys + exp(r_1) + ... + exp(r_j).

No rate can be slower than physical decay, whatever the numbers; that is why they stand in
logarithms, and rates in the order of their speed.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from radioligand.dosimetry.curves import Floats

Function = TypeVar("Function", bound=Callable[..., Any])
Bools = NDArray[np.bool_]

STEPS = 300
SMALL = 1e-9  # a step so small, next to the parameters, is the last
ROUNDING = 1e-15  # relative gain in chi-square that is none
SLOWEST = -18.0  # logarithm of a biological rate per hour that is as good as none
FASTEST = 6.0
MOST_DAMPING = 1e12


def compiled(function: Function) -> Function:
    """Compile at the first call, and keep the code for the next process where that is allowed."""
    try:
        return cast(Function, numba.njit(nogil=True, error_model="numpy", cache=True)(function))
    except RuntimeError:  # no folder for the code may be written to
        return cast(Function, numba.njit(nogil=True, error_model="numpy")(function))


@compiled
def unfold(parameters: Floats, terms: int, decay: float, size: Floats, rate: Floats) -> None:
    """Write the parameters' exponentials into `size` and the effective rates into `rate`."""
    for i in range(parameters.size):
        size[i] = math.exp(parameters[i])
    total = decay
    for j in range(parameters.size - terms):
        total += size[terms + j]
        rate[j] = total


@compiled
def slope_by_parameters(size: Floats, terms: int, slope: Floats) -> None:
    """Turn slopes by rates, behind the terms, into slopes by parameters, in place."""
    behind = 0.0
    for j in range(size.size - 1, terms - 1, -1):  # exp(r_j) is in this rate and all faster ones
        behind += slope[j]
        slope[j] = behind * size[j]


@compiled
def value_and_slope(size: Floats, rate: Floats, terms: int, time: float, slope: Floats) -> float:
    """Return the activity at `time`; write its derivative by each parameter into `slope`."""
    k = size.size - terms
    last = math.exp(-rate[k - 1] * time) if k > terms else 0.0
    value, taken_up = 0.0, 0.0
    for i in range(terms):
        left = math.exp(-rate[i] * time)
        slope[i] = size[i] * (left - last)
        slope[terms + i] = -time * size[i] * left
        value += slope[i]
        taken_up += size[i]
    if k > terms:
        slope[terms + k - 1] = time * taken_up * last
    slope_by_parameters(size, terms, slope)
    return value


@compiled
def integral_and_slope(size: Floats, rate: Floats, terms: int, slope: Floats) -> float:
    """Return the integral of the curve; write its derivative by each parameter into `slope`."""
    k = size.size - terms
    last = 1 / rate[k - 1] if k > terms else 0.0
    value, taken_up = 0.0, 0.0
    for i in range(terms):
        slope[i] = size[i] * (1 / rate[i] - last)
        slope[terms + i] = -size[i] / rate[i] ** 2
        value += slope[i]
        taken_up += size[i]
    if k > terms:
        slope[terms + k - 1] = taken_up * last**2
    slope_by_parameters(size, terms, slope)
    return value


@compiled
def solve(matrix: Floats, vector: Floats, out: Floats) -> bool:
    """Solve a positive definite system by Cholesky, in place of `matrix`; False if it is none."""
    p = vector.size
    for i in range(p):
        for j in range(i + 1):
            left = matrix[i, j]
            for inner in range(j):
                left -= matrix[i, inner] * matrix[j, inner]
            if i > j:
                matrix[i, j] = left / matrix[j, j]
            elif left > 0:
                matrix[i, i] = math.sqrt(left)
            else:
                return False
    for i in range(p):
        left = vector[i]
        for j in range(i):
            left -= matrix[i, j] * out[j]
        out[i] = left / matrix[i, i]
    for i in range(p - 1, -1, -1):
        left = out[i]
        for j in range(i + 1, p):
            left -= matrix[j, i] * out[j]
        out[i] = left / matrix[i, i]
    return True


@compiled
def normal_equations(
    parameters: Floats,
    terms: int,
    decay: float,
    time: Floats,
    activity: Floats,
    error: Floats,
    centre: Floats,
    precision: Floats,
    size: Floats,
    rate: Floats,
    slope: Floats,
    normal: Floats,
    gradient: Floats,
) -> float:
    """Fill the normal equations, on and below the diagonal; return chi-square with the prior's."""
    p = parameters.size
    unfold(parameters, terms, decay, size, rate)
    chi_square = 0.0
    for i in range(p):
        gradient[i] = 0.0
        for j in range(p):
            away = parameters[j] - centre[j]
            normal[i, j] = precision[i, j]
            gradient[i] -= precision[i, j] * away
            chi_square += precision[i, j] * away * (parameters[i] - centre[i])
    for n in range(time.size):
        value = value_and_slope(size, rate, terms, time[n], slope)
        residual = (activity[n] - value) / error[n]
        chi_square += residual * residual
        for i in range(p):
            scaled = slope[i] / error[n]
            gradient[i] += scaled * residual
            for j in range(i + 1):
                normal[i, j] += scaled * slope[j] / error[n]
    return chi_square


@compiled
def fit_rows(
    time: Floats,
    activity: Floats,
    error: Floats,
    start: Floats,
    centre: Floats,
    precision: Floats,
    terms: int,
    decay: float,
    parameters: Floats,
    chi_square: Floats,
    integral: Floats,
    converged: Bools,
) -> None:
    """Fit each row of `activity` by damped least squares (Levenberg–Marquardt).

    `time`, `activity` and `error` are (rows, n); `start` and the result `parameters` (rows, p);
    `centre` (p,) and `precision` (p, p) are a normal prior, of precision 0 where there is none.
    """
    rows, p = start.shape
    size, rate, slope, step = np.empty(p), np.empty(p), np.empty(p), np.empty(p)
    normal, damped, gradient = np.empty((p, p)), np.empty((p, p)), np.empty(p)
    trial, other, behind = np.empty(p), np.empty((p, p)), np.empty(p)
    for row in range(rows):
        here = parameters[row]
        here[:] = start[row]
        chi = normal_equations(
            here, terms, decay, time[row], activity[row], error[row],
            centre, precision, size, rate, slope, normal, gradient,
        )  # fmt: skip
        damping, done = 1e-6, False
        for _ in range(STEPS):
            for i in range(p):
                for j in range(i + 1):
                    damped[i, j] = normal[i, j]
                damped[i, i] += damping * max(normal[i, i], 1e-30)
            if not solve(damped, gradient, step):
                damping *= 10
                if damping > MOST_DAMPING:
                    break
                continue
            longest = 0.0
            for i in range(p):
                trial[i] = here[i] + min(max(step[i], -2.0), 2.0)
                if i >= terms:
                    trial[i] = min(max(trial[i], SLOWEST), FASTEST)
                longest = max(longest, abs(trial[i] - here[i]) / (1 + abs(here[i])))
            found = normal_equations(
                trial, terms, decay, time[row], activity[row], error[row],
                centre, precision, size, rate, slope, other, behind,
            )  # fmt: skip
            gain = chi - found
            if gain >= 0:
                here[:], gradient[:], chi = trial, behind, found
                normal[:, :] = other
                damping = max(damping * 0.1, 1e-15)
            else:
                damping *= 10
            if longest < SMALL or abs(gain) <= ROUNDING * chi or damping > MOST_DAMPING:
                done = True  # no step is shorter, or none leads down: as far as digits go
                break
        chi_square[row] = chi
        converged[row] = done
        unfold(here, terms, decay, size, rate)
        integral[row] = integral_and_slope(size, rate, terms, slope)
