# SPDX-License-Identifier: Apache-2.0
"""Every region and cycle to its dose, or every fault at once: region, cycle, rule, mend."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from radioligand.cdisc.rules import DatasetError
from radioligand.dosimetry.absorbed_dose import SValues
from radioligand.dosimetry.model_choice import FormChoice
from radioligand.dosimetry.radiobiology import bed_gy, eqd2_gy, lea_catcheside
from radioligand.dosimetry.time_activity import CurveFit
from radioligand.dosimetry.uncertainty import budget
from radioligand.patient_dosimetry.deposition import (
    Deposition,
    Source,
    in_marrow,
    in_organ,
    in_sphere,
)
from radioligand.patient_dosimetry.integrals import Integral, chosen_form, integrate
from radioligand.patient_dosimetry.measurements import Measurements
from radioligand.patient_dosimetry.records import RegionDose
from radioligand.patient_dosimetry.s_values import check_table
from radioligand.protocol.records import DoseLimit, DoseMethod, Dosimetry

Key = tuple[str, int, str]  # subject, cycle, region

SUM_DIFFERS = 0.03
DOSED = ("organ", "lesion", "marrow")


class Choice(NamedTuple):
    """How a method's form was chosen, and on how many curves."""

    form: FormChoice
    curves: int


def find_doses(
    measured: Measurements, *, dosimetry: Dosimetry, table: SValues | None = None
) -> tuple[RegionDose, ...]:
    """Return the dose of every region and cycle, sorted by subject, cycle and region.

    With a `table` of S values organs have cross doses and the phantom's self-dose at their mass;
    without, and for lesions, a region is a sphere of its mass and self-dose is all.

    Raises DatasetError that tells of every region that cannot be dosed, and before that of a table
    that does not fit the patients.
    """
    if table is not None:
        check_table(table, regions=measured.regions, given=measured.given)
    doses, undosed = doses_and_faults(measured, dosimetry=dosimetry, table=table)
    if undosed:
        told = "\n  ".join(f"{_named(key)}{fault}" for key, fault in undosed)
        regions = measured.regions.filter(pl.col("role") != "whole body")
        count = regions.select("subject", "cycle", "region").n_unique()
        raise DatasetError(
            f"activities.csv: {len(undosed)} of {count} regions have no dose.\n  {told}"
        )
    return doses


def _named(key: Key | None) -> str:
    return f"{key[0]}, cycle {key[1]}, {key[2]}: " if key else ""


def doses_and_faults(
    measured: Measurements,
    *,
    dosimetry: Dosimetry,
    table: SValues | None = None,
    tables: Mapping[str, SValues] | None = None,
) -> tuple[tuple[RegionDose, ...], tuple[tuple[Key | None, str], ...]]:
    """Return the doses that `find_doses` finds, and of each other region why it has none.

    A fault that is of a method and no single region has no key. With `tables`, by subject, each has
    the S values of its own phantom in place of `table`; a subject that has none has no organ dose.
    """
    fits: dict[tuple[str, str], CurveFit] = {}
    integrals: dict[Key, Integral] = {}
    frames = measured.regions.filter(pl.col("role") != "whole body").partition_by(
        ["subject", "cycle", "region"], as_dict=True, maintain_order=True
    )
    methods, chosen, said_of_methods = _methods(frames, measured, dosimetry)
    faults: list[tuple[Key | None, str]] = [(None, said) for said in said_of_methods]
    for (subject, cycle, region), frame in sorted(frames.items()):
        method = methods.get((region, frame["role"][0]))
        if method is None:
            continue  # no form could be chosen for it, which is told
        try:
            found = integrate(
                frame["hours"].to_numpy(),
                frame["activity_mbq"].to_numpy(),
                frame["relative_error"].to_numpy(),
                method=method,
                prior=dosimetry.prior(method.prior),
                earlier=fits.get((subject, region)),
                nuclide=measured.nuclide,
            )
        except ValueError as error:
            faults.append(((subject, cycle, region), str(error)))
            continue
        said = chosen.get((region, frame["role"][0]))
        integrals[subject, cycle, region] = found if said is None else _with_choice(found, said)
        if found.fit is not None:
            fits[subject, region] = found.fit
    sources: dict[tuple[str, int], list[Source]] = {}
    for key, found in integrals.items():
        role, inside = frames[key]["role"][0], frames[key]["inside"][0]
        if role != "marrow":  # a concentration is no source of its cycle
            own = Source(key[2], role, found.tia_mbq_h, inside)
            sources.setdefault(key[:2], []).append(own)
    doses = []
    for key, found in integrals.items():
        others = sources.get(key[:2], [])
        own_table = table if tables is None else tables.get(key[0])
        try:
            if tables is not None and own_table is None and frames[key]["role"][0] == "organ":
                raise ValueError("no table of S values is of the subject's sex.")
            doses.append(_dose(key, frames[key], found, others, dosimetry, own_table))
        except ValueError as error:
            faults.append((key, str(error)))
    return tuple(doses), tuple(faults)


def _methods(
    frames: Mapping[Any, pl.DataFrame], measured: Measurements, dosimetry: Dosimetry
) -> tuple[dict[tuple[str, str], DoseMethod], dict[tuple[str, str], Choice], list[str]]:
    """Each region's method with its form, how that was chosen, and choices that failed.

    A method with `forms` has one form for all its curves together.
    """
    methods: dict[tuple[str, str], DoseMethod] = {}
    chosen: dict[tuple[str, str], Choice] = {}
    faults: list[str] = []
    regions = dict.fromkeys((key[2], frame["role"][0]) for key, frame in frames.items())
    for place, method in enumerate(dosimetry.methods):
        own = [one for one in regions if dosimetry.method(*one) is method]
        if not method.forms or not own:
            methods |= dict.fromkeys(own, method)
            continue
        curves = [
            (
                frame["hours"].to_numpy(),
                frame["activity_mbq"].to_numpy(),
                frame["relative_error"].to_numpy(),
            )
            for key, frame in frames.items()
            if (key[2], frame["role"][0]) in own
        ]
        try:
            choice = chosen_form(curves, method=method, nuclide=measured.nuclide)
        except ValueError as error:
            faults.append(f"dosimetry.methods[{place}], {len(curves)} curves: {error}")
            continue
        fixed = method.model_copy(update={"form": choice.best})
        methods |= dict.fromkeys(own, fixed)
        chosen |= dict.fromkeys(own, Choice(choice, len(curves)))
    return methods, chosen, faults


def _with_choice(found: Integral, choice: Choice) -> Integral:
    """Say of an integral how its form was chosen; forms that were not compared are a warning."""
    among = choice.form
    if len(among.forms) > 1:
        curves = f"{choice.curves} curve{'s' if choice.curves > 1 else ''}"
        said = f", chosen over {', '.join(among.forms[1:])} by AICc "
        said += f"(weight {among.weight[0]:.2f} on {curves})"
    else:
        said = ", fixed: no other form could be compared"
    if among.refused:
        said += f"; not compared: {'; '.join(among.refused)}"
    return dataclasses.replace(
        found,
        method=found.method + said,
        warnings=(*found.warnings, *(f"form not compared: {one}" for one in among.refused)),
    )


def _dose(
    key: tuple[str, int, str],
    frame: pl.DataFrame,
    found: Integral,
    sources: Sequence[Source],
    dosimetry: Dosimetry,
    table: SValues | None,
) -> RegionDose:
    subject, cycle, region = key
    first = frame.row(0, named=True)
    method = dosimetry.method(region, first["role"])
    assert method is not None
    limit = next((one for one in dosimetry.limits if one.region == region), None)
    volume = float(frame["volume_ml"].mean() or math.nan)  # type: ignore[arg-type]
    density = first["density_g_per_ml"] or math.nan
    mass = volume * density
    injected = first["injected_mbq"] / 1e3
    left = _deposition(first, found.tia_mbq_h, mass, sources, method, table)
    parts = budget(
        found.scan_uncertainty,
        borrowed=found.borrowed_uncertainty,
        activity=float(frame["systematic_error"].max()),  # type: ignore[arg-type]
        volume=float(frame["volume_error"].max()) if left else 0.0,  # type: ignore[arg-type]
        dose_factor=method.dose_factor_error,
        mass_slope=left.mass_slope if left else -1.0,
        volume_slope=method.volume_slope,
    )
    dose = left.self_gy + left.cross_gy if left else None
    g, bed, eqd2 = _effect(dose, found, limit)
    half_life = found.curve.terminal_half_life_hours if found.curve else math.nan
    return RegionDose(
        subject=subject,
        cycle=cycle,
        region=region,
        role=first["role"],
        injected_gbq=injected,
        time_hours=frame["hours"].to_numpy(),
        activity_mbq=frame["activity_mbq"].to_numpy(),
        entered=tuple(_entered(row) for row in frame.iter_rows(named=True)),
        relative_error=frame["relative_error"].to_numpy(),
        method=found.method,
        method_source=found.source,
        curve=found.curve,
        parameters=found.parameters,
        covariance=found.fit.covariance if found.fit else np.empty((0, 0)),
        residual=found.residual,
        chi_square=found.chi_square,
        degrees_of_freedom=found.degrees_of_freedom,
        tia_mbq_h=found.tia_mbq_h,
        tail_fraction=found.tail_fraction,
        effective_half_life_hours=half_life,
        systematic_error=float(frame["systematic_error"].max()),  # type: ignore[arg-type]
        volume_ml=volume,
        volume_error=float(frame["volume_error"].max()),  # type: ignore[arg-type]
        density_g_per_ml=density,
        mass_g=mass,
        dose_method=left.says if left else "integral alone",
        energy_kev=left.energy_kev if left else math.nan,
        self_gy=left.self_gy if left else math.nan,
        cross_gy=left.cross_gy if left else 0.0,
        cross_terms=left.cross_terms if left else (),
        dose_gy=dose,
        budget=parts,
        protraction=g,
        bed_gy=bed,
        eqd2_gy=eqd2,
        plausible_gy_per_gbq=method.plausible_gy_per_gbq,
        warnings=(*found.warnings, *_warnings(dose, injected, method)),
    )


def _entered(row: Mapping[str, Any]) -> str:
    """A scan as it was entered, and what was done to it on the way to MBq."""
    told = f"{row['activity']:.6g} {row['unit']}"
    if row["unit"].endswith("/mL") and row["role"] != "marrow":
        told += f" × {row['volume_ml']:.6g} mL"
    if row["decay_corrected_to"] == "injection":
        told += ", corrected to injection"
    if row["hours_told"] is None and row["datetime"] is not None:
        told += f", at {row['datetime']:%Y-%m-%d %H:%M}"
    return told


def _deposition(
    first: Mapping[str, Any],
    tia: float,
    mass: float,
    sources: Sequence[Source],
    method: DoseMethod,
    table: SValues | None,
) -> Deposition | None:
    """What the region's integral leaves in it; None of a remainder."""
    region, role, density = (first[key] for key in ("region", "role", "density_g_per_ml"))
    if role not in DOSED:
        return None
    if role == "marrow":
        return in_marrow(
            tia,
            density,
            by=first["marrow_method"],
            blood_ratio=method.blood_ratio,
            sources=sources,
            table=table,
        )
    if role == "organ" and table is not None:
        return in_organ(region, tia, mass, sources=sources, table=table)
    return in_sphere(tia, mass, density)


def _effect(
    dose: float | None, found: Integral, limit: DoseLimit | None
) -> tuple[float, float, float]:
    """G, BED and EQD2 where the protocol gives alpha/beta and repair, else nan."""
    if dose is None or limit is None or not limit.alpha_beta_gy or not limit.repair_half_time_hours:
        return math.nan, math.nan, math.nan
    if found.curve is None:
        if limit.quantity == "bed":
            raise ValueError("a limit in BED needs a curve; trapezoids have none.")
        return math.nan, math.nan, math.nan
    g = lea_catcheside(found.curve, repair_half_time_hours=limit.repair_half_time_hours)
    bed = float(bed_gy(dose, protraction=g, alpha_beta_gy=limit.alpha_beta_gy))
    return g, bed, float(eqd2_gy(bed, alpha_beta_gy=limit.alpha_beta_gy))


def _warnings(dose: float | None, injected_gbq: float, method: DoseMethod) -> Iterator[str]:
    band = method.plausible_gy_per_gbq
    if dose is not None and band and not band[0] <= dose / injected_gbq <= band[1]:
        yield (
            f"{dose / injected_gbq:.2f} Gy/GBq lies outside {band[0]:g} to {band[1]:g}, what the "
            "protocol holds for plausible"
        )


def whole_body_warnings(doses: tuple[RegionDose, ...], measured: Measurements) -> tuple[str, ...]:
    """Cycles in which the regions' integrals and the whole body's differ by more than 3 %.

    The whole body's is by trapezoids between the scans, as is that of the regions here.
    """
    said = []
    whole = measured.regions.filter(role="whole body")
    for (subject, cycle), frame in whole.partition_by(
        ["subject", "cycle"], as_dict=True, maintain_order=True
    ).items():
        regions = measured.regions.filter(
            pl.col("subject") == subject,
            pl.col("cycle") == cycle,
            pl.col("role") != "whole body",
            pl.col("inside").is_null(),
        )
        if not regions.filter(role="remainder").height:
            continue
        summed = regions.group_by("hours", maintain_order=True).agg(pl.col("activity_mbq").sum())
        time = frame["hours"].to_numpy()
        both = [
            float(np.trapezoid(one["activity_mbq"].to_numpy(), time)) if time.size > 1 else 0.0
            for one in (summed.sort("hours"), frame.sort("hours"))
        ]
        if both[1] and abs(both[0] / both[1] - 1) > SUM_DIFFERS:
            said.append(
                f"{subject}, cycle {cycle}: regions hold {100 * (both[0] / both[1] - 1):+.0f} % of "
                "the whole body's integral between the scans"
            )
    return tuple(said)


def density_warnings(measured: Measurements) -> tuple[str, ...]:
    """Subjects whose organs and lesions all have the density of water: volumes taken for masses."""
    massive = measured.regions.filter(pl.col("role").is_in(["organ", "lesion"]))
    alike = (
        massive.group_by("subject", maintain_order=True)
        .agg(pl.col("region").n_unique(), water=(pl.col("density_g_per_ml") == 1).all())
        .filter("water")
    )
    return tuple(
        f"{subject}: all {regions} regions have 1.00 g/mL; give densities, a volume is no mass"
        for subject, regions, _ in alike.iter_rows()
    )
