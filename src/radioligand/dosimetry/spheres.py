# SPDX-License-Identifier: Apache-2.0
"""Lesions as spheres: the energy that decays spread evenly in a sphere leave inside it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from radioligand.dosimetry.nuclide import gray_grams
from radioligand.dosimetry.tables import Floats, sphere_table

LEAST_G, MOST_G = 0.004, 1000.0
DENSITIES = (0.2, 2.2)  # g/mL, from lung to cortical bone


class SphereEnergy(NamedTuple):
    """Energy left in a sphere of 177Lu, keV per decay; arrays follow the masses asked for."""

    electrons_kev: Floats  # beta particles, conversion and Auger electrons
    photons_kev: Floats
    error_kev: Floats  # one standard error of the Monte Carlo

    @property
    def total_kev(self) -> Floats:
        """Electrons and photons together."""
        return np.asarray(self.electrons_kev + self.photons_kev)


def sphere_energy(mass_g: ArrayLike, *, density_g_ml: float) -> SphereEnergy:
    """Return the energy that stays in a sphere of water of that mass and density.

    The shipped table (`make kernels`) is interpolated in the logarithm of mass. Spheres of one
    m rho^2 are alike, so the table at density 1 serves every density. The sphere lies in water
    without end, as a lesion does; what photons scattered back bring is counted.

    Raises ValueError for a mass outside 4 mg to 1 kg or a density outside 0.2 to 2.2 g/mL.
    """
    mass = np.asarray(mass_g, dtype=np.float64)
    outside = ~((mass >= LEAST_G) & (mass <= MOST_G))
    if outside.any():
        raise ValueError(
            f"sphere: {int(outside.sum())} of {mass.size} masses lie outside {LEAST_G:g} to "
            f"{MOST_G:g} g, such as {mass[outside].flat[0]:g} g; give grams, not millilitres."
        )
    if not DENSITIES[0] <= density_g_ml <= DENSITIES[1]:
        raise ValueError(
            f"sphere: a density of {density_g_ml:g} g/mL lies outside {DENSITIES[0]:g} to "
            f"{DENSITIES[1]:g} g/mL."
        )
    table = sphere_table()
    place, known = np.log(mass * density_g_ml**2), np.log(table.mass_g)
    electrons, photons = (
        np.interp(place, known, column) for column in (table.electrons_kev, table.photons_kev)
    )
    error = np.hypot(table.electrons_error_kev, table.photons_error_kev)
    return SphereEnergy(electrons, photons, np.asarray(np.interp(place, known, error)))


def sphere_s_value(mass_g: ArrayLike, *, density_g_ml: float) -> Floats:
    """Return the self-dose of a sphere in Gy per MBq h of 177Lu in it: its energy over its mass."""
    energy = sphere_energy(mass_g, density_g_ml=density_g_ml).total_kev
    return np.asarray(energy * gray_grams(1.0) / np.asarray(mass_g, dtype=np.float64))
