# SPDX-License-Identifier: Apache-2.0
"""Doses of cycles that were given and not measured, where the protocol carries them.

A sum over a course holds every cycle that was given, or it is not known.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from radioligand.dosimetry.radiobiology import bed_gy, eqd2_gy
from radioligand.patient_dosimetry.records import RegionDose
from radioligand.protocol.records import Dosimetry


def carry_doses(
    doses: Sequence[RegionDose], given: pl.DataFrame, *, dosimetry: Dosimetry
) -> tuple[RegionDose, ...]:
    """Return the dose of each region in each cycle of `given` that has none, by the policy.

    "carry" takes the Gy/GBq of the nearest measured cycle, the earlier of two, with the protocol's
    spread added to its uncertainty; `method` says so. "refuse" carries nothing.
    """
    if dosimetry.missing_cycle == "refuse":
        return ()
    by_region: dict[tuple[str, str], list[RegionDose]] = {}
    for one in doses:
        if one.dose_gy is not None:
            by_region.setdefault((one.subject, one.region), []).append(one)
    return tuple(
        carried
        for (subject, _), measured in by_region.items()
        for carried in _carried(measured, given.filter(subject=subject), dosimetry)
    )


def _carried(
    measured: Sequence[RegionDose], given: pl.DataFrame, dosimetry: Dosimetry
) -> Iterator[RegionDose]:
    cycles = [one.cycle for one in measured]
    for cycle, injected in given.sort("cycle").select("cycle", "injected_gbq").iter_rows():
        if cycle in cycles:
            continue
        nearest = min(measured, key=lambda one: (abs(one.cycle - cycle), one.cycle))
        assert nearest.dose_gy is not None
        dose = nearest.dose_gy * injected / nearest.injected_gbq
        ratio = next(
            (one.alpha_beta_gy for one in dosimetry.limits if one.region == nearest.region), None
        )
        bed = eqd2 = math.nan
        if ratio and not math.isnan(nearest.protraction):
            bed = float(bed_gy(dose, protraction=nearest.protraction, alpha_beta_gy=ratio))
            eqd2 = float(eqd2_gy(bed, alpha_beta_gy=ratio))
        spread = math.hypot(nearest.budget.fit, dosimetry.carry_spread or 0.0)
        none = np.array([])
        yield dataclasses.replace(
            nearest,
            cycle=cycle,
            injected_gbq=injected,
            time_hours=none,
            activity_mbq=none,
            entered=(),
            relative_error=none,
            method=f"dose per activity of cycle {nearest.cycle}, carried",
            dose_gy=dose,
            budget=dataclasses.replace(nearest.budget, fit=spread),
            bed_gy=bed,
            eqd2_gy=eqd2,
            warnings=(),
        )
