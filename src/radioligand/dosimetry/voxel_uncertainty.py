# SPDX-License-Identifier: Apache-2.0
"""How sure the voxel route is: the whole chain again on images drawn within their errors."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radioligand.dosimetry.contours import Contour, contour, mean_within
from radioligand.dosimetry.kernels import VoxelKernel
from radioligand.dosimetry.nuclide import LUTETIUM_177
from radioligand.dosimetry.tables import Floats
from radioligand.dosimetry.voxel_fits import Singles, fit_voxels
from radioligand.dosimetry.voxels import Mask, body_box, convolved_dose, prepare_convolution


class Replicates(NamedTuple):
    """Mean dose of each region in each replicate."""

    mean_gy: Floats  # (replicates, regions)

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Lower and upper bound of each region's mean dose, (regions,)."""
        tail = (1 - level) / 2
        lower, upper = np.quantile(self.mean_gy, (tail, 1 - tail), axis=0)
        return lower, upper


def replicate_doses(
    activity: Singles,
    time_hours: ArrayLike,
    regions: Sequence[Mask],
    *,
    kernel: VoxelKernel,
    replicates: int,
    random: np.random.Generator,
    calibration: float,
    each_image: float,
    each_voxel: float,
    volume: float = 0.0,
    density_ratio: Singles | None = None,
) -> Replicates:
    """Fit and convolve again and again, on images multiplied by errors drawn anew.

    activity, time_hours : as for `voxel_dose`.
    regions : masks of one image's shape, within the body's box.
    calibration : relative standard deviation that all images share (camera, recovery); more
        images do not lessen it.
    each_image : relative standard deviation of each image on its own.
    each_voxel : relative standard deviation of each voxel on its own. Noise of real images is
        correlated, so this tells little of a region's mean and something of its spread.
    volume : relative standard deviation of a region's volume as drawn, all images sharing the
        contour; in each replicate each contour is moved outwards or inwards to another volume.
    density_ratio : the kernel's density over that of each voxel, in an image's shape; 1 without it.

    Errors are lognormal for calibration, image and volume and normal, cut at a tenth of the value,
    for voxels. The box of the body stays as it is. Raises ValueError for a region without voxels.
    """
    box = body_box(activity)
    inside = np.ascontiguousarray(activity[:, *box])
    drawn_regions = _contours([region[box] for region in regions], kernel, volume)
    ratio = None if density_ratio is None else density_ratio[box]
    convolution = prepare_convolution(kernel, inside.shape[1:])
    decay = LUTETIUM_177.decay_per_hour
    drawn = np.empty_like(inside)
    means = np.empty((replicates, len(regions)))
    for i in range(replicates):
        factors = np.exp(
            calibration * random.standard_normal()
            + each_image * random.standard_normal(len(inside))
        )
        _draw(inside, factors, each_voxel, random, into=drawn)
        fit = fit_voxels(drawn, time_hours, decay_per_hour=decay)
        dose = convolved_dose(fit.time_integrated, convolution)
        flat = (dose if ratio is None else dose * ratio).ravel()
        volumes = np.ones(len(regions))
        if volume:
            volumes = np.exp(volume * random.standard_normal(len(regions)))
        means[i] = [
            mean_within(flat, one, volumes[place]) for place, one in enumerate(drawn_regions)
        ]
    return Replicates(means)


def _contours(regions: Sequence[Mask], kernel: VoxelKernel, volume: float) -> list[Contour]:
    """Each region's contour, which does not enter the others."""
    together = np.sum([region.astype(np.int8) for region in regions], axis=0)
    return [
        contour(
            region,
            others=together > region,
            spacing_mm=kernel.spacing_mm,
            volume=volume,
        )
        for region in regions
    ]


def _draw(
    images: Singles,
    factors: NDArray[np.float64],
    each_voxel: float,
    random: np.random.Generator,
    *,
    into: Singles,
) -> None:
    if each_voxel:
        random.standard_normal(out=into, dtype=np.float32)
        into *= np.float32(each_voxel)
        into += np.float32(1)
        np.maximum(into, np.float32(0.1), out=into)
        into *= images
    else:
        into[...] = images
    into *= factors.astype(np.float32).reshape(-1, 1, 1, 1)
