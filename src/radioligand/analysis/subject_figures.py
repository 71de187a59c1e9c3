# SPDX-License-Identifier: Apache-2.0
"""Figures of one mark a subject: waterfall, spider and swimmer."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter

import polars as pl

from radioligand.analysis.best_response import UNKNOWN
from radioligand.analysis.results import Row
from radioligand.analysis.scope import Scope, required
from radioligand.protocol.records import SubjectFigure

CONFIRMED = "C"  # a PARAMCD of best response that begins so is of confirmed response


def subject_figure(scope: Scope, analysis: SubjectFigure) -> Iterator[Row]:
    """Return the marks of each subject; of more subjects than `at_most`, only why not."""
    n = scope.subjects.height
    if n > analysis.at_most:
        yield from scope.sizes(scope.origin())
        text = f"left out: {n} subjects, and the figure is for {analysis.at_most} at most"
        yield scope.origin().row("not_available", text=text)
        return
    yield from FIGURES[analysis.kind](scope, analysis)


def _suffix(scope: Scope, analysis: SubjectFigure) -> str:
    return scope.protocol.evaluation(analysis.evaluation).suffix


def _response(scope: Scope, analysis: SubjectFigure) -> str:
    """Return the PARAMCD of best response, with the suffix of the evaluation."""
    return analysis.response.removesuffix(_suffix(scope, analysis)) + _suffix(scope, analysis)


def _with_response(scope: Scope, analysis: SubjectFigure, frame: pl.DataFrame) -> pl.DataFrame:
    """Add `response`, each subject's best response, "NE" where it is not known."""
    best = scope.one_each("ADRS", "AVALC", parameter=_response(scope, analysis))
    levels = best.select("USUBJID", response=pl.col("AVALC").replace("MISSING", UNKNOWN))
    joined = frame.join(levels, on="USUBJID", how="left", maintain_order="left")
    return joined.with_columns(pl.col("response").fill_null(UNKNOWN))


# -- change of the sum of diameters ----------------------------------------------------------


def _sums(scope: Scope, analysis: SubjectFigure, *flags: str) -> pl.DataFrame:
    """Return sums of diameters after randomisation, with `day` and the subject's `response`."""
    parameter = f"SDIAM{_suffix(scope, analysis)}"
    frame = scope.records("ADTR", "ADT", "PCHG", *flags, parameter=parameter)
    required(scope.adam, "ADSL", "RANDDT")
    started = scope.subjects.select("USUBJID", "RANDDT")
    frame = frame.drop("RANDDT", strict=False).join(started, on="USUBJID", maintain_order="left")
    frame = frame.with_columns(day=(pl.col("ADT") - pl.col("RANDDT")).dt.total_days())
    after_baseline = frame.filter(pl.col("day") > 0, pl.col("PCHG").is_not_null())
    return _with_response(scope, analysis, after_baseline)


def _waterfall(scope: Scope, analysis: SubjectFigure) -> Iterator[Row]:
    """Return each subject's best change, the greatest growth first.

    The best change is that which ADTR flags (ANL02FL): the lowest of complete sums up to
    progression and before new therapy.
    """
    best = _sums(scope, analysis, "ANL02FL").filter(ANL02FL="Y")
    parameter = f"SDIAM{_suffix(scope, analysis)}"
    origin = scope.origin("ADTR", where="ANL02FL = 'Y'", parameter=parameter)
    yield from scope.sizes(origin)
    method = "lowest percentage change from baseline of complete sums of diameters"
    ranked = best.sort("PCHG", "USUBJID", descending=[True, False])
    for subject, arm, response, change in ranked.select(
        "USUBJID", "arm", "response", "PCHG"
    ).iter_rows():
        yield origin.row(
            "best_change", change, arm=arm, subject=subject, text=response, unit="%", method=method
        )
    for arm in scope.arms:
        without = scope.arm_sizes[arm] - best.filter(arm=arm).height
        text = "subjects without a change from baseline that counts"
        yield origin.row("missing", without, arm=arm, text=text)


def _spider(scope: Scope, analysis: SubjectFigure) -> Iterator[Row]:
    """Return each subject's changes by day from randomisation, from 0 at day 0.

    Complete sums (ANL01FL) up to and including the first visit with progression (PDFL).
    """
    sums = _sums(scope, analysis, "ANL01FL", "PDFL")
    progressed = pl.when(PDFL="Y").then("day").min().over("USUBJID")
    shown = sums.filter((pl.col("day") <= progressed).fill_null(True), ANL01FL="Y")
    parameter = f"SDIAM{_suffix(scope, analysis)}"
    where = "ANL01FL = 'Y' up to the first PDFL = 'Y'"
    origin = scope.origin("ADTR", where=where, parameter=parameter)
    yield from scope.sizes(origin)
    columns = ("USUBJID", "arm", "response", "day", "PCHG")
    records = shown.sort("USUBJID", "day").select(columns).iter_rows()
    for (subject, arm, response), own in groupby(records, key=itemgetter(0, 1, 2)):
        row = partial(origin.row, "change", arm=arm, subject=subject, text=response, unit="%")
        yield row(0, time_days=0)
        for *_, day, change in own:
            yield row(change, time_days=day)


# -- course of each subject ------------------------------------------------------------------


def _swimmer(scope: Scope, analysis: SubjectFigure) -> Iterator[Row]:
    """Return each subject's days on study and what happened; randomisation is day 0.

    On study until death, the end of the study or the last sign of life, and ongoing where none of
    the first two came before the cutoff.
    """
    origin = scope.origin("ADSL")
    yield from scope.sizes(origin)
    frame = _with_response(scope, analysis, _courses(scope, analysis))
    longest_first = frame.sort("duration", "USUBJID", descending=[True, False], nulls_last=True)
    cycles = _cycles(scope)
    for course in longest_first.iter_rows(named=True):
        row = partial(
            origin.row, arm=course["arm"], subject=course["USUBJID"], text=course["response"]
        )
        days = course["duration"]
        yield row("duration", days, time_days=days, unit="days")
        for statistic in ("response_start", "response_end", "progression", "death"):
            if course[statistic] is not None:
                yield row(statistic, course[statistic], time_days=course[statistic])
        if course["ongoing"]:
            yield row("ongoing", days, time_days=days)
        for number, day in cycles.get(course["USUBJID"], ()):
            yield row("cycle", number, time_days=day)


def _courses(scope: Scope, analysis: SubjectFigure) -> pl.DataFrame:
    """Return one row a subject: days from randomisation of all that a swimmer shows."""
    suffix = _suffix(scope, analysis)
    required(scope.adam, "ADSL", "RANDDT")
    confirmed = CONFIRMED if analysis.response.startswith(CONFIRMED) else ""
    subjects = scope.subjects.with_columns(
        pl.lit(None, pl.Date).alias(name)
        for name in ("DTHDT", "EOSDT", "LSTALVDT", "CUTDT")
        if name not in scope.subjects.columns
    )
    for name, parameter in (
        ("response", f"{confirmed}RSP{suffix}"),
        ("progression", f"PD{suffix}"),
    ):
        subjects = subjects.join(
            _first_dates(scope, parameter, name), on="USUBJID", how="left", maintain_order="left"
        )
    cutoff = pl.col("CUTDT")
    death, left = (_unless_after(name, cutoff) for name in ("DTHDT", "EOSDT"))
    last = pl.coalesce(death, left, pl.min_horizontal("LSTALVDT", "CUTDT"))
    ended = pl.min_horizontal(pl.col("progression_date"), death)

    def day(date: pl.Expr) -> pl.Expr:
        return (date - pl.col("RANDDT")).dt.total_days()

    after_response = ended >= pl.col("response_date")
    return subjects.select(
        "USUBJID",
        "arm",
        duration=day(last),
        response_start=day(pl.col("response_date")),
        response_end=day(pl.when(after_response).then(ended)),
        progression=day(pl.col("progression_date")),
        death=day(death),
        ongoing=death.is_null() & left.is_null(),
    )


def _unless_after(name: str, cutoff: pl.Expr) -> pl.Expr:
    return pl.when((pl.col(name) <= cutoff).fill_null(True)).then(pl.col(name))


def _first_dates(scope: Scope, parameter: str, name: str) -> pl.DataFrame:
    """Return the first date on which a parameter of ADRS is Y; no rows if it has none."""
    adrs = required(scope.adam, "ADRS", "PARAMCD", "AVALC", "ADT")
    frame = adrs.filter(PARAMCD=parameter, AVALC="Y")
    return frame.group_by("USUBJID").agg(pl.col("ADT").min().alias(f"{name}_date"))


def _cycles(scope: Scope) -> dict[str, list[tuple[int, int]]]:
    """Return number and day of each cycle of the radioligand that a subject was given."""
    exposure = scope.adam.get("ADEX")
    needed = {"PARCAT2", "PARAMCD", "EPOCH", "CYCLE", "ASTDT"}
    if exposure is None or not needed <= set(exposure.columns):
        return {}
    drugs = [
        drug.name for arm in scope.protocol.arms for drug in arm.treatments if drug.unit == "GBq"
    ]
    given = exposure.filter(pl.col("PARCAT2").is_in(drugs), PARAMCD="DOSE", EPOCH="TREATMENT")
    days = given.join(scope.subjects.select("USUBJID", "RANDDT"), on="USUBJID").select(
        "USUBJID", "CYCLE", day=(pl.col("ASTDT") - pl.col("RANDDT")).dt.total_days()
    )
    first = days.drop_nulls().group_by("USUBJID", "CYCLE").agg(pl.col("day").min())
    found: dict[str, list[tuple[int, int]]] = {}
    for subject, number, day in first.sort("USUBJID", "CYCLE").iter_rows():
        found.setdefault(subject, []).append((number, day))
    return found


FIGURES: dict[str, Callable[[Scope, SubjectFigure], Iterator[Row]]] = {
    "waterfall": _waterfall,
    "spider": _spider,
    "swimmer": _swimmer,
}
