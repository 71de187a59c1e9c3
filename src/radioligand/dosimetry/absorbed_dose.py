# SPDX-License-Identifier: Apache-2.0
"""From time-integrated activity to absorbed dose: self-dose by mass, cross doses, the remainder.

Electrons stay where they are made and scale with 1/m; of photons a part leaves, and what stays
scales with m^(-2/3). Cross doses do not scale: they depend on distance, not on the target's mass.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from radioligand.dosimetry.curves import Floats
from radioligand.dosimetry.nuclide import LUTETIUM_177, gray_grams

Energy = Callable[[float], float]  # keV per decay that stay in a region, by its mass in g

DENSITY_G_PER_ML = (0.2, 2.2)  # lung to cortical bone
SPHERE_G = (0.004, 1000.0)  # masses that tables of spheres span
GY_PER_MBQ_H = 3.6  # of an S value of 1 mGy/(MBq s)
ELECTRON_SLACK = 0.01  # part of the electrons' energy that a table may round away


def mass_g(volume_ml: float, density_g_per_ml: float) -> float:
    """Return volume × density. Raises ValueError for a density outside 0.2 to 2.2 g/mL."""
    low, high = DENSITY_G_PER_ML
    faults = []
    if not volume_ml > 0:
        faults.append(f"volume {volume_ml:g} mL: it must be positive")
    if not low <= density_g_per_ml <= high:
        faults.append(
            f"density {density_g_per_ml:g} g/mL: it must lie between {low:g} and {high:g}; "
            "a volume is no mass"
        )
    if faults:
        raise ValueError("; ".join(faults) + ".")
    return volume_ml * density_g_per_ml


def self_dose_gy(tia_mbq_h: float, mass_g: float, *, energy_kev: float) -> float:
    """Return the dose of a region to itself: TIA × energy that stays per decay / mass."""
    if not (mass_g > 0 and energy_kev > 0):
        raise ValueError(f"mass {mass_g:g} g and energy {energy_kev:g} keV must be positive.")
    return tia_mbq_h * gray_grams(energy_kev) / mass_g


def sphere_dose_gy(tia_mbq_h: float, mass_g: float, *, energy: Energy) -> float:
    """Return the dose of a lesion taken as a sphere. Raises ValueError outside 4 mg to 1 kg."""
    low, high = SPHERE_G
    if not low <= mass_g <= high:
        raise ValueError(
            f"mass {mass_g:g} g: a sphere is known from {1000 * low:g} mg to {high:g} g; "
            "measure the lesion as an organ, or leave it out with a reason."
        )
    return self_dose_gy(tia_mbq_h, mass_g, energy_kev=energy(mass_g))


def mass_slope(mass_g: float, *, energy: Energy) -> float:
    """Return d ln(dose) / d ln(mass) of the self-dose, about -0.99 for 177Lu."""
    step = 1e-3
    above, below = energy(mass_g * (1 + step)), energy(mass_g / (1 + step))
    return float(np.log(above / below) / (2 * np.log1p(step))) - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SValues:
    """A user's table of S values, target by source, of one phantom and one nuclide.

    `s_mgy_per_mbq_s` is (t, s), nan where the table is silent. `mass_g` has the phantom's masses by
    region, of which "total body" is needed for a remainder.
    """

    targets: tuple[str, ...]
    sources: tuple[str, ...]
    s_mgy_per_mbq_s: Floats
    mass_g: Mapping[str, float]
    phantom: str
    citation: str
    nuclide: str = LUTETIUM_177.name

    def value(self, target: str, source: str) -> float:
        """The S value in mGy/(MBq s). Raises ValueError if the table has none."""
        if target not in self.targets or source not in self.sources:
            raise ValueError(
                f"the table of {self.phantom} has no S value of target {target!r} and source "
                f"{source!r}; targets: {', '.join(self.targets)}; sources: "
                f"{', '.join(self.sources)}."
            )
        found = float(self.s_mgy_per_mbq_s[self.targets.index(target), self.sources.index(source)])
        if not found > 0:
            raise ValueError(f"the table of {self.phantom} is silent on {target!r} <- {source!r}.")
        return found

    def reference_mass_g(self, region: str) -> float:
        """The phantom's mass of a region. Raises ValueError if the table does not give it."""
        if not self.mass_g.get(region, 0) > 0:
            raise ValueError(f"the table of {self.phantom} has no mass of {region!r}.")
        return self.mass_g[region]


def scaled_self_s(
    reference_s: float,
    reference_mass_g: float,
    mass_g: float,
    *,
    electron_kev: float = LUTETIUM_177.electron_kev,
) -> float:
    """Return a phantom's self S value at the patient's mass, in its unit, mGy/(MBq s).

    S × mass is the energy that stays: `electron_kev` of electrons and the rest of photons. Raises
    ValueError if S × mass is less than the electrons alone (so for marrow: give its own energy).
    """
    if not (mass_g > 0 and reference_mass_g > 0):
        raise ValueError(f"masses are positive; found {mass_g:g} and {reference_mass_g:g} g.")
    electrons = gray_grams(electron_kev) / GY_PER_MBQ_H / reference_mass_g
    photons = reference_s - electrons
    if photons < -ELECTRON_SLACK * electrons:
        stays = reference_s * GY_PER_MBQ_H * reference_mass_g / gray_grams(1.0)
        raise ValueError(
            f"S {reference_s:g} mGy/(MBq s) at {reference_mass_g:g} g leaves {stays:.1f} keV per "
            f"decay, less than the electrons have ({electron_kev:g} keV): check unit and mass."
        )
    ratio = reference_mass_g / mass_g
    return float(electrons * ratio + photons * ratio ** (2 / 3))


def cross_dose_gy(target: str, tia_mbq_h: Mapping[str, float], *, table: SValues) -> float:
    """Return the dose to `target` from all other regions, unscaled.

    `tia_mbq_h` is by source; the target's own is left out. Raises ValueError for one that the
    table does not know.
    """
    others = {source: tia for source, tia in tia_mbq_h.items() if source != target}
    return float(
        sum(GY_PER_MBQ_H * table.value(target, source) * tia for source, tia in others.items())
    )


def remainder_s(target: str, measured: tuple[str, ...], *, table: SValues) -> float:
    """Return the S value of `target` and what is left of the body, in mGy/(MBq s).

    S(T<-RB) = S(T<-TB) m_TB/m_RB - sum over the measured sources of S(T<-s) m_s/m_RB, with the
    phantom's masses and m_RB = m_TB - sum m_s. Never below 0.
    """
    body = table.reference_mass_g("total body")
    masses = {source: table.reference_mass_g(source) for source in measured}
    left = body - sum(masses.values())
    if not left > 0:
        raise ValueError(f"the measured regions weigh {sum(masses.values()):g} g, more than all.")
    taken = sum(table.value(target, source) * mass for source, mass in masses.items())
    return max((table.value(target, "total body") * body - taken) / left, 0.0)


def remainder_dose_gy(
    target: str, tia_mbq_h: float, measured: tuple[str, ...], *, table: SValues
) -> float:
    """Return the dose to `target` from the remainder of the body."""
    return GY_PER_MBQ_H * tia_mbq_h * remainder_s(target, measured, table=table)
