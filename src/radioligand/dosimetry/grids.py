# SPDX-License-Identifier: Apache-2.0
"""Where voxels lie in the patient, and images brought from one grid onto another."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import affine_transform

from radioligand.dosimetry.tables import Floats

SAME_MM = 0.1  # centres of voxels no further apart lie in the same place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Voxels of an image: how many along each axis, and where their centres lie.

    `affine` leads from indices (i, j, k, 1) to millimetres towards the patient's left, back and
    head, DICOM's own axes. `frame` names the frame of reference; empty if nobody knows.
    """

    shape: tuple[int, int, int]
    affine: Floats  # (4, 4)
    frame: str = ""

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between centres along each axis."""
        sides = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(sides[0]), float(sides[1]), float(sides[2])

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel, mL."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1e3

    @property
    def is_rectangular(self) -> bool:
        """Whether the axes are at right angles, as a convolution needs."""
        axes = self.affine[:3, :3] / self.spacing_mm
        return bool(np.abs(axes.T @ axes - np.eye(3)).max() < 1e-3)

    def moved(self, transform: Floats, *, frame: str) -> "Grid":
        """Return the same voxels after a transform of the patient's space."""
        return Grid(shape=self.shape, affine=transform @ self.affine, frame=frame)


class Resampled(NamedTuple):
    """An image on another grid."""

    values: NDArray[np.float32]
    covered: float  # share of the other grid's voxels that the image reaches


def furthest_mm(one: Grid, other: Grid) -> float:
    """Return the furthest distance between voxels of the same index; inf for other shapes."""
    if one.shape != other.shape:
        return float("inf")
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(one.shape) - 1)
    away = (one.affine - other.affine) @ np.c_[corners, np.ones(8)].T
    return float(np.linalg.norm(away[:3], axis=0).max())


def is_same_place(one: Grid, other: Grid) -> bool:
    """Whether voxels of the same index lie in the same place of the same frame."""
    return one.frame == other.frame and furthest_mm(one, other) <= SAME_MM


def resample(
    values: NDArray[np.float32], grid: Grid, onto: Grid, *, nearest: bool = False
) -> Resampled:
    """Return an image's values at the centres of another grid's voxels, 0 beyond its edge.

    Linear between voxels, or that of the nearest voxel for labels. Both grids must be in one
    frame: bring the image there with `Grid.moved`.
    """
    leads = np.linalg.inv(grid.affine) @ onto.affine
    found = affine_transform(
        np.asarray(values, dtype=np.float32),
        leads[:3, :3],
        leads[:3, 3],
        onto.shape,
        order=0 if nearest else 1,
        mode="grid-constant",
        cval=0.0,
        prefilter=False,
    )
    return Resampled(np.asarray(found, dtype=np.float32), _covered(grid, leads, onto))


def _covered(grid: Grid, leads: Floats, onto: Grid) -> float:
    inside = np.ones(onto.shape, dtype=bool)
    axes = np.ogrid[tuple(slice(n) for n in onto.shape)]
    for row in range(3):
        place = leads[row, 3] + sum(leads[row, c] * axes[c] for c in range(3))
        inside &= (place >= -0.5 - 1e-6) & (place <= grid.shape[row] - 0.5 + 1e-6)
    return float(inside.mean())


def rigid_transform(matrix: ArrayLike) -> Floats:
    """Return a 4 x 4 matrix of rotation and shift in millimetres, or say why it is none.

    Raises ValueError for another shape, a last row that is not 0 0 0 1, or a matrix that scales,
    shears or mirrors.
    """
    found = np.asarray(matrix, dtype=np.float64)
    if found.shape != (4, 4):
        raise ValueError(f"a rigid transform is a 4 x 4 matrix, not one of {found.shape}")
    if not np.allclose(found[3], (0, 0, 0, 1)):
        raise ValueError(f"the last row of a transform is 0 0 0 1, not {found[3].tolist()}")
    turn = found[:3, :3]
    if np.abs(turn @ turn.T - np.eye(3)).max() > 1e-4:
        raise ValueError("the transform scales or shears; only rotation and shift are accepted")
    if np.linalg.det(turn) < 0:
        raise ValueError("the transform mirrors the patient; only rotation and shift are accepted")
    return found


def polygon_mask(rows: Floats, columns: Floats, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixels' centres lie inside a closed polygon, by the even-odd rule.

    rows, columns : (n,) corners in index units.
    """
    inside = np.zeros(shape, dtype=bool)
    next_rows, next_columns = np.roll(rows, -1), np.roll(columns, -1)
    across = np.arange(shape[1])
    first = max(0, int(np.ceil(rows.min())))
    for row in range(first, min(shape[0], int(np.floor(rows.max())) + 1)):
        crosses = (rows <= row) != (next_rows <= row)
        share = (row - rows[crosses]) / (next_rows[crosses] - rows[crosses])
        at = columns[crosses] + share * (next_columns[crosses] - columns[crosses])
        inside[row] = (across[:, None] > at).sum(1) % 2 == 1
    return inside
