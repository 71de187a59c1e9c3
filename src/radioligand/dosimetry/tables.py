# SPDX-License-Identifier: Apache-2.0
"""The tables that come with the room: emissions, cross sections, point kernel, spheres."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FOLDER = "radioligand.dosimetry"


class Emissions(NamedTuple):
    """What one decay of a nuclide sends out, energies in keV."""

    electron_energy_kev: Floats  # (e,) lines of conversion and Auger electrons
    electron_yield: Floats  # (e,) per decay
    photon_energy_kev: Floats  # (p,) gamma and x-ray lines
    photon_yield: Floats  # (p,) per decay
    beta_energy_kev: Floats  # (b,) where the spectrum is given
    beta_density: Floats  # (b,) per decay and MeV
    beta_mean_kev: float  # per decay: mean energies of the branches times their yields

    @property
    def electron_kev(self) -> float:
        """Energy of all electrons of one decay, keV."""
        return self.beta_mean_kev + float(self.electron_energy_kev @ self.electron_yield)

    @property
    def photon_kev(self) -> float:
        """Energy of all photons of one decay, keV."""
        return float(self.photon_energy_kev @ self.photon_yield)


class PointKernel(NamedTuple):
    """Energy that one decay at a point of water leaves in shells about it, keV.

    Radii are mass thicknesses (distance times density), so one table serves every density.
    """

    electron_edge_g_cm2: Floats  # (e + 1,) from 0
    electron_kev: Floats  # (e,)
    photon_edge_g_cm2: Floats  # (p + 1,) from 0
    photon_kev: Floats  # (p,)


class SphereTable(NamedTuple):
    """Energy that decays spread evenly in a sphere of water leave inside it, keV per decay."""

    mass_g: Floats  # (m,) at density 1
    electrons_kev: Floats  # (m,)
    electrons_error_kev: Floats  # (m,) one standard error
    photons_kev: Floats  # (m,)
    photons_error_kev: Floats  # (m,)


def table(name: str) -> tuple[tuple[str, ...], ...]:
    """Rows of a shipped table below its heading, without the remarks that begin with #."""
    text = (files(FOLDER) / name).read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return tuple(tuple(line.split(",")) for line in lines[1:])


def columns(rows: Sequence[Sequence[str]]) -> Floats:
    """Rows of numbers as one array a column."""
    return np.array(rows, dtype=np.float64).T


@cache
def emissions() -> Emissions:
    """Emissions of Lu-177. ICRP Publication 107, 2008."""
    rows = table("lu-177-emissions.csv")

    def of(*kinds: str) -> tuple[Floats, Floats]:
        energy_mev, amount = columns([row[1:] for row in rows if row[0] in kinds])
        return energy_mev * 1e3, amount

    branch_mean, branch_yield = of("beta")
    return Emissions(
        *of("conversion", "auger"),
        *of("gamma", "x-ray"),
        *of("beta-spectrum"),
        beta_mean_kev=float(branch_mean @ branch_yield),
    )


@cache
def point_kernel() -> PointKernel:
    """The point kernel of Lu-177 in water that `transport` wrote."""
    rows = table("lu-177-point-kernel.csv")

    def of(particle: str) -> tuple[Floats, Floats]:
        inner, outer, energy, _ = columns([row[1:] for row in rows if row[0] == particle])
        return np.append(inner, outer[-1]), energy

    return PointKernel(*of("electron"), *of("photon"))


@cache
def sphere_table() -> SphereTable:
    """The table of spheres of Lu-177 in water that `transport` wrote."""
    return SphereTable(*columns(table("lu-177-spheres.csv")))
