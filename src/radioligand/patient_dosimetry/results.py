# SPDX-License-Identifier: Apache-2.0
"""Doses and plans as tables and as one document, with every number to repeat them by hand."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from radioligand.dosimetry.nuclide import DECAYS_PER_MBQ_H, JOULE_PER_KEV, Nuclide
from radioligand.patient_dosimetry.carried import carry_doses
from radioligand.patient_dosimetry.plans import SubjectPlan
from radioligand.patient_dosimetry.records import RegionDose
from radioligand.protocol.records import Dosimetry


def doses_frame(doses: Sequence[RegionDose]) -> pl.DataFrame:
    """A row a subject, cycle and region: doses, their parts, and how they were found."""
    return pl.DataFrame([_row(one) for one in doses], infer_schema_length=None)


def _row(one: RegionDose) -> dict[str, Any]:
    lower, upper = one.limits_gy or (math.nan, math.nan)
    return {
        "subject": one.subject,
        "cycle": one.cycle,
        "region": one.region,
        "role": one.role,
        "injected_gbq": one.injected_gbq,
        "scans": one.time_hours.size,
        "method": one.method,
        "tia_mbq_h": one.tia_mbq_h,
        "effective_half_life_hours": one.effective_half_life_hours,
        "tail_fraction": one.tail_fraction,
        "volume_ml": one.volume_ml,
        "density_g_per_ml": one.density_g_per_ml,
        "mass_g": one.mass_g,
        "dose_method": one.dose_method,
        "energy_kev": one.energy_kev,
        "self_gy": one.self_gy,
        "cross_gy": one.cross_gy,
        "dose_gy": math.nan if one.dose_gy is None else one.dose_gy,
        "dose_lower_gy": lower,
        "dose_upper_gy": upper,
        "gy_per_gbq": one.gy_per_gbq if one.gy_per_gbq is not None else math.nan,
        "u_fit": one.budget.fit,
        "u_borrowed": one.budget.borrowed,
        "u_activity": one.budget.activity,
        "u_volume": one.budget.volume,
        "u_dose_factor": one.budget.dose_factor,
        "u_total": one.budget.total,
        "protraction": one.protraction,
        "bed_gy": one.bed_gy,
        "eqd2_gy": one.eqd2_gy,
        "warnings": "; ".join(one.warnings),
    }


def cumulative_frame(
    doses: Sequence[RegionDose], given: pl.DataFrame, *, dosimetry: Dosimetry
) -> pl.DataFrame:
    """A row a subject and region: the sum of doses and of BED over the cycles that were given.

    given : `Measurements.given`; `cycles` and `injected_gbq` are of all of them.

    A cycle without dose is carried by the protocol's policy and named in `carried`; a protocol that
    refuses has it in `undosed`, and its sums are null. BED is summed by cycle, never computed of
    the summed dose.
    """
    dosed = [one for one in doses if one.dose_gy is not None]
    carried = carry_doses(dosed, given, dosimetry=dosimetry)
    frame = pl.concat(
        [
            doses_frame(part).with_columns(is_carried=pl.lit(is_carried))
            for part, is_carried in ((dosed, False), (carried, True))
            if part
        ]
    )
    courses = given.group_by("subject").agg(
        infused=pl.col("cycle").sort(), injected_gbq=pl.col("injected_gbq").sum()
    )
    summed = (
        frame.group_by("subject", "region", "role", maintain_order=True)
        .agg(
            "cycle",
            carried=pl.col("cycle").filter("is_carried"),
            dose_gy=pl.col("dose_gy").sum(),
            bed_gy=pl.col("bed_gy").sum(),
            eqd2_gy=pl.col("eqd2_gy").sum(),
        )
        .join(courses, on="subject", how="left", maintain_order="left")
        .with_columns(undosed=pl.col("infused").list.set_difference("cycle").list.sort())
    )
    known = pl.col("undosed").list.len() == 0
    return summed.select(
        "subject",
        "region",
        "role",
        pl.col("infused").list.len().alias("cycles"),
        "carried",
        "undosed",
        *(pl.when(known).then(one).alias(one) for one in ("dose_gy", "bed_gy", "eqd2_gy")),
        "injected_gbq",
    )


def results_document(
    doses: Sequence[RegionDose],
    plans: Sequence[SubjectPlan],
    *,
    given: pl.DataFrame,
    dosimetry: Dosimetry,
    nuclide: Nuclide,
    provenance: Mapping[str, object],
    warnings: Sequence[str] = (),
    sites: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything as plain values for JSON: constants, inputs' hashes, doses, plans, sites.

    `given` is `Measurements.given`; cycles without dose are treated as in `cumulative_frame`.
    `sites` is that of `sites.sites_document`; without it the key is not there.

    What is not known is null; the same inputs give the same document.
    """
    return {
        "provenance": dict(provenance),
        "constants": {
            "nuclide": nuclide.name,
            "half_life_days": nuclide.half_life_days,
            "half_life_uncertainty_days": nuclide.half_life_uncertainty_days,
            "half_life_reason": nuclide.reason or None,
            "electron_kev": nuclide.electron_kev,
            "photon_kev": nuclide.photon_kev,
            "source": nuclide.source,
            "joule_per_kev": JOULE_PER_KEV,
            "decays_per_mbq_h": DECAYS_PER_MBQ_H,
        },
        "warnings": list(warnings),
        "doses": [_detailed(one) for one in doses],
        "cumulative": [
            _plain(row) for row in cumulative_frame(doses, given, dosimetry=dosimetry).to_dicts()
        ]
        if any(one.dose_gy is not None for one in doses)
        else [],
        "plans": [_plan(one) for one in plans],
        **({"sites": _plain(sites)} if sites else {}),
    }


def _detailed(one: RegionDose) -> dict[str, Any]:
    terms = None
    if one.curve is not None:
        terms = {
            "amplitude_mbq": one.curve.amplitude_mbq,
            "rate_per_hour": one.curve.rate_per_hour,
        }
    more = {
        "time_hours": one.time_hours,
        "activity_mbq": one.activity_mbq,
        "entered": list(one.entered),
        "relative_error": one.relative_error,
        "curve": terms,
        "parameters": one.parameters,
        "covariance": one.covariance,
        "systematic_error": one.systematic_error,
        "volume_error": one.volume_error,
        "cross_terms": [term._asdict() for term in one.cross_terms],
        "residual": one.residual,
        "chi_square": one.chi_square,
        "degrees_of_freedom": one.degrees_of_freedom,
        "method_source": one.method_source or None,
        "plausible_gy_per_gbq": one.plausible_gy_per_gbq,
        "warnings": list(one.warnings),
    }
    found: dict[str, Any] = _plain(_row(one) | more)
    return found


def _plan(one: SubjectPlan) -> dict[str, Any]:
    plan = one.plan
    found: dict[str, Any] = _plain(
        {
            "subject": one.subject,
            "cycle": one.next_cycle,
            "strategy": one.strategy,
            "given_gbq": list(one.given_gbq),
            "recommended_gbq": plan.activity_gbq,
            "status": plan.status,
            "binding": plan.binding,
            "target_interval_gbq": plan.target_interval_gbq,
            "steering_gy": plan.steering_gy,
            "expected_steering_gy": plan.expected_steering_gy,
            "cycles_left": plan.cycles_left,
            "probability_of_exceeding": plan.exceeding,
            "constraints": [
                {
                    "name": each.name,
                    "kind": each.kind,
                    "activity_gbq": each.activity_gbq,
                    "quantity": each.quantity,
                    "limit_gy": each.limit_gy,
                    "accumulated_gy": each.accumulated_gy,
                    "gy_per_gbq": each.gy_per_gbq,
                    "protraction": each.protraction,
                }
                for each in plan.constraints
            ],
        }
    )
    return found


def _plain(value: Any) -> Any:
    """Arrays as lists, and what is not a number as null, all the way down."""
    if isinstance(value, Mapping):
        return {key: _plain(inside) for key, inside in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [
            _plain(inside)
            for inside in (value.tolist() if isinstance(value, np.ndarray) else value)
        ]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
