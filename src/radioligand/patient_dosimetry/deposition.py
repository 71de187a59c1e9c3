# SPDX-License-Identifier: Apache-2.0
"""What an integral leaves in a region: as a sphere, by a phantom's S values, or in the marrow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from radioligand.dosimetry.absorbed_dose import (
    GY_PER_MBQ_H,
    SValues,
    mass_slope,
    remainder_s,
    scaled_self_s,
    self_dose_gy,
)
from radioligand.dosimetry.marrow import marrow_dose
from radioligand.dosimetry.nuclide import gray_grams
from radioligand.dosimetry.spheres import sphere_energy
from radioligand.patient_dosimetry.records import CrossTerm

MARROW = "red marrow"
HEAVIEST_G = 1000.0  # of a sphere


class Source(NamedTuple):
    """A region of a cycle that holds activity, and the region that it lies in, if any."""

    region: str
    role: str
    tia_mbq_h: float
    inside: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposition:
    """Self- and cross dose of a region, how they were found, and d ln(dose) / d ln(mass)."""

    self_gy: float
    cross_gy: float
    energy_kev: float  # that stays in the region per decay; nan of marrow
    mass_slope: float
    says: str
    cross_terms: tuple[CrossTerm, ...] = ()


def in_sphere(tia_mbq_h: float, mass_g: float, density_g_per_ml: float) -> Deposition:
    """Return the dose of a sphere of that mass. Raises ValueError above 1 kg."""
    if mass_g > HEAVIEST_G:
        raise ValueError(
            f"mass {mass_g:.0f} g: an organ above 1 kg has no sphere. Give a table of S values "
            "with its self-dose."
        )

    def energy(mass: float) -> float:
        return float(sphere_energy(mass, density_g_ml=density_g_per_ml).total_kev)

    return Deposition(
        self_gy=self_dose_gy(tia_mbq_h, mass_g, energy_kev=energy(mass_g)),
        cross_gy=0.0,
        energy_kev=energy(mass_g),
        mass_slope=mass_slope(min(mass_g, 0.99 * HEAVIEST_G), energy=energy),
        says="sphere of its mass, self-dose alone",
    )


def in_organ(
    region: str, tia_mbq_h: float, mass_g: float, *, sources: Sequence[Source], table: SValues
) -> Deposition:
    """Return the dose of an organ by a phantom's S values: self-dose at its mass, cross dose as is.

    `sources` are all regions of the cycle that hold activity.
    """
    name = region.lower()
    terms = _cross(name, sources, table)
    cross, used = _summed(terms)

    def energy(mass: float) -> float:
        s = scaled_self_s(table.value(name, name), table.reference_mass_g(name), mass)
        return s * GY_PER_MBQ_H * mass / gray_grams(1.0)

    return Deposition(
        self_gy=self_dose_gy(tia_mbq_h, mass_g, energy_kev=energy(mass_g)),
        cross_gy=cross,
        energy_kev=energy(mass_g),
        mass_slope=mass_slope(mass_g, energy=energy),
        says=f"S values of {table.phantom} ({table.citation}); cross dose from {used}",
        cross_terms=terms,
    )


def in_marrow(
    concentration_mbq_h_per_ml: float,
    density_g_per_ml: float,
    *,
    by: Literal["blood", "image"],
    blood_ratio: float | None,
    sources: Sequence[Source],
    table: SValues | None,
) -> Deposition:
    """Return the dose of the marrow by blood or image, with the phantom's S values of red marrow.

    Raises ValueError without a table that has them.
    """
    if table is None or MARROW not in table.targets:
        raise ValueError(f"marrow needs a table of S values with the target {MARROW!r}.")
    terms = _cross(MARROW, sources, table)
    cross, used = _summed(terms)
    found = marrow_dose(
        concentration_mbq_h_per_ml,
        method=by,
        self_s_mgy_per_mbq_s=table.value(MARROW, MARROW),
        reference_mass_g=table.reference_mass_g(MARROW),
        density_g_per_ml=density_g_per_ml,
        cross_gy=cross,
        blood_ratio=blood_ratio if by == "blood" else None,
    )
    return Deposition(
        self_gy=found.self_gy,
        cross_gy=cross,
        energy_kev=math.nan,
        mass_slope=0.0,  # activity and mass of the marrow grow together
        says=f"marrow by {found.says}; {table.phantom} ({table.citation}), cross dose from {used}",
        cross_terms=terms,
    )


def _cross(target: str, sources: Sequence[Source], table: SValues) -> tuple[CrossTerm, ...]:
    """What each organ, the lesions and the remainder send to a target.

    Tables know no lesions: one sends as the organ that it lies in, and as the remainder to that
    organ itself and where it lies in none.
    """
    organs = {one.region.lower(): one.tia_mbq_h for one in sources if one.role == "organ"}
    terms = [
        _term(one, tia, table.value(target, one)) for one, tia in organs.items() if one != target
    ]
    lesions: dict[str, float] = {}
    for one in sources:
        if one.role == "lesion":
            host = (one.inside or "").lower()
            place = host if host in organs and host != target else "remainder"
            lesions[place] = lesions.get(place, 0.0) + one.tia_mbq_h
    rest = [one.tia_mbq_h for one in sources if one.role == "remainder"]
    s_of_rest = 0.0
    if rest or "remainder" in lesions:
        measured = tuple(one for one in organs if one in table.mass_g)
        s_of_rest = remainder_s(target, measured, table=table)
    if rest:
        terms.append(_term("remainder", sum(rest), s_of_rest))
    for place, tia in lesions.items():
        s = s_of_rest if place == "remainder" else table.value(target, place)
        terms.append(_term(f"lesions as {place}", tia, s))
    return tuple(terms)


def _term(source: str, tia_mbq_h: float, s_mgy_per_mbq_s: float) -> CrossTerm:
    return CrossTerm(source, tia_mbq_h, s_mgy_per_mbq_s, GY_PER_MBQ_H * s_mgy_per_mbq_s * tia_mbq_h)


def _summed(terms: tuple[CrossTerm, ...]) -> tuple[float, str]:
    names = ", ".join(sorted(one.source for one in terms)) or "none"
    return float(sum(one.dose_gy for one in terms)), names
