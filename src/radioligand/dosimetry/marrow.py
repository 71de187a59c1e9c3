# SPDX-License-Identifier: Apache-2.0
"""Red marrow by blood or by image: two methods that differ fourfold, labelled and never mixed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from radioligand.dosimetry.absorbed_dose import GY_PER_MBQ_H

Method = Literal["blood", "image"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarrowDose:
    """Dose to the red marrow, with the method that decides how large it is."""

    method: Method
    self_gy: float
    cross_gy: float  # from organs and remainder
    says: str  # what the number rests on

    @property
    def dose_gy(self) -> float:
        return self.self_gy + self.cross_gy


def sgouros_ratio(haematocrit: float) -> float:
    """Return marrow to blood by 0.19 / (1 - haematocrit), for agents that stay outside cells."""
    if not 0.1 <= haematocrit <= 0.7:
        raise ValueError(f"haematocrit {haematocrit:g}: a fraction between 0.1 and 0.7.")
    return 0.19 / (1 - haematocrit)


def marrow_dose(
    concentration_mbq_h_per_ml: float,
    *,
    method: Method,
    self_s_mgy_per_mbq_s: float,
    reference_mass_g: float,
    density_g_per_ml: float,
    cross_gy: float,
    blood_ratio: float | None = None,
) -> MarrowDose:
    """Return the dose of marrow in which so much decays per mL.

    Parameters
    ----------
    concentration_mbq_h_per_ml : time-integrated, of blood ("blood") or of a region in the
        vertebrae or hips ("image").
    self_s_mgy_per_mbq_s, reference_mass_g : of a phantom's marrow; their product alone counts,
        since activity and mass grow together.
    density_g_per_ml : of blood or of the marrow region.
    cross_gy : dose from the other regions and the remainder; large beside the self-dose.
    blood_ratio : marrow concentration over blood's; asked of "blood", for agents differ, and
        refused of "image".

    Raises ValueError for what is missing, not positive, or of the other method.

    """
    faults = []
    if method == "blood" and not (blood_ratio or 0) > 0:
        faults.append("marrow by blood needs the ratio of marrow to blood, declared")
    if method == "image" and blood_ratio is not None:
        faults.append("marrow by image takes no ratio to blood")
    for name, value in (
        ("concentration", concentration_mbq_h_per_ml),
        ("self S value", self_s_mgy_per_mbq_s),
        ("reference mass", reference_mass_g),
        ("density", density_g_per_ml),
    ):
        if not value > 0:
            faults.append(f"{name} {value:g}: it must be positive")
    if not cross_gy >= 0:
        faults.append(f"cross dose {cross_gy:g} Gy: it cannot be negative")
    if faults:
        raise ValueError("; ".join(faults) + ".")
    per_gram = concentration_mbq_h_per_ml * (blood_ratio or 1.0) / density_g_per_ml
    told = f"ratio to blood {blood_ratio:g}" if blood_ratio else "concentration of the region"
    return MarrowDose(
        method=method,
        self_gy=GY_PER_MBQ_H * self_s_mgy_per_mbq_s * reference_mass_g * per_gram,
        cross_gy=cross_gy,
        says=f"{method}: {told}",
    )


def total_marrow_gy(cycles: Sequence[MarrowDose]) -> float:
    """Return the sum over cycles. Raises ValueError if methods are mixed."""
    methods = sorted({one.method for one in cycles})
    if len(methods) > 1:
        raise ValueError(
            f"marrow by {' and by '.join(methods)} in one total: they differ about fourfold. "
            "Use one method for all cycles."
        )
    return sum(one.dose_gy for one in cycles)
