# SPDX-License-Identifier: Apache-2.0
"""How a region's mean dose changes when its contour is drawn a little wider or narrower.

Who draws a region errs in its volume (EANM guidance of 2018). Here the contour moves along its
distance to the drawn one, outwards or inwards, until it holds so many times the volume; what is
outside comes with its own dose.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects

from radioligand.dosimetry.tables import Floats

Mask = NDArray[np.bool_]
FURTHEST = 4.0  # standard deviations of the volume's logarithm that a contour follows


class Contour(NamedTuple):
    """Voxels of a region and about it, from the innermost outwards."""

    voxels: NDArray[np.intp]  # flat places in the image
    held: int  # how many of them the drawn region has; they stand first


def contour(
    region: Mask, *, others: Mask, spacing_mm: tuple[float, float, float], volume: float
) -> Contour:
    """Return a region's voxels in the order in which a moving contour meets them.

    others : voxels of other regions, which it does not enter.
    volume : relative standard deviation of the region's volume; 0 for the drawn region alone.

    Raises ValueError for a region without voxels.
    """
    found = find_objects(region.astype(np.int8))
    if not found:
        raise ValueError("the region holds no voxel of the dose image")
    largest = math.exp(FURTHEST * volume)
    half_mm = max(
        (one.stop - one.start) * side / 2 for one, side in zip(found[0], spacing_mm, strict=True)
    )
    reach_mm = half_mm * (largest ** (1 / 3) - 1)
    near = tuple(
        slice(max(one.start - wide, 0), one.stop + wide)
        for one, side in zip(found[0], spacing_mm, strict=True)
        for wide in [math.ceil(reach_mm / side) + 1]
    )
    inside = region[near]
    # a frame of nothing, so that a region at the edge of the image has an outside there too
    inner = distance_transform_edt(np.pad(inside, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    depth = distance_transform_edt(~inside, sampling=spacing_mm) - inner
    allowed = inside | ~others[near]
    outwards = np.argsort(depth[allowed], kind="stable")
    held = int(inside.sum())
    kept = outwards[: math.ceil(held * largest)]
    corner = [one.start for one in near]
    places = tuple(axis[kept] + low for axis, low in zip(np.nonzero(allowed), corner, strict=True))
    return Contour(np.ravel_multi_index(places, region.shape), held)


def mean_within(dose_gy: NDArray[np.float32], drawn: Contour, volume_ratio: float = 1.0) -> float:
    """Return the mean dose in Gy where the contour holds so many times the drawn volume.

    dose_gy : (n,) of the flat image. The last voxel counts in part. A contour ends where the image
        or the voxels that were followed end.
    """
    along: Floats = dose_gy[drawn.voxels].astype(np.float64)
    held = min(max(drawn.held * volume_ratio, 1.0), float(along.size))
    whole = int(held)
    part = (held - whole) * along[whole] if whole < along.size else 0.0
    return float((along[:whole].sum() + part) / held)
