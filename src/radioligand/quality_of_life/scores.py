# SPDX-License-Identifier: Apache-2.0
"""Scores of the EORTC questionnaires, change from baseline, and deterioration."""

import polars as pl

from radioligand.cdisc import found, refuse, together
from radioligand.protocol import Protocol
from radioligand.protocol.base import Where
from radioligand.protocol.records import QualityOfLife
from radioligand.quality_of_life.instruments import INSTRUMENTS, SCALES

SCALE_OF = {item: scale for scale, one in SCALES.items() for item in one.items}
ALL = {scale: one for scales in INSTRUMENTS.values() for scale, one in scales.items()}
INSTRUMENT_OF = {scale: name for name, scales in INSTRUMENTS.items() for scale in scales}
WORSE = {"symptom": "higher", "function": "lower", "global": "lower"}
FORM = ("USUBJID", "ADT", "VISIT")
SERIES = ("USUBJID", "PARAMCD")
DECIMALS = 9  # a change of ten points is ten points, whatever binary fractions make of it


def derive_adqs(qs: pl.DataFrame, adsl: pl.DataFrame, *, protocol: Protocol) -> pl.DataFrame:
    """Derive ADQS: one row a scale (PARAMCD) and questionnaire (PARCAT1), AVAL from 0 to 100.

    High is good for QL2 and the functions, bad for the symptoms; WORSE says "higher" or "lower".
    A scale is scored if at least half of its items are answered. ABLFL flags the last score up to
    the first dose (up to randomisation where never treated), the day itself included; BASE and
    CHG follow. ANL01FL flags scores after baseline that have a baseline. For the scales of the
    protocol, ROOM is "N" where the baseline leaves no room to deteriorate by the threshold, and
    DETERFL flags the first ANL01FL score worse than baseline by the threshold or more; with
    `confirmed`, the next such score must be as bad. AVISIT is the planned week within whose window
    the form lies (AWTARGET, AWTDIFF in days), BASELINE or UNSCHEDULED; VISIT stays as collected.

    Raises DatasetError that tells of every answer outside its range and every item answered
    twice on a form, and ValueError if the protocol has no questionnaire.
    """
    plan = protocol.quality_of_life
    if plan is None:
        raise ValueError("the protocol has no [quality_of_life]; add instrument and scales")
    wanted = {plan.instrument: plan.where} | {one.instrument: one.where for one in plan.modules}
    scores = pl.concat(
        [
            score(_items(qs, plan, instrument=name, where=where), instrument=name)
            for name, where in wanted.items()
        ]
    )
    anchor = protocol.activity(plan.activity).anchor
    people = adsl.select(
        *("STUDYID", "USUBJID", "TRT01P", "TRT01A"),
        first=pl.coalesce("TRTSDT", "RANDDT"),
        anchor=pl.coalesce(anchor, "RANDDT"),
    )
    adqs = scores.join(people, on="USUBJID", how="inner").sort(*SERIES, "ADT", "VISIT")
    adqs = _with_baseline(adqs)
    adqs = _with_deterioration(adqs, plan)
    adqs = _with_visits(adqs, protocol, plan)
    labels = {scale: one.label for scale, one in ALL.items()}
    labels |= {one.id: one.label for one in plan.scales}
    worse = {scale: WORSE[one.kind] for scale, one in ALL.items()}
    return (
        adqs.sort(*SERIES, "ADT", "VISIT")
        .with_columns(
            ASEQ=pl.int_range(1, pl.len() + 1).over("USUBJID"),
            PARCAT1=pl.col("PARAMCD").replace_strict(INSTRUMENT_OF, return_dtype=pl.String),
            WORSE=pl.col("PARAMCD").replace_strict(worse, return_dtype=pl.String),
        )
        .select(
            *("STUDYID", "USUBJID", "ASEQ", "TRT01P", "TRT01A", "PARAMCD"),
            pl.col("PARAMCD").replace_strict(labels, return_dtype=pl.String).alias("PARAM"),
            "PARCAT1",
            *("AVAL", "BASE", "CHG", "ADT", "AVISIT", "AWTARGET", "AWTDIFF", "VISIT"),
            *("NITEMS", "ABLFL", "ANL01FL", "DETERFL", "ROOM", "WORSE"),
        )
    )


# -- items and scores ------------------------------------------------------------------------


def _items(qs: pl.DataFrame, plan: QualityOfLife, *, instrument: str, where: Where) -> pl.DataFrame:
    """Return USUBJID, ADT, VISIT, item, answer; the item is the number that ends QSTESTCD."""
    ranges = {item: one.range for one in INSTRUMENTS[instrument].values() for item in one.items}
    conditions = [
        pl.col(name).is_in(list(wanted) if isinstance(wanted, tuple) else [wanted])
        for name, wanted in where.items()
    ]
    visit = pl.col("VISIT") if "VISIT" in qs.columns else pl.lit(None, pl.String)
    items = (
        qs.filter(*conditions)
        .select(
            "USUBJID",
            pl.col("QSDTC").str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).alias("ADT"),
            visit.alias("VISIT"),
            pl.col("QSTESTCD").str.extract(r"(\d{2})$").cast(pl.Int64).alias("item"),
            pl.col("QSSTRESN").cast(pl.Float64).alias("answer"),
            "QSTESTCD",
        )
        .filter(pl.col("item").is_in(list(ranges)) & pl.col("answer").is_not_null())
    )
    highest = pl.col("item").replace_strict(
        {item: span + 1 for item, span in ranges.items()},
        return_dtype=pl.Float64,
    )
    answer = pl.col("answer")
    strange = items.filter(~answer.is_between(1, highest) | (answer != answer.round()))
    twice = items.filter(pl.struct(*FORM, "item").is_duplicated())
    faults = [
        found(
            plan.dataset,
            says,
            mend,
            broken=bad.height,
            rows=items.height,
            examples=bad.select("USUBJID", "VISIT", "QSTESTCD", QSSTRESN="answer")
            .head(3)
            .to_dicts(),
        )
        for bad, says, mend in (
            (
                strange,
                "an answer is 1, 2, 3 or 4, of items 29 and 30 up to 7 (QSSTRESN)",
                "Query the form; an answer that is missing is blank.",
            ),
            (
                twice,
                "an item is answered once on a form (USUBJID, VISIT, QSDTC, QSTESTCD)",
                "Keep the answer that counts.",
            ),
        )
        if bad.height
    ]
    refuse(together(faults))
    return items.drop("QSTESTCD")


def score(items: pl.DataFrame, *, instrument: str = "EORTC QLQ-C30") -> pl.DataFrame:
    r"""Score forms: USUBJID, ADT, VISIT, PARAMCD, AVAL, NITEMS (items answered).

    With the mean m of the answers and their range r, a symptom and the global status score
    :math:`100 (m - 1) / r`, a function :math:`100 (1 - (m - 1) / r)`; null if less than half of
    the items are answered. `items` holds USUBJID, ADT, VISIT, item (its number in the
    questionnaire) and answer.
    """
    scales = INSTRUMENTS[instrument]
    scale_of = {item: scale for scale, one in scales.items() for item in one.items}
    table = pl.DataFrame(
        [(scale, one.range, len(one.items), one.kind) for scale, one in scales.items()],
        schema={"PARAMCD": pl.String, "range": pl.Float64, "of": pl.Int64, "kind": pl.String},
        orient="row",
    )
    share = (pl.col("mean") - 1) / pl.col("range")
    upright = pl.when(pl.col("kind") == "function").then(1 - share).otherwise(share)
    enough = 2 * pl.col("NITEMS") >= pl.col("of")
    return (
        items.filter(pl.col("answer").is_not_null())
        .with_columns(PARAMCD=pl.col("item").replace_strict(scale_of, return_dtype=pl.String))
        .group_by(*FORM, "PARAMCD")
        .agg(mean=pl.col("answer").mean(), NITEMS=pl.len().cast(pl.Int64))
        .join(table, on="PARAMCD", how="left")
        .select(*FORM, "PARAMCD", pl.when(enough).then(100 * upright).alias("AVAL"), "NITEMS")
    )


# -- baseline, deterioration, visits ---------------------------------------------------------


def _with_baseline(adqs: pl.DataFrame) -> pl.DataFrame:
    valid = adqs.filter(pl.col("AVAL").is_not_null(), pl.col("ADT") <= pl.col("first"))
    last = valid.unique(SERIES, keep="last", maintain_order=True).select(
        *SERIES, "ADT", "VISIT", ABLFL=pl.lit("Y"), base="AVAL"
    )
    flagged = adqs.join(
        last.drop("base"), on=[*SERIES, "ADT", "VISIT"], how="left", nulls_equal=True
    )
    after = (pl.col("ADT") > pl.col("first")).fill_null(False)
    counted = after & pl.col("AVAL").is_not_null() & pl.col("BASE").is_not_null()
    return flagged.join(
        last.select(*SERIES, BASE="base"), on=SERIES, how="left", maintain_order="left"
    ).with_columns(
        CHG=pl.when(after).then(pl.col("AVAL") - pl.col("BASE")),
        ANL01FL=pl.when(counted).then(pl.lit("Y")),
    )


def _with_deterioration(adqs: pl.DataFrame, plan: QualityOfLife) -> pl.DataFrame:
    sign = {scale.id: 1.0 if scale.worse == "higher" else -1.0 for scale in plan.scales}
    worse_by = pl.col("CHG") * pl.col("sign")
    room = pl.when(pl.col("sign") > 0).then(100 - pl.col("BASE")).otherwise(pl.col("BASE"))
    counted = (
        adqs.with_columns(
            sign=pl.col("PARAMCD").replace_strict(sign, default=None, return_dtype=pl.Float64)
        )
        .with_columns(
            ROOM=pl.when(room.round(DECIMALS) >= plan.threshold)
            .then(pl.lit("Y"))
            .when(room.is_not_null())
            .then(pl.lit("N")),
            bad=worse_by.round(DECIMALS) >= plan.threshold,
        )
        .with_columns(ROOM=pl.when(pl.col("sign").is_not_null()).then("ROOM"))
    )
    forms = counted.filter(pl.col("ANL01FL") == "Y").sort(*SERIES, "ADT", "VISIT")
    if plan.confirmed:
        stays = pl.col("bad").shift(-1).over(SERIES).fill_null(False)
        forms = forms.with_columns(bad=pl.col("bad") & stays)
    first = (
        forms.filter("bad")
        .unique(SERIES, keep="first", maintain_order=True)
        .select(*SERIES, "ADT", "VISIT", DETERFL=pl.lit("Y"))
    )
    return counted.join(first, on=[*SERIES, "ADT", "VISIT"], how="left", nulls_equal=True)


def _with_visits(adqs: pl.DataFrame, protocol: Protocol, plan: QualityOfLife) -> pl.DataFrame:
    """Add the planned week of each form: the nearest, if the form lies within its window."""
    activity = protocol.activity(plan.activity)
    day = (pl.col("ADT") - pl.col("anchor")).dt.total_days()
    adqs = adqs.with_columns(day=day).sort("day", nulls_last=True)
    latest = adqs["day"].max()
    horizon = (int(latest) if isinstance(latest, int) else 0) + 2 * activity.window_days + 366
    planned = pl.DataFrame({"AWTARGET": activity.planned_days(horizon)}, {"AWTARGET": pl.Int64})
    near = adqs.join_asof(
        planned, left_on="day", right_on="AWTARGET", strategy="nearest", coalesce=False
    )
    away = pl.col("day") - pl.col("AWTARGET")
    inside = (away.abs() <= activity.window_days) & pl.col("ABLFL").is_null()
    week = pl.format("WEEK {}", pl.col("AWTARGET") // 7)
    return near.with_columns(
        AVISIT=pl.when(pl.col("ABLFL") == "Y")
        .then(pl.lit("BASELINE"))
        .when(inside)
        .then(week)
        .otherwise(pl.lit("UNSCHEDULED")),
        AWTARGET=pl.when(inside).then("AWTARGET"),
        AWTDIFF=pl.when(inside).then(away),
    )
