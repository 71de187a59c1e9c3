# SPDX-License-Identifier: Apache-2.0
"""Each voxel's activity over time as one exponential: rate, and activity integrated over all time.

The fit minimises the sum of (fitted / measured - 1)^2, as for errors in proportion, over log
amplitude and rate. The rate is held at or above physical decay in every step. Voxels are worked on
in blocks, one arithmetic step for the whole block at a time, so that the processor takes many at
once; logarithm and exponential are written out for the same reason.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from radioligand.dosimetry.compilation import compiled_for_cores, compiled_in_lanes

Singles = NDArray[np.float32]
LANES = 1024  # voxels of a block, whose numbers stay in the nearest caches
STEPS = 4  # of Gauss and Newton, from the straight line through the logarithms
FASTEST_PER_HOUR = 1.0  # a half-life of 42 minutes: no voxel of a late image knows a faster one
FURTHEST = 8.0  # logarithm of fitted over measured beyond which it is held


class VoxelFit(NamedTuple):
    """What was fitted in each voxel; both in the shape of one image."""

    time_integrated: Singles  # unit of the images times hours, from time 0 on
    rate_per_hour: Singles  # effective; 0 where nothing was measured
    shared_rate: int  # voxels with a value that is not positive: rate of the sum of all images


def fit_voxels(activity: Singles, time_hours: ArrayLike, *, decay_per_hour: float) -> VoxelFit:
    """Fit A exp(-rate t) to each voxel, rate at least physical decay.

    activity : (t, ...) float32, not corrected for decay, in any unit that is shared by all images.
    time_hours : (t,) since the start of the infusion, rising; two or more.

    A voxel that is not positive at every time cannot be fitted with proportional errors: it gets
    the rate of the sum of all voxels and the amplitude of least squares, not below 0. Raises
    ValueError for fewer than two times, times out of order, or values that are not finite.
    """
    images = np.ascontiguousarray(activity, dtype=np.float32)
    times = np.asarray(time_hours, dtype=np.float64)
    if times.ndim != 1 or len(times) != len(images) or len(times) < 2:
        raise ValueError(
            f"voxel fit: {len(images)} images and {times.size} times; two or more are needed"
        )
    if not (np.diff(times, prepend=0.0) > 0).all():
        raise ValueError(f"voxel fit: times {times.tolist()} h do not rise from above 0")
    flat = images.reshape(len(times), -1)
    totals = flat.sum(1, dtype=np.float64)
    if not np.isfinite(totals).all():
        raise ValueError("voxel fit: some voxels are not finite; mend the images")
    if not (totals > 0).all():
        raise ValueError(f"voxel fit: image {int(np.argmin(totals)) + 1} holds no activity")
    shared = _rate_of_sum(totals, times, decay_per_hour)
    integrated, rate = (np.empty(flat.shape[1], dtype=np.float32) for _ in range(2))
    others = fit_blocks(
        flat,
        times.astype(np.float32),
        np.float32(decay_per_hour),
        np.float32(shared),
        integrated,
        rate,
    )
    shape = images.shape[1:]
    return VoxelFit(integrated.reshape(shape), rate.reshape(shape), int(others))


def _rate_of_sum(totals: NDArray[np.float64], times: NDArray[np.float64], slowest: float) -> float:
    centred = times - times.mean()
    slope = -float(centred @ np.log(totals) / (centred @ centred))
    return min(max(slope, slowest), FASTEST_PER_HOUR)


# --- compiled -------------------------------------------------------------------------------------


@compiled_in_lanes
def natural_logarithm(values: Singles, into: Singles, mantissa: NDArray[np.int32]) -> None:
    """Write the logarithms of positive numbers, to 1e-7 of them.

    A single is 2^e m with m in [1, 2), and its bits hold e and m apart. With s = (m - q)/(m + q)
    and q = sqrt 2, log m = log q + 2 (s + s^3/3 + s^5/5 + ...), where |s| < 0.18.
    """
    bits, fraction = values.view(np.int32), mantissa.view(np.float32)
    root = np.float32(math.sqrt(2.0))
    two, third, fifth = np.float32(2), np.float32(2 / 3), np.float32(2 / 5)
    seventh, ninth = np.float32(2 / 7), np.float32(2 / 9)
    for i in range(values.size):
        mantissa[i] = (bits[i] & np.int32(0x7FFFFF)) | np.int32(0x3F800000)
    for i in range(values.size):
        power = np.float32((bits[i] >> np.int32(23)) - np.int32(127)) + np.float32(0.5)
        s = (fraction[i] - root) / (fraction[i] + root)
        s2 = s * s
        series = s * (two + s2 * (third + s2 * (fifth + s2 * (seventh + s2 * ninth))))
        into[i] = power * np.float32(math.log(2.0)) + series


@compiled_in_lanes
def exponential(x: np.float32) -> np.float32:
    """Return exp x for |x| up to 8, to 2e-6 of it: the series for x/16, squared four times."""
    y = x * np.float32(1 / 16)
    series = np.float32(1 / 720) + y * np.float32(1 / 5040)
    series = np.float32(1 / 120) + y * series
    series = np.float32(1 / 24) + y * series
    series = np.float32(1 / 6) + y * series
    series = np.float32(1) + y * (np.float32(1) + y * (np.float32(0.5) + y * series))
    square = series * series
    fourth = square * square
    eighth = fourth * fourth
    return eighth * eighth


@compiled_for_cores
def fit_blocks(
    activity: Singles,
    times: Singles,
    slowest: np.float32,
    shared: np.float32,
    integrated: Singles,
    rate: Singles,
) -> int:
    """Fit all voxels of (t, n) images, block by block; return how many got the shared rate."""
    moments, voxels = activity.shape
    blocks = (voxels + LANES - 1) // LANES
    others = np.zeros(blocks, dtype=np.int64)
    for block in numba.prange(blocks):
        begin = block * LANES
        end = min(begin + LANES, voxels)
        own = np.empty((moments, end - begin), dtype=np.float32)  # side by side in memory
        for k in range(moments):
            own[k] = activity[k, begin:end]
        others[block] = fit_block(
            own, times, slowest, shared, integrated[begin:end], rate[begin:end]
        )
    return int(others.sum())


@compiled_in_lanes
def fit_block(
    activity: Singles,
    times: Singles,
    slowest: np.float32,
    shared: np.float32,
    integrated: Singles,
    rate: Singles,
) -> int:
    """Fit the voxels of one block; return how many got the shared rate."""
    moments, voxels = activity.shape
    least = np.full(voxels, np.float32(np.inf), dtype=np.float32)
    most = np.zeros(voxels, dtype=np.float32)
    for k in range(moments):
        for i in range(voxels):
            least[i] = min(least[i], activity[k, i])
            most[i] = max(most[i], activity[k, i])
    if most.max() <= 0:  # air
        integrated[:] = 0
        rate[:] = 0
        return 0
    logs = np.empty((moments, voxels), dtype=np.float32)
    mantissa = np.empty(voxels, dtype=np.int32)
    safe = np.empty(voxels, dtype=np.float32)
    for k in range(moments):
        for i in range(voxels):
            safe[i] = activity[k, i] if least[i] > 0 else np.float32(1)
        natural_logarithm(safe, logs[k], mantissa)
    amplitude = np.empty(voxels, dtype=np.float32)  # its logarithm
    straight_line(logs, times, slowest, amplitude, rate)
    for _ in range(STEPS):
        improve(logs, times, slowest, amplitude, rate)
    furthest = np.float32(FURTHEST)
    for i in range(voxels):  # exp over two halves, as amplitudes span more than one covers
        away = max(min((amplitude[i] - logs[0, i]) / 2, furthest), -furthest)
        half = exponential(away)
        integrated[i] = activity[0, i] * half * half / rate[i]
    others = 0
    for i in range(voxels):
        if least[i] <= 0:
            others += most[i] > 0
            share_rate(activity[:, i], times, shared, integrated[i : i + 1], rate[i : i + 1])
    return others


@compiled_in_lanes
def straight_line(
    logs: Singles, times: Singles, slowest: np.float32, amplitude: Singles, rate: Singles
) -> None:
    """Least squares through the logarithms, the slope held between its limits."""
    moments, voxels = logs.shape
    middle = times.mean()
    square = np.float32(0)
    for k in range(moments):
        square += (times[k] - middle) ** 2
    amplitude[:] = 0
    rate[:] = 0
    for k in range(moments):
        weight, share = -(times[k] - middle) / square, np.float32(1 / moments)
        for i in range(voxels):
            rate[i] += weight * logs[k, i]
            amplitude[i] += share * logs[k, i]
    fastest = np.float32(FASTEST_PER_HOUR)
    for i in range(voxels):
        rate[i] = max(min(rate[i], fastest), slowest)
        amplitude[i] += rate[i] * middle


@compiled_in_lanes
def improve(
    logs: Singles, times: Singles, slowest: np.float32, amplitude: Singles, rate: Singles
) -> None:
    """Take one step of Gauss and Newton on the sum of (fitted / measured - 1)^2."""
    moments, voxels = logs.shape
    h00, h01, h11, g0, g1 = (
        np.zeros(voxels, dtype=np.float32),
        np.zeros(voxels, dtype=np.float32),
        np.zeros(voxels, dtype=np.float32),
        np.zeros(voxels, dtype=np.float32),
        np.zeros(voxels, dtype=np.float32),
    )
    furthest, fastest = np.float32(FURTHEST), np.float32(FASTEST_PER_HOUR)
    for k in range(moments):
        time = times[k]
        for i in range(voxels):
            away = amplitude[i] - rate[i] * time - logs[k, i]
            ratio = exponential(max(min(away, furthest), -furthest))
            slope = -time * ratio  # of the ratio, by the rate
            h00[i] += ratio * ratio
            h01[i] += ratio * slope
            h11[i] += slope * slope
            g0[i] += ratio * (ratio - np.float32(1))
            g1[i] += slope * (ratio - np.float32(1))
    tiny = np.float32(1e-20)
    for i in range(voxels):
        determinant = max(h00[i] * h11[i] - h01[i] * h01[i], tiny)
        wanted = rate[i] - (h00[i] * g1[i] - h01[i] * g0[i]) / determinant
        moved = max(min(wanted, fastest), slowest) - rate[i]
        rate[i] += moved
        amplitude[i] -= (g0[i] + h01[i] * moved) / h00[i]  # the best one for that rate


@compiled_in_lanes
def share_rate(
    values: Singles, times: Singles, shared: np.float32, integrated: Singles, rate: Singles
) -> None:
    """Give one voxel the shared rate and the amplitude of least squares, not below 0."""
    above = below = np.float32(0)
    positive = False
    for k in range(times.size):
        decay = np.float32(math.exp(-shared * times[k]))
        above += values[k] * decay
        below += decay * decay
        positive = positive or values[k] > 0
    integrated[0] = max(above, np.float32(0)) / (below * shared)
    rate[0] = shared if positive else np.float32(0)
