# SPDX-License-Identifier: Apache-2.0
"""Doses of voxels and regions: fit, convolution, chain, replicates and a cohort, beside peers.

128 x 128 x 128 voxels of 4.8 mm at four times: an elliptic body of 0.4 million voxels with two
kidneys, liver, spleen and a lesion, noise of 8 %. Times are the shortest of several calls, after
one that is not timed; the processor's time, summed over cores, is given beside the clock's, since
a busy machine lengthens it less. Peers run beside it on the same numbers:

- `scipy.optimize.curve_fit`, bounded as our fit is, on 300 voxels and extended to all of the body;
- `scipy.signal.fftconvolve` in double precision with the kernel of 51 x 51 x 51 voxels, on the
  whole image;
- with `--peers`, the Python of an environment that has PyTheranostics 0.1: its own convolution and
  its own fit (dosimetry_peer.py says what was called).

    python benchmarks/dosimetry.py                        two minutes
    python benchmarks/dosimetry.py --replicates 1000 --peers ~/peers/bin/python
"""

import argparse
import json
import math
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from dosimetry_cohort import cohort
from scipy.ndimage import gaussian_filter
from scipy.optimize import curve_fit
from scipy.signal import fftconvolve

from radioligand.dosimetry.dose_volume import dose_volume
from radioligand.dosimetry.kernels import VoxelKernel, voxel_kernel
from radioligand.dosimetry.nuclide import LUTETIUM_177
from radioligand.dosimetry.time_activity import fit_curve
from radioligand.dosimetry.voxel_fits import FASTEST_PER_HOUR, fit_voxels
from radioligand.dosimetry.voxel_uncertainty import replicate_doses
from radioligand.dosimetry.voxels import (
    body_box,
    convolved_dose,
    prepare_convolution,
    voxel_dose,
)

PEER = Path(__file__).with_name("dosimetry_peer.py")
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
    found = [once(call) for _ in range(calls)]
    return Timed(min(one.seconds for one in found), min(one.processor for one in found))


def once(call: Callable[[], object]) -> Timed:
    began, used = time.perf_counter(), time.process_time()
    call()
    return Timed(time.perf_counter() - began, time.process_time() - used)


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


def scipy_fit(measured: np.ndarray, **options: float) -> np.ndarray:
    """Amplitude and rate of one voxel, within the bounds that ours has."""
    found, _ = curve_fit(
        lambda t, a, rate: a * np.exp(-rate * t),
        TIMES,
        measured,
        p0=(measured[0], 0.012),
        sigma=measured,
        bounds=([0, PHYSICAL], [np.inf, FASTEST_PER_HOUR]),
        **options,
    )
    return found


def row(what: str, found: Timed, *, goal: str = "", beside: str = "") -> None:
    unit, factor = ("s", 1.0) if found.seconds >= 1 else ("ms", 1e3)
    told = (
        f"{factor * found.seconds:,.3g} {unit} | {factor * found.processor:,.3g} {unit}"
        if factor * found.seconds < 1e4
        else f"{factor * found.seconds:,.0f} {unit} | {factor * found.processor:,.0f} {unit}"
    )
    print(f"| {what} | {told} | {goal} | {beside} |", flush=True)


def time_fits(images: np.ndarray, inside: np.ndarray, whole: np.ndarray) -> None:
    """Rows of the fits; `whole` holds the time-integrated activity that ours found."""
    measured = np.flatnonzero((images > 0).all(0))
    every = timed(lambda: fit_voxels(images, TIMES, decay_per_hour=PHYSICAL))
    each = f"{1e9 * every.seconds / whole.size:.1f} ns a voxel"
    row("fit of all voxels", every, goal="40 ms", beside=each)
    row(
        "fit within the body's box",
        timed(lambda: fit_voxels(inside, TIMES, decay_per_hour=PHYSICAL)),
    )
    few = np.random.default_rng(1).choice(measured, 300, replace=False)
    sample = images.reshape(4, -1)[:, few].astype(np.float64).T
    peer = timed(lambda: [scipy_fit(one) for one in sample], 1)
    exact = [scipy_fit(one, ftol=1e-13, xtol=1e-13, gtol=1e-13) for one in sample[:50]]
    apart = np.abs(whole.ravel()[few[:50]] / [a / rate for a, rate in exact] - 1).max()
    row(
        "scipy `curve_fit` of the body's voxels",
        Timed(*(seconds / few.size * measured.size for seconds in peer)),
        beside=f"from {few.size}, {1e6 * peer.seconds / few.size:.0f} us each; "
        f"ours differs by {apart:.0e}",
    )


def time_convolutions(held: np.ndarray, whole: np.ndarray, kernel: VoxelKernel) -> np.ndarray:
    """Rows of the convolutions in the body's box and the whole image; return the latter's dose."""
    row(
        "kernel for voxels of this size",
        timed(lambda: voxel_kernel((SIDE_MM,) * 3, reach_mm=120, density_g_ml=1.04), 3),
        beside=f"{' x '.join(map(str, kernel.energy_kev.shape))}",
    )
    row(
        "kernel made ready",
        timed(lambda: prepare_convolution(kernel, held.shape)),
        beside="once a grid",
    )
    ready = prepare_convolution(kernel, held.shape)
    row("convolution, body's box", timed(lambda: convolved_dose(held, ready)), goal="60 ms")
    wide = prepare_convolution(kernel, whole.shape)
    row("convolution, whole image", timed(lambda: convolved_dose(whole, wide), 3), goal="60 ms")
    double = whole.astype(np.float64)
    middle = tuple(slice(n // 2 - 25, n // 2 + 26) for n in kernel.energy_kev.shape)
    cut = kernel.gray[middle]
    plain = fftconvolve(double, kernel.gray, mode="same")
    dose = convolved_dose(whole, wide)
    far = float(np.abs(dose - plain).max() / plain.max())
    row(
        "scipy `fftconvolve`, double, whole image",
        timed(lambda: fftconvolve(double, cut, mode="same"), 3),
        beside=f"ours differs by {far:.0e} of the highest dose",
    )
    return dose


def ask_peer(
    python: str,
    images: np.ndarray,
    whole: np.ndarray,
    dose: np.ndarray,
    masks: list[np.ndarray],
    kernel: VoxelKernel,
) -> None:
    """Rows of PyTheranostics in its own process, and of our fit of a region's curve beside it."""
    curves = np.array([images[:, mask].sum(1, dtype=np.float64) for mask in masks])
    curves *= kernel.voxel_ml
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arrays = {
            "held_mbq_s": whole.astype(np.float64) * kernel.voxel_ml * 3600,
            "hours": TIMES,
            "curves": np.tile(curves, (40, 1)),
            "decay": np.array(PHYSICAL),
        }
        for key, values in arrays.items():
            np.save(folder / f"{key}.npy", values)
        asked = subprocess.run([python, str(PEER), name], capture_output=True, text=True)
        if asked.returncode:
            print(f"PyTheranostics cannot be asked: {asked.stderr.strip().splitlines()[-1]}")
            return
        told = json.loads(asked.stdout)
        theirs = np.load(folder / "peer_gy.npy")
    ratios = [theirs[mask].mean() / dose[mask].mean() - 1 for mask in masks]
    row(
        "PyTheranostics 0.1, convolution of the whole image",
        Timed(*told["convolution"]),
        beside=f"dose of regions {100 * min(ratios):+.1f} to {100 * max(ratios):+.1f} % of ours",
    )
    many = told["curves"]
    row(
        "PyTheranostics 0.1, fit of a region's curve",
        Timed(*(seconds / many for seconds in told["fits"])),
        beside="it does not fit voxels",
    )
    ours = timed(
        lambda: [fit_curve(TIMES, one, form="mono", relative_error=0.05) for one in curves]
    )
    row("our fit of a region's curve", Timed(*(seconds / len(curves) for seconds in ours)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replicates", type=int, default=30)
    parser.add_argument("--peers", help="the Python that has PyTheranostics")
    given = parser.parse_args()
    images, masks = phantom()
    box = body_box(images)
    inside = np.ascontiguousarray(images[:, *box])
    kernel = voxel_kernel((SIDE_MM,) * 3, reach_mm=120, density_g_ml=1.04)
    found = voxel_dose(images, TIMES, kernel=kernel)
    whole = np.ascontiguousarray(found.fit.time_integrated)
    held = np.ascontiguousarray(whole[box])
    shape = " x ".join(map(str, held.shape))
    print(f"{images[0].size:,} voxels, {(images > 0).all(0).sum():,} in the body, box {shape}\n")
    print("| step | clock | processor | goal | |\n|---|---|---|---|---|")

    time_fits(images, inside, whole)
    dose = time_convolutions(held, whole, kernel)
    if given.peers:
        ask_peer(given.peers, images, whole, dose, masks, kernel)
    ready = prepare_convolution(kernel, inside.shape[1:])
    row(
        "chain: box, fit, convolution",
        timed(lambda: voxel_dose(images, TIMES, kernel=kernel, convolution=ready)),
        goal="150 ms",
        beside="kernel ready, files not read",
    )
    row(
        "five regions, histograms",
        timed(lambda: [dose_volume(dose, mask, voxel_ml=kernel.voxel_ml) for mask in masks]),
    )
    again = once(
        lambda: replicate_doses(
            images,
            TIMES,
            masks,
            kernel=kernel,
            replicates=given.replicates,
            random=np.random.default_rng(1),
            calibration=0.05,
            each_image=0.03,
            each_voxel=0.1,
            volume=0.05,
        )
    )
    each = f"{1e3 * again.seconds / given.replicates:.0f} ms each"
    goal = "180 s" if given.replicates == 1000 else ""
    row(f"{given.replicates:,} replicates, contours too", again, goal=goal, beside=each)
    many = cohort(patients=500, regions=8, samples=1000, form="mono")
    row(
        "500 patients x 8 regions x 1,000 samples",
        Timed(many.sampled_seconds, many.processor_seconds),
        goal="30 s",
        beside=f"sampled over propagated uncertainty {many.ratio:.3f}",
    )


if __name__ == "__main__":
    main()
