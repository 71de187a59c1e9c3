# SPDX-License-Identifier: Apache-2.0
"""Density of tissue from CT, by the calibration of the scanner that made it.

A kernel is of soft tissue, so only there may a voxel's own density divide its energy: in air, lung
and bone the particles of the neighbours decide, and such voxels keep the density of the kernel.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]
SOFT_TISSUE = (0.9, 1.2)  # g/mL


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityCurve:
    """Densities at Hounsfield units, straight lines between, level beyond; and whose they are."""

    hounsfield: tuple[float, ...]
    density_g_ml: tuple[float, ...]
    calibration: str  # scanner, voltage and phantom that it was measured with


class Densities(NamedTuple):
    """What each voxel weighs, g/mL."""

    by_ct: Singles
    used: Singles  # that of CT in soft tissue, else that of the kernel
    is_soft: NDArray[np.bool_]


def densities(hounsfield: Singles, *, curve: DensityCurve, otherwise_g_ml: float) -> Densities:
    """Return the density of every voxel by the curve, and the one that its dose is divided by."""
    by_ct = np.interp(hounsfield, curve.hounsfield, curve.density_g_ml).astype(np.float32)
    low, high = SOFT_TISSUE
    is_soft = (by_ct >= low) & (by_ct <= high)
    return Densities(by_ct, np.where(is_soft, by_ct, np.float32(otherwise_g_ml)), is_soft)
