# SPDX-License-Identifier: Apache-2.0
"""Times to event from the protocol's event and censor sources, under its censoring conventions."""

from collections.abc import Mapping
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from radioligand.protocol import (
    Activity,
    Censoring,
    CensorSource,
    Endpoint,
    EventSource,
    Fault,
    Protocol,
    ProtocolError,
)

ADTTE = pl.Schema(
    {
        "STUDYID": pl.String,
        "USUBJID": pl.String,
        "ASEQ": pl.Int64,
        "PARAMCD": pl.String,
        "PARAM": pl.String,
        "PARCAT2": pl.String,
        "STARTDT": pl.Date,
        "ADT": pl.Date,
        "AVAL": pl.Float64,
        "AVALU": pl.String,
        "CNSR": pl.Int64,
        "EVNTDESC": pl.String,
        "CNSDTDSC": pl.String,
        "RULE": pl.String,
        "EVNTDT": pl.Date,
        "CENSDT": pl.Date,
        "GAPDAYS": pl.Int64,
        "SRCDOM": pl.String,
        "SRCVAR": pl.String,
        "SRCSEQ": pl.Int64,
    }
)

# The steps of a convention that censor: CNSR, why, and where the time ends. CNSR 0 is an event, 1
# no event, 6 and above what the protocol's censor sources declare.
# fmt: off
STEPS = {
    "no_baseline":        (4, "No adequate baseline assessment", "Start"),
    "no_post_baseline":   (5, "No adequate assessment after baseline", "Start"),
    "new_therapy":        (2, "New anticancer therapy", "Last adequate assessment before it"),
    "missed_assessments": (3, "Event after missed assessments", "Last adequate assessment"),
}
# fmt: on
SOURCE = ("DATE", "SRCDOM", "SRCVAR", "SRCSEQ")
EVER = date(9999, 12, 31)


def derive_adtte(
    adsl: pl.DataFrame,
    adrs: pl.DataFrame | None,
    adqs: pl.DataFrame | None,
    *,
    protocol: Protocol,
    cutoff: date | None = None,
    adae: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Derive ADTTE: one row a subject and endpoint of the protocol.

    The event is the earliest of the endpoint's event sources, of those on one date the first
    listed; nothing after `cutoff` counts. Without event the time ends at the latest date of its
    censor sources, of those on one date the last listed; a date in ADSL after the cutoff is taken
    as the cutoff (ADRS and ADQS are of a study cut at that date). A date before the start is the
    start. Who has no start (a duration of response without response) or neither event nor
    censoring has no row. Endpoints whose datasets are not there are left out (`unavailable`).

    STARTDT ADT : start and end. AVAL : days, ADT - STARTDT + 1 (without + 1 if the endpoint does
        not count its first day).
    CNSR : 0 for the event, otherwise why there is none: 1 no event, 2 new anticancer therapy, 3
        missed assessments, 4 no adequate baseline, 5 no assessment after it, 6 and above as the
        protocol's sources declare.
    EVNTDESC CNSDTDSC : the event, or why the time is censored and at what date.
    RULE : the convention and its step that decided, as `fda.new_therapy`; `event` or `censored`
        for an endpoint without convention.
    EVNTDT CENSDT : the date of the event, counted or not, and that at which the time is censored
        or would be without event. GAPDAYS : days from the last adequate assessment before the
        event (the start, if there is none) to the event.
    SRCDOM SRCVAR SRCSEQ : the record that gave ADT.

    A convention (`Endpoint.censoring`) asks in this order, and the first that applies decides:

    no_baseline : the baseline assessment is not adequate (BLASS N): censored at the start.
    no_post_baseline : no adequate assessment after baseline, unless death came before
        `early_death_assessments` scheduled ones were missed: censored at the start.
    new_therapy : new anticancer therapy (NACTDT) on or before the event, or at all if there is
        none: censored at the last adequate assessment before it.
    missed_assessments : so many scheduled assessments were missed between the last adequate one
        and the event (`missed_assessments`): censored at the former.
    event, censored : as without convention.

    Adequate assessments are the records OVR of the endpoint's evaluation with ANL03FL.
    """
    frames = {"ADSL": adsl, "ADRS": adrs, "ADQS": adqs, "ADAE": adae}
    left_out = unavailable(protocol, frames)
    present = {name: frame for name, frame in frames.items() if frame is not None}
    rows = [
        _endpoint(endpoint, present, protocol=protocol, cutoff=cutoff)
        for endpoint in protocol.endpoints
        if endpoint.id not in left_out
    ]
    study = pl.col("STUDYID") if "STUDYID" in adsl.columns else pl.lit(None, pl.String)
    return (
        pl.concat([ADTTE.to_frame().drop("STUDYID", "ASEQ"), *rows])
        .join(adsl.select("USUBJID", study.alias("STUDYID")), on="USUBJID")
        .sort("USUBJID", "PARAMCD")
        .with_columns(ASEQ=pl.int_range(1, pl.len() + 1).over("USUBJID"))
        .select(ADTTE.names())
    )


def unavailable(protocol: Protocol, adam: Mapping[str, pl.DataFrame | None]) -> dict[str, str]:
    """Return the endpoints that cannot be derived from these datasets, and why."""
    missing = {}
    for endpoint in protocol.endpoints:
        sources: list[EventSource | CensorSource] = [endpoint.start]
        sources += [*endpoint.events, *endpoint.censors]
        absent = sorted({one.dataset for one in sources if adam.get(one.dataset) is None})
        adrs = adam.get("ADRS")
        if absent:
            missing[endpoint.id] = f"{' and '.join(absent)} could not be derived"
        elif endpoint.evaluation and adrs is not None:
            evaluation = protocol.evaluation(endpoint.evaluation)
            if f"LSTA{evaluation.suffix}" not in adrs["PARAMCD"].unique():
                missing[endpoint.id] = f"ADRS holds no responses by {evaluation.label}"
    return missing


def missed_assessments(
    last: ArrayLike, event: ArrayLike, *, planned: ArrayLike, window_days: int
) -> NDArray[np.int64]:
    """Count the scheduled assessments that were missed between two days.

    last, event : (n,) days of the last adequate assessment and of the event.
    planned : (m,) planned days of the schedule, ascending, all counted from the same anchor.
    window_days : an assessment may be so many days early or late.

    A scheduled assessment on day p was missed if its whole window lies between the two:
    last < p - window and p + window < event. So the schedule may change over time, and neither
    an assessment late for p nor an event within the window of p makes p missed.
    """
    plan = np.asarray(planned)
    begun = np.searchsorted(plan, np.asarray(last) + window_days, side="right")
    over = np.searchsorted(plan, np.asarray(event) - window_days, side="left")
    missed: NDArray[np.int64] = np.maximum(over - begun, 0)
    return missed


def _endpoint(
    endpoint: Endpoint,
    frames: Mapping[str, pl.DataFrame],
    *,
    protocol: Protocol,
    cutoff: date | None,
) -> pl.DataFrame:
    """Return the rows of one endpoint."""
    subjects = frames["ADSL"]
    if endpoint.population:
        subjects = subjects.filter(pl.col(protocol.population(endpoint.population).flag) == "Y")
    start = _records(endpoint.start, frames, cutoff=cutoff).unique(
        "USUBJID", keep="first", maintain_order=True
    )
    times = (
        subjects.select("USUBJID")
        .join(_prefixed(start, "START_"), on="USUBJID")
        .join(_first_event(endpoint, frames, cutoff), on="USUBJID", how="left")
        .join(_last_censoring(endpoint, frames, cutoff), on="USUBJID", how="left")
    )
    if endpoint.censoring:
        convention = next(one for one in protocol.censoring if one.id == endpoint.censoring)
        times = _by_convention(
            times, endpoint, convention, frames, protocol=protocol, cutoff=cutoff
        )
    else:
        times = times.with_columns(
            STEP=pl.when(_has_event()).then(pl.lit("event")).otherwise(pl.lit("censored")),
            GAPDAYS=pl.lit(None, pl.Int64),
            CENSDT="CENSOR_DATE",
            **{f"LAST_{name}": f"START_{name}" for name in SOURCE},
        )
    return _ended(times, endpoint, protocol=protocol)


def _has_event() -> pl.Expr:
    return pl.col("EVENT_DATE").is_not_null()


def _prefixed(records: pl.DataFrame, prefix: str) -> pl.DataFrame:
    return records.rename({n: f"{prefix}{n}" for n in records.columns if n != "USUBJID"})


def _records(
    source: EventSource | CensorSource, frames: Mapping[str, pl.DataFrame], *, cutoff: date | None
) -> pl.DataFrame:
    """Return the dated records of a source in order of date: USUBJID and SOURCE."""
    frame = frames[source.dataset]
    for name, value in source.where.items():
        frame = frame.filter(
            pl.col(name).is_in(list(value) if isinstance(value, tuple) else [value])
        )
    sequence = next((name for name in ("ASEQ", "AESEQ") if name in frame.columns), None)
    dated = frame.select(
        "USUBJID",
        DATE=pl.col(source.date).cast(pl.Date),
        SRCDOM=pl.lit(source.dataset),
        SRCVAR=pl.lit(source.date),
        SRCSEQ=pl.col(sequence).cast(pl.Int64) if sequence else pl.lit(None, pl.Int64),
    )
    if cutoff is not None:
        if isinstance(source, CensorSource) and source.dataset == "ADSL":
            dated = dated.with_columns(DATE=_at_most("DATE", cutoff))
        dated = dated.filter(pl.col("DATE") <= cutoff)
    return dated.filter(pl.col("DATE").is_not_null()).sort(
        "USUBJID", "DATE", "SRCSEQ", nulls_last=True
    )


def _at_most(name: str, limit: date) -> pl.Expr:
    return pl.when(pl.col(name) > limit).then(pl.lit(limit)).otherwise(name)


def _first_event(
    endpoint: Endpoint, frames: Mapping[str, pl.DataFrame], cutoff: date | None
) -> pl.DataFrame:
    """Return the event of each subject that has one."""
    found = [
        _records(source, frames, cutoff=cutoff).with_columns(
            RANK=pl.lit(rank), SAYS=pl.lit(source.says)
        )
        for rank, source in enumerate(endpoint.events)
    ]
    first = (
        pl.concat(found)
        .sort("USUBJID", "DATE", "RANK", maintain_order=True)
        .unique("USUBJID", keep="first", maintain_order=True)
    )
    return _prefixed(first.drop("RANK"), "EVENT_")


def _last_censoring(
    endpoint: Endpoint, frames: Mapping[str, pl.DataFrame], cutoff: date | None
) -> pl.DataFrame:
    """Return the last date on which each subject was known to be free of the event."""
    found = [
        _records(source, frames, cutoff=cutoff).with_columns(
            RANK=pl.lit(rank),
            SAYS=pl.lit(source.says),
            BECAUSE=pl.lit(source.because),
            CODE=pl.lit(source.code, pl.Int64),
        )
        for rank, source in enumerate(endpoint.censors)
    ]
    last = (
        pl.concat(found)
        .sort("USUBJID", "DATE", "RANK", maintain_order=True)
        .unique("USUBJID", keep="last", maintain_order=True)
    )
    return _prefixed(last.drop("RANK"), "CENSOR_")


def _by_convention(
    times: pl.DataFrame,
    endpoint: Endpoint,
    convention: Censoring,
    frames: Mapping[str, pl.DataFrame],
    *,
    protocol: Protocol,
    cutoff: date | None,
) -> pl.DataFrame:
    """Add the STEP that decides, GAPDAYS, CENSDT, and LAST_, the record a censored time ends at."""
    adsl, adrs = frames["ADSL"], frames["ADRS"]
    suffix = protocol.evaluation(endpoint.evaluation).suffix if endpoint.evaluation else ""
    assessment = EventSource(
        says="Assessment", dataset="ADRS", where={"PARAMCD": f"OVR{suffix}", "ANL03FL": "Y"}
    )
    assessments = _records(assessment, frames, cutoff=cutoff)
    blank = adrs.filter(PARAMCD=f"BLASS{suffix}", AVALC="N")
    therapy = adsl.select(
        "USUBJID", THERAPY=pl.col("NACTDT") if "NACTDT" in adsl.columns else pl.lit(None, pl.Date)
    )
    times = times.join(therapy, on="USUBJID", how="left").with_columns(
        THERAPY=pl.when(pl.col("THERAPY") <= (cutoff or EVER)).then("THERAPY"),
        ASSESSED=pl.col("USUBJID").is_in(assessments["USUBJID"].implode()),
        BLANK=pl.col("USUBJID").is_in(blank["USUBJID"].implode()),
    )
    times = _last_before(times, assessments, "EVENT_DATE", "LAST_")
    times = _last_before(times, assessments, "THERAPY", "UNTREATED_")
    at_start, before = "censor at start", "censor before"
    scheduled = convention.missed_assessments > 0 or convention.no_post_baseline == at_start
    times = times.with_columns(
        GAPDAYS=(pl.col("EVENT_DATE") - pl.col("LAST_DATE")).dt.total_days(),
        MISSED=_missed(times, adsl, protocol=protocol, evaluation=endpoint.evaluation)
        if scheduled
        else pl.lit(0),
    )
    treated = pl.col("THERAPY").is_not_null() & (
        ~_has_event() | (pl.col("THERAPY") <= pl.col("EVENT_DATE"))
    )
    early = _has_event() & (pl.col("MISSED") < convention.early_death_assessments)
    missed = pl.col("ASSESSED") & (pl.col("MISSED") >= convention.missed_assessments)
    applies = {
        "no_baseline": pl.col("BLANK") & (convention.no_baseline == at_start),
        "no_post_baseline": ~pl.col("ASSESSED")
        & ~early
        & (convention.no_post_baseline == at_start),
        "new_therapy": treated & (convention.new_therapy == before),
        "missed_assessments": missed & _has_event() & (convention.missed_assessments > 0),
        "event": _has_event(),
    }
    step = pl.lit("censored")
    for name, holds in reversed(applies.items()):
        step = pl.when(holds).then(pl.lit(name)).otherwise(step)
    times = times.with_columns(STEP=step)
    unassessed = pl.col("STEP").is_in(["no_baseline", "no_post_baseline"])
    return times.with_columns(
        pl.when(unassessed).then(f"START_{name}")
        .when(pl.col("STEP") == "new_therapy").then(f"UNTREATED_{name}")
        .otherwise(f"LAST_{name}").alias(f"LAST_{name}")
        for name in SOURCE
    ).with_columns(
        CENSDT=pl.when(pl.col("STEP") == "censored").then("CENSOR_DATE").otherwise("LAST_DATE")
    )  # fmt: skip


def _last_before(
    times: pl.DataFrame, assessments: pl.DataFrame, limit: str, prefix: str
) -> pl.DataFrame:
    """Add the last assessment strictly before `limit`, of all if that is null, else the start."""
    found = (
        times.select("USUBJID", LIMIT=pl.col(limit).fill_null(EVER))
        .sort("LIMIT")
        .join_asof(
            assessments.sort("DATE", "USUBJID"),
            left_on="LIMIT",
            right_on="DATE",
            by="USUBJID",
            strategy="backward",
            allow_exact_matches=False,
            coalesce=False,
            check_sortedness=False,  # sorted just above
        )
        .drop("LIMIT")
    )
    none = pl.col(f"{prefix}DATE").is_null()
    return times.join(_prefixed(found, prefix), on="USUBJID", how="left").with_columns(
        pl.when(none).then(f"START_{name}").otherwise(f"{prefix}{name}").alias(f"{prefix}{name}")
        for name in SOURCE
    )


def _missed(
    times: pl.DataFrame, adsl: pl.DataFrame, *, protocol: Protocol, evaluation: str | None
) -> pl.Series:
    """Count the assessments missed between the last adequate one and the event; null without.

    Several activities that image tumours one after the other are counted together: each up to the
    date at which it ends, and one without an anchor in a subject not at all.
    """
    counts = [
        _missed_of(times, adsl, scans=scans) for scans in _imaging(protocol, evaluation=evaluation)
    ]
    return pl.select(
        pl.when(times["EVENT_DATE"].is_not_null()).then(pl.sum_horizontal(counts))
    ).to_series()


def _missed_of(times: pl.DataFrame, adsl: pl.DataFrame, *, scans: Activity) -> pl.Series:
    """Count the assessments of one activity that were missed."""
    ends = pl.col(scans.ends) if scans.ends else pl.lit(None, pl.Date)
    anchor = times.select("USUBJID", "START_DATE", "LAST_DATE", "EVENT_DATE").join(
        adsl.select("USUBJID", ANCHOR=scans.anchor, ENDS=ends),
        on="USUBJID",
        how="left",
        maintain_order="left",
    )
    zero = pl.col("ANCHOR") if scans.evaluations else pl.coalesce("ANCHOR", "START_DATE")
    over = pl.min_horizontal("EVENT_DATE", "ENDS")
    days = anchor.select(
        LAST=(pl.col("LAST_DATE") - zero).dt.total_days(),
        EVENT=(over - zero).dt.total_days(),
    )
    horizon = days["EVENT"].max()
    counts = missed_assessments(
        days["LAST"].fill_null(0).to_numpy(),
        days["EVENT"].fill_null(0).to_numpy(),
        planned=scans.planned_days(int(horizon) if isinstance(horizon, int) else 0),
        window_days=scans.window_days,
    )
    return pl.Series(counts)


def _imaging(protocol: Protocol, *, evaluation: str | None) -> tuple[Activity, ...]:
    """Return the scheduled activities that image tumours for an evaluation, in their order.

    Of those for every evaluation the first counts: a protocol may list its imaging twice, once
    for the images and once for what is read of them.
    """
    imaging = [each for each in protocol.schedule if {"TR", "TU", "RS"} & set(each.domains)]
    own = [each for each in imaging if evaluation in each.evaluations]
    if found := (*[each for each in imaging if not each.evaluations][:1], *own):
        return found
    fault = Fault(
        "schedule",
        "a censoring convention counts missed assessments, and no activity images tumours",
        'Add the activity with domains = ["TU", "TR", "RS"], its weeks and window_days.',
    )
    raise ProtocolError((fault,))


def _ended(times: pl.DataFrame, endpoint: Endpoint, *, protocol: Protocol) -> pl.DataFrame:
    """Return the rows of ADTTE: each time ended as its STEP says."""
    step = pl.col("STEP")
    event, censored = step == "event", step == "censored"
    codes, reasons, dates = ({name: one[i] for name, one in STEPS.items()} for i in range(3))
    ends = times.with_columns(
        pl.when(event).then(f"EVENT_{name}")
        .when(censored).then(f"CENSOR_{name}")
        .otherwise(f"LAST_{name}").alias(name)
        for name in SOURCE
    ).filter(pl.col("DATE").is_not_null())  # fmt: skip
    evaluation = protocol.evaluation(endpoint.evaluation).label if endpoint.evaluation else None
    days = (pl.col("ADT") - pl.col("STARTDT")).dt.total_days() + int(endpoint.count_first_day)
    convention = f"{endpoint.censoring}." if endpoint.censoring else ""
    return (
        ends.with_columns(
            PARAMCD=pl.lit(endpoint.id),
            PARAM=pl.lit(endpoint.label),
            PARCAT2=pl.lit(evaluation, pl.String),
            STARTDT="START_DATE",
            ADT=pl.max_horizontal("START_DATE", "DATE"),
            AVALU=pl.lit("DAYS"),
            CNSR=pl.when(event).then(0)
            .when(censored).then("CENSOR_CODE")
            .otherwise(step.replace_strict(codes, default=None, return_dtype=pl.Int64)),
            EVNTDESC=pl.when(event).then("EVENT_SAYS")
            .when(censored).then("CENSOR_BECAUSE")
            .otherwise(step.replace_strict(reasons, default=None, return_dtype=pl.String)),
            CNSDTDSC=pl.when(censored).then("CENSOR_SAYS")
            .when(~event).then(step.replace_strict(dates, default=None, return_dtype=pl.String)),
            RULE=pl.lit(convention) + step,
            EVNTDT="EVENT_DATE",
        )
        .with_columns(AVAL=days)
        .select(*(name for name in ADTTE if name not in ("STUDYID", "ASEQ")))
        .cast({name: kind for name, kind in ADTTE.items() if name not in ("STUDYID", "ASEQ")})
    )  # fmt: skip
