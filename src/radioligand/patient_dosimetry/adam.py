# SPDX-License-Identifier: Apache-2.0
"""Doses as an ADaM findings dataset (ADRAD), and what they go with: response and toxicity."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from radioligand.analysis.results import SCHEMA, Row
from radioligand.dosimetry.dose_effect import rank_correlation
from radioligand.patient_dosimetry.records import RegionDose

PARAMETERS = {
    "DOSE": ("Absorbed dose", "Gy"),
    "CUMDOSE": ("Absorbed dose, cumulative", "Gy"),
    "BED": ("Biologically effective dose", "Gy"),
    "CUMBED": ("Biologically effective dose, cumulative", "Gy"),
    "DOSEACT": ("Absorbed dose per activity", "Gy/GBq"),
}
TARGETS = "TARGET LESIONS"
RESPONSE, TOXICITY = "dose-response", "dose-toxicity"


def derive_adrad(
    doses: Sequence[RegionDose], adsl: pl.DataFrame | None = None, *, study: str = ""
) -> pl.DataFrame:
    """Return a row a subject, region, cycle and parameter; AVAL in AVALU.

    PARCAT1 is the role and XRLOC the region. Cumulative parameters sum over the cycles so far; BED
    is summed, never computed of a sum. Treatments come from `adsl`, null for subjects not in it.
    """
    rows = pl.DataFrame(
        [
            {
                "USUBJID": one.subject,
                "XRLOC": one.region,
                "PARCAT1": one.role.upper(),
                "AVISITN": one.cycle,
                "DOSE": one.dose_gy,
                "BED": one.bed_gy,
                "DOSEACT": one.gy_per_gbq,
                "AVALLO": (one.limits_gy or (None, None))[0],
                "AVALHI": (one.limits_gy or (None, None))[1],
                "METHOD": one.method,
            }
            for one in doses
            if one.dose_gy is not None
        ],
        infer_schema_length=None,
    ).sort("USUBJID", "XRLOC", "AVISITN")
    group = ["USUBJID", "XRLOC"]
    wide = rows.with_columns(
        pl.col("BED").fill_nan(None),
        CUMDOSE=pl.col("DOSE").cum_sum().over(group),
        CUMBED=pl.col("BED").fill_nan(None).cum_sum().over(group),
    )
    keys = ["USUBJID", "XRLOC", "PARCAT1", "AVISITN", "METHOD", "AVALLO", "AVALHI"]
    long = wide.unpivot(
        list(PARAMETERS), index=keys, variable_name="PARAMCD", value_name="AVAL"
    ).drop_nulls("AVAL")
    is_dose = pl.col("PARAMCD") == "DOSE"
    named = long.with_columns(
        STUDYID=pl.lit(study),
        PARAM=pl.col("PARAMCD").replace_strict({k: v[0] for k, v in PARAMETERS.items()}),
        AVALU=pl.col("PARAMCD").replace_strict({k: v[1] for k, v in PARAMETERS.items()}),
        AVISIT=pl.format("CYCLE {}", "AVISITN"),
        AVALLO=pl.when(is_dose).then("AVALLO"),
        AVALHI=pl.when(is_dose).then("AVALHI"),
    )
    if adsl is None:
        with_arm = named.with_columns(TRT01P=pl.lit(None, pl.String))
    else:
        with_arm = named.join(adsl.select("USUBJID", "TRT01P"), on="USUBJID", how="left")
    columns = (
        "STUDYID", "USUBJID", "TRT01P", "PARAMCD", "PARAM", "PARCAT1", "XRLOC", "AVISIT",
        "AVISITN", "AVAL", "AVALU", "AVALLO", "AVALHI", "METHOD",
    )  # fmt: skip
    return with_arm.select(columns).sort("USUBJID", "XRLOC", "PARAMCD", "AVISITN")


def effects(adrad: pl.DataFrame, adam: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return results rows: each subject's dose beside its effect, and their rank correlation.

    Response is the best change of the sum of diameters (ADTR, ANL02FL) against the mean of the
    target lesions' cumulative doses. Toxicity is the worst laboratory grade on treatment (ADLB)
    against the cumulative dose of each organ. Subjects without both are left out.
    """
    rows: list[Row] = []
    final = (
        adrad.filter(PARAMCD="CUMDOSE")
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
            .drop_nulls("effect")
        )
        rows += _effect(RESPONSE, TARGETS, lesions, "best change of the sum of diameters", "%")
    if "ADLB" in adam:
        grade = pl.col("ATOXGR").cast(pl.Float64, strict=False)
        worst = adam["ADLB"].filter(ONTRTFL="Y").group_by("USUBJID").agg(effect=grade.abs().max())
        organs = (
            final.filter(pl.col("PARCAT1").is_in(["ORGAN", "MARROW"]))
            .join(worst, on="USUBJID")
            .drop_nulls("effect")
        )
        for (region,), part in organs.partition_by(
            ["XRLOC"], as_dict=True, maintain_order=True
        ).items():
            rows += _effect(TOXICITY, str(region), part, "worst laboratory grade", "grade")
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _effect(
    analysis: str, region: str, frame: pl.DataFrame, effect: str, unit: str
) -> Iterator[Row]:
    """Rows of one pair: two a subject, then the correlation or why there is none."""

    def row(statistic: str, value: float | None, **more: str | None) -> Row:
        return Row(
            analysis=analysis,
            dataset="ADRAD",
            where="PARAMCD CUMDOSE, last cycle",
            population=None,
            parameter=region,
            arm=more.get("arm"),
            variable=effect,
            level=None,
            subject=more.get("subject"),
            time_days=None,
            statistic=statistic,
            value=value,
            text=more.get("text"),
            unit=more.get("unit"),
            method=more.get("method"),
        )

    for subject, arm, dose, found in frame.select(
        "USUBJID", "TRT01P", "dose", "effect"
    ).iter_rows():
        yield row("dose", dose, subject=subject, arm=arm, unit="Gy")
        yield row("effect", found, subject=subject, arm=arm, unit=unit)
    try:
        test = rank_correlation(frame["dose"], frame["effect"])
    except ValueError as error:
        yield row("not_estimated", None, text=str(error))
        return
    yield row("subjects", test.subjects)
    yield row("spearman", test.rho, method="rank correlation (Spearman)")
    yield row("spearman_p", test.p_value, method="rank correlation (Spearman), t approximation")


def adherence(given: pl.DataFrame) -> pl.DataFrame:
    """A row a cycle: what was planned and what was given, in GBq, and the difference in per cent.

    Planned is null where administrations.csv does not say it.
    """
    percent = 100 * (pl.col("injected_gbq") / pl.col("planned_gbq") - 1)
    return given.select(
        "subject", "cycle", "planned_gbq", "injected_gbq", difference_percent=percent
    )
