# SPDX-License-Identifier: Apache-2.0
"""Doses of voxels: fit, convolution, the whole chain and its replicates, beside scipy.

128 x 128 x 128 voxels of 4.8 mm at four times: an elliptic body of 0.4 million voxels with two
kidneys, liver, spleen and a lesion, noise of 8 %. Times are the shortest of several calls, after
one that is not timed; the processor's time, summed over cores, is given beside the clock's, since
a busy machine lengthens it less. Peers run in the same process on the same numbers:

- `scipy.optimize.curve_fit`, bounded as our fit is, on 300 voxels and extended to all of the body;
- `scipy.signal.fftconvolve` in double precision with the kernel of 51 x 51 x 51 voxels, the call
  that PyTheranostics makes, on the whole image. The package itself is not run.

    python benchmarks/dosimetry.py            a minute
    python benchmarks/dosimetry.py --replicates 1000
"""

import argparse
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import curve_fit
from scipy.signal import fftconvolve

from radioligand.dosimetry.dose_volume import dose_volume
from radioligand.dosimetry.kernels import voxel_kernel
from radioligand.dosimetry.nuclide import LUTETIUM_177
from radioligand.dosimetry.voxel_fits import FASTEST_PER_HOUR, fit_voxels
from radioligand.dosimetry.voxel_uncertainty import replicate_doses
from radioligand.dosimetry.voxels import (
    body_box,
    convolved_dose,
    prepare_convolution,
    voxel_dose,
)

SIDE_MM, VOXELS = 4.8, 128
TIMES = np.array([3.74, 27.7, 103.1, 124.0])
PHYSICAL = LUTETIUM_177.decay_per_hour
# centre and radius in voxels, MBq/mL, half-life in hours
PARTS = (
    ((0, 8, 18), 8, 0.4, 50),
    ((0, 8, -18), 8, 0.4, 50),
    ((15, -4, -15), 15, 0.2, 95),
    ((15, 5, 22), 8, 0.3, 65),
    ((18, -2, -12), 4, 2.0, 110),
)


class Timed(NamedTuple):
    """The shortest of several calls, by the clock and by the processor, summed over cores."""

    seconds: float
    processor: float


def timed(call: Callable[[], object], calls: int = 7) -> Timed:
    call()
    clock, processor = [], []
    for _ in range(calls):
        began, used = time.perf_counter(), time.process_time()
        call()
        clock.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    return Timed(min(clock), min(processor))


def phantom() -> tuple[np.ndarray, list[np.ndarray]]:
    """Images in MBq/mL, (4, 128, 128, 128), and the masks of the parts."""
    place = np.indices((VOXELS,) * 3) - (VOXELS - 1) / 2
    body = (place[2] / 38) ** 2 + (place[1] / 26) ** 2 < 1
    amount, half_life = np.where(body, 0.02, 0.0), np.full(body.shape, 55.0)
    masks = []
    for centre, radius, held, hours in PARTS:
        ball = sum((place[i] - centre[i]) ** 2 for i in range(3)) < radius**2
        amount[ball], half_life[ball] = held, hours
        masks.append(ball)
    amount = np.where(body, gaussian_filter(amount, 1.5), 0.0)
    decay = np.exp(-np.multiply.outer(TIMES, math.log(2) / half_life))
    noise = 1 + 0.08 * np.random.default_rng(0).standard_normal(decay.shape)
    return np.maximum(amount * decay * noise, 0).astype(np.float32), masks


def curve_fits(voxels: np.ndarray) -> None:
    for measured in voxels.T:
        curve_fit(
            lambda t, a, rate: a * np.exp(-rate * t),
            TIMES,
            measured,
            p0=(measured[0], 0.012),
            sigma=measured,
            bounds=([0, PHYSICAL], [np.inf, FASTEST_PER_HOUR]),
        )


def row(what: str, found: Timed, beside: str = "") -> None:
    told = f"{1e3 * found.seconds:,.1f} ms ({1e3 * found.processor:,.1f} ms)"
    print(f"| {what} | {told} | {beside} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=30)
    given = parser.parse_args()
    images, masks = phantom()
    box = body_box(images)
    inside = np.ascontiguousarray(images[:, *box])
    kernel = voxel_kernel((SIDE_MM,) * 3, reach_mm=120, density_g_ml=1.04)
    ready = prepare_convolution(kernel, inside.shape[1:])
    found = voxel_dose(images, TIMES, kernel=kernel)
    held = np.ascontiguousarray(found.fit.time_integrated[box])
    whole = np.ascontiguousarray(found.fit.time_integrated)
    measured = np.flatnonzero((images > 0).all(0))
    print(f"{images[0].size:,} voxels, {measured.size:,} in the body, box {held.shape}")
    print("| step | time (processor) | |\n|---|---|---|")

    all_fits = timed(lambda: fit_voxels(images, TIMES, decay_per_hour=PHYSICAL))
    row("fit of all voxels", all_fits, f"{1e9 * all_fits.seconds / whole.size:.1f} ns a voxel")
    row(
        "fit within the body's box",
        timed(lambda: fit_voxels(inside, TIMES, decay_per_hour=PHYSICAL)),
    )
    few = np.random.default_rng(1).choice(measured, 300, replace=False)
    sample = images.reshape(4, -1)[:, few].astype(np.float64)
    once = timed(lambda: curve_fits(sample), 1)
    peer = Timed(*(seconds / 300 * measured.size for seconds in once))
    row(
        "scipy curve_fit, body, from 300 voxels", peer, f"{1e6 * once.seconds / 300:.0f} us a voxel"
    )
    ours = found.fit.time_integrated.ravel()[few[:50]]
    reference = [
        np.divide(
            *curve_fit(
                lambda t, a, rate: a * np.exp(-rate * t),
                TIMES,
                one,
                p0=(one[0], 0.012),
                sigma=one,
                bounds=([0, PHYSICAL], [np.inf, FASTEST_PER_HOUR]),
                ftol=1e-13,
                xtol=1e-13,
                gtol=1e-13,
            )[0]
        )
        for one in sample.T[:50]
    ]
    apart = float(np.abs(ours / reference - 1).max())
    row(
        "kernel for voxels of this size",
        timed(lambda: voxel_kernel((SIDE_MM,) * 3, reach_mm=120, density_g_ml=1.04), 3),
        f"{'x'.join(map(str, kernel.energy_kev.shape))} voxels",
    )
    row("kernel made ready", timed(lambda: prepare_convolution(kernel, held.shape)), "once a grid")
    row("convolution, body's box", timed(lambda: convolved_dose(held, ready)))
    wide = prepare_convolution(kernel, whole.shape)
    row("convolution, whole image", timed(lambda: convolved_dose(whole, wide), 3))
    double = whole.astype(np.float64)
    middle = tuple(slice(n // 2 - 25, n // 2 + 26) for n in kernel.energy_kev.shape)
    cut = kernel.gray[middle]
    row(
        "scipy.signal.fftconvolve, double, whole image",
        timed(lambda: fftconvolve(double, cut, mode="same"), 3),
    )
    plain = fftconvolve(double, kernel.gray, mode="same")
    far = float(np.abs(found.dose_gy[box] - plain[box]).max() / plain.max())
    row(
        "chain: box, fit, convolution",
        timed(lambda: voxel_dose(images, TIMES, kernel=kernel, convolution=ready)),
        "kernel ready",
    )
    row(
        "five regions, histograms",
        timed(lambda: [dose_volume(found.dose_gy, m, voxel_ml=kernel.voxel_ml) for m in masks]),
    )
    began = time.perf_counter()
    used = time.process_time()
    replicate_doses(
        images,
        TIMES,
        masks,
        kernel=kernel,
        replicates=given.replicates,
        random=np.random.default_rng(1),
        calibration=0.05,
        each_image=0.03,
        each_voxel=0.1,
    )
    spent = Timed(time.perf_counter() - began, time.process_time() - used)
    each = spent.seconds / given.replicates
    row(f"{given.replicates} replicates", spent, f"{1e3 * each:.0f} ms each")
    print(f"largest difference from scipy: integrated activity {apart:.0e} of it, ", end="")
    print(f"dose {far:.0e} of the highest")


if __name__ == "__main__":
    main()
