# SPDX-License-Identifier: Apache-2.0
"""How the dose is spread in a region: mean, the doses that parts of the volume get, histogram."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radioligand.dosimetry.tables import Floats


class DoseVolume(NamedTuple):
    """Doses in Gy of one region; d98_gy is what 98 % of its volume gets or exceeds."""

    volume_ml: float
    mean_gy: float
    deviation_gy: float
    least_gy: float
    d98_gy: float
    d70_gy: float
    d50_gy: float
    d2_gy: float
    most_gy: float
    dose_gy: Floats  # (101,) from 0 to the highest
    volume_fraction: Floats  # (101,) of the region that gets that dose or more


def dose_volume(
    dose_gy: NDArray[np.float32], region: NDArray[np.bool_], *, voxel_ml: float
) -> DoseVolume:
    """Return mean, doses to parts of the volume, and the cumulative histogram of a region.

    Voxels count as a whole; the dose of a part is interpolated between them. Raises ValueError for
    a region without voxels, or of another shape than the dose.
    """
    if dose_gy.shape != region.shape:
        raise ValueError(f"region of {region.shape} voxels on a dose of {dose_gy.shape}")
    dose = np.sort(dose_gy[region].astype(np.float64))
    if not dose.size:
        raise ValueError("the region holds no voxel of the dose image")
    d98, d70, d50, d2 = np.quantile(dose, (0.02, 0.30, 0.50, 0.98))
    axis = np.linspace(0.0, dose[-1], 101)
    fraction = 1 - np.searchsorted(dose, axis, side="left") / dose.size
    return DoseVolume(
        volume_ml=dose.size * voxel_ml,
        mean_gy=float(dose.mean()),
        deviation_gy=float(dose.std()),
        least_gy=float(dose[0]),
        d98_gy=float(d98),
        d70_gy=float(d70),
        d50_gy=float(d50),
        d2_gy=float(d2),
        most_gy=float(dose[-1]),
        dose_gy=axis,
        volume_fraction=fraction,
    )
