# SPDX-License-Identifier: Apache-2.0
"""ADTR: diameters of target lesions and their sums, with baseline, nadir and best change."""

import polars as pl

from radioligand.protocol import Evaluation, Protocol
from radioligand.response.combination import PD
from radioligand.response.lesions import (
    MICRO,
    TOO_SMALL,
    imputed,
    lesions,
    of_evaluation,
    with_columns,
)
from radioligand.response.visits import blocks, of_subjects, reference_dates, visit_responses

PERPENDICULAR = ("LPERP", "SAXIS")
RESULT = ("TRORRES", "TRSTRESC", "TRSTRESN", "TRSEQ")
MEASURES = ("LDIAM", "LAXIS", *PERPENDICULAR)

ADTR = pl.Schema(
    {
        "STUDYID": pl.String,
        "USUBJID": pl.String,
        "ASEQ": pl.Int64,
        "PARAMCD": pl.String,
        "PARAM": pl.String,
        "PARCAT1": pl.String,
        "PARCAT2": pl.String,
        "PARCAT3": pl.String,
        "ADT": pl.Date,
        "ADTF": pl.String,
        "ADY": pl.Int64,
        "AVISIT": pl.String,
        "AVISITN": pl.Float64,
        "VISIT": pl.String,
        "VISITNUM": pl.Float64,
        "AVAL": pl.Float64,
        "AVALU": pl.String,
        "BASE": pl.Float64,
        "CHG": pl.Float64,
        "PCHG": pl.Float64,
        "NADIR": pl.Float64,
        "CHGNAD": pl.Float64,
        "PCHGNAD": pl.Float64,
        "ABLFL": pl.String,
        "PDFL": pl.String,
        "ANL01FL": pl.String,
        "ANL02FL": pl.String,
        "ANL03FL": pl.String,
        "ANL04FL": pl.String,
        "TRLNKID": pl.String,
        "TULOC": pl.String,
        "TULOCGR1": pl.String,
        "LSEXP": pl.String,
        "LSASS": pl.String,
        "SRCDOM": pl.String,
        "SRCVAR": pl.String,
        "SRCSEQ": pl.Int64,
    }
)


def derive_adtr(
    tr: pl.DataFrame | None, tu: pl.DataFrame | None, adsl: pl.DataFrame, *, protocol: Protocol
) -> pl.DataFrame:
    """Derive ADTR from tumour results and identifications, for each evaluation of the protocol.

    One row per subject, visit and target lesion: LDIAMn its longest, NLDIAMn its perpendicular
    diameter (n from TRLNKID); one per subject and visit: SDIAM, the sum of the diameters that
    count, short axis for lymph nodes and longest diameter for others, of the lesions assessed.
    AVAL and all changes in mm, PCHG and PCHGNAD in percent. On SDIAM rows:

    LSEXP LSASS : the lesions expected, and those assessed at this visit.
    ANL01FL : Y if all were assessed, so that the sum is complete.
    ABLFL BASE : the last complete sum on or before randomisation.
    NADIR : the smallest complete sum from baseline on, strictly before this visit.
    PDFL : Y if the overall response of the visit is progression.
    ANL02FL : Y for the best (lowest) PCHG of complete sums after baseline, up to the first
        progression and before new anticancer therapy if responses count no longer then.
    ANL03FL : Y for complete sums before the first progression; ANL04FL : for all of them, and
        for any sum of a visit with progression.
    SRCDOM SRCVAR SRCSEQ : the record of TR; for a sum, the first one of its visit.

    Without `tr` or `tu` the frame is empty. Raises DatasetError as `response.lesions.seen` does.
    """
    if tr is None or tu is None:
        return ADTR.to_frame()
    return pl.concat(
        _derived(of_subjects(tr, block), of_subjects(tu, block), block, protocol=protocol)
        for block in blocks(adsl)
    )


def _derived(
    tr: pl.DataFrame, tu: pl.DataFrame, adsl: pl.DataFrame, *, protocol: Protocol
) -> pl.DataFrame:
    frames = [
        derive(tr, tu, adsl, evaluation=evaluation, protocol=protocol)
        for evaluation in protocol.evaluations
        for derive in (_diameters, _sums)
    ]
    order = ["USUBJID", "PARAMCD", "AVISITN", "ADT", "SRCSEQ"]
    return (
        pl.concat([ADTR.to_frame().drop("STUDYID", "ASEQ"), *frames])
        .join(with_columns(adsl, ("STUDYID",)).select("STUDYID", "USUBJID"), on="USUBJID")
        .sort(order, nulls_last=True)
        .with_columns(ASEQ=pl.int_range(1, pl.len() + 1).over("USUBJID"))
        .select(ADTR.names())
        .cast(ADTR)
    )


def _diameters(
    tr: pl.DataFrame,
    tu: pl.DataFrame,
    adsl: pl.DataFrame,
    *,
    evaluation: Evaluation,
    protocol: Protocol,
) -> pl.DataFrame:
    """Return LDIAMn and NLDIAMn of one evaluation."""
    targets = lesions(tu, evaluation=evaluation).filter(pl.col("KIND") == "TARGET")
    records = with_columns(
        of_evaluation(tr, "TR", evaluation), ("TRDTC", "VISIT", "VISITNUM", "TRORRES")
    ).select("USUBJID", "TRTESTCD", "TRLNKID", "TRDTC", "VISIT", "VISITNUM", *RESULT)
    records = records.filter(pl.col("TRTESTCD").is_in(MEASURES))
    small = pl.any_horizontal(
        pl.col(text).str.to_uppercase().str.contains(TOO_SMALL, literal=True).fill_null(False)
        for text in ("TRSTRESC", "TRORRES")
    )
    number = pl.col("TRLNKID").str.extract(r"0*(\d+)\D*$").fill_null(pl.col("TRLNKID"))
    across = pl.col("TRTESTCD").is_in(PERPENDICULAR)
    code = pl.when(across).then(pl.lit("NLDIAM")).otherwise(pl.lit("LDIAM"))
    diameter = pl.when(across).then(pl.lit("Perpendicular")).otherwise(pl.lit("Diameter"))
    by = f" by {evaluation.label}" if evaluation.suffix else ""
    rows = (
        records.join(
            targets.select("USUBJID", "TULNKID", "NODE", "TULOC"),
            left_on=["USUBJID", "TRLNKID"],
            right_on=["USUBJID", "TULNKID"],
        )
        .join(reference_dates(adsl), on="USUBJID")
        .with_columns(
            imputed("TRDTC", protocol.data.lesion_dates, date="ADT", flag="ADTF").struct.unnest(),
            AVAL=pl.when(small).then(protocol.response.too_small_mm).otherwise("TRSTRESN"),
        )
        .filter((pl.col("ADT") <= pl.col("CUTDT")).fill_null(True))
    )
    measured = pl.col("AVAL").is_not_null()
    return rows.with_columns(
        PARAMCD=code + number + pl.lit(evaluation.suffix),
        PARAM=pl.format("Target Lesion {} Analysis {}{}", number, diameter, pl.lit(by)),
        BASELINE=pl.col("ADT") <= pl.col("REFDT"),
        ANL01FL=_yes(measured),
        TULOCGR1=pl.when("NODE").then(pl.lit("NODAL")).otherwise(pl.lit("NON-NODAL")),
        LSEXP="TRLNKID",
        LSASS=pl.when(measured).then("TRLNKID"),
        SRCVAR=pl.lit("TRSTRESN"),
        SRCDOM=pl.lit("TR"),
        SRCSEQ="TRSEQ",
    ).pipe(_shaped, evaluation)


def _sums(
    tr: pl.DataFrame,
    tu: pl.DataFrame,
    adsl: pl.DataFrame,
    *,
    evaluation: Evaluation,
    protocol: Protocol,
) -> pl.DataFrame:
    """Return SDIAM of one evaluation."""
    policies = protocol.response
    visits = visit_responses(
        tr, tu, adsl, evaluation=evaluation, protocol=protocol, dates=protocol.data.lesion_dates
    )
    expected = (
        lesions(tu, evaluation=evaluation)
        .filter(pl.col("KIND") == "TARGET")
        .group_by("USUBJID")
        .agg(LSEXP=pl.col("TULNKID").sort().str.join(", "))
    )
    therapy = with_columns(adsl, ("NACTDT",)).select(
        "USUBJID", NACTDT=pl.col("NACTDT").cast(pl.Date)
    )
    progressed = pl.col("OVR") == PD
    total, base, nadir = pl.col("SUM"), pl.col("BASE"), pl.col("NADIR")
    rows = (
        visits.with_columns(
            PDDT=pl.when(progressed).then("RESPDT").min().over("USUBJID"),
            ADT="TARGET_DATE",
            ADTF="TARGET_DATEF",
        )
        .filter(pl.col("ASSESSED") > 0)
        .join(expected, on="USUBJID")
        .join(therapy, on="USUBJID")
        .with_columns(
            AVAL=total / MICRO,
            CHG=(total - base) / MICRO,
            PCHG=_percent(total - base, base),
            CHGNAD=(total - nadir) / MICRO,
            PCHGNAD=_percent(total - nadir, nadir),
        )
    )
    counts = pl.col("COMPLETE") & ~pl.col("BASELINE")
    counts &= (pl.col("ADT") <= pl.col("PDDT")).fill_null(True)
    if policies.new_therapy == "not counted after":
        counts &= (pl.col("ADT") < pl.col("NACTDT")).fill_null(True)
    best = rows.filter(counts & pl.col("PCHG").is_not_null()).sort("USUBJID", "PCHG", "ADT")
    best = best.unique("USUBJID", keep="first").select("USUBJID", "NUMBER", ANL02FL=pl.lit("Y"))
    usable = pl.col("COMPLETE") | progressed.fill_null(False)
    return (
        rows.join(best, on=["USUBJID", "NUMBER"], how="left")
        .with_columns(
            PARAMCD=pl.lit(f"SDIAM{evaluation.suffix}"),
            PARAM=pl.lit(f"Target Lesions Sum of Diameters by {evaluation.label}"),
            BASE=base / MICRO,
            NADIR=nadir / MICRO,
            ABLFL=_yes(pl.col("USED")),
            PDFL=_yes(progressed),
            ANL01FL=_yes(pl.col("COMPLETE")),
            ANL03FL=_yes(usable & (pl.col("ADT") < pl.col("PDDT")).fill_null(True)),
            ANL04FL=_yes(usable),
            LSASS=pl.col("LINKS").list.sort().list.join(", "),
            SRCVAR=pl.lit("TRSTRESN"),
            SRCDOM=pl.lit("TR"),
            SRCSEQ="TARGET_SEQ",
        )
        .pipe(_shaped, evaluation)
    )


def _shaped(rows: pl.DataFrame, evaluation: Evaluation) -> pl.DataFrame:
    """Give rows the variables that all have, and null for those that they do not have."""
    day = (pl.col("ADT") - pl.col("REFDT")).dt.total_days()
    baseline = pl.col("BASELINE")
    rows = rows.with_columns(
        PARCAT1=pl.lit("Target Lesion(s)"),
        PARCAT2=pl.lit(evaluation.label),
        PARCAT3=pl.lit("RECIST 1.1"),
        AVALU=pl.lit("mm"),
        ADY=pl.when(day >= 0).then(day + 1).otherwise(day),
        AVISIT=pl.when(baseline).then(pl.lit("BASELINE")).otherwise("VISIT"),
        AVISITN=pl.when(baseline).then(0.0).otherwise(pl.col("VISITNUM").cast(pl.Float64)),
    )
    shape = pl.Schema({n: kind for n, kind in ADTR.items() if n not in ("STUDYID", "ASEQ")})
    return with_columns(rows, tuple(shape)).select(shape.names()).cast(shape)


def _percent(change: pl.Expr, of: pl.Expr) -> pl.Expr:
    return pl.when(of != 0).then(100.0 * change / of)


def _yes(condition: pl.Expr) -> pl.Expr:
    return pl.when(condition.fill_null(False)).then(pl.lit("Y"))
