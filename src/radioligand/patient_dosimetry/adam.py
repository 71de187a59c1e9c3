# SPDX-License-Identifier: Apache-2.0
"""Doses as an ADaM findings dataset (ADRAD), and what they go with: response and toxicity."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from radioligand.analysis.dose_effects import effect_rows
from radioligand.analysis.results import SCHEMA, Origin, Row
from radioligand.dosimetry.course import steering_gy
from radioligand.dosimetry.uncertainty import Z95
from radioligand.patient_dosimetry.doses import Key
from radioligand.patient_dosimetry.measurements import Measurements
from radioligand.patient_dosimetry.plans import Recommendation
from radioligand.patient_dosimetry.records import RegionDose
from radioligand.protocol.records import DoseTarget

OF_REGION = {
    "DOSE": ("Absorbed dose", "Gy"),
    "CUMDOSE": ("Absorbed dose, cumulative", "Gy"),
    "BED": ("Biologically effective dose", "Gy"),
    "CUMBED": ("Biologically effective dose, cumulative", "Gy"),
    "DOSEACT": ("Absorbed dose per activity", "Gy/GBq"),
}
OF_SUBJECT = {
    "STEERDOS": ("Absorbed dose of target lesions that steers, cumulative", "Gy"),
    "ACTGIVEN": ("Activity given", "GBq"),
    "CUMACT": ("Activity given, cumulative", "GBq"),
    "ACTPLAN": ("Activity planned", "GBq"),
    "ACTREC": ("Activity recommended by the doses so far", "GBq"),
}
PARAMETERS = OF_REGION | OF_SUBJECT
TARGETS, ACTIVITY = "TARGET LESIONS", "ACTIVITY"
RESPONSE, TOXICITY = "dose-response", "dose-toxicity"
METHODS = {
    "SITEID": "site", "CAMERA": "camera", "CALFAC": "calibration_factor",
    "RECCURVE": "recovery_curve",
}  # fmt: skip
COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("STUDYID", "USUBJID"), pl.String()),
    "ASEQ": pl.Int64(),
    **dict.fromkeys(("TRT01P", "PARAMCD", "PARAM", "PARCAT1", "XRLOC", "AVISIT"), pl.String()),
    **dict.fromkeys(("AVISITN", "AVAL"), pl.Float64()),
    **dict.fromkeys(("AVALC", "AVALU"), pl.String()),
    **dict.fromkeys(("AVALLO", "AVALHI", "UOWN"), pl.Float64()),
    **dict.fromkeys(("METHOD", "REASON", *METHODS), pl.String()),
}


def derive_adrad(
    doses: Sequence[RegionDose],
    adsl: pl.DataFrame | None = None,
    *,
    study: str = "",
    measured: Measurements | None = None,
    undosed: Sequence[tuple[Key | None, str]] = (),
    carried: Sequence[RegionDose] = (),
    recommended: Sequence[Recommendation] = (),
    target: DoseTarget | None = None,
) -> pl.DataFrame:
    """Return a row a subject, region, cycle and parameter; AVAL in AVALU.

    PARCAT1 is the role and XRLOC the region; parameters of a subject (OF_SUBJECT) have TARGET
    LESIONS or ACTIVITY there. AVALLO and AVALHI are 95 % intervals of DOSE and CUMDOSE, UOWN the
    relative uncertainty that the subject does not share with others of its site.

    Cumulative parameters sum over the cycles so far; BED is summed, never computed of a sum. With
    `measured`, a cycle that was given and has no dose makes every later sum unknown, and has its
    reason in REASON. With `carried` (`carried.carry_doses`) such a cycle counts with what was
    carried: METHOD says from where, REASON why, and there is no DOSEACT of it. Treatments come
    from `adsl`, null for subjects not in it.
    """
    parts = [_of_regions(doses, carried, measured, undosed)]
    if target is not None:
        parts.append(_steering(parts[0], doses, target))
    if measured is not None:
        parts.append(_activities(measured, recommended))
    rows = pl.concat(parts, how="diagonal").with_columns(
        STUDYID=pl.lit(study),
        PARAM=pl.col("PARAMCD").replace_strict({k: v[0] for k, v in PARAMETERS.items()}),
        AVALU=pl.col("PARAMCD").replace_strict({k: v[1] for k, v in PARAMETERS.items()}),
        AVISIT=pl.format("CYCLE {}", "AVISITN"),
    )
    if adsl is not None:
        rows = rows.join(adsl.select("USUBJID", "TRT01P"), on="USUBJID", how="left")
    lacking = [pl.lit(None, kind).alias(one) for one, kind in COLUMNS.items() if one not in rows]
    return (
        rows.with_columns(lacking)
        .sort("USUBJID", "XRLOC", "PARAMCD", "AVISITN")
        .with_columns(ASEQ=pl.int_range(1, pl.len() + 1).over("USUBJID"))
        .select(pl.col(one).cast(kind) for one, kind in COLUMNS.items())
    )


def _of_regions(
    doses: Sequence[RegionDose],
    carried: Sequence[RegionDose],
    measured: Measurements | None,
    undosed: Sequence[tuple[Key | None, str]],
) -> pl.DataFrame:
    found = pl.DataFrame(
        [
            {
                "USUBJID": one.subject,
                "XRLOC": one.region,
                "PARCAT1": one.role.upper(),
                "AVISITN": one.cycle,
                "DOSE": one.dose_gy,
                "BED": one.bed_gy,
                "DOSEACT": None if is_carried else one.gy_per_gbq,
                "own": (one.dose_gy * one.budget.fit) ** 2,
                "shared": one.dose_gy * one.budget.systematic,
                "u": one.budget.total,
                "UOWN": one.budget.own,
                "METHOD": one.method,
                "carried": is_carried,
            }
            for part, is_carried in ((doses, False), (carried, True))
            for one in part
            if one.dose_gy is not None
        ],
        schema={
            "USUBJID": pl.String, "XRLOC": pl.String, "PARCAT1": pl.String, "AVISITN": pl.Int64,
            "DOSE": pl.Float64, "BED": pl.Float64, "DOSEACT": pl.Float64, "own": pl.Float64,
            "shared": pl.Float64, "u": pl.Float64, "UOWN": pl.Float64, "METHOD": pl.String,
            "carried": pl.Boolean,
        },
    ).with_columns(pl.col("BED").fill_nan(None))  # fmt: skip
    rows = found if measured is None else _every_cycle(found, measured, undosed)
    group = ["USUBJID", "XRLOC"]
    known = pl.col("DOSE").is_not_null().cum_prod().over(group).cast(pl.Boolean)
    rows = rows.sort(*group, "AVISITN").with_columns(
        pl.when(known).then(pl.col(one).cum_sum().over(group)).alias(summed)
        for one, summed in (("DOSE", "CUMDOSE"), ("BED", "CUMBED"), ("own", "o"), ("shared", "s"))
    )
    spread = {  # relative: random errors add in squares, shared ones as they are
        "DOSE": pl.col("u"),
        "CUMDOSE": (pl.col("o") + pl.col("s").pow(2)).sqrt() / pl.col("CUMDOSE"),
    }
    keys = [*group, "PARCAT1", "AVISITN", "METHOD", "UOWN", *METHODS, "REASON"]
    present = [one for one in keys if one in rows.columns]
    parts = []
    for code in OF_REGION:
        half = spread[code] * Z95 if code in spread else pl.lit(None, pl.Float64)
        part = rows.select(
            *present,
            PARAMCD=pl.lit(code),
            AVAL=pl.col(code),
            AVALLO=pl.col(code) * (-half).exp(),
            AVALHI=pl.col(code) * half.exp(),
        )
        parts.append(part if code == "DOSE" else part.filter(pl.col("AVAL").is_not_null()))
    return pl.concat(parts)


def _every_cycle(
    found: pl.DataFrame, measured: Measurements, undosed: Sequence[tuple[Key | None, str]]
) -> pl.DataFrame:
    """Add a row for each cycle that was given and has no dose, and what each site measured with."""
    scans = measured.regions.rename({"subject": "USUBJID", "region": "XRLOC", "cycle": "AVISITN"})
    regions = scans.filter(pl.col("role").is_in(["organ", "lesion", "marrow"])).select(
        "USUBJID", "XRLOC", role=pl.col("role").str.to_uppercase()
    )
    given = measured.given.select(USUBJID="subject", AVISITN="cycle")
    grid = regions.unique(maintain_order=True).join(given, on="USUBJID")
    keys = ["USUBJID", "AVISITN", "XRLOC"]
    why = pl.DataFrame(
        [(*key, fault) for key, fault in undosed if key is not None],
        schema={"USUBJID": pl.String, "AVISITN": pl.Int64, "XRLOC": pl.String, "why": pl.String},
        orient="row",
    )
    general = next((fault for key, fault in undosed if key is None), "there is no scan of it")
    used = scans.group_by(keys, maintain_order=True).agg(
        pl.col(column).drop_nulls().cast(pl.String).first().alias(name)
        for name, column in METHODS.items()
    )
    return (
        grid.join(found, on=keys, how="left")
        .join(used, on=keys, how="left")
        .join(why, on=keys, how="left")
        .with_columns(
            PARCAT1="role",
            REASON=pl.when(pl.col("carried").fill_null(True)).then(  # null: it has no dose at all
                pl.col("why").fill_null(general)
            ),
        )
    )


def _steering(
    regions: pl.DataFrame, doses: Sequence[RegionDose], target: DoseTarget
) -> pl.DataFrame:
    """The statistic over target lesions, by cycle; unknown as soon as one of them is."""
    mass = {(one.subject, one.region): one.mass_g for one in doses}
    lesions = regions.filter(PARCAT1="LESION")
    whole = (
        lesions.filter(PARAMCD="DOSE")
        .group_by("USUBJID")
        .agg(pl.col("XRLOC").n_unique().alias("lesions"))
    )
    cumulative = (
        lesions.filter(PARAMCD="CUMDOSE")
        .group_by("USUBJID", "AVISITN", maintain_order=True)
        .agg("XRLOC", "AVAL")
        .join(whole, on="USUBJID", maintain_order="left")
        .filter(pl.col("AVAL").list.len() == pl.col("lesions"))
    )
    value = [
        steering_gy(
            np.array(dose),
            np.array([mass[subject, region] for region in names]),
            steering=target.steering,
        )
        for subject, names, dose in cumulative.select("USUBJID", "XRLOC", "AVAL").iter_rows()
    ]
    return cumulative.select(
        "USUBJID",
        "AVISITN",
        XRLOC=pl.lit(TARGETS),
        PARCAT1=pl.lit("LESION"),
        PARAMCD=pl.lit("STEERDOS"),
        AVAL=pl.Series(value, dtype=pl.Float64),
        METHOD=pl.lit(target.steering),
    )


def _activities(measured: Measurements, recommended: Sequence[Recommendation]) -> pl.DataFrame:
    """What was given and planned, and what the doses recommended or why they could not."""
    given = measured.given.sort("subject", "cycle").select(
        USUBJID="subject",
        AVISITN="cycle",
        ACTGIVEN="injected_gbq",
        CUMACT=pl.col("injected_gbq").cum_sum().over("subject"),
        ACTPLAN="planned_gbq",
    )
    long = given.unpivot(
        ["ACTGIVEN", "CUMACT", "ACTPLAN"],
        index=["USUBJID", "AVISITN"], variable_name="PARAMCD", value_name="AVAL",
    ).drop_nulls("AVAL")  # fmt: skip
    told = pl.DataFrame(
        [
            (one.subject, one.cycle, "ACTREC", one.activity_gbq, one.status, one.binding, one.why)
            for one in recommended
        ],
        schema={
            "USUBJID": pl.String, "AVISITN": pl.Int64, "PARAMCD": pl.String, "AVAL": pl.Float64,
            "AVALC": pl.String, "METHOD": pl.String, "REASON": pl.String,
        },
        orient="row",
    )  # fmt: skip
    place = {"XRLOC": pl.lit(ACTIVITY), "PARCAT1": pl.lit(ACTIVITY)}
    return pl.concat([long, told], how="diagonal").with_columns(**place)


def effects(adrad: pl.DataFrame, adam: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return results rows: each subject's dose beside its effect, and their rank correlation.

    Response is the best change of the sum of diameters (ADTR, ANL02FL) against the mean of the
    target lesions' cumulative doses. Toxicity is the worst laboratory grade on treatment (ADLB)
    against the cumulative dose of each organ. Subjects without both are left out, and regions of
    which a cycle has no dose.
    """
    rows: list[Row] = []
    partly = adrad.filter(pl.col("PARAMCD") == "DOSE", pl.col("AVAL").is_null())
    final = (
        adrad.filter(PARAMCD="CUMDOSE")
        .join(partly, on=["USUBJID", "XRLOC"], how="anti", maintain_order="left")
        .sort("AVISITN")
        .group_by("USUBJID", "TRT01P", "XRLOC", "PARCAT1", maintain_order=True)
        .agg(pl.col("AVAL").last().alias("dose"))
    )
    if "ADTR" in adam:
        best = adam["ADTR"].filter(PARAMCD="SDIAM", ANL02FL="Y").select("USUBJID", effect="PCHG")
        lesions = (
            final.filter(PARCAT1="LESION")
            .group_by("USUBJID", "TRT01P", maintain_order=True)
            .agg(pl.col("dose").mean())
            .join(best.unique("USUBJID", keep="first"), on="USUBJID")
        )
        rows += effect_rows(
            _origin(RESPONSE, TARGETS), lesions.rename({"TRT01P": "arm"}),
            variable="best change of the sum of diameters", unit="%",
        )  # fmt: skip
    if "ADLB" in adam:
        grade = pl.col("ATOXGR").cast(pl.Float64, strict=False)
        worst = adam["ADLB"].filter(ONTRTFL="Y").group_by("USUBJID").agg(effect=grade.abs().max())
        organs = (
            final.filter(pl.col("PARCAT1").is_in(["ORGAN", "MARROW"]))
            .join(worst, on="USUBJID")
            .rename({"TRT01P": "arm"})
            .drop_nulls("effect")
        )
        for (region,), part in organs.partition_by(
            ["XRLOC"], as_dict=True, maintain_order=True
        ).items():
            rows += effect_rows(
                _origin(TOXICITY, str(region)), part,
                variable="worst laboratory grade", unit="grade",
            )  # fmt: skip
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _origin(analysis: str, region: str) -> Origin:
    where = "PARAMCD CUMDOSE, last cycle"
    return Origin(analysis=analysis, dataset="ADRAD", where=where, parameter=region)


def adherence(given: pl.DataFrame) -> pl.DataFrame:
    """A row a cycle: what was planned and what was given, in GBq, and the difference in per cent.

    Planned is null where administrations.csv does not say it.
    """
    percent = 100 * (pl.col("injected_gbq") / pl.col("planned_gbq") - 1)
    return given.select(
        "subject", "cycle", "planned_gbq", "injected_gbq", difference_percent=percent
    )
