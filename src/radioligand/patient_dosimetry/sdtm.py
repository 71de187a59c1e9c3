# SPDX-License-Identifier: Apache-2.0
"""A study's SDTM to doses: radioactivity measurements (XA) and exposure to ADRAD.

XA is a findings domain of the sponsor's own, for SDTM has none of activity in a region: a record a
region and scan. What SDTM has no variable for are its supplemental qualifiers.
"""

from collections.abc import Mapping

import polars as pl

from radioligand.cdisc.rules import found, refuse
from radioligand.dosimetry.absorbed_dose import SValues
from radioligand.patient_dosimetry.adam import derive_adrad
from radioligand.patient_dosimetry.carried import carry_doses
from radioligand.patient_dosimetry.doses import doses_and_faults
from radioligand.patient_dosimetry.measurements import Measurements, check_measurements
from radioligand.patient_dosimetry.plans import recommended
from radioligand.patient_dosimetry.s_values import phantom_sex
from radioligand.protocol.records import Dosimetry

# column of activities.csv: variable of XA
VARIABLES = {
    "subject": "USUBJID",
    "region": "XALOC",
    "datetime": "XADTC",
    "activity": "XASTRESN",
    "unit": "XASTRESU",
    "decay_corrected_to": "XADCORR",
    "relative_error": "XAERR",
    "systematic_error": "XASYSERR",
    "volume_ml": "XAVOL",
    "volume_error": "XAVOLERR",
    "density_g_per_ml": "XADENS",
    "nuclide": "XANUCL",
    "hours": "XAHOURS",
    "inside": "XAINSIDE",
    "at_edge": "XAEDGE",
    "recovery_least_ml": "XARECMIN",
    "marrow_method": "XAMARROW",
    "camera": "XACAMERA",
    "calibration_factor": "XACALIB",
    "recovery_curve": "XARECOV",
    "source": "XAREFID",
}
LOWER = ("decay_corrected_to", "marrow_method")
INFUSIONS = (
    (pl.col("PARAMCD") == "DOSE")
    & (pl.col("PARCAT1") == "INDIVIDUAL")
    & (pl.col("EPOCH") == "TREATMENT")
    & (pl.col("AVALU") == "GBq")
)


def study_measurements(
    xa: pl.DataFrame,
    ex: pl.DataFrame,
    adex: pl.DataFrame,
    adsl: pl.DataFrame,
    *,
    dosimetry: Dosimetry,
) -> Measurements:
    """Return the scans of XA and the infusions that they follow, held against every rule.

    Infusions are those of ADEX in the treatment period, as given (EXDOSE), at the times of EX. A
    scan is placed by XADTC against EXSTDTC, or by XAHOURS. Raises DatasetError that tells of every
    broken rule, by the columns of activities.csv and administrations.csv.
    """
    site = adsl.select("USUBJID", site="SITEID") if "SITEID" in adsl.columns else None
    scans = xa.filter(pl.col("XATESTCD") == "ACTIVITY")
    if site is not None:
        scans = scans.join(site, on="USUBJID", how="left", maintain_order="left")
    activities = scans.select(
        *(
            pl.col(variable).cast(pl.String).alias(column)
            for column, variable in VARIABLES.items()
            if variable in scans.columns
        ),
        *(["site"] if site is not None else []),
        cycle=pl.col("VISIT").str.extract(r"(?i)\bCYCLE\s*(\d+)"),
        role=pl.col("XACAT").str.to_lowercase(),
    ).with_columns(pl.col(one).str.to_lowercase() for one in LOWER if VARIABLES[one] in xa.columns)
    times = ex.select("USUBJID", "EXSEQ", "EXSTDTC", "EXENDTC")
    infusions = (
        adex.filter(INFUSIONS)
        .join(scans.select("USUBJID").unique(), on="USUBJID", how="semi", maintain_order="left")
        .join(times, on=["USUBJID", "EXSEQ"], how="left", maintain_order="left")
        .group_by("USUBJID", "CYCLE", maintain_order=True)
        .agg(
            pl.col("AVAL").sum(),
            pl.col("PLANNED").first(),
            pl.col("EXSTDTC").min(),
            pl.col("EXENDTC").max(),
        )
    )
    # a date without its hour places no scan
    start = pl.when(pl.col("EXSTDTC").str.contains("T")).then("EXSTDTC")
    administrations = infusions.select(
        subject="USUBJID",
        cycle=pl.col("CYCLE").cast(pl.String),
        start=start,
        stop=pl.when(pl.col("EXENDTC").str.contains("T")).then("EXENDTC"),
        activity_mbq=(1000 * pl.col("AVAL")).cast(pl.String),
        calibrated_at=start,
        nuclide=pl.lit("Lu-177"),
        planned_gbq=pl.col("PLANNED").cast(pl.String),
    )
    return check_measurements(activities, administrations, dosimetry=dosimetry, names=("XA", "EX"))


def derive_study_adrad(
    xa: pl.DataFrame,
    ex: pl.DataFrame,
    adex: pl.DataFrame,
    adsl: pl.DataFrame,
    *,
    dosimetry: Dosimetry,
    tables: Mapping[str, SValues] | None = None,
) -> pl.DataFrame:
    """Derive ADRAD of a study: doses of every region and cycle, and activity by cycle.

    A region that cannot be dosed has its reason there, and its later sums are unknown. In the arms
    that dosimetry is for, ACTREC is what the doses before a cycle recommended for it. `tables` are
    a user's S values by SEX of ADSL: with them organs have cross dose and marrow has its dose.

    Raises DatasetError for a phantom of the other sex.
    """
    measured = study_measurements(xa, ex, adex, adsl, dosimetry=dosimetry)
    by_subject = None if tables is None else _tables_of(adsl, tables)
    doses, undosed = doses_and_faults(measured, dosimetry=dosimetry, tables=by_subject)
    informed = adsl.filter(pl.col("TRT01P").is_in(dosimetry.arms))["USUBJID"]
    return derive_adrad(
        doses,
        adsl,
        study=str(adsl["STUDYID"].first() or ""),
        measured=measured,
        undosed=undosed,
        carried=carry_doses(doses, measured.given, dosimetry=dosimetry),
        recommended=recommended(doses, measured, dosimetry=dosimetry, subjects=set(informed)),
        target=dosimetry.target,
    )


def _tables_of(adsl: pl.DataFrame, tables: Mapping[str, SValues]) -> dict[str, SValues]:
    """Each subject's S values, by its sex."""
    for sex, table in tables.items():
        if phantom_sex(table) not in (sex, None):
            says = f"S values of sex {sex} are of its phantom, and here is {table.phantom!r}"
            refuse(found("S values", says, "Name the files by the other sex in [dosimetry]."))
    sexes = adsl.select("USUBJID", "SEX").iter_rows()
    return {subject: tables[sex] for subject, sex in sexes if sex in tables}
