# SPDX-License-Identifier: Apache-2.0
"""Voxel kernels: where a decay in one voxel leaves its energy, for any size of voxel.

A point of the source voxel and a displacement lead into a target voxel with a probability that is
linear in the displacement between the centres of voxels. So the kernel of any voxel is the point
kernel, shared among the eight nearest centres: energy is kept, and no voxel size is too odd.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from radioligand.dosimetry.nuclide import LUTETIUM_177, gray_grams
from radioligand.dosimetry.tables import Floats, point_kernel

FINE, COARSE = 0.25, 0.5  # distance of points near and far, in sides of the narrowest voxel
NEAR = 6  # sides of a voxel
FEWEST = 16  # points along each side of an octant
SPACINGS_MM = (0.5, 20.0)
DENSITIES = (0.9, 1.2)  # g/mL: soft tissue, where water is a fair stand-in
RANGE_G_CM2 = 0.18  # no electron goes further


@dataclass(frozen=True, slots=True, kw_only=True)
class VoxelKernel:
    """Energy left about a voxel per decay spread evenly in it; odd in each axis, centred."""

    energy_kev: Floats  # (a, b, c)
    spacing_mm: tuple[float, float, float]
    density_g_ml: float
    reach_mm: float
    photons_beyond_kev: float  # left further away than the kernel reaches

    @property
    def gray(self) -> Floats:
        """Dose in Gy per MBq h/mL in the source voxel; the volume of the voxel cancels."""
        return np.asarray(self.energy_kev * (gray_grams(1.0) / self.density_g_ml))

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel, mL."""
        return float(np.prod(self.spacing_mm)) / 1e3


def voxel_kernel(
    spacing_mm: tuple[float, float, float], *, reach_mm: float, density_g_ml: float
) -> VoxelKernel:
    """Return the kernel of 177Lu for voxels of exactly that size, sides as the array's axes.

    reach_mm : how far photons are followed; what goes further is told, not added elsewhere.
    density_g_ml : of the tissue, 0.9 to 1.2; the kernel of lung or bone would need another medium.

    Raises ValueError for a spacing outside 0.5 to 20 mm, another density, or a reach that is
    shorter than electrons go.
    """
    _check(spacing_mm, reach_mm, density_g_ml)
    spacing = np.array(spacing_mm)
    half = np.ceil(reach_mm / spacing).astype(int) + 1
    shape = tuple(int(n) for n in half + 1)
    octant = np.zeros(int(np.prod(shape)))
    beyond = 0.0
    side = float(spacing.min())
    for radius, energy in _shells(density_g_ml, side):
        if radius > reach_mm:
            beyond += energy
            continue
        points = _octant(radius, _step(radius, side)) / spacing
        _share(points, energy / len(points), octant, shape)
    folded = octant.reshape(shape)
    for axis in range(3):  # the seven other octants mirror this one
        halves = np.full(shape[axis], 0.5)
        halves[0] = 1.0
        folded = folded * np.expand_dims(halves, [a for a in range(3) if a != axis])
        mirrored = np.flip(np.delete(folded, 0, axis), axis)
        folded = np.concatenate((mirrored, folded), axis)
    return VoxelKernel(
        energy_kev=folded,
        spacing_mm=spacing_mm,
        density_g_ml=density_g_ml,
        reach_mm=reach_mm,
        photons_beyond_kev=beyond,
    )


def _check(spacing_mm: tuple[float, float, float], reach_mm: float, density_g_ml: float) -> None:
    faults = []
    low, high = SPACINGS_MM
    if not all(low <= side <= high for side in spacing_mm):
        told = " x ".join(f"{side:g}" for side in spacing_mm)
        faults.append(f"voxels of {told} mm; each side must lie in {low:g} to {high:g} mm")
    low, high = DENSITIES
    if not low <= density_g_ml <= high:
        faults.append(f"a density of {density_g_ml:g} g/mL; soft tissue is {low:g} to {high:g}")
    if reach_mm < 10 * RANGE_G_CM2 / max(density_g_ml, 0.1):
        faults.append(f"a reach of {reach_mm:g} mm, which electrons exceed; give 10 mm or more")
    if faults:
        raise ValueError("voxel kernel: " + "; ".join(faults) + ".")


def _step(radius: float, side: float) -> float:
    return side * (FINE if radius < NEAR * side else COARSE)


def _shells(density_g_ml: float, side: float) -> Iterator[tuple[float, float]]:
    """Radii in mm and the energy in keV left there, no two further apart than a step."""
    known = point_kernel()
    for edge, energy in (
        (known.electron_edge_g_cm2, known.electron_kev),
        (known.photon_edge_g_cm2, known.photon_kev),
    ):
        edge_mm = edge * 10 / density_g_ml
        for inner, outer, kev in zip(edge_mm[:-1], edge_mm[1:], energy, strict=True):
            parts = int(np.ceil((outer - inner) / _step(inner, side)))
            for radius in inner + (np.arange(parts) + 0.5) / parts * (outer - inner):
                yield float(radius), float(kev) / parts


def _octant(radius: float, step_mm: float) -> Floats:
    """Points of equal weight on an eighth of a sphere, (n, 3)."""
    along = max(FEWEST, int(np.ceil(radius * np.pi / 2 / step_mm)))
    middle = (np.arange(along) + 0.5) / along
    across = np.sqrt(1 - middle**2)[:, None]
    x, y = across * np.cos(middle * np.pi / 2), across * np.sin(middle * np.pi / 2)
    z = np.broadcast_to(middle[:, None], x.shape)
    return np.asarray(radius * np.stack((z, y, x), -1).reshape(-1, 3))


def _share(points: Floats, energy: float, onto: Floats, shape: tuple[int, ...]) -> None:
    """Add `energy` of each point to its eight nearest centres, by linear weights."""
    below = np.floor(points).astype(int)
    above = points - below
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    first = below @ strides
    low, high = 1 - above, above
    for corner in np.ndindex(2, 2, 2):
        weight = energy * np.prod(np.where(corner, high, low), 1)
        place = first + int(np.dot(corner, strides))
        onto += np.bincount(place, weight, onto.size)


def central_energy(kernel: VoxelKernel) -> float:
    """Energy of the block of voxels that electrons can reach, keV per decay."""
    reach_mm = 10 * RANGE_G_CM2 / kernel.density_g_ml
    inside = tuple(
        slice(n // 2 - wide, n // 2 + wide + 1)
        for n, wide in zip(
            kernel.energy_kev.shape,
            (min(int(np.ceil(reach_mm / side)), 10**6) for side in kernel.spacing_mm),
            strict=True,
        )
    )
    return float(kernel.energy_kev[inside].sum())


def check_energy(kernel: VoxelKernel, *, within: float = 0.02) -> None:
    """Refuse a kernel of whatever origin that does not keep the energy of its electrons.

    The block of voxels that electrons reach must hold their energy and that of the photons
    absorbed there, as our kernel of the same voxels does. Raises ValueError if it is off by more
    than `within`.
    """
    own = voxel_kernel(
        kernel.spacing_mm,
        reach_mm=3 * max(kernel.spacing_mm) + 10,
        density_g_ml=kernel.density_g_ml,
    )
    found, expected = central_energy(kernel), central_energy(own)
    if abs(found / expected - 1) > within:
        told = " x ".join(f"{side:g}" for side in kernel.spacing_mm)
        raise ValueError(
            f"voxel kernel of {told} mm: its middle holds {found:.1f} keV per decay where 177Lu "
            f"leaves {expected:.1f} keV, {100 * (found / expected - 1):+.1f} %; {100 * within:g} % "
            "are allowed. Generate it for these voxels with voxel_kernel()."
        )


def kernel_from_s_values(
    s_values: Floats, *, spacing_mm: tuple[float, float, float], density_g_ml: float
) -> VoxelKernel:
    """Return a user's table of voxel S values, mGy/(MBq s), as a kernel; `check_energy` judges it.

    s_values : (a, b, c), odd in each axis, the source voxel in the middle.

    Raises ValueError for another shape, or a table that is not the same in both directions.
    """
    values = np.asarray(s_values, dtype=np.float64)
    if values.ndim != 3 or any(n % 2 == 0 for n in values.shape):
        raise ValueError(f"voxel kernel: {values.shape} values; give an odd number in each axis")
    if not np.allclose(values, values[::-1, ::-1, ::-1], rtol=1e-3, atol=1e-9 * values.max()):
        raise ValueError("voxel kernel: it differs between opposite directions; centre the source")
    mass_g = float(np.prod(spacing_mm)) / 1e3 * density_g_ml
    gray_per_mbq_h = values * 3.6  # 1e-3 Gy/mGy times 3600 s/h
    half = min(n // 2 * side for n, side in zip(values.shape, spacing_mm, strict=True))
    energy = gray_per_mbq_h * mass_g / gray_grams(1.0)
    emitted = LUTETIUM_177.electron_kev + LUTETIUM_177.photon_kev
    return VoxelKernel(
        energy_kev=energy,
        spacing_mm=spacing_mm,
        density_g_ml=density_g_ml,
        reach_mm=half,
        photons_beyond_kev=max(0.0, emitted - float(energy.sum())),
    )
