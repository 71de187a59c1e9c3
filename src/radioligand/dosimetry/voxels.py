# SPDX-License-Identifier: Apache-2.0
"""Absorbed dose of every voxel: by convolution with a kernel, or where the decay happened."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from scipy.ndimage import find_objects

from radioligand.dosimetry.kernels import VoxelKernel
from radioligand.dosimetry.nuclide import LUTETIUM_177, gray_grams
from radioligand.dosimetry.voxel_fits import Singles, VoxelFit, fit_voxels

Box = tuple[slice, slice, slice]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A kernel made ready for images of one shape; used again and again it costs nothing."""

    shape: tuple[int, int, int]
    padded: tuple[int, int, int]  # so that what leaves one side does not come in at the other
    spectrum: Singles  # real, as the kernel is even


class VoxelDose(NamedTuple):
    """Dose of every voxel and what led to it, in the shape of one image."""

    dose_gy: Singles
    fit: VoxelFit
    box: Box  # outside it nothing was measured and the dose is 0


def body_box(images: Singles, *, least: float = 0.0) -> Box:
    """Return the smallest box that holds every voxel above `least` in any of the images."""
    above = (images > least).any(axis=tuple(range(images.ndim - 3)))
    found = find_objects(above.astype(np.int8))
    if not found:
        raise ValueError(f"no voxel of {images.shape} exceeds {least:g}; the images are empty")
    return found[0]  # type: ignore[no-any-return]


def prepare_convolution(
    kernel: VoxelKernel, shape: tuple[int, ...], *, workers: int = -1
) -> Convolution:
    """Return the kernel's transform for images of that shape; more of it than fits is cut off."""
    energy = kernel.gray.astype(np.float32)
    half = [min(n // 2, size - 1) for n, size in zip(energy.shape, shape, strict=True)]
    middle = tuple(
        slice(n // 2 - wide, n // 2 + wide + 1) for n, wide in zip(energy.shape, half, strict=True)
    )
    padded = tuple(
        fft.next_fast_len(size + wide, real=True) for size, wide in zip(shape, half, strict=True)
    )
    about_zero = np.zeros(padded, dtype=np.float32)
    cut = energy[middle]
    about_zero[tuple(slice(n) for n in cut.shape)] = cut
    about_zero = np.roll(about_zero, [-wide for wide in half], (0, 1, 2))
    spectrum = fft.rfftn(about_zero, workers=workers).real
    return Convolution(
        shape=(shape[0], shape[1], shape[2]),
        padded=(padded[0], padded[1], padded[2]),
        spectrum=np.ascontiguousarray(spectrum, dtype=np.float32),
    )


def convolved_dose(
    time_integrated: Singles, convolution: Convolution, *, workers: int = -1
) -> Singles:
    """Return the dose in Gy of voxels that hold MBq h/mL, by the convolution's kernel.

    Single precision and the Fourier transform leave errors of 1e-6 of the highest dose, which may
    be negative; these are set to 0.
    """
    if time_integrated.shape != convolution.shape:
        raise ValueError(
            f"the kernel was made ready for {convolution.shape} voxels, not "
            f"{time_integrated.shape}; call prepare_convolution() with this shape"
        )
    single = np.asarray(time_integrated, dtype=np.float32)
    spectrum = fft.rfftn(single, convolution.padded, workers=workers)
    spectrum *= convolution.spectrum
    dose = fft.irfftn(spectrum, convolution.padded, workers=workers, overwrite_x=True)
    inside = dose[tuple(slice(n) for n in convolution.shape)]
    return np.asarray(np.maximum(inside, 0), dtype=np.float32)


def local_dose(time_integrated: Singles, *, density_g_ml: float) -> Singles:
    """Return the dose in Gy if every electron stopped in its voxel and every photon escaped.

    A named alternative to the convolution: 2 to 6 % low in the mean of an organ, and sharper than
    any image; not for dose-volume histograms.
    """
    gray = gray_grams(LUTETIUM_177.electron_kev) / density_g_ml
    return np.asarray(time_integrated, dtype=np.float32) * np.float32(gray)


def voxel_dose(
    activity: Singles,
    time_hours: ArrayLike,
    *,
    kernel: VoxelKernel,
    convolution: Convolution | None = None,
    decay_per_hour: float = LUTETIUM_177.decay_per_hour,
    least: float = 0.0,
) -> VoxelDose:
    """Fit every voxel and convolve, within the box of the body.

    activity : (t, a, b, c) in MBq/mL at the times of measurement, not corrected for decay.
    time_hours : (t,) since the start of the infusion.
    convolution : of an earlier call with the same box, to spare its preparation.
    least : MBq/mL up to which a voxel lies outside the body.
    """
    box = body_box(activity, least=least)
    inside = np.ascontiguousarray(activity[:, *box])
    fit = fit_voxels(inside, time_hours, decay_per_hour=decay_per_hour)
    if convolution is None:
        convolution = prepare_convolution(kernel, inside.shape[1:])
    dose = convolved_dose(fit.time_integrated, convolution)
    whole = VoxelFit(
        _in_image(fit.time_integrated, box, activity.shape[1:]),
        _in_image(fit.rate_per_hour, box, activity.shape[1:]),
        fit.shared_rate,
    )
    return VoxelDose(_in_image(dose, box, activity.shape[1:]), whole, box)


def _in_image(part: Singles, box: Box, shape: tuple[int, ...]) -> Singles:
    if part.shape == shape:
        return part
    whole = np.zeros(shape, dtype=np.float32)
    whole[box] = part
    return whole
