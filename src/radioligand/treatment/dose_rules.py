# SPDX-License-Identifier: Apache-2.0
"""ADDOSE: what the protocol's dose rules decided before each dose, and whether the dose follows."""

import polars as pl

from radioligand import criteria
from radioligand.cdisc import Rule, find
from radioligand.cdisc.laboratory import worse_side
from radioligand.protocol import Protocol
from radioligand.protocol.safety_records import DoseField, DoseRule, Dosing
from radioligand.treatment.exposure import RANDOMISED, TOLERANCE

STOP, HOLD, REDUCE, FULL = "STOP", "HOLD", "REDUCE", "FULL DOSE"
UNDETERMINED = "UNDETERMINED"
ADMINISTERED, DUE = "ADMINISTERED", "DUE"
FOLLOWS, DEPARTS = "as decided", "departs"
COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("STUDYID", "USUBJID"), pl.String()),
    "ASEQ": pl.Int64(),
    **dict.fromkeys(("TRT01P", "TRT01A", "PARAMCD", "PARAM", "PARCAT1", "PARCAT2"), pl.String()),
    "CYCLE": pl.Int64(),
    "ADT": pl.Date(),
    "AVALC": pl.String(),
    **dict.fromkeys(("AVAL", "GIVEN"), pl.Float64()),
    **dict.fromkeys(("AUDIT", "RULE", "SAYS", "FIELDS", "MISSING", "ORIGIN"), pl.String()),
}
COURSE = "USUBJID"


def derive_addose(
    adex: pl.DataFrame,
    adsl: pl.DataFrame,
    adlb: pl.DataFrame | None,
    adae: pl.DataFrame | None,
    *,
    protocol: Protocol,
) -> pl.DataFrame:
    """Derive ADDOSE: one row a decision on the treatment that `protocol.dosing` is about.

    PARCAT1 ADMINISTERED: before each administration of randomised treatment after the first, on
    its day (ADT). DUE: on the planned day of one that was given later than its window. Each
    decision sees the records of the days that its fields name, the day itself included; of several
    laboratory values of one day the worse one for the patient (`cdisc.laboratory.worse_side`).

    AVALC : STOP, HOLD, REDUCE or FULL DOSE, the first of these for which a rule is met; a stop is
        for good, a reduction until a rule "resume" is met. UNDETERMINED where a rule that would
        come first is unknown: a missing value never lets a dose pass.
    AVAL GIVEN : share of the planned amount decided (null if undetermined), and given.
    AUDIT : "as decided" or "departs", by 10 % of the planned amount; null if undetermined.
    RULE SAYS ORIGIN : the rule that decided, its words, and where it comes from.
    FIELDS MISSING : the values seen, and the fields that are not known.

    Raises ValueError if the protocol has no dose rules.
    """
    plan = protocol.dosing
    if plan is None:
        raise ValueError("the protocol has no [dosing]; add its treatment, fields and rules")
    decisions = _decisions(adex, plan)
    frames = {"ADLB": adlb, "ADAE": adae}
    for field in plan.fields:
        decisions = _with_field(decisions, field, frames[field.dataset])
    decided = _decided(decisions, plan).with_columns(_seen(plan), _missing(plan))
    off = (pl.col("GIVEN") - pl.col("AVAL")).abs().round(9) > TOLERANCE
    people = adsl.select("STUDYID", "USUBJID", "TRT01P", "TRT01A")
    return (
        decided.with_columns(
            PARAMCD=pl.lit("DECISION"),
            PARAM=pl.lit("Decision by the dose rules"),
            PARCAT2=pl.lit(plan.treatment),
            ADT="day",
            AUDIT=pl.when(off).then(pl.lit(DEPARTS)).when(~off).then(pl.lit(FOLLOWS)),
        )
        .join(people, on="USUBJID", how="inner")
        .sort("USUBJID", "ADT", "PARCAT1")
        .with_columns(ASEQ=pl.int_range(1, pl.len() + 1).over("USUBJID"))
        .select(pl.col(name).cast(kind) for name, kind in COLUMNS.items())
    )


# -- the days on which a dose is decided -----------------------------------------------------


def _decisions(adex: pl.DataFrame, plan: Dosing) -> pl.DataFrame:
    """Return USUBJID, CYCLE, PARCAT1, day, `before` (last dose) and GIVEN, in order of time."""
    given = (
        adex.filter(PARAMCD="DOSE", PARCAT2=plan.treatment, EPOCH=RANDOMISED)
        .group_by("USUBJID", "CYCLE")
        .agg(
            pl.col("ASTDT").min(),
            pl.col("PLANNED", "PLNINT", "PLNWIN").first(),
            GIVEN=pl.when(pl.col("AVAL").is_not_null().all()).then(pl.col("AVAL").sort().sum()),
        )
        .sort("USUBJID", "ASTDT")
        .with_columns(
            before=pl.col("ASTDT").shift(1).over("USUBJID"),
            GIVEN=pl.col("GIVEN") / pl.col("PLANNED"),
        )
        .filter(pl.col("before").is_not_null())
        .with_columns(
            due=pl.col("before") + pl.duration(days=pl.col("PLNINT").cast(pl.Int64)),
            last=pl.col("before")
            + pl.duration(days=(pl.col("PLNINT") + pl.col("PLNWIN")).cast(pl.Int64)),
        )
    )
    late = given.filter(pl.col("ASTDT") > pl.col("last"))
    columns = ("USUBJID", "CYCLE", "PARCAT1", "day", "before", "GIVEN")
    return pl.concat(
        [
            given.with_columns(PARCAT1=pl.lit(ADMINISTERED), day="ASTDT").select(columns),
            late.with_columns(PARCAT1=pl.lit(DUE), day="due", GIVEN=pl.lit(0.0)).select(columns),
        ]
    ).sort("USUBJID", "day")


def _with_field(
    decisions: pl.DataFrame, field: DoseField, records: pl.DataFrame | None
) -> pl.DataFrame:
    """Add a field's value on each day of decision; all null without its dataset or columns.

    The last value is the worse one for the patient where a day has several, so a second sample of
    the day cannot make a dose pass that the first one held.
    """
    date = "ASTDT" if field.dataset == "ADAE" else "ADT"
    needed = {"USUBJID", date, field.value, *field.where}
    if records is None or not needed <= set(records.columns):
        return decisions.with_columns(pl.lit(None, pl.Float64).alias(field.field))
    matching = [
        pl.col(name).is_in(list(value) if isinstance(value, tuple) else [value])
        for name, value in field.where.items()
    ]
    values = records.filter(*matching).select(
        "USUBJID", found=date, value=pl.col(field.value).cast(pl.Float64, strict=False)
    )
    since = pl.col("found") > pl.col("before")
    if field.days is not None:
        since = pl.col("found") >= pl.col("day") - pl.duration(days=field.days)
    key = ["USUBJID", "day"]
    seen = (
        decisions.select(*key, "before")
        .join(values.filter(pl.col("value").is_not_null()), on="USUBJID")
        .filter(since, pl.col("found") <= pl.col("day"))
        .sort(*key, "found", "value", descending=[False, False, False, _is_bad_when_low(field)])
    )
    taken = {"last": pl.col("value").last(), "highest": pl.col("value").max()}
    taken["lowest"] = pl.col("value").min()
    one = seen.group_by(key).agg(taken[field.take].alias(field.field))
    return decisions.join(one, on=key, how="left", maintain_order="left").with_columns(
        pl.coalesce(field.field, pl.lit(field.none, pl.Float64))
    )


def _is_bad_when_low(field: DoseField) -> bool:
    test = field.where.get("PARAMCD", "")
    return worse_side(str(test[0] if isinstance(test, tuple) and test else test)) == "L"


# -- what the rules say ----------------------------------------------------------------------


def _decided(decisions: pl.DataFrame, plan: Dosing) -> pl.DataFrame:
    """Add AVALC, AVAL and the rule behind it; decisions are in the order of time."""
    told = decisions.with_columns(
        criteria.met(rule.when).alias(f"rule {rule.id}") for rule in plan.rules
    )
    told = told.with_columns(
        **{action: _any(plan, action) for action in ("stop", "hold", "reduce", "resume")}
    )
    # a stop lasts; a reduction lasts until the dose is resumed
    stopped = pl.col("stop").cast(pl.Int8).fill_null(0).cum_max().over(COURSE) == 1
    turned = (
        pl.when(pl.col("reduce").fill_null(False))
        .then(True)
        .when(pl.col("resume").fill_null(False))
        .then(False)
        .forward_fill()
        .over(COURSE)
    )
    told = told.with_columns(stopped=stopped, lowered=turned.fill_null(False))
    reduced = pl.col("lowered") | pl.when(pl.col("reduce").is_null()).then(None).otherwise(False)
    steps = ((STOP, pl.col("stopped") | pl.col("stop")), (HOLD, pl.col("hold")), (REDUCE, reduced))
    verdict = pl.lit(FULL)
    for name, holds in reversed(steps):
        unknown = pl.when(holds.is_null()).then(pl.lit(UNDETERMINED)).otherwise(verdict)
        verdict = pl.when(holds).then(pl.lit(name)).otherwise(unknown)
    told = told.with_columns(AVALC=verdict)
    shares = {STOP: 0.0, HOLD: 0.0, REDUCE: plan.reduced_fraction, FULL: 1.0}
    return told.with_columns(
        AVAL=pl.col("AVALC").replace_strict(shares, default=None, return_dtype=pl.Float64),
        RULE=_behind(plan, "id"),
        SAYS=_behind(plan, "says"),
        ORIGIN=_behind(plan, "origin"),
    )


def _rules(plan: Dosing, action: str) -> list[DoseRule]:
    return [rule for rule in plan.rules if rule.action == action]


def _any(plan: Dosing, action: str) -> pl.Expr:
    """Whether any rule of an action is met; none of no rules."""
    rules = _rules(plan, action)
    return pl.any_horizontal([f"rule {rule.id}" for rule in rules]) if rules else pl.lit(False)


def _behind(plan: Dosing, name: str) -> pl.Expr:
    """Return that attribute of the first rule that is met for the decision taken.

    Of a stop or reduction that lasts it is the rule that was met first, before.
    """
    found = pl.lit(None, pl.String)
    for action, verdict in (("stop", STOP), ("hold", HOLD), ("reduce", REDUCE)):
        met = pl.coalesce(
            pl.lit(None, pl.String),
            *(
                pl.when(pl.col(f"rule {rule.id}")).then(pl.lit(getattr(rule, name)))
                for rule in _rules(plan, action)
            ),
        )
        lasting = met if action == "hold" else met.forward_fill().over(COURSE)
        found = pl.when(pl.col("AVALC") == verdict).then(lasting).otherwise(found)
    return found


def _seen(plan: Dosing) -> pl.Expr:
    shown = [
        pl.when(pl.col(field.field).is_not_null()).then(
            pl.format("{}={}", pl.lit(field.field), pl.col(field.field).round_sig_figs(6))
        )
        for field in plan.fields
    ]
    return pl.concat_str(shown, separator="; ", ignore_nulls=True).alias("FIELDS")


def _missing(plan: Dosing) -> pl.Expr:
    absent = [
        pl.when(pl.col(field.field).is_null()).then(pl.lit(field.field)) for field in plan.fields
    ]
    return (
        pl.concat_str(absent, separator="; ", ignore_nulls=True).replace("", None).alias("MISSING")
    )


# -- the audit -------------------------------------------------------------------------------


def departures(addose: pl.DataFrame) -> pl.DataFrame:
    """Return where doses left the rules, as findings: given otherwise, put off without a rule.

    Warnings all: an investigator may have had a reason that the data do not hold.
    """
    follows = (pl.col("AUDIT") != DEPARTS).fill_null(True)
    shows = ("USUBJID", "CYCLE", "ADT", "AVALC", "GIVEN", "RULE", "FIELDS")
    given = Rule(
        holds=follows,
        says="a given dose is the one that the dose rules decided (GIVEN, AVAL)",
        shows=shows,
        mend="Look for the reason at the site; the dose is analysed as it was given.",
        severity="warning",
    )
    put_off = Rule(
        holds=follows,
        says="a dose that is put off beyond its window was held by a dose rule",
        shows=shows,
        mend="A delay may have reasons beyond toxicity; EXADJ tells them.",
        severity="warning",
    )
    known = Rule(
        holds=pl.col("AVALC") != UNDETERMINED,
        says="all that a dose rule asks for is known before the dose (MISSING)",
        shows=("USUBJID", "CYCLE", "ADT", "MISSING"),
        mend="Collect what is missing; without it the rules cannot let the dose pass.",
        severity="warning",
    )
    found = [
        find(addose.filter(PARCAT1=ADMINISTERED), dataset="ADDOSE", rules=(given, known)),
        find(addose.filter(PARCAT1=DUE), dataset="ADDOSE", rules=(put_off,)),
    ]
    return pl.concat(found)
