# SPDX-License-Identifier: Apache-2.0
"""The patient's tables, read, held against their rules, and brought to MBq and hours."""

from dataclasses import dataclass

import polars as pl

from radioligand.cdisc.rules import check, find, found, refuse, together
from radioligand.dosimetry.nuclide import LUTETIUM_177, Nuclide, with_half_life
from radioligand.patient_dosimetry.columns import ACTIVITIES, ADMINISTRATIONS, read_columns
from radioligand.patient_dosimetry.rules import (
    CYCLE,
    ERRORS,
    GIVEN_RULES,
    INSIDE,
    KEYS,
    LEFT_OVER,
    OVER_WHOLE,
    OVERLAP,
    RULES,
    UNITS,
    decay_factor,
)
from radioligand.protocol.records import Dosimetry

HOUR = 3600e6  # microseconds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurements:
    """Activities in MBq at hours from the infusion, not corrected for decay, and what was given.

    Marrow is a concentration, in MBq/mL.

    `regions` has a row a region and scan; an organ's row is without the lesions inside it where the
    protocol subtracts them. `given` has a row a cycle with `injected_gbq` at the infusion.
    """

    regions: pl.DataFrame
    given: pl.DataFrame
    nuclide: Nuclide
    warnings: pl.DataFrame


def nuclide_of(dosimetry: Dosimetry) -> Nuclide:
    """177Lu with the half-life that the protocol asks for."""
    if dosimetry.half_life_days is None:
        return LUTETIUM_177
    return with_half_life(LUTETIUM_177, dosimetry.half_life_days, reason=dosimetry.half_life_reason)


def check_measurements(
    activities: pl.DataFrame,
    administrations: pl.DataFrame,
    *,
    dosimetry: Dosimetry,
    names: tuple[str, str] = ("activities.csv", "administrations.csv"),
) -> Measurements:
    """Read both tables of text and hold them against every rule; `names` is what they are called.

    Raises DatasetError that tells of every broken rule in both: rule, how many rows, up to three of
    them with region, cycle and value, and the mend.
    """
    nuclide = nuclide_of(dosimetry)
    of_scans, of_infusions = names
    given, given_cells = read_columns(administrations, name=of_infusions, columns=ADMINISTRATIONS)
    rows, row_cells = read_columns(activities, name=of_scans, columns=ACTIVITIES)
    given = _injected(given, nuclide)
    frame = prepared(rows, given, nuclide=nuclide)
    rules = (*RULES, INSIDE, *((OVERLAP,) if dosimetry.overlap == "refuse" else ()))
    findings = together(
        [
            given_cells,
            find(given, dataset=of_infusions, rules=GIVEN_RULES),
            row_cells,
            find(frame, dataset=of_scans, rules=rules),
            _methods_missing(frame, dosimetry, name=of_scans),
        ]
    )
    if not frame.height:
        nothing = found(of_scans, "there is a scan", "Add the measured activities.")
        findings = together([findings, nothing])
    warnings = refuse(findings)
    return Measurements(
        regions=_apart(frame, name=of_scans) if dosimetry.overlap == "subtract" else frame,
        given=given.sort(*CYCLE),
        nuclide=nuclide,
        warnings=warnings,
    )


def _injected(given: pl.DataFrame, nuclide: Nuclide) -> pl.DataFrame:
    """Add what was infused: activity less residual, decayed from its calibration."""
    waited = (pl.col("start") - pl.col("calibrated_at")).dt.total_microseconds() / HOUR
    net = pl.col("activity_mbq") - pl.col("residual_mbq").fill_null(0)
    left = net * decay_factor(waited, nuclide.half_life_hours)
    return given.with_columns(injected_mbq=left, injected_gbq=left / 1e3)


def prepared(rows: pl.DataFrame, given: pl.DataFrame, *, nuclide: Nuclide) -> pl.DataFrame:
    """Add time, activity in MBq, mass, and the totals that rules look at."""
    beside = given.unique(CYCLE, keep="first", maintain_order=True).select(
        *CYCLE, "start", "injected_mbq", pl.col("nuclide").alias("nuclide_given")
    )
    factor = pl.col("unit").replace_strict(UNITS, default=None, return_dtype=pl.Float64)
    per_volume = pl.col("unit").str.ends_with("/mL") & (pl.col("role") != "marrow")
    by_clock = (pl.col("datetime") - pl.col("start")).dt.total_microseconds() / HOUR
    decay = decay_factor(pl.col("hours"), nuclide.half_life_hours)
    frame = (
        rows.join(beside, on=CYCLE, how="left", maintain_order="left")
        .with_columns(
            hours_told=pl.col("hours"),
            hours_by_clock=by_clock,
            hours=pl.coalesce("hours", by_clock),
        )
        .with_columns(
            activity_mbq=pl.col("activity")
            * factor
            * pl.when(per_volume).then(pl.col("volume_ml")).otherwise(1.0)
            * pl.when(pl.col("decay_corrected_to") == "injection").then(decay).otherwise(1.0),
            mass_g=pl.col("volume_ml").mean().over(*KEYS) * pl.col("density_g_per_ml"),
            injected_left_mbq=pl.col("injected_mbq") * decay,
        )
    )
    return _with_totals(_with_inside(frame), nuclide).sort(*KEYS, "hours", maintain_order=True)


def _with_inside(frame: pl.DataFrame) -> pl.DataFrame:
    """Add whether the region that another lies in has a row in the same scan."""
    there = frame.select(
        "subject", "cycle", "hours", pl.col("region").alias("inside"), inside_found=pl.lit(True)
    ).unique()
    return frame.join(
        there, on=["subject", "cycle", "hours", "inside"], how="left", maintain_order="left"
    ).with_columns(pl.col("inside_found").fill_null(False))


def _with_totals(frame: pl.DataFrame, nuclide: Nuclide) -> pl.DataFrame:
    """Add a scan's sum of regions and its whole body, and whether each falls as physics demands.

    The two are held against physics apart: a whole body that was measured tells nothing of regions
    that hold more than it does. A sum of regions must fall only where it is of the whole body, that
    is, where the remainder is among them.
    """
    outer = frame.filter(pl.col("inside").is_null())
    scan = [*CYCLE, "hours"]
    kinds = {
        "regions": outer.filter(~pl.col("role").is_in(["whole body", "marrow"])),
        "body": outer.filter(role="whole body"),
    }
    for kind, rows in kinds.items():
        totals = _falling(_summed(rows), nuclide)
        renamed = totals.select(*scan, pl.exclude(scan).name.prefix(f"{kind}_"))
        frame = frame.join(renamed, on=scan, how="left", maintain_order="left")
    spread = (pl.col("regions_error_mbq").pow(2) + pl.col("body_error_mbq").pow(2)).sqrt()
    over = (OVER_WHOLE - 1) * pl.col("body_mbq") + ERRORS * spread
    return frame.with_columns(
        regions_allowed_in_body_mbq=pl.col("body_mbq") + over,
        regions_falls=pl.col("regions_falls").fill_null(True) | ~pl.col("regions_is_whole"),
        body_falls=pl.col("body_falls").fill_null(True),
    )


def _summed(rows: pl.DataFrame) -> pl.DataFrame:
    """A row a scan: activity, its standard error, and whether the remainder is in it."""
    variance = (pl.col("activity_mbq") * pl.col("relative_error")).pow(2).sum()
    return rows.group_by(*CYCLE, "hours").agg(
        mbq=pl.col("activity_mbq").sum(),
        error_mbq=variance.sqrt(),
        is_whole=(pl.col("role") == "remainder").any(),
    )


def _falling(totals: pl.DataFrame, nuclide: Nuclide) -> pl.DataFrame:
    """Add what decay leaves of the scan before, and three standard errors of both, as `allowed`."""
    totals = totals.sort(*CYCLE, "hours").with_columns(
        pl.col("mbq", "error_mbq", "hours").shift(1).over(CYCLE).name.prefix("last_")
    )
    waited = pl.col("hours") - pl.col("last_hours")
    decayed = decay_factor(waited, nuclide.half_life_hours)
    spread = (pl.col("error_mbq").pow(2) + (pl.col("last_error_mbq") * decayed).pow(2)).sqrt()
    return (
        totals.with_columns(allowed_mbq=pl.col("last_mbq") * decayed + ERRORS * spread)
        .with_columns(falls=(pl.col("mbq") <= pl.col("allowed_mbq")).fill_null(True))
        .drop("last_mbq", "last_error_mbq", "last_hours")
    )


def _methods_missing(frame: pl.DataFrame, dosimetry: Dosimetry, *, name: str) -> pl.DataFrame:
    """A finding for regions that the protocol has no method for."""
    asked = frame.filter(pl.col("role") != "whole body")
    regions = asked.select("region", "role").unique(maintain_order=True).rows()
    without = [
        {"region": region, "role": role}
        for region, role in regions
        if dosimetry.method(region, role) is None
    ]
    if not without:
        return together([])
    return found(
        name,
        "the protocol has a method for every region",
        "Add an entry of [[dosimetry.methods]] for that role.",
        broken=len(without),
        rows=len(regions),
        examples=without[:3],
    )


def _apart(frame: pl.DataFrame, *, name: str) -> pl.DataFrame:
    """Take lesions out of the organs that they lie in: activity, volume; errors add in squares.

    Raises DatasetError where nothing of an organ is left.
    """
    scan = ["subject", "cycle", "hours"]
    own = pl.col("activity_mbq") * pl.col("relative_error")
    inner = (
        frame.filter(pl.col("inside").is_not_null())
        .group_by(*scan, pl.col("inside").alias("region"))
        .agg(
            inner_mbq=pl.col("activity_mbq").sum(),
            inner_ml=pl.col("volume_ml").sum(),
            inner_error=own.pow(2).sum().sqrt(),
        )
    )
    left = pl.col("activity_mbq") - pl.col("inner_mbq").fill_null(0)
    error = (own.pow(2) + pl.col("inner_error").fill_null(0).pow(2)).sqrt()
    outer = frame.join(inner, on=[*scan, "region"], how="left", maintain_order="left").with_columns(
        activity_mbq=left,
        relative_error=error / left,
        volume_ml=pl.col("volume_ml") - pl.col("inner_ml").fill_null(0),
    )
    check(outer, dataset=name, rules=(LEFT_OVER,))
    mass = pl.col("volume_ml").mean().over(*KEYS) * pl.col("density_g_per_ml")
    return outer.with_columns(mass_g=mass).drop("inner_mbq", "inner_ml", "inner_error")
