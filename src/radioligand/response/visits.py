# SPDX-License-Identifier: Apache-2.0
"""From lesions to the response of each visit: target, non-target, new, and overall."""

from collections.abc import Iterator
from fractions import Fraction

import polars as pl

from radioligand.protocol import Evaluation, Imputation, Protocol
from radioligand.protocol import Response as Policies
from radioligand.response.combination import CR, NE, NON, NONE, OVERALL_FRAME, PD, PR, SD
from radioligand.response.lesions import (
    LONGEST,
    SHORT,
    is_unscheduled,
    lesions,
    millionths,
    seen,
)

BLOCK = 20_000  # subjects that are derived together


def reference_dates(adsl: pl.DataFrame) -> pl.DataFrame:
    """Return USUBJID, REFDT and CUTDT of each subject of ADSL.

    REFDT is the day up to which an assessment is baseline: that of randomisation, or of first
    treatment for who was not randomised. CUTDT is null if the study was not cut.
    """
    have = [name for name in ("RANDDT", "TRTSDT") if name in adsl.columns]
    nothing = pl.lit(None, pl.Date)
    return adsl.select(
        "USUBJID",
        REFDT=pl.coalesce(*have, nothing),
        CUTDT=pl.col("CUTDT") if "CUTDT" in adsl.columns else nothing,
    )


def blocks(adsl: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Cut ADSL of a pooled study into blocks of subjects.

    No rule of this room looks from one subject at another, so blocks bound the memory and change
    nothing else.
    """
    yield from adsl.sort("USUBJID").iter_slices(BLOCK) if adsl.height else (adsl,)


def of_subjects(frame: pl.DataFrame, adsl: pl.DataFrame) -> pl.DataFrame:
    """Return the records of the subjects in ADSL."""
    return frame.join(adsl.select("USUBJID"), on="USUBJID", how="semi", maintain_order="left")


def visit_responses(
    tr: pl.DataFrame,
    tu: pl.DataFrame,
    adsl: pl.DataFrame,
    *,
    evaluation: Evaluation,
    protocol: Protocol,
    dates: Imputation,
) -> pl.DataFrame:
    """Return the RECIST 1.1 response of each visit of one evaluation, in order of date.

    A visit is all that was recorded under one VISITNUM; unscheduled visits are told apart by
    date. Its date is that of its first or last scan, as the protocol dates progression.

    USUBJID VISITNUM VISIT : the visit; REFDT : the subject's reference date.
    ADT : when the visit was; BASELINE : whether on or before REFDT.
    TARGETS ASSESSED LINKS : target lesions of the subject, those assessed at the visit, and which;
        COMPLETE : whether all were; TARGET_DATE TARGET_DATEF TARGET_SEQ : when they were scanned,
        which part of that date was imputed, and the first record.
    SUM BASE NADIR : in millionths of a mm. BASE is the last complete sum at baseline, which USED
        marks; NADIR the smallest complete sum from BASE on and strictly before the visit.
    TRGRESP NTGRESP NEWLES OVR : the responses; ADEQUATE : OVR says how the disease was, because
        it is progression, or evaluable and, unless the protocol asks no more, every lesion of
        baseline was assessed.
    RESPDT RESPDTF : the date of OVR, which for progression is when it was seen.
    SRCDOM SRCSEQ : a record that decided, or the first of the visit.

    Responses are null at baseline. OVR is also null for a subject without lesions at baseline
    until there is an unequivocal new one: RECIST does not say what they have.
    """
    policies = protocol.response
    known = lesions(tu, evaluation=evaluation)
    records = (
        seen(tr, tu, known, evaluation=evaluation, protocol=protocol, dates=dates)
        .join(reference_dates(adsl), on="USUBJID")
        .filter(pl.col("REFDT").is_not_null())
        .filter((pl.col("DATE") <= pl.col("CUTDT")).fill_null(True))
    )
    kinds = known.group_by("USUBJID").agg(
        TARGETS=(pl.col("KIND") == "TARGET").sum().cast(pl.Int64),
        NON_TARGETS=(pl.col("KIND") == "NON-TARGET").sum().cast(pl.Int64),
    )
    visits = (
        _gathered(records, policies)
        .join(kinds, on="USUBJID", how="left", maintain_order="left")
        .with_columns(pl.col("TARGETS", "NON_TARGETS").fill_null(0))
    )
    visits = _with_sums(visits)
    visits = visits.with_columns(
        TRGRESP=_target_response(policies),
        NTGRESP=_non_target_response(),
        NEWLES=pl.col("NEW_DATE").is_not_null(),
    )
    visits = _with_overall(visits, policies)
    return _with_dates(visits, records)


def _gathered(records: pl.DataFrame, policies: Policies) -> pl.DataFrame:
    """Gather the records of each visit: those of a lesion into one, then over the lesions."""
    keys = ["USUBJID", "VISITNUM", "VISIT", "DAY"]
    records = records.with_columns(DAY=pl.when(is_unscheduled()).then("DATE"))
    numbers = records.select(*keys, "REFDT").unique().with_row_index("NUMBER")
    records = records.join(numbers.drop("REFDT"), on=keys, nulls_equal=True)
    each = _each_lesion(records, policies)

    target, non_target = pl.col("KIND") == "TARGET", pl.col("KIND") == "NON-TARGET"
    new = (pl.col("KIND") == "NEW") & pl.col("CERTAIN")
    worse = non_target & (pl.col("STATE") == "unequivocal")
    deciding = new | worse
    each = each.with_columns(
        TARGET_SIZE=pl.when(target).then("SIZE"),
        TARGET_DISEASED=target & pl.col("DISEASED"),
        TARGET_DATE=pl.when(target).then("DATE"),
        TARGET_SEQ=pl.when(target).then("SRCSEQ"),
        NON_TARGET_STATE=pl.when(non_target).then("STATE"),
        NON_TARGET_ABSENT=non_target & (pl.col("STATE") == "absent"),
        WORSE_DATE=pl.when(worse).then("DATE"),
        NEW_DATE=pl.when(new).then("DATE"),
    )
    first = policies.progression_date == "first scan"
    findings = each.group_by("NUMBER").agg(
        pl.col("TARGET_SIZE").count().cast(pl.Int64).alias("ASSESSED"),
        pl.col("TARGET_SIZE").sum().alias("SUM"),
        pl.col("TARGET_DISEASED").any(),
        (pl.col("TARGET_DATE").min() if first else pl.col("TARGET_DATE").max()),
        pl.col("NON_TARGET_STATE").count().cast(pl.Int64).alias("NON_TARGET_ASSESSED"),
        pl.col("NON_TARGET_ABSENT").sum().cast(pl.Int64),
        pl.col("WORSE_DATE").min(),
        pl.col("NEW_DATE").min(),
        pl.col("TARGET_SEQ").min(),
        pl.col("TULNKID").filter(pl.col("TARGET_SIZE").is_not_null()).alias("LINKS"),
        pl.col("SRCDOM", "SRCSEQ").filter(deciding).first().name.prefix("DECIDING_"),
    )
    scans = records.group_by("NUMBER").agg(
        (pl.col("DATE").min() if first else pl.col("DATE").max()).alias("ADT"),
        pl.col("SRCDOM").min(),  # TR where TR speaks of the visit
        pl.coalesce(pl.when(pl.col("SRCDOM") == "TR").then("SRCSEQ").min(), pl.col("SRCSEQ").min()),
    )
    return (
        numbers.join(scans, on="NUMBER")
        .join(findings, on="NUMBER", how="left")
        .with_columns(
            pl.col("ASSESSED", "NON_TARGET_ASSESSED", "NON_TARGET_ABSENT").fill_null(0),
            pl.col("TARGET_DISEASED").fill_null(False),
            BASELINE=pl.col("ADT") <= pl.col("REFDT"),
            SRCDOM=pl.coalesce("DECIDING_SRCDOM", "SRCDOM"),
            SRCSEQ=pl.coalesce("DECIDING_SRCSEQ", "SRCSEQ"),
        )
        .sort("USUBJID", "ADT", "VISITNUM", "SRCSEQ", nulls_last=True)
    )


def _each_lesion(records: pl.DataFrame, policies: Policies) -> pl.DataFrame:
    """Return one row a visit and lesion: SIZE, DISEASED, STATE, and CERTAIN, if it is there."""
    node = pl.col("NODE")
    order = pl.when(node).then(_rank(SHORT)).otherwise(_rank(LONGEST))
    counts = order.is_not_null() | (pl.col("TEST") == "TUMSTATE") | (pl.col("KIND") == "NEW")
    normal = millionths(policies.node_normal_mm)
    each = (
        records.filter(counts)
        .sort(order, "SRCSEQ", nulls_last=True)
        .group_by("NUMBER", "USUBJID", "TULNKID", maintain_order=True)
        .agg(
            pl.col("KIND", "NODE", "DATE", "SRCDOM", "SRCSEQ").first(),
            pl.col("SIZE", "STATE").first(ignore_nulls=True),
        )
        .with_columns(
            DISEASED=pl.when(node).then(pl.col("SIZE") >= normal).otherwise(pl.col("SIZE") > 0)
        )
        .with_columns(  # a lesion whose state was not said is absent by its size, or present
            STATE=pl.col("STATE").fill_null(
                pl.when("DISEASED").then(pl.lit("present"))
                .when(~pl.col("DISEASED")).then(pl.lit("absent"))
            )
        )
    )  # fmt: skip
    certain = pl.col("STATE").is_in(["present", "unequivocal"])
    if policies.equivocal_new_lesion == "date first seen":
        # a lesion that turns out to be one was one when it was first seen
        later = pl.when(certain).then("DATE").max().over("USUBJID", "TULNKID")
        certain |= (pl.col("STATE") == "equivocal") & (pl.col("DATE") < later)
    return each.with_columns(CERTAIN=certain.fill_null(False))


def _rank(tests: dict[str, int]) -> pl.Expr:
    return pl.col("TEST").replace_strict(tests, default=None, return_dtype=pl.Int8)


def _with_sums(visits: pl.DataFrame) -> pl.DataFrame:
    """Add COMPLETE, BASE, USED and NADIR to visits in order of date."""
    subject = "USUBJID"
    complete = (pl.col("TARGETS") > 0) & (pl.col("ASSESSED") == pl.col("TARGETS"))
    return (
        visits.with_columns(
            SUM=pl.when(pl.col("ASSESSED") > 0).then("SUM"),
            COMPLETE=complete,
            ROW=pl.int_range(pl.len()),
        )
        .with_columns(
            USABLE=pl.when(pl.col("BASELINE") & pl.col("COMPLETE")).then("ROW"),
        )
        .with_columns(USED=(pl.col("ROW") == pl.col("USABLE").max().over(subject)).fill_null(False))
        .with_columns(
            BASE=pl.when("USED").then("SUM").max().over(subject),
            LOWEST=pl.when(pl.col("COMPLETE") & (pl.col("USED") | ~pl.col("BASELINE")))
            .then("SUM")
            .cum_min()
            .forward_fill()
            .shift(1)
            .over(subject),
        )
        .with_columns(NADIR=pl.col("LOWEST").first().over(subject, "ADT"))
        .drop("ROW", "USABLE", "LOWEST")
    )


def _ever_before(condition: pl.Expr) -> pl.Expr:
    """Return whether the condition was true of an earlier visit after baseline."""
    after = (condition & ~pl.col("BASELINE")).fill_null(False)
    return after.cum_max().shift(1, fill_value=False).over("USUBJID")


def _target_response(policies: Policies) -> pl.Expr:
    """Return the response of the target lesions; the first test that holds decides."""
    total, base, nadir = pl.col("SUM"), pl.col("BASE"), pl.col("NADIR")
    decrease, increase = (
        Fraction(repr(share)).limit_denominator(10**6)
        for share in (policies.response_fraction, policies.progression_fraction)
    )
    complete_response = pl.col("COMPLETE") & ~pl.col("TARGET_DISEASED")
    relapse = _ever_before(complete_response) & pl.col("TARGET_DISEASED")
    progression = (total - nadir >= millionths(policies.progression_mm)) & (
        total * increase.denominator >= nadir * (increase.denominator + increase.numerator)
    )
    partial = total * decrease.denominator <= base * (decrease.denominator - decrease.numerator)
    known = pl.col("COMPLETE") & base.is_not_null()
    sustained = _ever_before(known & partial) & policies.sustained_response
    return (
        pl.when(pl.col("TARGETS") == 0).then(pl.lit(NONE))
        .when(complete_response).then(pl.lit(CR))
        .when(relapse & (policies.response_after_complete == "recist")).then(pl.lit(PD))
        .when(progression).then(pl.lit(PD))  # also on an incomplete sum
        .when(~known).then(pl.lit(NE))
        .when(partial | sustained).then(pl.lit(PR))
        .otherwise(pl.lit(SD))
    )  # fmt: skip


def _non_target_response() -> pl.Expr:
    return (
        pl.when(pl.col("NON_TARGETS") == 0).then(pl.lit(NONE))
        .when(pl.col("WORSE_DATE").is_not_null()).then(pl.lit(PD))
        .when(pl.col("NON_TARGET_ASSESSED") < pl.col("NON_TARGETS")).then(pl.lit(NE))
        .when(pl.col("NON_TARGET_ABSENT") == pl.col("NON_TARGETS")).then(pl.lit(CR))
        .otherwise(pl.lit(NON))
    )  # fmt: skip


def _with_overall(visits: pl.DataFrame, policies: Policies) -> pl.DataFrame:
    """Join the combination table; disease in non-target lesions after overall CR is PD too."""
    components = ["TRGRESP", "NTGRESP", "NEWLES"]
    visits = visits.join(OVERALL_FRAME, on=components, how="left", maintain_order="left")
    if policies.response_after_complete == "recist":
        relapse = _ever_before(pl.col("OVR") == CR) & (pl.col("NTGRESP") == NON)
        visits = visits.with_columns(OVR=pl.when(relapse).then(pl.lit(PD)).otherwise("OVR"))
    whole = (pl.col("ASSESSED") == pl.col("TARGETS")) & (
        pl.col("NON_TARGET_ASSESSED") == pl.col("NON_TARGETS")
    )
    visits = visits.with_columns(
        pl.when(~pl.col("BASELINE")).then(name).alias(name) for name in [*components, "OVR"]
    )
    if policies.adequate_assessment == "evaluable":
        whole = pl.lit(True)
    adequate = (pl.col("OVR") == PD) | ((pl.col("OVR") != NE) & whole)
    return visits.with_columns(ADEQUATE=adequate.fill_null(False))


def _with_dates(visits: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """Date each response, progression by the earliest finding that proves it; flag the dates."""
    by_target = pl.when(pl.col("TRGRESP") == PD).then("TARGET_DATE")
    evidence = pl.min_horizontal(by_target, "WORSE_DATE", "NEW_DATE").fill_null(pl.col("ADT"))
    visits = visits.with_columns(
        RESPDT=pl.when(pl.col("OVR") == PD).then(evidence).otherwise("ADT")
    )
    flags = (  # a date collected beats the same date imputed
        records.select("USUBJID", "DATE", "FLAG")
        .sort("USUBJID", "DATE", "FLAG", nulls_last=False)
        .unique(["USUBJID", "DATE"], keep="first", maintain_order=True)
    )
    for date in ("RESPDT", "TARGET_DATE"):
        flag = flags.rename({"DATE": date, "FLAG": f"{date}F"})
        visits = visits.join(flag, on=["USUBJID", date], how="left", maintain_order="left")
    return visits
