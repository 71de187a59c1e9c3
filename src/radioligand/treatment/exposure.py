# SPDX-License-Identifier: Apache-2.0
"""Exposure: each administration, and a subject's duration, cycles, activity and intensity."""

from typing import Literal, NamedTuple

import polars as pl

from radioligand.cdisc import Rule, find, found, imputed_date, refuse, together
from radioligand.protocol import Protocol
from radioligand.protocol.records import Arm, Treatment

ANY = "ANY TREATMENT"
RANDOMISED, CROSSOVER = "TREATMENT", "CROSSOVER"
# (kind, how many of the kind's first unit: numerator, denominator); 1 mCi is exactly 37 MBq
UNITS = {
    "GBq": ("activity", 1, 1),
    "MBq": ("activity", 1, 1000),
    "mCi": ("activity", 37, 1000),
    "Ci": ("activity", 37, 1),
    "g": ("mass", 1, 1),
    "mg": ("mass", 1, 1000),
    "ug": ("mass", 1, 1_000_000),
    "L": ("volume", 1, 1),
    "mL": ("volume", 1, 1000),
}
PARAMETERS = {
    "DOSE": "Amount given",
    "TDURW": "Duration of exposure, weeks",
    "NCYCLE": "Cycles received",
    "CUMDOSE": "Cumulative amount",
    "AVDOSE": "Amount per cycle",
    "RDI": "Relative dose intensity",
    "NINTERR": "Administrations delayed or interrupted",
    "NREDUC": "Administrations reduced",
    "RSNFEW": "Reason for fewer cycles than planned",
}
TOLERANCE = 0.10  # of the planned amount: what a radiopharmacy's filling may differ by
COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("STUDYID", "USUBJID"), pl.String()),
    "ASEQ": pl.Int64(),
    **dict.fromkeys(("TRT01P", "TRT01A", "PARAMCD"), pl.String()),
    **dict.fromkeys(("PARAM", "PARCAT1", "PARCAT2", "EPOCH"), pl.String()),
    "AVAL": pl.Float64(),
    **dict.fromkeys(("AVALC", "AVALU"), pl.String()),
    **dict.fromkeys(("ASTDT", "AENDT"), pl.Date()),
    "CYCLE": pl.Int64(),
    "PLANNED": pl.Float64(),
    "INTERVAL": pl.Int64(),
    "PLNINT": pl.Float64(),
    "PLNWIN": pl.Float64(),
    "EXADJ": pl.String(),
    "EXSEQ": pl.Int64(),
}
OPTIONAL: dict[str, pl.DataType] = {
    **dict.fromkeys(("EXDOSU", "EXENDTC", "EPOCH", "EXADJ", "VISIT"), pl.String()),
    "EXDOSE": pl.Float64(),
    "EXSEQ": pl.Int64(),
}
CYCLE = r"(?i)\bCYCLE\s*(\d+)"  # in the name of a visit
COURSE = ("USUBJID", "EPOCH", "PARCAT2")  # one treatment of one subject in one epoch


class Plan(NamedTuple):
    """What the protocol plans of one treatment in one arm."""

    arm: str
    treatment: str
    amount: float | None
    unit: str | None
    cycles: int | None
    interval_days: float | None  # from one administration to the next
    last_days: float | None  # what the last one counts for
    window_days: float


def plans(protocol: Protocol) -> tuple[Plan, ...]:
    """Return the plan of each treatment in each arm; a treatment given in phases is one plan.

    What accompanies another treatment keeps its interval. Of a treatment in two phases (with the
    cycles, then on its own) the interval between administrations is not one number, so
    `interval_days` is None; its last administration counts for the interval of its last phase.
    """
    return tuple(
        _plan(arm, name, [one for one in arm.treatments if one.name == name])
        for arm in protocol.arms
        for name in dict.fromkeys(one.name for one in arm.treatments)
    )


def _plan(arm: Arm, name: str, phases: list[Treatment]) -> Plan:
    def interval(phase: Treatment) -> float | None:
        leading = next((one for one in arm.treatments if one.name == phase.accompanies), phase)
        weeks = phase.every_weeks or leading.every_weeks
        return 7 * weeks if weeks else None

    intervals = [days for days in map(interval, phases) if days]
    return Plan(
        arm=arm.id,
        treatment=name,
        amount=next((one.amount for one in phases if one.amount), None),
        unit=next((one.unit for one in phases if one.unit), None),
        cycles=next((one.cycles for one in phases if one.cycles), None),
        interval_days=intervals[0] if len(set(intervals)) == 1 else None,
        last_days=intervals[-1] if intervals else None,
        window_days=7 * max(one.window_weeks for one in phases),
    )


PLAN: dict[str, pl.DataType] = {
    "arm": pl.String(),
    "treatment": pl.String(),
    "amount": pl.Float64(),
    "unit": pl.String(),
    "cycles": pl.Int64(),
    "interval_days": pl.Float64(),
    "last_days": pl.Float64(),
    "window_days": pl.Float64(),
}


def derive_adex(
    ex: pl.DataFrame,
    adsl: pl.DataFrame,
    *,
    protocol: Protocol,
    ds: pl.DataFrame | None = None,
    ec: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Derive ADEX: administrations (PARCAT1 "INDIVIDUAL") and a subject's sums ("OVERALL").

    PARCAT2 names the treatment, or ANY TREATMENT; EPOCH keeps randomised treatment (TREATMENT)
    apart from crossover and re-treatment. AVAL is in AVALU; amounts are converted to the unit of
    the protocol (1 mCi = 37 MBq) and never rounded. Individual rows (PARAMCD DOSE) carry CYCLE,
    PLANNED amount, INTERVAL (days since the one before) beside PLNINT and PLNWIN (planned days
    and window), and EXADJ. Overall, for each EPOCH:

    - TDURW, for any treatment and each: (last day - first day + 1) / 7, where the last
      administration counts its whole interval, but no day after death or cutoff;
    - for treatments given in cycles: NCYCLE (PLANNED: as many as planned), CUMDOSE,
      AVDOSE = CUMDOSE / NCYCLE, and RDI = (CUMDOSE / planned amount) / (time taken / planned
      time) over the cycles received, all intervals whole;
    - NINTERR, for any treatment and each: administrations that EXADJ calls delayed, held or
      interrupted, or that came later than the planned interval and its window, where the
      protocol names a window;
    - NREDUC likewise: those that EXADJ calls reduced; where a study does not collect EXADJ,
      those below 90 % of the planned amount;
    - RSNFEW (AVALC), with `ds`: why randomised treatment ended before all cycles were given.

    In arms whose activity follows dosimetry, the plan of a cycle is what was scheduled for the
    subject (`ec`, ECMOOD SCHEDULED), and the protocol's amount where nothing was.

    Doses of 0 were not given and are left out. Raises DatasetError that tells of every amount in
    a unit that cannot be converted to the protocol's.
    """
    doses = _scheduled(_doses(ex, adsl, protocol), ec, protocol)
    given = _administrations(doses)
    cycles = _cycles(given)
    changes = _changes(given, adjustments="EXADJ" in ex.columns)
    overall = [_durations(doses, adsl), cycles, changes]
    if ds is not None:
        overall.append(_reasons(cycles, ds))
    start = given.select(*COURSE, "CYCLE", "ASTDT", "INTERVAL")
    individual = doses.join(start, on=[*COURSE, "CYCLE", "ASTDT"], how="left").with_columns(
        PARAMCD=pl.lit("DOSE"), PARCAT1=pl.lit("INDIVIDUAL")
    )
    rows = [individual, *(one.with_columns(PARCAT1=pl.lit("OVERALL")) for one in overall)]
    adex = pl.concat([_shaped(one) for one in rows])
    people = adsl.select("STUDYID", "USUBJID", "TRT01P", "TRT01A")
    return (
        adex.drop("STUDYID", "TRT01P", "TRT01A")
        .join(people, on="USUBJID", how="left")
        .sort("USUBJID", "PARCAT1", "EPOCH", "PARAMCD", "PARCAT2", "ASTDT", "EXSEQ")
        .with_columns(ASEQ=pl.int_range(1, pl.len() + 1).over("USUBJID"))
        .select(*COLUMNS)
    )


def _shaped(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with all columns of ADEX, those they lack null."""
    label = pl.col("PARAMCD").replace_strict(PARAMETERS, return_dtype=pl.String)
    return rows.with_columns(PARAM=label).select(
        (pl.col(name) if name in (*rows.columns, "PARAM") else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in COLUMNS.items()
    )


# -- administrations -------------------------------------------------------------------------


def _key(name: pl.Expr) -> pl.Expr:
    """Names of treatments agree by their letters and digits."""
    return name.str.to_uppercase().str.replace_all(r"[^A-Z0-9]", "")


def _doses(ex: pl.DataFrame, adsl: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """Return the records of what was given, with the plan that applies to each."""
    rule = protocol.data.event_dates
    highest: Literal["none", "D", "M"] = "M" if rule.month else "D" if rule.day else "none"
    lacking = {
        name: pl.lit(None, kind) for name, kind in OPTIONAL.items() if name not in ex.columns
    }

    def day(column: str) -> pl.Expr:
        return imputed_date(column, highest=highest, towards=rule.day or "first").struct.field(
            "date"
        )

    crossed = {one.from_: one.to for one in protocol.crossover}
    arm = pl.coalesce("TRT01A", "TRT01P")
    planned_arm = pl.when(pl.col("EPOCH") == CROSSOVER).then(arm.replace(crossed)).otherwise(arm)
    plan = pl.DataFrame(plans(protocol), schema=PLAN, orient="row").with_columns(
        key=_key(pl.col("treatment"))
    )
    elsewhere = plan.unique("key", keep="first", maintain_order=True).drop("arm")
    doses = (
        ex.with_columns(**lacking)
        .filter((pl.col("EXDOSE") != 0).fill_null(True))
        .join(adsl.select("USUBJID", "TRT01P", "TRT01A"), on="USUBJID", how="inner")
        .with_columns(
            EPOCH=pl.col("EPOCH").fill_null(RANDOMISED),
            ASTDT=day("EXSTDTC"),
            AENDT=pl.coalesce(day("EXENDTC"), day("EXSTDTC")),
            key=_key(pl.col("EXTRT")),
        )
        .with_columns(arm=planned_arm)
    )
    own = doses.join(plan, on=["arm", "key"], how="left")
    other = doses.select("key").join(elsewhere, on="key", how="left", maintain_order="left")
    planned = own.with_columns(
        pl.coalesce(pl.col(name), other[name]).alias(name) for name in PLAN if name != "arm"
    )
    return (
        _converted(planned)
        .with_columns(
            PARCAT2=pl.coalesce("treatment", "EXTRT"),
            PLANNED=pl.col("amount"),
            PLNINT=pl.col("interval_days"),
            PLNWIN=pl.col("window_days"),
        )
        .with_columns(CYCLE=_cycle())
    )


def _scheduled(doses: pl.DataFrame, ec: pl.DataFrame | None, protocol: Protocol) -> pl.DataFrame:
    """Put what was scheduled for a subject and cycle in place of the protocol's amount."""
    asked = {"ECMOOD", "ECTRT", "ECDOSE", "ECDOSU", "VISIT"}
    if protocol.dosimetry is None or ec is None or not asked <= set(ec.columns):
        return doses
    planned = (
        ec.filter(pl.col("ECMOOD") == "SCHEDULED")
        .select(
            "USUBJID",
            key=_key(pl.col("ECTRT")),
            CYCLE=pl.col("VISIT").str.extract(CYCLE).cast(pl.Int64),
            AVALU="ECDOSU",
            SCHEDULED="ECDOSE",
        )
        .unique(["USUBJID", "key", "CYCLE"], keep="first", maintain_order=True)
    )
    on = ["USUBJID", "key", "CYCLE", "AVALU"]
    informed = pl.col("arm").is_in(protocol.dosimetry.arms) & (pl.col("EPOCH") == RANDOMISED)
    return (
        doses.join(planned, on=on, how="left", maintain_order="left")
        .with_columns(
            PLANNED=pl.when(informed).then(pl.coalesce("SCHEDULED", "PLANNED")).otherwise("PLANNED")
        )
        .drop("SCHEDULED")
    )


def _cycle() -> pl.Expr:
    """Return the number of a cycle by its visit, else by the order of days."""
    by_visit = pl.col("VISIT").str.extract(CYCLE).cast(pl.Int64)
    by_day = pl.col("ASTDT").rank("dense").over(COURSE).cast(pl.Int64)
    return (
        pl.when(pl.col("cycles").is_not_null())
        .then(pl.coalesce(by_visit, by_day))
        .otherwise(by_day)
    )


def _converted(doses: pl.DataFrame) -> pl.DataFrame:
    """Return amounts in the unit of the plan: AVAL in AVALU; refuse units that do not convert."""
    pairs = doses.select("EXDOSU", "unit").unique()
    factors = []
    for given, wanted in pairs.iter_rows():
        kind, over, under = UNITS.get(given, (given, 1, 1))
        kind_wanted, over_wanted, under_wanted = UNITS.get(wanted, (wanted, 1, 1))
        if wanted is None or given == wanted:
            factors.append((given, wanted, 1, 1))
        elif kind == kind_wanted:
            factors.append((given, wanted, over * under_wanted, under * over_wanted))
    schema = {"EXDOSU": pl.String, "unit": pl.String, "over": pl.Int64, "under": pl.Int64}
    table = pl.DataFrame(factors, schema=schema, orient="row")
    joined = doses.join(table, on=["EXDOSU", "unit"], how="left", nulls_equal=True)
    bad = joined.filter(pl.col("over").is_null() & pl.col("EXDOSE").is_not_null())
    if bad.height:
        wrong = found(
            "EX",
            "an amount is in a unit that converts to the protocol's (EXDOSU)",
            f"Known units: {', '.join(UNITS)}; activity does not convert to mass or volume.",
            broken=bad.height,
            rows=doses.height,
            examples=bad.select("USUBJID", "EXTRT", "EXDOSE", "EXDOSU").head(3).to_dicts(),
        )
        refuse(wrong)
    return joined.with_columns(
        AVAL=pl.col("EXDOSE") * pl.col("over") / pl.col("under"),
        AVALU=pl.coalesce("unit", "EXDOSU"),
    )


def _administrations(doses: pl.DataFrame) -> pl.DataFrame:
    """Return one row a cycle or day of administration, with the days since the one before."""
    adjusted = pl.col("EXADJ").str.to_uppercase()
    plan = ("PLANNED", "PLNINT", "PLNWIN", "AVALU", "cycles")
    return (
        doses.with_columns(
            late=adjusted.str.contains("DELAY|INTERRUPT|HELD"),
            reduced=adjusted.str.contains("REDUC"),
        )
        .group_by(*COURSE, "CYCLE")
        .agg(
            pl.col("ASTDT").min(),
            pl.col("AENDT").max(),
            pl.col("AVAL").sort().sum(),
            pl.col(plan).first(),
            pl.col("late", "reduced").any(),
            unknown=pl.col("AVAL").null_count(),
        )
        .sort(*COURSE, "ASTDT")
        .with_columns(
            # an amount that is not known makes the sum unknown
            AVAL=pl.when(pl.col("unknown") == 0).then("AVAL"),
            INTERVAL=pl.col("ASTDT").diff().dt.total_days().over(COURSE),
        )
    )


# -- what a subject received -----------------------------------------------------------------


def _durations(doses: pl.DataFrame, adsl: pl.DataFrame) -> pl.DataFrame:
    bounds = adsl.select("USUBJID", bound=pl.min_horizontal("DTHDT", "CUTDT"))
    last = pl.col("ASTDT") + pl.duration(days=pl.col("last_days").cast(pl.Int64) - 1)
    each = (
        doses.join(bounds, on="USUBJID", how="left")
        .with_columns(counted=pl.max_horizontal(pl.min_horizontal(last, "bound"), "AENDT"))
        .group_by(COURSE)
        .agg(ASTDT=pl.col("ASTDT").min(), AENDT=pl.col("counted").max())
    )
    whole = (
        each.group_by("USUBJID", "EPOCH")
        .agg(pl.col("ASTDT").min(), pl.col("AENDT").max())
        .with_columns(PARCAT2=pl.lit(ANY))
    )
    days = (pl.col("AENDT") - pl.col("ASTDT")).dt.total_days() + 1
    return pl.concat([each, whole.select(each.columns)]).with_columns(
        PARAMCD=pl.lit("TDURW"), AVAL=days / 7, AVALU=pl.lit("weeks")
    )


def _cycles(given: pl.DataFrame) -> pl.DataFrame:
    """Return NCYCLE, CUMDOSE, AVDOSE and RDI of what is given in cycles."""
    course = (
        given.filter(pl.col("cycles").is_not_null())
        .group_by(COURSE)
        .agg(
            pl.col("ASTDT").min(),
            pl.col("ASTDT").max().alias("last"),
            pl.col("AENDT").max(),
            n=pl.len().cast(pl.Float64),
            total=pl.when(pl.col("AVAL").is_not_null().all()).then(pl.col("AVAL").sort().sum()),
            planned=pl.when(pl.col("PLANNED").n_unique() == 1)
            .then(pl.col("PLANNED").first() * pl.len())
            .otherwise(pl.col("PLANNED").sort().sum()),
            **{name: pl.col(name).first() for name in ("PLANNED", "PLNINT", "AVALU", "cycles")},
        )
    )
    taken = (pl.col("last") - pl.col("ASTDT")).dt.total_days() + pl.col("PLNINT")
    amount = pl.col("total") / pl.col("planned")
    nothing, unit = pl.lit(None, pl.Float64), pl.col("AVALU")
    values = {
        "NCYCLE": (pl.col("n"), pl.lit("cycles"), pl.col("cycles").cast(pl.Float64)),
        "CUMDOSE": (pl.col("total"), unit, nothing),
        "AVDOSE": (pl.col("total") / pl.col("n"), unit, nothing),
        "RDI": (amount / (taken / (pl.col("PLNINT") * pl.col("n"))), pl.lit("1"), nothing),
    }
    return pl.concat(
        course.select(
            *COURSE,
            "ASTDT",
            "AENDT",
            PARAMCD=pl.lit(name),
            AVAL=value,
            AVALU=unit_of,
            PLANNED=planned,
        )
        for name, (value, unit_of, planned) in values.items()
    )


def _changes(given: pl.DataFrame, *, adjustments: bool) -> pl.DataFrame:
    """Count administrations delayed or interrupted (NINTERR) and reduced (NREDUC)."""
    has_window = pl.col("PLNWIN") > 0
    late = has_window & (pl.col("INTERVAL") > pl.col("PLNINT") + pl.col("PLNWIN"))
    low = _share_of_plan() < 1 - TOLERANCE
    lowered = pl.col("reduced") if adjustments else low
    each = given.group_by(COURSE).agg(
        NINTERR=(pl.col("late").fill_null(False) | late.fill_null(False)).sum(),
        NREDUC=lowered.fill_null(False).sum(),
    )
    whole = each.group_by("USUBJID", "EPOCH").agg(
        pl.col("NINTERR", "NREDUC").sum(), PARCAT2=pl.lit(ANY)
    )
    return (
        pl.concat([each, whole.select(each.columns)])
        .unpivot(["NINTERR", "NREDUC"], index=COURSE, variable_name="PARAMCD", value_name="AVAL")
        .with_columns(pl.col("AVAL").cast(pl.Float64), AVALU=pl.lit("administrations"))
    )


def _share_of_plan() -> pl.Expr:
    return (pl.col("AVAL") / pl.col("PLANNED")).round(9)  # 6.66 of 7.4 GBq is nine tenths


def _reasons(cycles: pl.DataFrame, ds: pl.DataFrame) -> pl.DataFrame:
    """Return why randomised treatment ended early: the last end-of-treatment record of DS."""
    few = cycles.filter(
        pl.col("PARAMCD") == "NCYCLE",
        pl.col("EPOCH") == RANDOMISED,
        pl.col("AVAL") < pl.col("PLANNED"),
    )
    if not {"DSSCAT", "DSDECOD", "DSSTDTC"} <= set(ds.columns):
        return few.clear()
    ended = (
        ds.filter(pl.col("DSSCAT") == "STUDY TREATMENT")
        .sort("USUBJID", "DSSTDTC", "DSDECOD", nulls_last=True)
        .unique("USUBJID", keep="last", maintain_order=True)
        .select("USUBJID", AVALC="DSDECOD")
    )
    return few.join(ended, on="USUBJID", how="left").with_columns(
        pl.col("AVALC").fill_null("ONGOING"),
        PARAMCD=pl.lit("RSNFEW"),
        AVAL=pl.lit(None, pl.Float64),
        AVALU=pl.lit(None, pl.String),
        PLANNED=pl.lit(None, pl.Float64),
    )


# -- exposure within the protocol ------------------------------------------------------------


def deviations(adex: pl.DataFrame, *, protocol: Protocol) -> pl.DataFrame:
    """Return where exposure left the protocol, as findings: amounts, intervals, cycles, drugs.

    Warnings all: a study may hold them. An amount may differ from the plan by 10 %; an interval
    is judged where the protocol names a window for it.
    """
    names = {plan.treatment for plan in plans(protocol)}
    individual = adex.filter(PARCAT1="INDIVIDUAL")
    shows = ("USUBJID", "EPOCH", "PARCAT2", "CYCLE")
    share = _share_of_plan()
    late = (pl.col("INTERVAL") - pl.col("PLNINT")).abs()
    judged = pl.col("PLNWIN") > 0
    rules = (
        Rule(
            holds=pl.col("PARCAT2").is_in(names),
            says="every treatment given is one of the protocol's (EXTRT)",
            shows=("USUBJID", "EPOCH", "PARCAT2"),
            mend="Name it in the protocol's arms, or correct EXTRT.",
            severity="warning",
        ),
        Rule(
            holds=share.is_between(1 - TOLERANCE, 1 + TOLERANCE).fill_null(True),
            says="an amount is within 10 % of the plan (EXDOSE)",
            shows=(*shows, "AVAL", "AVALU", "PLANNED", "EXADJ"),
            mend="A reduction is told by EXADJ; look at the others.",
            severity="warning",
        ),
        Rule(
            holds=((late <= pl.col("PLNWIN")) | ~judged).fill_null(True),
            says="an interval lies within its window (EXSTDTC)",
            shows=(*shows, "ASTDT", "INTERVAL", "PLNINT", "PLNWIN", "EXADJ"),
            mend="A delay is told by EXADJ; look at the others.",
            severity="warning",
        ),
    )
    at_most = Rule(
        holds=(pl.col("AVAL") <= pl.col("PLANNED")).fill_null(True),
        says="nobody receives more cycles than planned",
        shows=("USUBJID", "EPOCH", "PARCAT2", "AVAL", "PLANNED"),
        mend="A cycle beyond the plan belongs to re-treatment (EPOCH).",
        severity="warning",
    )
    return together(
        [
            find(individual, dataset="ADEX", rules=rules),
            find(adex.filter(PARAMCD="NCYCLE"), dataset="ADEX", rules=(at_most,)),
        ]
    )
